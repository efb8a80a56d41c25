/* SPDX-License-Identifier: Apache-2.0 */
/* collection.js - the pages that most collections have: the list, one object, a new one, a change, the end of one. */
import { get, patch, post, remove } from "./api.js";
import { ask, attempt, badge, button, facts, h, heading, money, panel, replace, time, toast, word } from "./dom.js";
import { schemaForm } from "./form.js";
import { load, name } from "./names.js";
import { listing } from "./table.js";

const COLLECTIONS = { carrier_id: "carriers", rate_deck_id: "rate-decks", routing_plan_id: "routing-plans", registered_as: "trunks", trunk_id: "trunks" };

/* shown - a field's value as the object's page has it */
export function shown(field, value) {
	if (value === null || value === undefined || value === "")
		return "–";
	if (COLLECTIONS[field])
		return h("a", { href: `#/${COLLECTIONS[field]}/${value}` }, name(COLLECTIONS[field], value));
	if (typeof value === "boolean")
		return badge(value ? "yes" : "no", value ? "good" : "");
	if (field.endsWith("_at") || field.startsWith("effective_"))
		return time(value);
	if (Array.isArray(value) && value.every((v) => typeof v !== "object"))
		return value.length ? value.join(", ") : "–";
	if (typeof value === "object")
		return Object.keys(value).length ? h("code", {}, JSON.stringify(value)) : "–";
	return typeof value === "string" && /^-?\d+\.\d+$/.test(value) ? money(value) : String(value);
}

/* collection - {page, path, title, noun, component, needs, filters, columns, extra, keep, order}; extra(object) gives further
 * panels. Returns the page's function: (place, rest of the path, query). */
export function collection(c) {
	const open = (id) => `#/${c.page}/${id}`;

	const form = async (place, value, query) => {
		const save = async (body) => {
			const done = value ? await patch(`${c.path}/${value.id}`, body) : await post(c.path, body);
			toast(value ? "Saved." : `The ${c.noun} is made.`, "good");
			location.hash = open(done.id);
			if (value)
				await one(place, value.id);
		};
		const direction = value?.direction ?? query.direction;
		const fixed = !value && direction ? { direction } : {};
		const made = await schemaForm({ component: c.component, value, fixed, keep: (n, f) => !f["x-direction"] || f["x-direction"] === direction, save,
			cancel: () => (value ? one(place, value.id) : (location.hash = `#/${c.page}`)) });
		replace(place, heading(value ? `Change ${value.name ?? c.noun}` : `New ${direction ? direction + " " : ""}${c.noun}`), panel(null, made));
		made.querySelector("input, select, textarea")?.focus();
	};

	const end = async (object) => {
		if (await ask(`Delete the ${c.noun} “${object.name ?? object.id}”?`, "Delete"))
			await attempt(async () => {
				await remove(`${c.path}/${object.id}`);
				toast("Deleted.", "good");
				location.hash = `#/${c.page}`;
			});
	};

	async function one(place, id) {
		const object = await get(`${c.path}/${id}`);
		const fields = Object.entries(object).filter(([n]) => n !== "name" && !(c.hidden || []).includes(n));
		replace(place, heading(object.name ?? `${c.title} ${id}`, button("Change", () => attempt(() => form(place, object, {})), "primary"), button("Delete", () => end(object), "danger")),
			panel(null, facts(fields.map(([n, v]) => [word(n), shown(n, v)]))), c.extra ? await c.extra(object) : null);
	}

	return async (place, rest, query) => {
		await load(...(c.needs || []));
		if (rest[0] === "new")
			return form(place, null, query);
		if (rest[0])
			return one(place, rest[0]);
		const make = (c.kinds || [null]).map((k) => h("a", { class: "button primary", href: `#/${c.page}/new` + (k ? `?direction=${k}` : "") }, `New ${k ? k + " " : ""}${c.noun}`));
		replace(place, heading(c.title, make),
			await listing({ path: c.path, page: c.page, query, filters: (c.filters || (() => []))(), columns: c.columns, link: (o) => open(o.id), none: `No ${c.noun} yet.` }));
	};
}
