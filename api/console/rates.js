/* SPDX-License-Identifier: Apache-2.0 */
/* rates.js - the rates of a deck: the search, one rate, a new one, a change, its end. #/rate-decks/1/rates?prefix_starts=44 */
import { get, patch, post, remove } from "./api.js";
import { amount, ask, attempt, badge, button, facts, h, heading, panel, replace, to, toast, when } from "./dom.js";
import { shown } from "./collection.js";
import { schemaForm } from "./form.js";
import { become } from "./leaving.js";
import { may } from "./rights.js";
import { listing } from "./table.js";
import { NONE, label } from "./values.js";

const GROUPS = [["What", ["prefix", "destination", "price", "blocked"]], ["When", ["effective_from", "effective_to", "schedule"]], ["Terms", ["initial_price", "connect_fee", "initial", "increment", "grace"]], ["Only for", ["origin_prefix"]]];

/* Holds it now, later, or no more? */
function standing(r) {
	if (r.effective_to && Date.parse(r.effective_to) <= Date.now())
		return badge("over");
	return Date.parse(r.effective_from) > Date.now() ? badge("to come", "warn") : badge("in force", "good");
}

const columns = (deck) => [
	{ title: "Prefix", kind: "mono", value: (r) => r.prefix },
	{ title: "Destination", value: (r) => r.destination || NONE },
	{ title: "Price / min", kind: "number", value: (r) => amount(r.price, deck.currency) },
	{ title: "Fee", kind: "number", minor: true, value: (r) => amount(r.connect_fee) },
	{ title: "Interval", kind: "mono", minor: true, value: (r) => `${r.initial ?? deck.default_initial} / ${r.increment ?? deck.default_increment} s` },
	{ title: "Standing", value: (r) => [standing(r), r.blocked ? [" ", badge("blocked", "bad")] : null] },
	{ title: "From", kind: "mono", value: (r) => when(r.effective_from) },
	{ title: "To", kind: "mono", value: (r) => when(r.effective_to) },
	{ title: "Only", minor: true, value: (r) => [r.origin_prefix && `calls from ${r.origin_prefix}`, r.schedule && "at times"].filter(Boolean).join(", ") || NONE },
];

const FILTERS = [
	{ name: "number", label: "For the number", inputmode: "tel", placeholder: "whole number" },
	{ name: "prefix_starts", label: "Prefix begins", inputmode: "numeric" },
	{ name: "destination", label: "Destination" },
	{ name: "at", label: "In force at", type: "datetime-local" },
	{ name: "blocked", label: "Blocked", choices: [["true", "yes"], ["false", "no"]] },
];

/* search - the panel of a deck's page, and the page of the search alone */
export const search = async (deck, query, limit) => listing({ path: `/v1/rate-decks/${deck.id}/rates`, page: `rate-decks/${deck.id}/rates`, query, filters: FILTERS, columns: columns(deck), link: (r) => `#/rate-decks/${deck.id}/rates/${r.id}`, limit,
	label: "Rates", none: "The deck has no rate: import a sheet, or add one.", next: ["New rate", `#/rate-decks/${deck.id}/rates/new`] });

export const newRate = (deck) => to(`#/rate-decks/${deck.id}/rates/new`, "New rate", "primary");

async function form(place, deck, rate, query) {
	const home = `#/rate-decks/${deck.id}/rates`;
	const path = `/v1/rate-decks/${deck.id}/rates`;
	const save = async (body, version, once) => {
		const done = rate ? await patch(`${path}/${rate.id}`, body, version) : await post(path, body, once);
		toast(rate ? "Saved." : "Rate added.", "good");
		become(`${home}/${done.id}`);
	};
	replace(place, heading(rate ? `Change the rate of ${rate.prefix}` : "New rate", { under: [deck.name, `#/rate-decks/${deck.id}`] }),
		h("p", { class: "lede" }, rate ? "This changes the rate in place, for calls that start from now on. To keep the old price on record, add a new rate instead: it ends this one." : "A new rate ends the earlier one of its prefix where it begins."),
		await schemaForm({ component: "Rates", value: rate, start: query, groups: GROUPS, currency: deck.currency, save, latest: () => get(`${path}/${rate.id}`), shown: (n, v) => shown(n, v, deck.currency), cancel: () => (location.hash = rate ? `${home}/${rate.id}` : home) }));
}

async function one(place, deck, id) {
	const rate = await get(`/v1/rate-decks/${deck.id}/rates/${id}`);
	const home = `#/rate-decks/${deck.id}/rates`;
	const end = async () => {
		if (await ask(`Delete the rate of ${rate.prefix}?`, "Delete", "A rate that it ended holds on."))
			await attempt(async () => {
				await remove(`/v1/rate-decks/${deck.id}/rates/${id}`);
				toast("Deleted.", "good");
				become(home);
			});
	};
	const follow = to(`${home}/new?${new URLSearchParams({ prefix: rate.prefix, destination: rate.destination })}`, "New price");
	replace(place, heading(`${rate.prefix} ${rate.destination}`, { under: [deck.name, `#/rate-decks/${deck.id}`], actions: [follow, to(`${home}/${id}/change`, "Change", "primary"), may("DELETE", "/v1/rate-decks/{parent}/rates/{id}") ? button("Delete", end, "danger") : null] }),
		panel(null, GROUPS.map(([title, names]) => h("div", { class: "group" }, h("h3", {}, title), facts(names.map((n) => [label(n), shown(n, rate[n], deck.currency)])))), h("p", { class: "about" }, standing(rate), ` ID ${rate.id}`)));
}

/* rates - the pages under #/rate-decks/ID/rates */
export async function rates(place, deck, rest, query) {
	if (rest[0] === "new")
		return form(place, deck, null, query);
	if (rest[1] === "change")
		return form(place, deck, await get(`/v1/rate-decks/${deck.id}/rates/${rest[0]}`), query);
	if (rest[0])
		return one(place, deck, rest[0]);
	return replace(place, heading(`Rates of ${deck.name}`, { under: [deck.name, `#/rate-decks/${deck.id}`], actions: [newRate(deck)] }), await search(deck, query));
}
