/* SPDX-License-Identifier: Apache-2.0 */
/* lists.js - numbers that are refused, or alone allowed. */
import { badge, h, panel } from "./dom.js";
import { collection } from "./collection.js";
import { name } from "./names.js";
import { count } from "./values.js";

const SHOWN_MAX = 500;

const where = (l) => {
	const names = [...(l.carrier_ids || []).map((id) => name("carriers", id)), ...(l.trunk_ids || []).map((id) => name("trunks", id))];
	return names.length ? names.join(", ") : "everywhere";
};
const entries = (l) => panel(`Entries (${count(l.entries.length)})`, l.entries.length ? h("ul", { class: "numbers" }, l.entries.slice(0, SHOWN_MAX).map((e) => h("li", { class: "mono" }, e)))
	: h("p", { class: "muted" }, l.kind === "allow" ? "None: every number that this list applies to is refused, unless another allow list has it." : "None: it refuses nothing."),
l.entries.length > SHOWN_MAX && h("p", { class: "about" }, `The first ${SHOWN_MAX}; the API has all of them.`));

export const lists = collection({
	page: "number-lists", path: "/v1/number-lists", title: "Number lists", noun: "number list", component: "NumberLists", needs: ["carriers", "trunks"], extra: entries, hidden: ["entries"],
	about: "A block list refuses what is on it with 403. If an allow list applies to a call, its number must be on one.",
	choose: () => ({ trunk_ids: (t) => t.direction === "ingress" }),
	groups: [["What", ["name", "kind", "match", "entries"]], ["Where", ["carrier_ids", "trunk_ids"]]],
	filters: () => [{ name: "name", label: "Name" }, { name: "kind", label: "Kind", choices: [["block", "block"], ["allow", "allow"]] }, { name: "match", label: "Match", choices: [["called", "called"], ["calling", "calling"]] }],
	columns: [
		{ title: "Name", value: (l) => l.name },
		{ title: "Kind", value: (l) => badge(l.kind, l.kind === "block" ? "bad" : "good") },
		{ title: "Number", value: (l) => l.match },
		{ title: "Entries", kind: "number", value: (l) => count(l.entries.length) },
		{ title: "Applies to", value: where },
	],
});
