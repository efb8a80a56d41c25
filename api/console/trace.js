/* SPDX-License-Identifier: Apache-2.0 */
/* trace.js - a routing decision: the sell rate, the vendors in order, and why others were left out. */
import { amount, badge, empty, facts, link, panel } from "./dom.js";
import { name } from "./names.js";
import { table } from "./table.js";
import { word } from "./values.js";

const ROUTES = [
	{ title: "#", value: (r) => String(r.n) },
	{ title: "Vendor", value: (r) => r.carrier ?? name("carriers", r.carrier_id) },
	{ title: "Trunk", value: (r) => link(`#/trunks/${r.trunk_id}`, r.trunk ?? name("trunks", r.trunk_id)) },
	{ title: "Prefix", kind: "mono", value: (r) => r.prefix },
	{ title: "Price / min", kind: "number", value: (r) => amount(r.price, r.currency) },
	{ title: "Margin / min", kind: "number", value: (r) => amount(r.expected_margin) },
	{ title: "Score", kind: "number", value: (r) => (r.score === null || r.score === undefined ? "–" : Number(r.score).toFixed(3)) },
	{ title: "Priority", kind: "number", value: (r) => String(r.priority ?? "–") },
	{ title: "Weight", kind: "number", value: (r) => String(r.weight ?? "–") },
];
const EXCLUDED = [
	{ title: "Trunk", value: (e) => link(`#/trunks/${e.trunk_id}`, e.trunk ?? name("trunks", e.trunk_id)) },
	{ title: "Reason", value: (e) => badge(e.reason, "warn") },
	{ title: "Prefix", kind: "mono", value: (e) => e.prefix ?? "–" },
	{ title: "Price / min", kind: "number", value: (e) => (e.price === undefined ? "–" : amount(e.price, e.currency)) },
	{ title: "Margin / min", kind: "number", value: (e) => (e.expected_margin === undefined ? "–" : amount(e.expected_margin)) },
	{ title: "Detail", value: (e) => e.detail || "–" },
];

export function decision(t) {
	if (!t)
		return panel("Routing", empty("No routing decision was kept with this call."));
	const routes = (t.routes || []).map((r, i) => ({ ...r, n: i + 1 }));
	const sell = t.sell;
	return [
		panel("Decision", facts([["Outcome", badge(t.outcome ?? "–", t.outcome === "routes" || t.outcome === "ok" || routes.length ? "good" : "bad")], t.reason && ["Reason", word(t.reason)],
			t.called && ["Called", t.called], sell && ["Sell prefix", sell.prefix], sell && ["Destination", sell.destination], sell && ["Sell price / min", amount(sell.price, sell.currency)]])),
		panel("Vendors in order", table(ROUTES, routes, { none: "No vendor can take this call.", label: "Vendors in order", cards: true })),
		panel("Left out", table(EXCLUDED, t.excluded || [], { none: "No vendor was left out.", label: "Vendors left out", cards: true })),
	];
}
