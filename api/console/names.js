/* SPDX-License-Identifier: Apache-2.0 */
/* names.js - carriers, trunks, decks and plans by name: people don't think in ids. Read again when a page opens. */
import { all } from "./api.js";

const kept = new Map();
const PATHS = { carriers: "/v1/carriers", trunks: "/v1/trunks", "rate-decks": "/v1/rate-decks", "routing-plans": "/v1/routing-plans" };

export const known = (collection) => collection in PATHS;

/* load - read the collections named; name() then knows them */
export async function load(...collections) {
	await Promise.all(collections.map(async (c) => kept.set(c, new Map((await all(PATHS[c])).map((o) => [o.id, o])))));
}
export const objects = (collection) => [...(kept.get(collection)?.values() || [])];
export const object = (collection, id) => kept.get(collection)?.get(id);

export function name(collection, id) {
	if (id === null || id === undefined)
		return "–";
	return object(collection, id)?.name ?? `#${id}`;
}
/* choices - [[id, name]] for a select */
export const choices = (collection, keep = () => true) => objects(collection).filter(keep).map((o) => [o.id, o.name]).sort((a, b) => a[1].localeCompare(b[1]));
