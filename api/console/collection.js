/* SPDX-License-Identifier: Apache-2.0 */
/* collection.js - the pages that most collections have: the list, one object, a new one, a change, the end of one. Each has an
 * address of its own: #/trunks, #/trunks/3, #/trunks/new, #/trunks/3/change. */
import { get, patch, post, remove } from "./api.js";
import { amount, ask, attempt, badge, button, facts, h, heading, link, panel, replace, to, toast, when, yes } from "./dom.js";
import { schemaForm } from "./form.js";
import { become } from "./leaving.js";
import { load, name } from "./names.js";
import { may, offers } from "./rights.js";
import { listing } from "./table.js";
import { NONE, label, word } from "./values.js";

const COLLECTIONS = { carrier_id: "carriers", rate_deck_id: "rate-decks", routing_plan_id: "routing-plans", registered_as: "trunks", trunk_id: "trunks", carrier_ids: "carriers", trunk_ids: "trunks" };
const SECONDS = /_timeout$|^(session_expires|max_duration|probe_interval|default_initial|default_increment|initial|increment|grace)$/;
const COUNTED = ["id", "version", "created_at", "updated_at"]; /* said in one line under the others */

const refers = (field, id) => link(`#/${COLLECTIONS[field]}/${id}`, name(COLLECTIONS[field], id));
const commas = (list) => list.flatMap((x, i) => (i ? [", ", x] : [x]));

function objectShown(value) {
	if (Array.isArray(value))
		return h("ol", { class: "plain" }, value.map((v) => h("li", {}, objectShown(v))));
	return Object.entries(value).filter(([, v]) => v !== null).map(([k, v]) => `${label(k)}: ${Array.isArray(v) ? v.join(" ") : word(v)}`).join(", ") || NONE;
}

/* shown - a field's value as the object's page has it */
export function shown(field, value, currency) {
	if (value === null || value === undefined || value === "" || (Array.isArray(value) && !value.length))
		return NONE;
	if (COLLECTIONS[field])
		return Array.isArray(value) ? commas(value.map((id) => refers(field, id))) : refers(field, value);
	if (typeof value === "boolean")
		return yes(value);
	if (field.endsWith("_at") || field.startsWith("effective_"))
		return when(value, { zoned: true });
	if (SECONDS.test(field))
		return `${value.toLocaleString("en")} s`;
	if (Array.isArray(value) && value.every((v) => typeof v !== "object"))
		return value.join(", ");
	if (typeof value === "object")
		return objectShown(value);
	if (typeof value === "string" && /^-?\d+\.\d+$/.test(value))
		return amount(value, field.endsWith("percent") ? "%" : currency);
	return typeof value === "number" ? value.toLocaleString("en") : ["status", "state", "direction", "side", "policy"].includes(field) ? badge(value, value === "active" ? "good" : value === "suspended" ? "bad" : "") : word(value);
}

/* Groups of facts as the form groups its fields. */
function sections(object, groups, hidden) {
	const left = new Map(Object.entries(object).filter(([n]) => n !== "name" && !COUNTED.includes(n) && !hidden.includes(n)));
	const cut = (names) => names.filter((n) => left.has(n)).map((n) => {
		const fact = [label(n), shown(n, left.get(n), object.currency)];
		left.delete(n);
		return fact;
	});
	return [...groups.map(([title, names]) => [title, cut(names)]), [groups.length ? "More" : null, cut([...left.keys()])]].filter(([, list]) => list.length)
		.map(([title, list]) => h("div", { class: "group" }, title && h("h3", {}, title), facts(list)));
}

/* collection - {page, path, title, noun, component, about, needs, groups, filters, columns, lead(object), extra(object, again),
 * actions(object, again), start(): what a new one begins with, kinds, choose(value, query), hidden, fixed: can't be changed, none, id(object): its name,
 * many(query): actions of the list, change(place, query): the page of a change of many,
 * sub: {word: (place, object, rest, query, signal)} pages under an object's}. Returns the page's function. */
export function collection(c) {
	const list = `#/${c.page}`;
	const open = (id) => `${list}/${id}`;
	const called = c.id || ((o) => o.name ?? `${c.noun} ${o.id}`);

	async function form(place, value, query) {
		const direction = value?.direction ?? query.direction;
		const fixed = !value && direction ? { direction } : {};
		const start = { ...(c.start?.() ?? {}), ...Object.fromEntries(Object.entries(query).map(([n, v]) => [n, /^\d+$/.test(v) ? Number(v) : v])) };
		const save = async (body, version, once) => {
			const done = value ? await patch(`${c.path}/${value.id}`, body, version) : await post(c.path, body, once);
			toast(value ? "Saved." : `${c.noun[0].toUpperCase()}${c.noun.slice(1)} created.`, "good");
			if (c.made && !value)
				await c.made(done);
			become(c.fixed ? list : open(done.id)); /* Back leads to before the form */
		};
		const made = await schemaForm({ component: c.component, value, start, fixed, groups: c.groups, choose: c.choose?.(value, query) ?? {},
			keep: (n, f) => !f["x-direction"] || f["x-direction"] === direction, save,
			latest: () => get(`${c.path}/${value.id}`), shown: (n, v) => shown(n, v, value.currency), cancel: () => (location.hash = value ? open(value.id) : list) });
		replace(place, heading(value ? `Change ${called(value)}` : `New ${direction ? direction + " " : ""}${c.noun}`, { under: value ? [called(value), open(value.id)] : [c.title, list] }), made);
	}

	const end = async (object) => {
		if (await ask(`Delete the ${c.noun} “${called(object)}”?`, "Delete", c.warning ?? "This can't be undone. What refers to it keeps it from being deleted."))
			await attempt(async () => {
				await remove(`${c.path}/${object.id}`);
				toast("Deleted.", "good");
				become(list);
			});
	};

	async function one(place, id) {
		const object = await get(`${c.path}/${id}`);
		const again = () => attempt(() => one(place, id));
		const actions = [c.actions ? c.actions(object, again) : null, to(`${open(id)}/change`, "Change", "primary"), may("DELETE", `${c.path}/{id}`) ? button("Delete", () => end(object), "danger") : null];
		const written = [`ID ${object.id}`, object.created_at && ["made ", when(object.created_at, { zoned: true })], object.updated_at && object.updated_at !== object.created_at && ["changed ", when(object.updated_at, { zoned: true })]];
		replace(place, heading(called(object), { under: [c.title, list], actions }), c.lead ? c.lead(object) : null,
			panel(null, sections(object, c.groups || [], c.hidden || []), h("p", { class: "about" }, commas(written.filter(Boolean)).flat(), offers("#/audit") ? [" · ", link(`#/audit?resource=${c.path.slice(4)}&resource_id=${object.id}`, "history")] : null)),
			c.extra ? await c.extra(object, again) : null);
	}

	return async (place, rest, query, signal) => {
		await load(...(c.needs || []));
		if (rest[0] === "new")
			return form(place, null, query);
		if (rest[0] === "change" && c.change)
			return c.change(place, query);
		if (c.sub && rest[1] in c.sub)
			return c.sub[rest[1]](place, await get(`${c.path}/${rest[0]}`), rest.slice(2), query, signal);
		if (rest[0] && rest[1] === "change")
			return form(place, await get(`${c.path}/${rest[0]}`), query);
		if (rest[0])
			return one(place, rest[0]);
		const news = (c.kinds || [null]).map((k) => to(`${list}/new` + (k ? `?direction=${k}` : ""), `New ${k ? k + " " : ""}${c.noun}`, "primary"));
		replace(place, heading(c.title, { actions: [c.many ? c.many(query) : null, news] }), c.about && h("p", { class: "lede" }, c.about),
			await listing({ path: c.path, page: c.page, query, filters: (c.filters || (() => []))(), columns: typeof c.columns === "function" ? c.columns(place) : c.columns, link: c.flat ? undefined : (o) => open(o.id),
				none: c.none ?? `No ${c.noun} yet.`, next: [`New ${c.kinds ? c.kinds[0] + " " : ""}${c.noun}`, `${list}/new` + (c.kinds ? `?direction=${c.kinds[0]}` : "")], label: c.title }));
	};
}
