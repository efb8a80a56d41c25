/* SPDX-License-Identifier: Apache-2.0 */
/* controls.js - one control for each kind of field that the API's description knows. A control is {node, read()}: read gives
 * the value as JSON, undefined where nothing is said, and throws an Error that fits beside the field. */
import { button, h } from "./dom.js";
import { choices, known } from "./names.js";
import { fromInput, label, toInput, word } from "./values.js";

/* Which collection a field's id belongs to. */
const REFERS = { carrier_id: "carriers", trunk_id: "trunks", registered_as: "trunks", rate_deck_id: "rate-decks", routing_plan_id: "routing-plans", carrier_ids: "carriers", trunk_ids: "trunks" };
const DAYS = [[1, "Mon"], [2, "Tue"], [3, "Wed"], [4, "Thu"], [5, "Fri"], [6, "Sat"], [7, "Sun"]];

const types = (f) => (Array.isArray(f.type) ? f.type : [f.type]);
const is = (f, type) => types(f).includes(type);
const nothing = (f) => (is(f, "null") ? null : undefined);

function line(f, attributes, value) {
	const numeric = is(f, "integer");
	const mode = numeric ? "numeric" : f.format === "decimal" ? "decimal" : undefined;
	const node = h("input", { ...attributes, type: f.writeOnly ? "password" : "text", inputmode: mode, value: value ?? "", autocomplete: f.writeOnly ? "new-password" : "off", spellcheck: "false",
		placeholder: is(f, "null") && !f.writeOnly ? "not set" : "" });
	const read = () => {
		const text = node.value.trim();
		if (text === "")
			return is(f, "null") ? null : is(f, "string") && !f.minLength && !f.format ? "" : undefined;
		return numeric && /^-?\d+$/.test(text) ? Number(text) : text; /* what is no number is told by the API, with the field's name */
	};
	return { node, read };
}

function moment(f, attributes, value) {
	const node = h("input", { ...attributes, type: "datetime-local", step: "1", value: toInput(value) });
	const kept = node.value; /* the input has no milliseconds: what was not touched stays as it was */
	return { node, read: () => (node.value === "" ? nothing(f) : node.value === kept ? value : fromInput(node.value)) };
}

function select(f, attributes, value, options, none) {
	const node = h("select", attributes, none === undefined ? null : h("option", { value: "" }, none), options.map(([v, text]) => h("option", { value: String(v), selected: v === value }, text)));
	return { node, read: () => (node.value === "" ? nothing(f) : (options.find(([v]) => String(v) === node.value)?.[0] ?? node.value)) };
}

/* Several of few or many: boxes to tick. */
function ticks(attributes, value, options) {
	const given = new Set(value || []);
	const boxes = options.map(([v, text]) => [v, h("input", { type: "checkbox", checked: given.has(v) }), text]);
	const node = h("div", { ...attributes, class: "ticks", role: "group" }, boxes.map(([, box, text]) => h("label", {}, box, text)), boxes.length ? null : h("p", { class: "about" }, "There is none yet."));
	return { node, read: () => boxes.filter(([, box]) => box.checked).map(([v]) => v) };
}

function lines(f, attributes, value) {
	const numeric = is(f.items || {}, "integer");
	const node = h("textarea", { ...attributes, rows: "3", spellcheck: "false", placeholder: "one a line" }, (value || []).join("\n"));
	const read = () => {
		const list = node.value.split(/[\n,;]/).map((t) => t.trim()).filter(Boolean);
		return !list.length && is(f, "null") ? null : list.map((t) => (numeric && /^\d+$/.test(t) ? Number(t) : t));
	};
	return { node, read };
}

/* A list of objects: a row of controls each, in an order that can be changed. */
function rows(name, f, attributes, value, keep) {
	const list = h("ol", { class: "rows" });
	const reads = new Map();
	const fields = Object.entries(f.items.properties);
	const noun = name.replace(/s$/, "");
	const changed = () => list.dispatchEvent(new Event("input", { bubbles: true })); /* as typing is */
	const renumber = () => [...list.children].forEach((row, i) => row.setAttribute("aria-label", `${noun} ${i + 1}`));
	const add = (item) => {
		const parts = fields.map(([n, part]) => [n, control(n, part, item ? item[n] : part.default, { "aria-label": label(n) }, keep)]);
		const row = h("li", { role: "group" }, parts.map(([n, c]) => h("div", { class: "part" }, h("span", { class: "part-name", title: f.items.properties[n].description }, label(n)), c.node)),
			h("div", { class: "row-actions" },
				h("button", { type: "button", class: "small", "aria-label": `Move ${noun} up`, title: "Up", onclick: (e) => (row.previousElementSibling?.before(row), renumber(), changed(), e.currentTarget.focus()) }, "↑"),
				h("button", { type: "button", class: "small", "aria-label": `Move ${noun} down`, title: "Down", onclick: (e) => (row.nextElementSibling?.after(row), renumber(), changed(), e.currentTarget.focus()) }, "↓"),
				h("button", { type: "button", class: "small danger", "aria-label": `Remove ${noun}`, title: "Remove", onclick: () => (reads.delete(row), row.remove(), renumber(), changed(), more.focus()) }, "✕")));
		reads.set(row, () => Object.fromEntries(parts.map(([n, c]) => [n, c.read()]).filter(([, v]) => v !== undefined)));
		list.append(row);
		renumber();
		return row;
	};
	const more = button(`Add a ${word(noun)}`, () => add(null).querySelector("input, select, textarea")?.focus(), "small");
	(value || []).forEach(add);
	const read = () => {
		const items = [...list.children].map((row) => reads.get(row)());
		return !items.length && is(f, "null") ? null : items;
	};
	return { node: h("div", { ...attributes, role: "group", class: "rows-box" }, list, more), read };
}

/* code_map: {"503": 480}, a line each */
function pairs(attributes, value) {
	const node = h("textarea", { ...attributes, rows: "3", class: "mono", spellcheck: "false", placeholder: "503 = 480" }, Object.entries(value || {}).map(([k, v]) => `${k} = ${v}`).join("\n"));
	const read = () => Object.fromEntries(node.value.split("\n").map((t) => t.trim()).filter(Boolean).map((t) => {
		const found = /^(\d{3})\s*[=:>]\s*(\d{3})$/.exec(t);
		if (!found)
			throw new Error(`“${t}” is not of the form 503 = 480`);
		return [found[1], Number(found[2])];
	}));
	return { node, read };
}

function parts(f, attributes, value, keep) {
	const made = Object.entries(f.properties).map(([n, part]) => [n, control(n, part, value ? value[n] : part.default, { "aria-label": label(n) }, keep)]);
	return { node: h("div", { ...attributes, role: "group", class: "parts" }, made.map(([n, c]) => h("div", { class: "part" }, h("span", { class: "part-name" }, label(n)), c.node))),
		read: () => Object.fromEntries(made.map(([n, c]) => [n, c.read()])) };
}

function list(name, f, attributes, value, keep) {
	if (REFERS[name])
		return ticks(attributes, value, choices(REFERS[name], keep[name]));
	if (name === "days")
		return ticks(attributes, value ?? [1, 2, 3, 4, 5], DAYS);
	return is(f.items || {}, "object") ? rows(name, f, attributes, value, keep) : lines(f, attributes, value);
}

/* control - for the field `name` as the description f has it. keep: {field: (object) => may it be chosen?} */
export function control(name, f, value, attributes, keep = {}) {
	if (is(f, "array"))
		return list(name, f, attributes, value, keep);
	if (is(f, "object"))
		return f.properties ? parts(f, attributes, value, keep) : pairs(attributes, value);
	if (known(REFERS[name]))
		return select(f, attributes, value, choices(REFERS[name], keep[name]), is(f, "null") ? "not set" : "choose");
	if (f.enum)
		return select(f, attributes, value, f.enum.filter((v) => v !== null).map((v) => [v, word(v)]), is(f, "null") ? "not set" : undefined);
	if (is(f, "boolean") && is(f, "null"))
		return select(f, attributes, value, [[true, "yes"], [false, "no"]], "as the plan says");
	if (is(f, "boolean")) {
		const node = h("input", { ...attributes, type: "checkbox", checked: Boolean(value) });
		return { node, read: () => node.checked };
	}
	if (f.format === "date-time")
		return moment(f, attributes, value);
	if ((name === "from" || name === "to") && f.minLength === 10) {
		const node = h("input", { ...attributes, type: "date", value: value ?? "" });
		return { node, read: () => node.value || undefined };
	}
	return line(f, attributes, value);
}

/* range - "90 to 86,400", where the description has limits worth saying */
export function range(f) {
	const far = 1000000;
	if (f.minimum === undefined || !is(f, "integer") || /_id$/.test(f.format || ""))
		return "";
	return f.maximum !== undefined && f.maximum <= far ? `${f.minimum} to ${f.maximum.toLocaleString("en")}.` : "";
}

