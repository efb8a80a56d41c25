/* SPDX-License-Identifier: Apache-2.0 */
/* table.js - lists: a table of rows, and a list of the API with its filters, page after page. */
import { get } from "./api.js";
import { button, empty, h, replace } from "./dom.js";

/* table - columns: [{title, value: (row) => text or element, kind: "number" | "mono" | ""}].
 * link: (row) => "#/..." makes the first cell a link and the whole row lead there. */
export function table(columns, rows, { link, none = "Nothing here yet.", label } = {}) {
	if (!rows.length)
		return empty(none);
	const cell = (c, i, row) => h("td", { class: c.kind || "", "data-title": c.title }, link && i === 0 ? h("a", { href: link(row) }, c.value(row)) : c.value(row));
	const open = (row) => (e) => {
		if (!e.target.closest("a, button, input"))
			location.hash = link(row);
	};
	return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label || "List" },
		h("table", {}, h("thead", {}, h("tr", {}, columns.map((c) => h("th", { scope: "col", class: c.kind || "" }, c.title)))),
			h("tbody", {}, rows.map((row) => h("tr", link ? { class: "leads", onclick: open(row) } : {}, columns.map((c, i) => cell(c, i, row)))))));
}

/* listing - a list of the API under its filters. filters: [{name, label, type, choices, placeholder}]; what is given stands
 * in the address, so that a search can be kept and passed on. */
export async function listing({ path, page, query, filters = [], columns, link, none, limit = 50 }) {
	const place = h("div", { class: "listing" });
	const rows = [];
	let cursor = null;
	const more = async () => {
		const got = await get(path, { ...query, limit, cursor });
		rows.push(...got.items);
		cursor = got.next_cursor;
		replace(place, table(columns, rows, { link, none }), cursor && h("div", { class: "more" }, button(`Show ${limit} more`, more)));
	};
	await more();
	return [filters.length ? filterForm(filters, query, page) : null, place];
}

function control(f, value) {
	if (f.choices)
		return h("select", { name: f.name }, h("option", { value: "" }, "any"), f.choices.map(([v, text]) => h("option", { value: v, selected: String(v) === value }, text)));
	return h("input", { name: f.name, type: f.type || "search", value: value || "", placeholder: f.placeholder || "", autocomplete: "off", inputmode: f.inputmode });
}

function filterForm(filters, query, page) {
	const submit = (e) => {
		e.preventDefault();
		const values = [...new FormData(e.target)].filter(([, v]) => v !== "").map(([k, v]) => [k, e.target.elements[k].type === "datetime-local" ? new Date(v).toISOString() : v]);
		location.hash = `#/${page}` + (values.length ? "?" + new URLSearchParams(values) : "");
	};
	const shown = (f) => (f.type === "datetime-local" && query[f.name] ? local(query[f.name]) : query[f.name]);
	return h("form", { class: "filters", onsubmit: submit, role: "search" }, filters.map((f) => h("label", {}, f.label, control(f, shown(f)))),
		h("div", { class: "actions" }, h("button", { class: "primary" }, "Search"), h("a", { class: "button", href: `#/${page}` }, "Clear")));
}

/* A time as the browser's own input wants it: local, without a zone. */
function local(text) {
	const d = new Date(text);
	return new Date(d - d.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}
