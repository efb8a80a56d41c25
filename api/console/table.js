/* SPDX-License-Identifier: Apache-2.0 */
/* table.js - rows under columns, and lists of the API under their filters, page after page. */
import { download, get, search } from "./api.js";
import { attempt, button, empty, h, replace, visit } from "./dom.js";
import { count, fromInput, toInput } from "./values.js";

/* Up and down go from row to row, to what stands first in it. */
function step(e) {
	const row = e.target.closest("tr");
	const next = e.key === "ArrowDown" ? row?.nextElementSibling : e.key === "ArrowUp" ? row?.previousElementSibling : null;
	const first = next?.querySelector("a, button, input");
	if (!first || e.target.matches("input:not([type=checkbox]), select, textarea"))
		return;
	e.preventDefault();
	first.focus();
}

function headCell(c, order, resort) {
	const words = { scope: "col", role: "columnheader", class: `${c.kind || ""} ${c.minor ? "minor" : ""}` };
	if (!c.by)
		return h("th", words, c.title || h("span", { class: "unseen" }, c.about));
	const now = order?.column === c.title ? (order.down ? "descending" : "ascending") : "none";
	return h("th", { ...words, "aria-sort": now }, h("button", { type: "button", class: "sort", onclick: () => resort(c, now !== "descending") }, c.title, h("span", { "aria-hidden": "true" }, now === "none" ? " ↕" : now === "descending" ? " ↓" : " ↑")));
}

/* table - columns: [{title, value: (row) => text or element, kind: "number" | "mono" | "", minor: not on phones, by: (a, b) => order,
 * about: what a column without a title is}]. link: (row) => "#/..." makes the first cell a link and the whole row lead there.
 * none, next: what stands there without rows (see empty). cards: on phones each row is a card. order: {column, down} */
export function table(columns, rows, { link, none = "Nothing here yet.", next, label = "List", cards = false, order } = {}) {
	if (!rows.length)
		return empty(none, next);
	const place = h("div", { class: `scroll ${cards ? "cards" : ""}`, tabindex: "0", role: "region", "aria-label": label });
	const cell = (c, i, row) => h("td", { role: "cell", class: `${c.kind || ""} ${c.minor ? "minor" : ""}`, "data-title": c.title || "" }, link && i === 0 ? h("a", { href: link(row) }, c.value(row)) : c.value(row));
	const open = (row) => (e) => {
		if (!e.target.closest("a, button, input, summary, details") && !String(getSelection()))
			location.hash = link(row);
	};
	const draw = () => {
		const by = columns.find((c) => c.by && c.title === order?.column)?.by;
		const shown = by ? [...rows].sort((a, b) => (order.down ? -by(a, b) : by(a, b))) : rows;
		const resort = (c, down) => {
			order = { column: c.title, down };
			draw();
			place.querySelector("[aria-sort]:not([aria-sort=none]) button").focus();
		};
		replace(place, h("table", { role: "table" }, h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map((c) => headCell(c, order, resort)))),
			h("tbody", { role: "rowgroup", onkeydown: step }, shown.map((row) => h("tr", { role: "row", class: link ? "leads" : "", onclick: link && open(row) }, columns.map((c, i) => cell(c, i, row)))))));
	};
	draw();
	return place;
}

/* listing - a list of the API under its filters. filters: [{name, label, type, choices, placeholder}]; what is given stands
 * in the address, so that a search can be kept and passed on. spans: also offer the last hour, day and week. */
export async function listing({ path, page, query, filters = [], spans = false, columns, link, none, found = "Nothing fits this search.", next, label, limit = 50 }) {
	const place = h("div", { class: "listing" });
	const rows = [];
	const asked = filters.length && Object.keys(query).length;
	let cursor = null;
	let pages = 0, asking = false;
	const more = async () => {
		if (asking) /* a second click would bring the same page twice */
			return;
		asking = true;
		const got = await get(path, { ...query, limit, cursor }).finally(() => (asking = false));
		rows.push(...got.items);
		cursor = got.next_cursor;
		replace(place, table(columns, rows, asked ? { link, none: found, next: ["Clear the search", `#/${page}`], label } : { link, none, next, label, cards: true }),
			rows.length ? h("div", { class: "more" }, h("span", { class: "muted", "aria-live": "polite" }, cursor ? `The first ${count(rows.length)}` : rows.length === 1 ? "1 in all" : `${count(rows.length)} in all`),
				cursor && button(`Show ${limit} more`, () => attempt(more)), button("CSV", () => attempt(() => download(path + search({ ...query, format: "csv" }), `${(label ?? "list").toLowerCase().replaceAll(" ", "-")}.csv`)), "small")) : null);
		place.querySelector(".scroll")?.classList.add("cards");
		if (pages++) /* the button that was pressed is gone */
			place.querySelector(".more button").focus();
	};
	await more();
	return [filters.length ? filterForm(filters, query, page, spans) : null, place];
}

function control(f, value) {
	if (f.choices)
		return h("select", { name: f.name }, f.needed ? null : h("option", { value: "" }, "any"), f.choices.map(([v, text]) => h("option", { value: v, selected: String(v) === String(value ?? "") }, text)));
	const time = f.type === "datetime-local";
	return h("input", { name: f.name, type: f.type || "search", value: time ? toInput(value) : value || "", step: time ? "1" : undefined, placeholder: f.placeholder || "", autocomplete: "off",
		inputmode: f.inputmode, spellcheck: "false" });
}

const SPANS = [["Last hour", 3600], ["24 hours", 86400], ["7 days", 604800]];

/* filterForm - the search over a list; submitting it changes the address, and nothing else */
export function filterForm(filters, query, page, spans = false) {
	const go = (values) => visit(`#/${page}` + (values.length ? "?" + new URLSearchParams(values) : ""));
	const submit = (e) => {
		e.preventDefault();
		go([...new FormData(e.target)].filter(([, v]) => v !== "").map(([k, v]) => [k, e.target.elements[k].type === "datetime-local" ? fromInput(v) : v.trim()]));
	};
	const span = (s) => {
		const { to, ...others } = query;
		go(Object.entries({ ...others, from: new Date(Math.floor(Date.now() / 60000) * 60000 - s * 1000).toISOString() }));
	};
	return h("form", { class: "filters", onsubmit: submit, role: "search" }, filters.map((f) => h("label", {}, f.label, control(f, query[f.name]))),
		h("div", { class: "actions" }, h("button", { class: "primary" }, "Search"), Object.keys(query).length ? h("a", { class: "button", href: `#/${page}` }, "Clear") : null,
			spans && h("span", { class: "spans", role: "group", "aria-label": "Time" }, SPANS.map(([text, s]) => button(text, () => span(s), "quiet small")))));
}
