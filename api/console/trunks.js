/* SPDX-License-Identifier: Apache-2.0 */
/* trunks.js - where calls come in and go out. */
import { badge } from "./dom.js";
import { collection } from "./collection.js";
import { choices, name } from "./names.js";

const place = (t) => (t.direction === "egress" ? `${t.host ?? "registered"}${t.port ? ":" + t.port : ""}` : (t.source_cidrs || []).join(", ") || "any");

export const trunks = collection({
	page: "trunks", path: "/v1/trunks", title: "Trunks", noun: "trunk", component: "Trunks", kinds: ["ingress", "egress"],
	needs: ["carriers", "trunks", "rate-decks", "routing-plans"],
	filters: () => [{ name: "name", label: "Name" }, { name: "carrier_id", label: "Carrier", choices: choices("carriers") },
		{ name: "direction", label: "Direction", choices: [["ingress", "ingress"], ["egress", "egress"]] }],
	columns: [
		{ title: "Name", value: (t) => t.name },
		{ title: "Carrier", value: (t) => name("carriers", t.carrier_id) },
		{ title: "Direction", value: (t) => badge(t.direction) },
		{ title: "Enabled", value: (t) => badge(t.enabled ? "yes" : "no", t.enabled ? "good" : "bad") },
		{ title: "Address", kind: "mono", value: place },
		{ title: "Transport", value: (t) => t.transport ?? "any" },
		{ title: "Deck", value: (t) => name("rate-decks", t.rate_deck_id) },
		{ title: "Plan", value: (t) => name("routing-plans", t.routing_plan_id) },
		{ title: "Channels", kind: "number", value: (t) => String(t.max_channels ?? "no limit") },
	],
});
