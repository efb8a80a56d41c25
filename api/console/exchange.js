/* SPDX-License-Identifier: Apache-2.0 */
/* exchange.js - what currencies are worth in each other, from a moment on. */
import { when } from "./dom.js";
import { collection } from "./collection.js";
import { decimal } from "./values.js";

const pair = (r) => `${r.from} → ${r.to}`;

export const exchange = collection({
	page: "exchange-rates", path: "/v1/exchange-rates", title: "Exchange rates", noun: "exchange rate", component: "ExchangeRates", fixed: true, id: pair,
	about: "Routes whose buy rate is in another currency than the sell rate need one; no inverse is implied. A rate holds until a later one of the same pair.",
	none: "No exchange rate yet: calls are routed within one currency alone.",
	filters: () => [{ name: "from", label: "From" }, { name: "to", label: "To" }, { name: "at", label: "In force at", type: "datetime-local" }],
	columns: [
		{ title: "Pair", value: pair },
		{ title: "Rate", kind: "number", value: (r) => decimal(r.rate, 6) },
		{ title: "Holds from", kind: "mono", value: (r) => when(r.effective_from) },
		{ title: "Stored", kind: "mono", minor: true, value: (r) => when(r.created_at) },
	],
});
