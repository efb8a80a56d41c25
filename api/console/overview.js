/* SPDX-License-Identifier: Apache-2.0 */
/* overview.js - the dashboard: what happens now, by the second, and the last day by the hour. */
import { all, get } from "./api.js";
import { plot } from "./charts.js";
import { badge, clock, count, empty, h, heading, money, panel, percent, replace, seconds, time, word } from "./dom.js";
import { load, name } from "./names.js";
import { table } from "./table.js";

const POLL_MS = 2000;
const KEPT = 150; /* points of the plots of now: five minutes */
const HOURS = 24;
const STALE_S = 15;
const now = { labels: [], calls: [], cps: [] }; /* goes on while other pages are open and come back to */

const tile = (text) => {
	const value = h("strong", {}, "–");
	const node = h("div", { class: "tile" }, value, h("span", {}, text));
	return { node, set: (t, kind = "") => (replace(value, t), (node.className = `tile ${kind}`)) };
};
const hourOf = (t) => new Date(Math.floor(t / 3600000) * 3600000);

/* The hours of the last day with their figures; an hour without calls has none. Money: of the currency that earns most calls. */
function byHour(items, begin) {
	const hours = Array.from({ length: HOURS }, (_, i) => new Date(begin.getTime() + i * 3600000));
	const calls = new Map();
	items.forEach((i) => calls.set(i.currency, (calls.get(i.currency) || 0) + i.calls));
	const currency = [...calls].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
	const found = hours.map((hour) => items.find((i) => i.currency === currency && Date.parse(i.hour) === hour.getTime()));
	const of = (f) => found.map((i) => (i ? f(i) : null));
	return { currency, labels: hours.map((hour) => clock(hour).slice(0, 5)), of };
}

function alarms(alerts, nodes) {
	const list = alerts.map((a) => ["warn", a.kind, `${a.carrier_name}: ${money(a.balance, a.currency)}, the limit is ${money(a.threshold, a.currency)}`]);
	for (const n of nodes)
		if (n.at && (Date.now() - Date.parse(n.at)) / 1000 > STALE_S)
			list.push(["bad", "node silent", `${n.node} last showed itself at ${time(n.at)}`]);
	if (!list.length)
		return empty("No alarm.");
	return h("ul", { class: "alarms" }, list.map(([kind, what, detail]) => h("li", {}, badge(what, kind), " ", detail)));
}

const RANKED = (title, value) => [
	{ title, value },
	{ title: "Calls", kind: "number", value: (i) => count(i.calls) },
	{ title: "ASR", kind: "number", value: (i) => percent(i.asr) },
	{ title: "ACD", kind: "number", value: (i) => seconds(i.acd_s) },
	{ title: "PDD p95", kind: "number", value: (i) => (i.pdd_p95_ms === null ? "–" : `${count(i.pdd_p95_ms)} ms`) },
	{ title: "Minutes", kind: "number", value: (i) => Number(i.minutes).toFixed(1) },
	{ title: "Margin", kind: "number", value: (i) => money(i.margin, i.currency) },
];

const narrow = (column) => column.title !== "Minutes"; /* of tables that stand side by side */

function watchNow(tiles, plots, alarmBox, alerts, signal) {
	let last = 0;
	const poll = async () => {
		try {
			const nodes = (await get("/v1/nodes", {}, signal)).items;
			const sum = (f) => nodes.reduce((n, x) => n + (x[f] || 0), 0);
			if (Date.now() - last >= POLL_MS / 2) {
				last = Date.now();
				now.labels.push(clock(new Date()));
				now.calls.push(sum("calls"));
				now.cps.push(sum("cps"));
				for (const part of Object.values(now))
					part.splice(0, Math.max(0, part.length - KEPT));
			}
			tiles.calls.set(count(sum("calls")));
			tiles.cps.set(count(sum("cps")));
			tiles.nodes.set(count(nodes.length), nodes.length ? "" : "bad");
			plots.calls.update(now.labels, [now.calls]);
			plots.cps.update(now.labels, [now.cps]);
			replace(alarmBox, alarms(alerts, nodes));
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

export async function overview(place, rest, query, signal) {
	const begin = new Date(hourOf(Date.now()).getTime() - (HOURS - 1) * 3600000);
	const from = begin.toISOString();
	await load("carriers");
	const [hours, customers, vendors, destinations, alerts] = await Promise.all([
		get("/v1/stats", { group_by: "hour", from }), get("/v1/stats", { group_by: "carrier", from }), get("/v1/stats", { group_by: "carrier", side: "egress", from }),
		get("/v1/stats", { group_by: "destination" }), all("/v1/alerts")]);
	const day = byHour(hours.items, begin);
	const tiles = { calls: tile("live calls"), cps: tile("calls a second"), asr: tile("ASR, 24 h"), acd: tile("ACD, 24 h"), pdd: tile("PDD p95, last hour"), margin: tile(`margin, 24 h${day.currency ? ", " + day.currency : ""}`),
		nodes: tile("nodes") };
	const sums = (f) => hours.items.reduce((n, i) => n + i[f], 0);
	const number = (text) => Number(text);
	tiles.asr.set(percent(sums("calls") ? (100 * sums("answered")) / sums("calls") : null));
	tiles.acd.set(sums("answered") ? seconds((60 * hours.items.reduce((n, i) => n + Number(i.minutes), 0)) / sums("answered")) : "–");
	const p95 = day.of((i) => i.pdd_p95_ms).at(-1);
	tiles.pdd.set(p95 === null ? "–" : `${count(p95)} ms`);
	const margin = day.of((i) => number(i.margin)).reduce((n, v) => n + (v || 0), 0);
	tiles.margin.set(margin.toLocaleString("en", { maximumFractionDigits: Math.abs(margin) < 1 ? 4 : 2, minimumFractionDigits: 2 }), margin < 0 ? "bad" : "");

	const plots = {
		calls: plot({ labels: now.labels, series: [{ label: "calls", data: now.calls }], what: "Live calls over the last five minutes", fill: true }),
		cps: plot({ labels: now.labels, series: [{ label: "calls a second", data: now.cps }], what: "Calls a second over the last five minutes", fill: true }),
		margin: plot({ type: "bar", labels: day.labels, series: [{ label: `revenue, ${day.currency ?? ""}`, data: day.of((i) => number(i.revenue)) }, { label: "margin", data: day.of((i) => number(i.margin)) }], what: "Revenue and margin by hour" }),
		asr: plot({ labels: day.labels, series: [{ label: "ASR", data: day.of((i) => i.asr) }, { label: "NER", data: day.of((i) => i.ner) }], unit: " %", what: "ASR and NER by hour" }),
		acd: plot({ labels: day.labels, series: [{ label: "ACD", data: day.of((i) => i.acd_s) }], unit: " s", what: "Average call duration by hour" }),
		pdd: plot({ labels: day.labels, series: [{ label: "p50", data: day.of((i) => i.pdd_p50_ms) }, { label: "p95", data: day.of((i) => i.pdd_p95_ms) }], unit: " ms", what: "Post-dial delay by hour" }),
	};
	signal.addEventListener("abort", () => Object.values(plots).forEach((p) => p.close()));
	const alarmBox = h("div", { "aria-live": "polite" });
	const most = (page) => [...page.items].sort((a, b) => b.calls - a.calls).slice(0, 8);
	replace(place, heading("Dashboard"), h("div", { class: "tiles" }, Object.values(tiles).map((t) => t.node)), panel("Alarms", alarmBox),
		h("div", { class: "plots" }, panel("Live calls", plots.calls.node), panel("Calls a second", plots.cps.node), panel("Revenue and margin by hour", plots.margin.node), panel("ASR and NER by hour", plots.asr.node),
			panel("ACD by hour", plots.acd.node), panel("PDD by hour", plots.pdd.node)),
		h("div", { class: "plots" }, panel("Customers, 24 h", table(RANKED("Customer", (i) => name("carriers", i.carrier_id)).filter(narrow), most(customers), { none: "No call yet.", label: "Customers" })),
			panel("Vendors, 24 h", table(RANKED("Vendor", (i) => name("carriers", i.carrier_id)).filter(narrow), most(vendors), { none: "No call yet.", label: "Vendors" }))),
		panel("Destinations, last seven days", table(RANKED("Destination", (i) => word(i.destination)), most(destinations), { none: "No call yet.", label: "Destinations" })));
	watchNow(tiles, plots, alarmBox, alerts.filter((a) => !a.cleared_at), signal);
}
