/* SPDX-License-Identifier: Apache-2.0 */
/* overview.js - the dashboard: what happens now, by the second, and the hours before, by the hour. */
import { all, get } from "./api.js";
import { shownAlarms, standing } from "./alarms.js";
import { plot } from "./charts.js";
import { amount, h, heading, link, panel, replace, tile } from "./dom.js";
import { follow, following } from "./follow.js";
import { atEnd } from "./leaving.js";
import { load, name } from "./names.js";
import { starting } from "./starting.js";
import { table } from "./table.js";
import { NONE, clock, count, decimal, fromInput, millis, percent, sum, talk, time, zone } from "./values.js";

const POLL_MS = 2000;
const KEPT = 150; /* points of the plots of now: five minutes */
const HOUR_MS = 3600000;
const RANGES = { 6: "6 hours", 24: "24 hours", 72: "3 days", 168: "7 days", 720: "30 days" };
const HOURLY = 168; /* of ranges up to this each hour is drawn, of longer ones each day */
let last = 0; /* when a point was added */
const now = { labels: [], calls: [], cps: [] }; /* stay while other pages are open */

/* The time of a range as points of plots: {key, begin, label, title}; keyOf(hour) says to which an hour belongs. */
function hourly(begin, n) {
	const points = Array.from({ length: n }, (_, i) => begin + i * HOUR_MS).map((hour) => ({ key: hour, begin: hour, label: n < HOURLY ? (n > 24 ? `${time(hour).slice(5, 10)} ` : "") + clock(hour).slice(0, 5) : time(hour).slice(5, 10),
		title: `${time(hour).slice(0, 16)} to ${clock(hour + HOUR_MS).slice(0, 5)} ${zone(hour)}` }));
	return { points, keyOf: (hour) => Date.parse(hour), word: "hour" };
}
/* Days as people here count them, the last one today. */
function daily(n) {
	const dayOf = (moment) => time(moment).slice(0, 10);
	const today = Date.parse(`${dayOf(Date.now())}T00:00:00Z`);
	const points = Array.from({ length: n }, (_, i) => new Date(today - (n - 1 - i) * 24 * HOUR_MS).toISOString().slice(0, 10)).map((day) => {
		const begin = Date.parse(fromInput(`${day}T00:00:00`));
		return { key: day, begin, label: day.slice(5), title: `${day} ${zone(begin)}` };
	});
	return { points, keyOf: dayOf, word: "day" };
}

/* Several hours' figures as those of one time. Percentiles of its hours are none of the whole: they are left out. */
function together(items) {
	const add = (f) => items.reduce((n, i) => n + f(i), 0);
	const calls = add((i) => i.calls), answered = add((i) => i.answered), minutes = sum(items.map((i) => i.minutes));
	return { calls, answered, minutes, revenue: sum(items.map((i) => i.revenue)), margin: sum(items.map((i) => i.margin)), asr: calls ? (100 * answered) / calls : null,
		ner: calls ? add((i) => i.ner * i.calls) / calls : null, acd_s: answered ? (60 * Number(minutes)) / answered : null };
}

/* Each point with its figures; one without calls has none. Money: of the currency that has most calls. */
function figuresOf(items, { points, keyOf, word }) {
	const calls = new Map();
	items.forEach((i) => i.currency && calls.set(i.currency, (calls.get(i.currency) || 0) + i.calls));
	const currency = [...calls].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
	const parts = new Map(points.map((p) => [p.key, []]));
	items.filter((i) => i.currency === currency).forEach((i) => parts.get(keyOf(i.hour))?.push(i));
	const found = [...parts.values()].map((part) => (part.length > 1 ? together(part) : (part[0] ?? null)));
	return { currency, currencies: calls.size, word, labels: points.map((p) => p.label), title: (i) => points[i].title, of: (f) => found.map((i) => (i ? f(i) : null)) };
}

const ranked = (title, text, href) => [
	{ title, value: (i) => link(href(i), text(i)) },
	{ title: "Calls", kind: "number", value: (i) => count(i.calls) },
	{ title: "ASR", kind: "number", value: (i) => percent(i.asr) },
	{ title: "ACD", kind: "number", value: (i) => talk(i.acd_s) },
	{ title: "PDD p95", kind: "number", minor: true, value: (i) => millis(i.pdd_p95_ms) },
	{ title: "Margin", kind: "number", value: (i) => amount(i.margin, i.currency) },
];
const ofCarrier = (title, from) => ranked(title, (i) => name("carriers", i.carrier_id), (i) => i.carrier_id && `#/cdrs?carrier_id=${i.carrier_id}&from=${from}`);
const most = (page) => [...page.items].sort((a, b) => b.calls - a.calls).slice(0, 8);

/* Replace what is shown only if it says something else: what has the focus keeps it, and nothing is read out twice. */
function tell(box, node) {
	if (box.textContent !== node.textContent || box.querySelector(".unread"))
		replace(box, node);
}

function addPoint(at, calls, cps) {
	now.labels.push(clock(at));
	now.calls.push(calls);
	now.cps.push(cps);
}

/* What happens now: figures of all nodes every two seconds, and between them each call as it begins and ends. */
function watchNow(tiles, plots, boxes, signal) {
	let calls = 0;
	let timer;
	const showCalls = () => tiles.calls.set(count(Math.max(0, calls)));
	const read = async () => {
		const nodes = (await get("/v1/nodes", {}, signal)).items;
		const total = (f) => nodes.reduce((n, x) => n + (x[f] || 0), 0);
		calls = total("calls");
		if (Date.now() - last >= POLL_MS / 2) {
			for (last = last && Math.max(last + POLL_MS, Date.now() - KEPT * POLL_MS); last && last < Date.now() - POLL_MS; last += POLL_MS)
				addPoint(last, null, null); /* nobody looked: a gap */
			last = Date.now();
			addPoint(last, calls, total("cps"));
			for (const part of Object.values(now))
				part.splice(0, Math.max(0, part.length - KEPT));
		}
		showCalls();
		tiles.cps.set(total("cps").toLocaleString("en", { maximumFractionDigits: 1 }));
		tiles.nodes.set(count(nodes.length), nodes.length ? "" : "bad");
		plots.calls.update(now.labels, [now.calls]);
		plots.cps.update(now.labels, [now.cps]);
		const list = await standing(signal, nodes);
		tiles.alarms.set(count(list.length), list.some((a) => a.kind === "bad") ? "bad" : list.length ? "warn" : "good");
		tell(boxes.alarms, shownAlarms(list));
	};
	const poll = async () => {
		try {
			await read();
		} catch (e) {
			if (signal.aborted)
				return;
			tell(boxes.alarms, h("p", { class: "fault" }, `What happens now can't be read: ${e.message}`));
			tiles.alarms.set(NONE);
		}
		if (!signal.aborted)
			timer = setTimeout(poll, POLL_MS);
	};
	atEnd(signal, () => clearTimeout(timer));
	follow(async () => {}, signal, boxes.following, (event) => {
		calls += event === "call.started" ? 1 : event === "call.ended" ? -1 : 0;
		showCalls();
	});
	return poll();
}

/* hours: the same by the hour, whose percentiles are kept */
function setDay(tiles, items, day, hours) {
	const add = (f) => items.reduce((n, i) => n + i[f], 0);
	const p95 = hours.of((i) => i.pdd_p95_ms).filter((v) => v !== null).at(-1) ?? null;
	const margin = sum(items.filter((i) => i.currency === day.currency).map((i) => i.margin));
	const size = Math.abs(Number(margin));
	tiles.asr.set(percent(add("calls") ? (100 * add("answered")) / add("calls") : null));
	tiles.acd.set(add("answered") ? talk((60 * items.reduce((n, i) => n + Number(i.minutes), 0)) / add("answered")) : NONE);
	tiles.pdd.set(millis(p95));
	tiles.margin.set(day.currency ? [decimal(Number(margin).toFixed(size && size < 1 ? 4 : 2), 2), h("span", { class: "unit" }, ` ${day.currency}`)] : NONE, margin.startsWith("-") ? "bad" : "");
}

function dayPlots(day, hours) {
	const { labels, title: titles, of } = day;
	const by = `by ${day.word}`;
	const money = (v) => `${decimal(String(Number(v.toFixed(6))), 2)} ${day.currency}`;
	return {
		margin: plot({ type: "bar", labels, titles, format: money, series: [{ label: "revenue", data: of((i) => Number(i.revenue)) }, { label: "margin", data: of((i) => Number(i.margin)) }], what: `Revenue and margin ${by}` }),
		traffic: plot({ type: "bar", labels, titles, whole: true, series: [{ label: "calls", data: of((i) => i.calls) }, { label: "answered", data: of((i) => i.answered) }], what: `Calls ${by}` }),
		minutes: plot({ type: "bar", labels, titles, unit: " min", format: (v) => `${v.toFixed(1)} min`, series: [{ label: "minutes", data: of((i) => Number(i.minutes)) }], what: `Minutes of talk ${by}` }),
		asr: plot({ labels, titles, unit: " %", format: percent, series: [{ label: "ASR", data: of((i) => i.asr) }, { label: "NER", data: of((i) => i.ner) }], what: `ASR and NER ${by}` }),
		acd: plot({ labels, titles, unit: " s", format: talk, series: [{ label: "ACD", data: of((i) => i.acd_s) }], what: `Average call duration ${by}` }),
		pdd: plot({ labels: hours.labels, titles: hours.title, unit: " ms", format: millis, series: [{ label: "p50", data: hours.of((i) => i.pdd_p50_ms) }, { label: "p95", data: hours.of((i) => i.pdd_p95_ms) }], what: "Post-dial delay by hour" }),
	};
}

const ranges = (chosen) => h("div", { class: "ranges", role: "group", "aria-label": "Range" }, Object.entries(RANGES).map(([n, text]) => h("a", { href: `#/overview?hours=${n}`, "aria-current": n === chosen ? "true" : undefined }, text)));

export async function overview(place, rest, query, signal) {
	const chosen = query.hours in RANGES ? query.hours : "24";
	const size = Number(chosen);
	const days = size > HOURLY ? daily(size / 24) : null;
	const begin = days ? days.points[0].begin : (Math.floor(Date.now() / HOUR_MS) - size + 1) * HOUR_MS;
	const from = new Date(begin).toISOString();
	const [, items, ...figures] = await Promise.all([load("carriers", "trunks", "rate-decks", "routing-plans"), all("/v1/stats", { group_by: "hour", from }, signal), get("/v1/stats", { group_by: "carrier", from }, signal),
		get("/v1/stats", { group_by: "carrier", side: "egress", from }, signal), get("/v1/stats", { group_by: "destination", from: days ? from : undefined }, signal)]);
	const [customers, vendors, destinations] = figures;
	const first = Math.floor(begin / HOUR_MS) * HOUR_MS; /* hours of the roll-ups begin with UTC's */
	const hours = figuresOf(items, hourly(first, Math.floor((Date.now() - first) / HOUR_MS) + 1));
	const day = days ? figuresOf(items, days) : hours;
	const span = RANGES[chosen];
	const byHours = `#/statistics?group_by=hour&from=${from}`;
	const tiles = { calls: tile("Live calls", "#/calls"), cps: tile("Calls a second, now"), alarms: tile("Alarms", "#/alarms"), asr: tile(`ASR, ${span}`, byHours), acd: tile(`ACD, ${span}`, byHours),
		pdd: tile("PDD p95, last hour", byHours), margin: tile(`Margin, ${span}`, `#/statistics?group_by=carrier&from=${from}`), nodes: tile("Nodes", "#/nodes") };
	setDay(tiles, items, day, hours);
	const waiting = "The first figures come in two seconds.";
	const plots = {
		calls: plot({ labels: now.labels, series: [{ label: "calls", data: now.calls }], what: "Live calls over the last five minutes", fill: true, whole: true, none: waiting }),
		cps: plot({ labels: now.labels, series: [{ label: "calls a second", data: now.cps }], what: "Calls a second over the last five minutes", fill: true, none: waiting }),
		...dayPlots(day, hours),
	};
	atEnd(signal, () => Object.values(plots).forEach((p) => p.close()));
	const boxes = { alarms: h("div", { "aria-live": "polite" }, h("p", { class: "calm unread" }, "Looking…")), following: following() };
	const rank = (title, columns, page) => panel(title, table(columns, most(page), { none: "No call in this time.", next: ["Simulate a route", "#/simulator"], label: title, cards: true }));
	const by = day.word;
	const unit = day.currency ? `, ${day.currency}` : "";
	replace(place, heading("Dashboard", { actions: [boxes.following, ranges(chosen)] }),
		h("p", { class: "lede" }, `${days ? "Days" : "Hours"} in ${zone()}.`, day.currencies > 1 ? ` Money in ${day.currency}, the currency with most calls of ${day.currencies}.` : null), await starting(),
		h("div", { class: "tiles eight" }, Object.values(tiles).map((t) => t.node)), panel("Alarms", boxes.alarms),
		h("div", { class: "plots" }, panel("Live calls, last five minutes", plots.calls.node), panel("Calls a second, last five minutes", plots.cps.node), panel(`Revenue and margin by ${by}${unit}`, plots.margin.node),
			panel(`Calls by ${by}`, plots.traffic.node), panel(`Minutes by ${by}`, plots.minutes.node), panel(`ASR and NER by ${by}`, plots.asr.node), panel(`ACD by ${by}`, plots.acd.node), panel("PDD by hour", plots.pdd.node)),
		h("div", { class: "plots" }, rank(`Customers, ${span}`, ofCarrier("Customer", from), customers), rank(`Vendors, ${span}`, ofCarrier("Vendor", from), vendors)),
		rank(`Destinations, ${days ? span : "last seven days"}`, ranked("Destination", (i) => i.destination || "without a rate", (i) => i.destination && `#/statistics?group_by=carrier&destination=${encodeURIComponent(i.destination)}`), destinations));
	watchNow(tiles, plots, boxes, signal);
}
