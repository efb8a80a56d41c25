/* SPDX-License-Identifier: Apache-2.0 */
/* carriers.js - customers and vendors: their terms, balance and trunks. */
import { all } from "./api.js";
import { badge, h, money, panel, time, word } from "./dom.js";
import { collection } from "./collection.js";
import { table } from "./table.js";

async function extra(carrier) {
	const [trunks, bookings] = await Promise.all([all("/v1/trunks", { carrier_id: carrier.id }), all("/v1/ledger", { carrier_id: carrier.id }, 1)]);
	return [
		panel("Trunks", table([
			{ title: "Name", value: (t) => t.name },
			{ title: "Direction", value: (t) => t.direction },
			{ title: "Enabled", value: (t) => badge(t.enabled ? "yes" : "no", t.enabled ? "good" : "bad") },
		], trunks, { link: (t) => `#/trunks/${t.id}`, none: "It has no trunk." })),
		panel("Latest bookings", table([
			{ title: "At", kind: "mono", value: (b) => time(b.created_at) },
			{ title: "Kind", value: (b) => word(b.kind) },
			{ title: "Amount", kind: "number", value: (b) => money(b.amount, carrier.currency) },
			{ title: "Call", kind: "mono", value: (b) => (b.cdr_id ? h("a", { href: `#/cdrs/${b.cdr_id}` }, b.cdr_id) : "–") },
			{ title: "Note", value: (b) => b.note ?? "–" },
		], bookings.slice(0, 20), { none: "No booking yet." })),
	];
}

export const carriers = collection({
	page: "carriers", path: "/v1/carriers", title: "Carriers", noun: "carrier", component: "Carriers", extra,
	filters: () => [{ name: "name", label: "Name" }, { name: "status", label: "Status", choices: [["active", "active"], ["suspended", "suspended"]] }],
	columns: [
		{ title: "Name", value: (c) => c.name },
		{ title: "Status", value: (c) => badge(c.status, c.status === "active" ? "good" : "bad") },
		{ title: "Billing", value: (c) => c.billing_mode },
		{ title: "Balance", kind: "number", value: (c) => money(c.balance, c.currency) },
		{ title: "Available", kind: "number", value: (c) => money(c.available, c.currency) },
		{ title: "Channels", kind: "number", value: (c) => String(c.max_channels ?? "no limit") },
		{ title: "CPS", kind: "number", value: (c) => String(c.max_cps ?? "no limit") },
	],
});
