/* SPDX-License-Identifier: Apache-2.0 */
/* statistics.js - what calls amount to, by carrier, trunk, destination or hour, as figures and as a plot. The question stands in
 * the address. */
import { get } from "./api.js";
import { amount, empty, h, heading, link, panel, replace } from "./dom.js";
import { plot } from "./charts.js";
import { atEnd } from "./leaving.js";
import { choices, load, name } from "./names.js";
import { filterForm, table } from "./table.js";
import { NONE, clock, compare, count, decimal, percent, sum, talk, time, zone } from "./values.js";

const GROUPS = [["carrier", "carrier"], ["trunk", "trunk"], ["destination", "destination"], ["hour", "hour"]];
const BARS = 12;

const WHO = {
	carrier: { title: "Carrier", text: (i) => name("carriers", i.carrier_id), href: (i) => i.carrier_id && `#/cdrs?carrier_id=${i.carrier_id}` },
	trunk: { title: "Trunk", text: (i) => name("trunks", i.trunk_id), href: (i) => i.trunk_id && `#/cdrs?trunk_id=${i.trunk_id}` },
	destination: { title: "Destination", text: (i) => i.destination || "without a rate" },
	hour: { title: "Hour", text: (i) => time(i.hour).slice(0, 16), shown: (i) => h("time", { datetime: i.hour, title: `${time(i.hour)} ${zone(i.hour)}` }, time(i.hour).slice(0, 16)),
		href: (i) => `#/cdrs?from=${i.hour}&to=${new Date(Date.parse(i.hour) + 3600000).toISOString()}` },
};

function columns(who) {
	const number = (title, field, shown) => ({ title, kind: "number", value: (i) => shown(i[field]), by: (a, b) => (a[field] ?? -1) - (b[field] ?? -1) });
	const money = (title, field) => ({ title, kind: "number", value: (i) => amount(i[field]), by: (a, b) => compare(a[field], b[field]) });
	const cell = (i) => who.shown?.(i) ?? who.text(i);
	return [
		{ title: who.title, value: (i) => link(who.href?.(i), cell(i), "Its CDRs"), by: (a, b) => who.text(a).localeCompare(who.text(b)) },
		number("Calls", "calls", count), number("Answered", "answered", count), number("ASR", "asr", percent), number("NER", "ner", percent), number("ACD", "acd_s", talk),
		{ title: "PDD p50, p95, p99", kind: "number", value: (i) => (i.pdd_p50_ms === null ? NONE : `${count(i.pdd_p50_ms)}, ${count(i.pdd_p95_ms)}, ${count(i.pdd_p99_ms)} ms`), by: (a, b) => (a.pdd_p95_ms ?? -1) - (b.pdd_p95_ms ?? -1) },
		{ title: "Minutes", kind: "number", value: (i) => decimal(Number(i.minutes).toFixed(1), 1), by: (a, b) => compare(a.minutes, b.minutes) },
		{ title: "Currency", value: (i) => i.currency ?? NONE }, money("Revenue", "revenue"), money("Cost", "cost"), money("Margin", "margin"),
	];
}

/* Sums by currency: money of several is never added up. */
function totals(items) {
	const found = [...new Set(items.map((i) => i.currency))];
	return found.map((c) => {
		const of = items.filter((i) => i.currency === c);
		const add = (f) => of.reduce((n, i) => n + i[f], 0);
		return { currency: c, calls: add("calls"), answered: add("answered"), revenue: sum(of.map((i) => i.revenue)), cost: sum(of.map((i) => i.cost)), margin: sum(of.map((i) => i.margin)), minutes: sum(of.map((i) => i.minutes)) };
	}).filter((t) => t.calls);
}
const TOTALS = [
	{ title: "In all", value: (t) => t.currency ?? "without a rate" },
	{ title: "Calls", kind: "number", value: (t) => count(t.calls) },
	{ title: "ASR", kind: "number", value: (t) => percent((100 * t.answered) / t.calls) },
	{ title: "Minutes", kind: "number", value: (t) => decimal(Number(t.minutes).toFixed(1), 1) },
	{ title: "Revenue", kind: "number", value: (t) => amount(t.revenue, t.currency) },
	{ title: "Cost", kind: "number", value: (t) => amount(t.cost, t.currency) },
	{ title: "Margin", kind: "number", value: (t) => amount(t.margin, t.currency) },
];

function plots(group, items, signal) {
	const who = WHO[group];
	const currency = totals(items).sort((a, b) => b.calls - a.calls)[0]?.currency;
	const of = items.filter((i) => i.currency === currency);
	const bars = group === "hour" ? [...of].sort((a, b) => a.hour.localeCompare(b.hour)) : [...of].sort((a, b) => b.calls - a.calls).slice(0, BARS);
	const labels = bars.map((i) => (group === "hour" ? `${time(i.hour).slice(5, 10)} ${clock(i.hour).slice(0, 5)}` : who.text(i)));
	const titles = (n) => (group === "hour" ? `${time(bars[n].hour).slice(0, 16)} ${zone(bars[n].hour)}` : labels[n]);
	const made = [
		["Calls", plot({ type: "bar", labels, series: [{ label: "calls", data: bars.map((i) => i.calls) }, { label: "answered", data: bars.map((i) => i.answered) }], what: `Calls by ${group}`, whole: true, titles })],
		[`Revenue and margin${currency ? ", " + currency : ""}`, plot({ type: "bar", labels, series: [{ label: "revenue", data: bars.map((i) => Number(i.revenue)) }, { label: "margin", data: bars.map((i) => Number(i.margin)) }], what: `Revenue and margin by ${group}`, titles, format: (v) => `${decimal(String(Number(v.toFixed(6))), 2)} ${currency}` })],
	];
	atEnd(signal, () => made.forEach(([, p]) => p.close()));
	return h("div", { class: "plots" }, made.map(([title, p]) => panel(title, p.node)));
}

export async function statistics(place, rest, query, signal) {
	await load("carriers", "trunks");
	const asked = { group_by: "carrier", ...query };
	const filters = [{ name: "group_by", label: "By", choices: GROUPS, needed: true }, { name: "side", label: "Side", needed: true, choices: [["ingress", "customers"], ["egress", "vendors"]] },
		{ name: "from", label: "From", type: "datetime-local" }, { name: "to", label: "To", type: "datetime-local" }, { name: "carrier_id", label: "Carrier", choices: choices("carriers") },
		{ name: "trunk_id", label: "Trunk", choices: choices("trunks") }];
	if (asked.group_by !== "hour")
		filters.push({ name: "destination", label: "Destination" });
	else
		delete asked.destination;
	const { items } = await get("/v1/stats", asked, signal);
	const span = query.from || query.to ? null : h("p", { class: "lede" }, "The last seven days.");
	const order = asked.group_by === "hour" ? { column: "Hour", down: true } : { column: "Calls", down: true };
	replace(place, heading("Statistics"), filterForm(filters, asked, "statistics", true), span,
		items.length ? [plots(asked.group_by, items, signal), panel("Totals", table(TOTALS, totals(items), { label: "Totals" })),
			panel(`By ${asked.group_by}`, table(columns(WHO[asked.group_by] ?? WHO.carrier), items, { label: `By ${asked.group_by}`, order, cards: true }))]
			: panel(null, empty("No call in this time.", ["All CDRs", "#/cdrs"])));
}
