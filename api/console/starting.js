/* SPDX-License-Identifier: Apache-2.0 */
/* starting.js - from an empty system to its first call: the steps, those that are done, and where the next one is done. */
import { get } from "./api.js";
import { h, link, panel } from "./dom.js";
import { objects } from "./names.js";
import { may } from "./rights.js";

const has = (collection, keep = () => true) => objects(collection).some(keep);

function steps(called) {
	const customers = objects("trunks").filter((t) => t.direction === "ingress");
	return [
		["A carrier for the customer and one for each vendor", has("carriers") && objects("carriers").length > 1, "#/carriers/new", "Who sends calls, who takes them, in which currency, prepaid or not."],
		["A sell deck with rates", has("rate-decks", (d) => d.side === "sell"), "#/rate-decks/new?side=sell", "What the customer pays. Import its rates as a CSV on the deck's page."],
		["A buy deck for each vendor", has("rate-decks", (d) => d.side === "buy"), "#/rate-decks/new?side=buy", "What the vendor takes, in the vendor's currency."],
		["An egress trunk for each vendor", has("trunks", (t) => t.direction === "egress"), "#/trunks/new?direction=egress", "Where its calls go to: host, port, and its buy deck."],
		["A routing plan", has("routing-plans", (p) => p.members.length > 0), "#/routing-plans/new", "The vendors' trunks that a customer's calls may go to, and in which order."],
		["An ingress trunk for the customer", customers.some((t) => t.rate_deck_id && t.routing_plan_id), "#/trunks/new?direction=ingress", "Where its calls come from, with its sell deck and its plan."],
		["A first call", called, customers.length ? `#/simulator?trunk_id=${customers[0].id}` : "#/simulator", "Simulate where a number would go, then send a call to the switch: it is seen under live calls and, once over, under CDRs."],
	];
}

/* starting - the panel, or null once a call went through; the trunks, decks, carriers and plans must be loaded */
export async function starting() {
	if (!may("POST", "/v1/carriers"))
		return null;
	const called = (await get("/v1/cdrs", { limit: 1 })).items.length > 0;
	const list = steps(called);
	if (called)
		return null;
	const next = list.findIndex(([, done]) => !done);
	return panel("To the first call", h("ol", { class: "steps" }, list.map(([text, done, href, about], i) => h("li", {}, h("span", { class: "mark", role: "img", "aria-label": done ? "done" : "to do" }, done ? "✓" : i === next ? "→" : "·"),
		h("div", {}, done ? text : link(href, text), i === next ? h("p", { class: "about" }, about) : null)))));
}
