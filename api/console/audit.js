/* SPDX-License-Identifier: Apache-2.0 */
/* audit.js - who changed what, and how it was before. */
import { badge, h, heading, replace, when } from "./dom.js";
import { listing } from "./table.js";

const PAGES = { carriers: "carriers", trunks: "trunks", "rate-decks": "rate-decks", "routing-plans": "routing-plans", "number-lists": "number-lists", "number-lengths": "number-lengths", "exchange-rates": "exchange-rates", "api-keys": "api-keys", invoices: "invoices",
	exports: "exports" };
const COUNTED = ["version", "updated_at", "rates_version"]; /* they change with everything */

/* Only what differs, field by field. */
function change(entry) {
	const { before, after } = entry;
	const names = [...new Set([...Object.keys(before || {}), ...Object.keys(after || {})])]
		.filter((n) => !COUNTED.includes(n) && JSON.stringify(before?.[n]) !== JSON.stringify(after?.[n]));
	if (!names.length)
		return "–";
	const text = (v) => (v === undefined ? "" : JSON.stringify(v));
	return h("details", {}, h("summary", {}, names.slice(0, 4).join(", ") + (names.length > 4 ? ` and ${names.length - 4} more` : "")),
		h("ul", { class: "changes" }, names.map((n) => h("li", {}, h("b", {}, n), " ", before ? h("del", {}, text(before[n])) : null, " ", after ? h("ins", {}, text(after[n])) : null))));
}

export async function audit(place, rest, query) {
	replace(place, heading("Audit log"), await listing({ path: "/v1/audit-log", page: "audit", query, none: "No change yet.", spans: true, label: "Changes",
		filters: [{ name: "actor", label: "Who" }, { name: "action", label: "Action" }, { name: "resource", label: "Collection" }, { name: "resource_id", label: "Object" },
			{ name: "from", label: "From", type: "datetime-local" }, { name: "to", label: "To", type: "datetime-local" }],
		columns: [
			{ title: "At", kind: "mono", value: (e) => when(e.at) },
			{ title: "Who", value: (e) => e.actor },
			{ title: "Action", value: (e) => badge(e.action, e.action === "delete" ? "bad" : e.action === "create" ? "good" : "") },
			{ title: "Collection", value: (e) => e.resource },
			{ title: "Object", kind: "mono", value: (e) => (PAGES[e.resource] && e.resource_id && e.action !== "delete" ? h("a", { href: `#/${PAGES[e.resource]}/${e.resource_id}` }, e.resource_id) : (e.resource_id ?? "–")) },
			{ title: "What", value: change },
		] }));
}
