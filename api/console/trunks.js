/* SPDX-License-Identifier: Apache-2.0 */
/* trunks.js - where calls come in and go out. */
import { badge, h, to, yes } from "./dom.js";
import { search } from "./api.js";
import { collection } from "./collection.js";
import { changeTrunks } from "./many.js";
import { choices, name, object } from "./names.js";
import { may } from "./rights.js";

const place = (t) => (t.direction === "egress" ? `${t.host ?? "registered"}${t.port ? ":" + t.port : ""}` : (t.source_cidrs || []).join(", ") || "any address");

/* A deck of the trunk's side, and of its carrier's currency once that is known. */
function choose(value, query) {
	const direction = value?.direction ?? query.direction;
	const currency = object("carriers", value?.carrier_id ?? Number(query.carrier_id))?.currency;
	return {
		rate_deck_id: (d) => d.side === (direction === "ingress" ? "sell" : "buy") && (!currency || d.currency === currency),
		registered_as: (t) => t.direction === "ingress",
	};
}

/* What keeps calls from it, although nothing of it is wrong. */
function lacks(t) {
	const missing = [!t.rate_deck_id && "rate deck", t.direction === "ingress" && !t.routing_plan_id && "routing plan"].filter(Boolean);
	return missing.length && may("PATCH", "/v1/trunks/{id}") ? h("p", { class: "panel notice" }, badge("no call yet", "warn"), ` It has no ${missing.join(" and no ")}: ${t.direction === "ingress" ? "its calls are refused" : "no call goes to it"}.`) : null;
}

const lead = (t) => [lacks(t), links(t)];
const links = (t) => h("div", { class: "actions" }, to(`#/cdrs?trunk_id=${t.id}`, "CDRs"), to(`#/calls?trunk_id=${t.id}`, "Live calls"),
	t.direction === "ingress" ? to(`#/simulator?trunk_id=${t.id}`, "Simulate a route") : to(`#/vendors?trunk_id=${t.id}`, "Health and quality"));

export const trunks = collection({
	page: "trunks", path: "/v1/trunks", title: "Trunks", noun: "trunk", component: "Trunks", many: (query) => to(`#/trunks/change${search(query)}`, Object.keys(query).length ? "Change all found" : "Change many"), change: (place, query) => changeTrunks(place, query, choose(null, query)), kinds: ["ingress", "egress"], lead, choose, needs: ["carriers", "trunks", "rate-decks", "routing-plans"],
	groups: [
		["What", ["carrier_id", "name", "direction", "enabled"]],
		["Where calls come from", ["source_cidrs"]],
		["Where calls go to", ["host", "port", "registered_as"]],
		["Signalling", ["transport", "listen", "username", "password", "register", "mode", "session_expires", "allow_refer"]],
		["Numbers", ["tech_prefix", "trust_pai", "translations"]],
		["Headers that say who calls", ["identity", "pass_headers"]],
		["Rates and routes", ["rate_deck_id", "routing_plan_id", "min_margin", "min_margin_percent", "allow_loss"]],
		["Hunting", ["hunt_after_media", "code_map", "no_response_timeout", "progress_timeout", "ring_timeout", "stop_codes", "max_redirects", "probe_interval"]],
		["Limits", ["max_channels", "max_cps", "max_duration"]],
		["Media", ["media", "codecs"]],
	],
	none: "No trunk yet. An ingress trunk lets a customer's calls in, an egress trunk takes calls to a vendor.",
	filters: () => [{ name: "name", label: "Name" }, { name: "carrier_id", label: "Carrier", choices: choices("carriers") }, { name: "direction", label: "Direction", choices: [["ingress", "ingress"], ["egress", "egress"]] },
		{ name: "enabled", label: "Enabled", choices: [["true", "yes"], ["false", "no"]] }, { name: "rate_deck_id", label: "Deck", choices: choices("rate-decks") }],
	columns: [
		{ title: "Name", value: (t) => t.name },
		{ title: "Carrier", value: (t) => name("carriers", t.carrier_id) },
		{ title: "Direction", value: (t) => badge(t.direction) },
		{ title: "Enabled", value: (t) => yes(t.enabled, "good", "bad") },
		{ title: "Address", kind: "mono", value: place },
		{ title: "Transport", minor: true, value: (t) => t.transport ?? "any" },
		{ title: "Deck", value: (t) => name("rate-decks", t.rate_deck_id) },
		{ title: "Plan", value: (t) => name("routing-plans", t.routing_plan_id) },
		{ title: "Channels", kind: "number", minor: true, value: (t) => String(t.max_channels ?? "no limit") },
	],
});
