/* SPDX-License-Identifier: Apache-2.0 */
/* cdrs.js - the search for calls that are over, and one call: its flow, its attempts, its routing. */
import { get } from "./api.js";
import { amount, badge, code, copyable, facts, h, heading, link, panel, replace, to, when } from "./dom.js";
import { ladder } from "./flow.js";
import { choices, load, name } from "./names.js";
import { may, me } from "./rights.js";
import { listing, table } from "./table.js";
import { decision } from "./trace.js";
import { NONE, decimal, difference, millis, product, seconds, word } from "./values.js";

/* In the sell currency; of two currencies at the exchange rate that the call was routed with. */
function margin(c, unit = true) {
	const rate = c.sell_currency === c.buy_currency ? "1" : c.buy_to_sell_rate;
	if (!c.sell_currency || !c.buy_currency || !rate)
		return NONE;
	return amount(difference(c.sell_amount ?? "0", product(c.buy_amount ?? "0", rate)), unit && c.sell_currency);
}

const COLUMNS = [
	{ title: "Started", kind: "mono", value: (c) => when(c.started_at) },
	{ title: "Calling", kind: "mono", minor: true, value: (c) => c.calling_in ?? NONE },
	{ title: "Called", kind: "mono", value: (c) => [c.called_in ?? NONE, h("span", { class: "second" }, c.destination || "without a rate")] },
	{ title: "From, to", value: (c) => [name("carriers", c.ingress_carrier_id), h("span", { class: "second" }, c.egress_carrier_id ? `→ ${name("carriers", c.egress_carrier_id)}` : "no vendor")] },
	{ title: "Result", value: (c) => [code(c.sip_code), " ", word(c.disconnect_reason)] },
	{ title: "Tries", kind: "number", minor: true, value: (c) => String(c.attempts) },
	{ title: "PDD", kind: "number", minor: true, value: (c) => millis(c.pdd_ms) },
	{ title: "Talk", kind: "number", value: (c) => seconds(c.duration_ms / 1000) },
	{ title: "Sell", kind: "number", value: (c) => amount(c.sell_amount, c.sell_currency) },
	{ title: "Buy", kind: "number", value: (c) => amount(c.buy_amount, c.buy_currency) },
	{ title: "Margin", kind: "number", value: (c) => margin(c, false) },
];

/* What a carrier sees of its own calls, as a customer or as a vendor. */
const OWN = [
	COLUMNS[0],
	{ title: "Calling", kind: "mono", value: (c) => c.calling_in ?? c.calling_out ?? NONE },
	{ title: "Called", kind: "mono", value: (c) => [c.called_in ?? c.called_out ?? NONE, h("span", { class: "second" }, c.destination || "without a rate")] },
	{ title: "Result", value: (c) => [code(c.sip_code), " ", word(c.disconnect_reason)] },
	{ title: "PDD", kind: "number", minor: true, value: (c) => millis(c.pdd_ms) },
	{ title: "Talk", kind: "number", value: (c) => seconds(c.duration_ms / 1000) },
	{ title: "Charged", kind: "number", value: (c) => amount(c.sell_amount, c.sell_currency) },
	{ title: "Credited", kind: "number", value: (c) => amount(c.buy_amount, c.buy_currency) },
];
const bound = () => me().carrier_id !== null;

const filters = () => [
	{ name: "from", label: "From", type: "datetime-local" },
	{ name: "to", label: "To", type: "datetime-local" },
	{ name: "called", label: "Called", placeholder: "as received", inputmode: "tel" },
	{ name: "calling", label: "Calling", placeholder: "as received", inputmode: "tel" },
	{ name: "called_prefix", label: "Called prefix", inputmode: "numeric" },
	!bound() && { name: "carrier_id", label: "Carrier", choices: choices("carriers") },
	{ name: "trunk_id", label: "Trunk", choices: choices("trunks") },
	{ name: "sip_code", label: "SIP code", inputmode: "numeric" },
	{ name: "answered", label: "Answered", choices: [["true", "yes"], ["false", "no"]] },
].filter(Boolean);

const ATTEMPTS = [
	{ title: "#", value: (a) => String(a.n) },
	{ title: "Vendor", value: (a) => name("carriers", a.carrier_id) },
	{ title: "Trunk", value: (a) => link(`#/trunks/${a.trunk_id}`, name("trunks", a.trunk_id)) },
	{ title: "Sent", kind: "mono", value: (a) => when(a.started_at, { millis: true }) },
	{ title: "Code", value: (a) => code(a.sip_code) },
	{ title: "End", value: (a) => word(a.reason) },
	{ title: "Prefix", kind: "mono", value: (a) => a.buy_prefix ?? "–" },
	{ title: "Price / min", kind: "number", value: (a) => amount(a.buy_price) },
	{ title: "Call-ID", kind: "mono", value: (a) => copyable(a.b_call_id, "Call-ID") },
];

/* What re-ratings made of it, the latest first: the CDR itself stays as it was. */
const CORRECTIONS = [
	{ title: "Booked", kind: "mono", value: (r) => when(r.created_at) },
	{ title: "Side", value: (r) => badge(r.side) },
	{ title: "Before", kind: "number", value: (r) => amount(r.old, r.currency) },
	{ title: "After", kind: "number", value: (r) => amount(r.new, r.currency) },
	{ title: "Difference", kind: "number", value: (r) => amount(r.difference, r.currency) },
	{ title: "Rate", value: (r) => `${r.billed_s} s at ${decimal(r.price, 4)} a minute, prefix ${r.prefix}` },
];

async function one(place, id) {
	const [c, corrected] = await Promise.all([get(`/v1/cdrs/${id}`), may("GET", "/v1/corrections") ? get("/v1/corrections", { cdr_id: id, limit: 100 }) : { items: [] }]);
	const carrier = (x) => (x ? link(`#/carriers/${x}`, name("carriers", x)) : NONE);
	const trunk = (x) => (x ? link(`#/trunks/${x}`, name("trunks", x)) : NONE);
	const at = (t) => when(t, { millis: true, zoned: true });
	const side = (sum, currency, billed, price, prefix) => (currency ? [amount(sum, currency), h("span", { class: "muted" }, ` ${billed ?? 0} s at ${decimal(price, 4)} a minute, prefix ${prefix ?? NONE}`)] : NONE);
	const groups = [
		["Call", [["Result", [code(c.sip_code), " ", word(c.disconnect_reason), c.q850_cause ? h("span", { class: "muted" }, ` (Q.850 ${c.q850_cause})`) : null]], ["Hung up by", c.hangup_party], ["Talk", seconds(c.duration_ms / 1000)], ["PDD", millis(c.pdd_ms)],
			["Started", at(c.started_at)], ["Answered", at(c.answered_at)], ["Ended", at(c.ended_at)], ["Node", [c.node, c.recovered ? badge("closed after a crash", "warn") : null]]]],
		["Numbers", [["Calling", copyable(c.calling_in, "calling number")], ["Called", copyable(c.called_in, "called number")], ["Calling, as sent", copyable(c.calling_out, "calling number sent")], ["Called, as sent", copyable(c.called_out, "called number sent")],
			["Destination", c.destination], c.lrn && ["LRN", c.lrn], c.rated_called && ["Rated as", c.rated_called]]],
		["Ways", [["Customer", carrier(c.ingress_carrier_id)], ["In by", trunk(c.ingress_trunk_id)], ["Vendor", carrier(c.egress_carrier_id)], ["Out by", trunk(c.egress_trunk_id)], ["From address", copyable(c.source_ip, "address")],
			["Call-ID, customer", copyable(c.a_call_id, "Call-ID")], ["Call-ID, vendor", copyable(c.b_call_id, "Call-ID")], ["ID", copyable(c.id, "id")]]],
		["Money", [["Sell", side(c.sell_amount, c.sell_currency, c.sell_billed_s, c.sell_price, c.sell_prefix)], ["Buy", side(c.buy_amount, c.buy_currency, c.buy_billed_s, c.buy_price, c.buy_prefix)], ["Margin", margin(c)],
			["Bookings", link(`#/ledger?cdr_id=${c.id}`, "in the ledger")]]],
	];
	const known = (facts) => facts.filter((f) => f && (!bound() || (f[1] !== null && f[1] !== undefined && f[1] !== NONE))); /* of another's side a carrier sees nothing, not that it is not set */
	const again = c.ingress_trunk_id && c.called_in && to("#/simulator?" + new URLSearchParams({ trunk_id: c.ingress_trunk_id, called: c.called_in, ...(c.calling_in ? { calling: c.calling_in } : {}) }), "Where would it go now?");
	replace(place, heading(`Call to ${c.called_in ?? c.called_out ?? NONE}`, { under: ["CDRs", "#/cdrs"], actions: [again] }),
		panel(null, groups.map(([title, list]) => h("div", { class: "group" }, h("h3", {}, title), facts(known(list))))),
		corrected.items.length ? panel("Corrections", table(CORRECTIONS, corrected.items, { label: "Corrections", cards: true })) : null,
		!Array.isArray(c.attempts) ? null : [panel("Call flow", ladder(c, name("carriers", c.ingress_carrier_id), c.attempts.map((a) => name("carriers", a.carrier_id)))),
		panel("Attempts", table(ATTEMPTS, c.attempts, { none: "No vendor was tried.", label: "Attempts", cards: true })),
		decision(c.trace)]); /* a carrier's key does not see who was tried */
}

export async function cdrs(place, rest, query) {
	await load("carriers", "trunks");
	if (rest[0])
		return one(place, rest[0]);
	replace(place, heading("CDRs"), await listing({ path: "/v1/cdrs", page: "cdrs", query, filters: filters(), columns: bound() ? OWN : COLUMNS, link: (c) => `#/cdrs/${c.id}`, spans: true,
		label: "CDRs", none: "No call is over yet. Each call has its CDR here within 5 s of its end.", next: ["Live calls", "#/calls"] }));
}
