/* SPDX-License-Identifier: Apache-2.0 */
/* overview.js - the dashboard: what happens now, by the second, and the last day by the hour. */
import { get } from "./api.js";
import { shownAlarms, standing } from "./alarms.js";
import { plot } from "./charts.js";
import { amount, h, heading, link, panel, replace, tile } from "./dom.js";
import { load, name } from "./names.js";
import { table } from "./table.js";
import { clock, count, decimal, percent, seconds, sum } from "./values.js";

const POLL_MS = 2000;
const KEPT = 150; /* points of the plots of now: five minutes */
const HOURS = 24;
const HOUR_MS = 3600000;
const now = { labels: [], calls: [], cps: [] }; /* goes on while other pages are open and come back to */

/* The hours of the last day with their figures; an hour without calls has none. Money: of the currency that has most calls. */
function byHour(items, begin) {
	const hours = Array.from({ length: HOURS }, (_, i) => begin + i * HOUR_MS);
	const calls = new Map();
	items.forEach((i) => i.currency && calls.set(i.currency, (calls.get(i.currency) || 0) + i.calls));
	const currency = [...calls].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
	const found = hours.map((hour) => items.find((i) => i.currency === currency && Date.parse(i.hour) === hour));
	const of = (f) => found.map((i) => (i ? f(i) : null));
	return { currency, labels: hours.map((hour) => clock(hour).slice(0, 5)), of };
}

const ranked = (title, text, href) => [
	{ title, value: (i) => link(href(i), text(i)) },
	{ title: "Calls", kind: "number", value: (i) => count(i.calls) },
	{ title: "ASR", kind: "number", value: (i) => percent(i.asr) },
	{ title: "ACD", kind: "number", value: (i) => seconds(i.acd_s) },
	{ title: "PDD p95", kind: "number", minor: true, value: (i) => (i.pdd_p95_ms === null ? "–" : `${count(i.pdd_p95_ms)} ms`) },
	{ title: "Margin", kind: "number", value: (i) => amount(i.margin, i.currency) },
];
const ofCarrier = (title, from) => ranked(title, (i) => name("carriers", i.carrier_id), (i) => i.carrier_id && `#/cdrs?carrier_id=${i.carrier_id}&from=${from}`);
const most = (page) => [...page.items].sort((a, b) => b.calls - a.calls).slice(0, 8);

function watchNow(tiles, plots, alarmBox, signal) {
	let last = 0;
	const poll = async () => {
		try {
			const nodes = (await get("/v1/nodes", {}, signal)).items;
			const total = (f) => nodes.reduce((n, x) => n + (x[f] || 0), 0);
			if (Date.now() - last >= POLL_MS / 2) {
				last = Date.now();
				now.labels.push(clock(new Date()));
				now.calls.push(total("calls"));
				now.cps.push(total("cps"));
				for (const part of Object.values(now))
					part.splice(0, Math.max(0, part.length - KEPT));
			}
			tiles.calls.set(count(total("calls")));
			tiles.cps.set(total("cps").toLocaleString("en", { maximumFractionDigits: 1 }));
			tiles.nodes.set(count(nodes.length), nodes.length ? "" : "bad");
			plots.calls.update(now.labels, [now.calls]);
			plots.cps.update(now.labels, [now.cps]);
			const list = await standing(signal, nodes);
			tiles.alarms.set(count(list.length), list.some((a) => a.kind === "bad") ? "bad" : list.length ? "warn" : "good");
			replace(alarmBox, shownAlarms(list));
		} catch (e) {
			if (signal.aborted)
				return;
			replace(alarmBox, h("p", { class: "fault", role: "alert" }, `What happens now can't be read: ${e.message}`));
		}
		if (!signal.aborted)
			setTimeout(poll, POLL_MS);
	};
	return poll();
}

function setDay(tiles, items, day) {
	const add = (f) => items.reduce((n, i) => n + i[f], 0);
	const p95 = day.of((i) => i.pdd_p95_ms).filter((v) => v !== null).at(-1) ?? null;
	const margin = sum(items.filter((i) => i.currency === day.currency).map((i) => i.margin));
	const size = Math.abs(Number(margin));
	tiles.asr.set(percent(add("calls") ? (100 * add("answered")) / add("calls") : null));
	tiles.acd.set(add("answered") ? seconds((60 * items.reduce((n, i) => n + Number(i.minutes), 0)) / add("answered")) : "–");
	tiles.pdd.set(p95 === null ? "–" : `${count(p95)} ms`);
	tiles.margin.set([decimal(Number(margin).toFixed(size && size < 1 ? 4 : 2), 2), day.currency && h("span", { class: "unit" }, ` ${day.currency}`)], margin.startsWith("-") ? "bad" : "");
}

const dayPlots = (day) => ({
	margin: plot({ type: "bar", labels: day.labels, series: [{ label: `revenue, ${day.currency ?? ""}`, data: day.of((i) => Number(i.revenue)) }, { label: "margin", data: day.of((i) => Number(i.margin)) }], what: "Revenue and margin by hour" }),
	asr: plot({ labels: day.labels, series: [{ label: "ASR", data: day.of((i) => i.asr) }, { label: "NER", data: day.of((i) => i.ner) }], unit: " %", what: "ASR and NER by hour" }),
	acd: plot({ labels: day.labels, series: [{ label: "ACD", data: day.of((i) => i.acd_s) }], unit: " s", what: "Average call duration by hour" }),
	pdd: plot({ labels: day.labels, series: [{ label: "p50", data: day.of((i) => i.pdd_p50_ms) }, { label: "p95", data: day.of((i) => i.pdd_p95_ms) }], unit: " ms", what: "Post-dial delay by hour" }),
});

export async function overview(place, rest, query, signal) {
	const begin = (Math.floor(Date.now() / HOUR_MS) - HOURS + 1) * HOUR_MS;
	const from = new Date(begin).toISOString();
	await load("carriers", "trunks");
	const [hours, customers, vendors, destinations] = await Promise.all([get("/v1/stats", { group_by: "hour", from }), get("/v1/stats", { group_by: "carrier", from }),
		get("/v1/stats", { group_by: "carrier", side: "egress", from }), get("/v1/stats", { group_by: "destination" })]);
	const day = byHour(hours.items, begin);
	const tiles = { calls: tile("Live calls", "#/calls"), cps: tile("Calls a second"), alarms: tile("Alarms", "#/alarms"), asr: tile("ASR, 24 h", "#/statistics?group_by=hour"), acd: tile("ACD, 24 h", "#/statistics?group_by=hour"),
		pdd: tile("PDD p95, last hour", "#/statistics?group_by=hour"), margin: tile("Margin, 24 h", "#/statistics?group_by=carrier"), nodes: tile("Nodes", "#/nodes") };
	setDay(tiles, hours.items, day);
	const plots = {
		calls: plot({ labels: now.labels, series: [{ label: "calls", data: now.calls }], what: "Live calls over the last five minutes", fill: true, whole: true }),
		cps: plot({ labels: now.labels, series: [{ label: "calls a second", data: now.cps }], what: "Calls a second over the last five minutes", fill: true }),
		...dayPlots(day),
	};
	signal.addEventListener("abort", () => Object.values(plots).forEach((p) => p.close()));
	const alarmBox = h("div", { "aria-live": "polite" }, h("p", { class: "calm muted" }, "Looking…"));
	const rank = (title, columns, page) => panel(title, table(columns, most(page), { none: "No call yet.", next: ["Simulate a route", "#/simulator"], label: title }));
	replace(place, heading("Dashboard"), h("div", { class: "tiles eight" }, Object.values(tiles).map((t) => t.node)), panel("Alarms", alarmBox),
		h("div", { class: "plots" }, panel("Live calls, last five minutes", plots.calls.node), panel("Calls a second, last five minutes", plots.cps.node), panel("Revenue and margin by hour", plots.margin.node),
			panel("ASR and NER by hour", plots.asr.node), panel("ACD by hour", plots.acd.node), panel("PDD by hour", plots.pdd.node)),
		h("div", { class: "plots" }, rank("Customers, 24 h", ofCarrier("Customer", from), customers), rank("Vendors, 24 h", ofCarrier("Vendor", from), vendors)),
		rank("Destinations, last seven days", ranked("Destination", (i) => i.destination || "without a rate", (i) => i.destination && `#/statistics?group_by=carrier&destination=${encodeURIComponent(i.destination)}`), destinations));
	watchNow(tiles, plots, alarmBox, signal);
}
