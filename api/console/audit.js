/* SPDX-License-Identifier: Apache-2.0 */
/* audit.js - who changed what, and how it was before. */
import { badge, h, heading, link, replace, when } from "./dom.js";
import { listing } from "./table.js";
import { NONE, label } from "./values.js";

const PAGES = { carriers: "carriers", trunks: "trunks", "rate-decks": "rate-decks", "routing-plans": "routing-plans", "number-lists": "number-lists", "number-lengths": "number-lengths", "exchange-rates": "exchange-rates", "api-keys": "api-keys", invoices: "invoices", "invoice-senders": "invoice-senders",
	exports: "exports", "export-options": "export-options" };
const COLLECTIONS = [...Object.keys(PAGES), "adjustments", "calls", "imports", "ledger", "payments", "rates", "vendor-forces"].sort();
const LISTED_MAX = 50; /* of a list's entries */
const COUNTED = ["version", "updated_at", "rates_version"]; /* they change with everything */

const plain = (v) => (v === undefined || v === null ? NONE : typeof v === "object" ? JSON.stringify(v) : String(v));
/* Of two lists only what is in one of them: a plan's members, a list's entries. */
function lists(before, after) {
	const [old, now] = [before, after].map((l) => (l ?? []).map(plain));
	const [gone, come] = [old.filter((x) => !now.includes(x)), now.filter((x) => !old.includes(x))];
	if (!gone.length && !come.length)
		return [plain(before), `${plain(after)} (another order)`];
	const some = (items) => (items.length > LISTED_MAX ? [...items.slice(0, LISTED_MAX), `and ${items.length - LISTED_MAX} more`] : items).map((x) => h("div", {}, x));
	return [gone.length ? some(gone) : NONE, come.length ? some(come) : NONE];
}

/* Only what differs, field by field, before beside after. */
function change(entry) {
	const { before, after } = entry;
	const names = [...new Set([...Object.keys(before || {}), ...Object.keys(after || {})])]
		.filter((n) => !COUNTED.includes(n) && JSON.stringify(before?.[n]) !== JSON.stringify(after?.[n]));
	if (!names.length)
		return "–";
	const row = (n) => {
		const [old, now] = [before?.[n], after?.[n]].some(Array.isArray) ? lists(before?.[n], after?.[n]) : [plain(before?.[n]), plain(after?.[n])];
		return h("tr", {}, h("th", { scope: "row" }, label(n)), before ? h("td", {}, h("del", {}, old)) : null, after ? h("td", {}, h("ins", {}, now)) : null);
	};
	return h("details", {}, h("summary", {}, names.slice(0, 4).map(label).join(", ") + (names.length > 4 ? ` and ${names.length - 4} more` : "")),
		h("table", { class: "changes" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Field"), before && h("th", { scope: "col" }, "Before"), after && h("th", { scope: "col" }, "After"))), h("tbody", {}, names.map(row))));
}

export async function audit(place, rest, query) {
	replace(place, heading("Audit log"), await listing({ path: "/v1/audit-log", page: "audit", query, none: "No change yet.", spans: true, label: "Changes",
		filters: [{ name: "actor", label: "Who" }, { name: "action", label: "Action" }, { name: "resource", label: "Collection", choices: COLLECTIONS.map((c) => [c, c]) }, { name: "resource_id", label: "Object" },
			{ name: "from", label: "From", type: "datetime-local" }, { name: "to", label: "To", type: "datetime-local" }],
		columns: [
			{ title: "At", kind: "mono", value: (e) => when(e.at) },
			{ title: "Who", value: (e) => e.actor },
			{ title: "Action", value: (e) => badge(e.action, e.action === "delete" ? "bad" : e.action === "create" ? "good" : "") },
			{ title: "Collection", value: (e) => e.resource },
			{ title: "Object", kind: "mono", value: (e) => (PAGES[e.resource] && e.resource_id && e.action !== "delete" ? link(`#/${PAGES[e.resource]}/${e.resource_id}`, e.resource_id) : (e.resource_id ?? "–")) },
			{ title: "What", value: change },
		] }));
}
