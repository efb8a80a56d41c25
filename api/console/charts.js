/* SPDX-License-Identifier: Apache-2.0 */
/* charts.js - plots in the page's colours, by Chart.js (Debian's libjs-chart.js). */
import { h } from "./dom.js";
import { NONE, count } from "./values.js";

const COLOURS = { light: ["#2458d3", "#10914c", "#c77700", "#b3202c"], dark: ["#7ea6ff", "#5fd38d", "#f0b75a", "#ff8d93"] };
const PHONE_PX = 760;
const LONG = 8; /* characters of a label; of longer ones half as many fit */

window.Chart.defaults.font.family = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

const property = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/* plot - type "line" or "bar"; labels: texts along the time axis; series: [{label, data}], null for no value. what: the plot in
 * words, for those who can't see it. whole: its values have no fractions. format(value): as the pointer is told it; titles(i):
 * the moment that point i stands for; none: what stands there without values. Returns {node, update(labels, datas), close()}. */
export function plot({ type = "line", labels, series, unit = "", what, fill = false, whole = false, format = (v) => `${count(v)}${unit}`, titles, none: text = "No call in this time." }) {
	const colours = COLOURS[document.documentElement.dataset.theme];
	const canvas = h("canvas", { role: "img", "aria-label": what });
	const none = h("p", { class: "unplotted" }, text);
	const node = h("div", { class: "plot" }, canvas, none);
	const tell = (datas) => (none.hidden = datas.some((d) => d.some((v) => v !== null)));
	tell(series.map((x) => x.data));
	const grid = property("--line");
	const muted = property("--muted");
	const chart = new window.Chart(canvas, {
		type,
		data: {
			labels,
			datasets: series.map((x, i) => ({ label: x.label, data: x.data, borderColor: colours[i], backgroundColor: type === "bar" ? colours[i] : colours[i] + "26", fill: fill && type === "line",
				borderWidth: type === "bar" ? 0 : 2, borderRadius: 3, maxBarThickness: 28, pointRadius: type === "line" && x.data.filter((v) => v !== null).length < 4 ? 3 : 0, pointHitRadius: 8, cubicInterpolationMode: "monotone", spanGaps: false })),
		},
		options: {
			animation: false, responsive: true, maintainAspectRatio: false, interaction: { mode: "index", intersect: false },
			plugins: {
				legend: { display: series.length > 1, align: "end", labels: { color: muted, boxWidth: 10, boxHeight: 10 } },
				tooltip: { callbacks: { title: (items) => (titles && items.length ? titles(items[0].dataIndex) : items[0]?.label), label: (c) => `${c.dataset.label}: ${c.raw === null ? NONE : format(c.raw)}` } },
			},
			scales: {
				x: { grid: { display: false }, ticks: { color: muted, maxTicksLimit: (innerWidth > PHONE_PX ? 8 : 4) / (labels[0]?.length > LONG ? 2 : 1), maxRotation: 0 } },
				y: { beginAtZero: true, grid: { color: grid, drawBorder: false }, ticks: { color: muted, maxTicksLimit: 6, precision: whole ? 0 : undefined, callback: (v) => `${v.toLocaleString("en", { maximumFractionDigits: 6 })}${unit}` } },
			},
		},
	});
	return {
		node,
		update(now, datas) {
			chart.data.labels = now;
			datas.forEach((d, i) => (chart.data.datasets[i].data = d));
			tell(datas);
			chart.update("none");
		},
		close: () => chart.destroy(),
	};
}
