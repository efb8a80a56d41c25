/* SPDX-License-Identifier: Apache-2.0 */
/* carriers.js - customers and vendors: their terms, balance, trunks and latest bookings. */
import { all, get } from "./api.js";
import { amount, badge, h, panel, tile, to, yes } from "./dom.js";
import { collection } from "./collection.js";
import { bookings as columns } from "./ledger.js";
import { currencyInUse } from "./names.js";
import { table } from "./table.js";

function lead(c) {
	const tiles = [["Balance", c.balance], ["Available", c.available], ["Credit limit", c.credit_limit]].map(([text, value]) => {
		const t = tile(text, text === "Balance" ? `#/ledger?carrier_id=${c.id}` : undefined);
		t.set(value === null ? "no limit" : amount(value, c.currency), String(value).startsWith("-") ? "negative" : "");
		return t.node;
	});
	const links = [["CDRs", `#/cdrs?carrier_id=${c.id}`], ["Ledger", `#/ledger?carrier_id=${c.id}`], ["Invoices", `#/invoices?carrier_id=${c.id}`], ["Statistics", `#/statistics?group_by=hour&carrier_id=${c.id}`]];
	return [h("div", { class: "tiles" }, tiles), h("div", { class: "actions" }, links.map(([text, href]) => to(href, text)))];
}

async function extra(c) {
	const [trunks, bookings] = await Promise.all([all("/v1/trunks", { carrier_id: c.id }), get("/v1/ledger", { carrier_id: c.id, limit: 10 })]);
	const news = (direction) => to(`#/trunks/new?direction=${direction}&carrier_id=${c.id}`, `New ${direction} trunk`, "small");
	return [
		panel("Trunks", table([
			{ title: "Name", value: (t) => t.name },
			{ title: "Direction", value: (t) => badge(t.direction) },
			{ title: "Enabled", value: (t) => yes(t.enabled, "good", "bad") },
		], trunks, { link: (t) => `#/trunks/${t.id}`, none: "It has no trunk: no call can come from it or go to it.", label: "Trunks" }), h("div", { class: "actions foot" }, news("ingress"), news("egress"))),
		panel("Latest bookings", table(columns(), bookings.items, { none: "No booking yet.", label: "Latest bookings", cards: true }),
			h("div", { class: "actions foot" }, to(`#/payments/new?carrier_id=${c.id}`, "New payment", "small"), to(`#/adjustments/new?carrier_id=${c.id}`, "New adjustment", "small"), to(`#/invoices/new?carrier_id=${c.id}`, "New invoice", "small"), bookings.next_cursor && to(`#/ledger?carrier_id=${c.id}`, "All bookings", "small"))),
	];
}

export const carriers = collection({
	page: "carriers", path: "/v1/carriers", title: "Carriers", noun: "carrier", component: "Carriers", lead, extra, hidden: ["balance", "available", "credit_limit"], needs: ["carriers"], start: () => ({ currency: currencyInUse() }),
	groups: [["Who", ["name", "currency", "timezone", "status"]], ["Money", ["billing_mode", "credit_limit", "low_balance", "vendor_limit"]], ["Limits", ["max_channels", "max_cps"]]],
	none: "No carrier yet. A carrier sends calls, takes them, or both; its trunks and rate decks come next.",
	filters: () => [{ name: "name", label: "Name" }, { name: "status", label: "Status", choices: [["active", "active"], ["suspended", "suspended"]] }, { name: "currency", label: "Currency" }],
	columns: [
		{ title: "Name", value: (c) => c.name },
		{ title: "Status", value: (c) => badge(c.status, c.status === "active" ? "good" : "bad") },
		{ title: "Billing", value: (c) => c.billing_mode },
		{ title: "Balance", kind: "number", value: (c) => amount(c.balance, c.currency) },
		{ title: "Available", kind: "number", value: (c) => (c.available === null ? "no limit" : amount(c.available, c.currency)) },
		{ title: "Channels", kind: "number", minor: true, value: (c) => String(c.max_channels ?? "no limit") },
		{ title: "CPS", kind: "number", minor: true, value: (c) => String(c.max_cps ?? "no limit") },
	],
});
