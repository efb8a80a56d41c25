/* SPDX-License-Identifier: Apache-2.0 */
/* decks.js - rate decks: their terms, their rates, and the sheets that change them. */
import { badge, panel, to, when } from "./dom.js";
import { collection } from "./collection.js";
import { currencyInUse } from "./names.js";
import { may } from "./rights.js";
import { newRate, rates, search } from "./rates.js";
import { history, importer, imports, versions } from "./sheets.js";
import { word } from "./values.js";

const RATES_SHOWN = 20;

const extra = async (deck) => [may("POST", "/v1/rate-decks/{parent}/imports") ? importer(deck) : null, panel("Rates", await search(deck, {}, RATES_SHOWN)), may("GET", "/v1/rate-decks/{parent}/versions") ? await versions(deck) : null, may("GET", "/v1/imports") ? await history(deck) : null];

export const decks = collection({
	page: "rate-decks", path: "/v1/rate-decks", title: "Rate decks", noun: "deck", component: "RateDecks", needs: ["carriers"], start: () => ({ currency: currencyInUse() }), extra, sub: { rates, imports },
	actions: (deck) => [to(`#/trunks?rate_deck_id=${deck.id}`, "Its trunks"), newRate(deck)],
	warning: "All its rates go with it. Trunks that use it keep it from being deleted.",
	groups: [["What", ["name", "side", "currency"]], ["Durations", ["default_initial", "default_increment", "duration_rounding"]], ["Increases", ["notice_days"]], ["Amounts", ["rounding"]]], hidden: ["rates_version"],
	none: "No rate deck yet. A sell deck says what customers pay, a buy deck what a vendor takes.",
	filters: () => [{ name: "name", label: "Name" }, { name: "side", label: "Side", choices: [["sell", "sell"], ["buy", "buy"]] }, { name: "currency", label: "Currency" }],
	columns: [
		{ title: "Name", value: (d) => d.name },
		{ title: "Side", value: (d) => badge(d.side) },
		{ title: "Currency", value: (d) => d.currency },
		{ title: "Interval", kind: "mono", value: (d) => `${d.default_initial} / ${d.default_increment} s` },
		{ title: "Rounding", value: (d) => `${word(d.rounding.mode)}, ${d.rounding.places} places` },
		{ title: "Changed", kind: "mono", value: (d) => when(d.updated_at) },
	],
});
