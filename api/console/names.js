/* SPDX-License-Identifier: Apache-2.0 */
/* names.js - carriers, trunks, decks and plans by name: people don't think in ids. Read again when a page opens. */
import { all } from "./api.js";
import { may } from "./rights.js";

const kept = new Map();

export const known = (collection) => ["carriers", "trunks", "rate-decks", "routing-plans"].includes(collection);

/* load - read the collections named; name() then knows them. What this key may not see has no names. */
export async function load(...collections) {
	await Promise.all(collections.map(async (c) => {
		const items = may("GET", `/v1/${c}`) ? await all(`/v1/${c}`) : [];
		kept.set(c, new Map(items.map((o) => [o.id, o])));
	}));
}
export const objects = (collection) => [...(kept.get(collection)?.values() || [])];
export const object = (collection, id) => kept.get(collection)?.get(id);

export function name(collection, id) {
	if (id === null || id === undefined)
		return "–";
	return object(collection, id)?.name ?? `#${id}`;
}

/* Trunks' names are unique within their carrier alone. */
function full(collection, o) {
	const carrier = collection === "trunks" && object("carriers", o.carrier_id)?.name;
	return carrier && carrier !== o.name ? `${carrier} / ${o.name}` : o.name;
}
/* currencyInUse - what a new carrier or deck most likely has: that of most carriers, or undefined */
export function currencyInUse() {
	const counted = new Map();
	objects("carriers").forEach((c) => counted.set(c.currency, (counted.get(c.currency) ?? 0) + 1));
	return [...counted].sort((a, b) => b[1] - a[1])[0]?.[0];
}

/* choices - [[id, name]] for a select */
export const choices = (collection, keep = () => true) => objects(collection).filter(keep).map((o) => [o.id, full(collection, o)]).sort((a, b) => a[1].localeCompare(b[1]));
