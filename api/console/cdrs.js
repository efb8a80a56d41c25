/* SPDX-License-Identifier: Apache-2.0 */
/* cdrs.js - the search for calls that are over, and one call: its flow, its attempts, its routing. */
import { get } from "./api.js";
import { badge, code, difference, facts, h, heading, millis, money, panel, replace, seconds, time, word } from "./dom.js";
import { ladder } from "./flow.js";
import { choices, load, name } from "./names.js";
import { listing, table } from "./table.js";
import { decision } from "./trace.js";

const margin = (c) => (c.sell_currency && c.sell_currency === c.buy_currency ? money(difference(c.sell_amount ?? "0", c.buy_amount ?? "0")) : "–");

const COLUMNS = [
	{ title: "Started", kind: "mono", value: (c) => time(c.started_at) },
	{ title: "Calling", kind: "mono", value: (c) => c.calling_in ?? "–" },
	{ title: "Called", kind: "mono", value: (c) => c.called_in ?? "–" },
	{ title: "Destination", value: (c) => c.destination || "–" },
	{ title: "Customer", value: (c) => name("carriers", c.ingress_carrier_id) },
	{ title: "Vendor", value: (c) => name("carriers", c.egress_carrier_id) },
	{ title: "Code", value: (c) => code(c.sip_code) },
	{ title: "End", value: (c) => word(c.disconnect_reason) },
	{ title: "Tries", kind: "number", value: (c) => String(c.attempts) },
	{ title: "PDD", kind: "number", value: (c) => millis(c.pdd_ms) },
	{ title: "Talk", kind: "number", value: (c) => seconds(c.duration_ms / 1000) },
	{ title: "Sell", kind: "number", value: (c) => money(c.sell_amount, c.sell_currency) },
	{ title: "Buy", kind: "number", value: (c) => money(c.buy_amount, c.buy_currency) },
	{ title: "Margin", kind: "number", value: margin },
];

const filters = () => [
	{ name: "from", label: "From", type: "datetime-local" },
	{ name: "to", label: "To", type: "datetime-local" },
	{ name: "called", label: "Called", placeholder: "as received", inputmode: "tel" },
	{ name: "calling", label: "Calling", placeholder: "as received", inputmode: "tel" },
	{ name: "called_prefix", label: "Called prefix", inputmode: "numeric" },
	{ name: "carrier_id", label: "Carrier", choices: choices("carriers") },
	{ name: "trunk_id", label: "Trunk", choices: choices("trunks") },
	{ name: "sip_code", label: "SIP code", inputmode: "numeric" },
	{ name: "answered", label: "Answered", choices: [["true", "yes"], ["false", "no"]] },
];

const ATTEMPTS = [
	{ title: "#", value: (a) => String(a.n) },
	{ title: "Vendor", value: (a) => name("carriers", a.carrier_id) },
	{ title: "Trunk", value: (a) => h("a", { href: `#/trunks/${a.trunk_id}` }, name("trunks", a.trunk_id)) },
	{ title: "Sent", kind: "mono", value: (a) => time(a.started_at, true) },
	{ title: "Code", value: (a) => code(a.sip_code) },
	{ title: "End", value: (a) => word(a.reason) },
	{ title: "Prefix", kind: "mono", value: (a) => a.buy_prefix ?? "–" },
	{ title: "Price / min", kind: "number", value: (a) => money(a.buy_price) },
	{ title: "Call-ID", kind: "mono", value: (a) => a.b_call_id ?? "–" },
];

async function one(place, id) {
	const c = await get(`/v1/cdrs/${id}`);
	const carrier = (x) => (x ? h("a", { href: `#/carriers/${x}` }, name("carriers", x)) : "–");
	const trunk = (x) => (x ? h("a", { href: `#/trunks/${x}` }, name("trunks", x)) : "–");
	replace(place, heading(`Call to ${c.called_in ?? "–"}`, h("a", { class: "button", href: "#/cdrs" }, "All CDRs")),
		panel(null, facts([["Result", [code(c.sip_code), " ", word(c.disconnect_reason)]], ["Hung up by", c.hangup_party], ["Started", time(c.started_at, true)],
			["Answered", time(c.answered_at, true)], ["Ended", time(c.ended_at, true)], ["Talk", seconds(c.duration_ms / 1000)], ["PDD", millis(c.pdd_ms)],
			["Calling", c.calling_in], ["Called", c.called_in], ["Called, sent", c.called_out], ["Destination", c.destination],
			["Customer", carrier(c.ingress_carrier_id)], ["In by", trunk(c.ingress_trunk_id)], ["Vendor", carrier(c.egress_carrier_id)], ["Out by", trunk(c.egress_trunk_id)],
			["Sell", [money(c.sell_amount, c.sell_currency), ` (${c.sell_billed_s ?? 0} s at ${money(c.sell_price)})`]],
			["Buy", [money(c.buy_amount, c.buy_currency), ` (${c.buy_billed_s ?? 0} s at ${money(c.buy_price)})`]], ["Margin", margin(c)],
			["Node", c.node], ["Source", c.source_ip], ["Call-ID", c.a_call_id], ["Recovered", c.recovered ? badge("after a crash", "warn") : "no"]])),
		panel("Call flow", ladder(c, name("carriers", c.ingress_carrier_id), c.attempts.map((a) => name("carriers", a.carrier_id)))),
		panel("Attempts", table(ATTEMPTS, c.attempts, { none: "No vendor was tried.", label: "Attempts" })),
		decision(c.trace));
}

export async function cdrs(place, rest, query) {
	await load("carriers", "trunks");
	if (rest[0])
		return one(place, rest[0]);
	replace(place, heading("CDRs"), await listing({ path: "/v1/cdrs", page: "cdrs", query, filters: filters(), columns: COLUMNS, link: (c) => `#/cdrs/${c.id}`,
		none: "No call fits." }));
}
