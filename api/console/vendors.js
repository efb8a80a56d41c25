/* SPDX-License-Identifier: Apache-2.0 */
/* vendors.js - how vendors do: whether their addresses answer, how they complete calls, what changed, and the operator's word
 * against what is observed. */
import { all, get, post, remove } from "./api.js";
import { ask, attempt, badge, button, heading, link, panel, replace, toast, when } from "./dom.js";
import { choices, load, name } from "./names.js";
import { may } from "./rights.js";
import { filterForm, table } from "./table.js";
import { NONE, count } from "./values.js";

const STATE = { up: "good", trial: "warn", down: "bad" };
const EVENT = { down: "bad", demoted: "warn", "forced down": "bad", up: "good", restored: "good", "forced up": "good" };
const EVENTS_SHOWN = 50;

const share = (x) => (x === null ? NONE : `${(100 * x).toFixed(1)} %`);
const tenths = (x, unit) => (x === null ? NONE : `${x.toFixed(unit === "ms" ? 0 : 1)} ${unit}`);
const trunk = (x) => link(`#/trunks/${x.trunk_id}`, name("trunks", x.trunk_id));

function healthColumns(forces, again) {
	const force = (v, way) => async () => {
		const text = name("trunks", v.trunk_id);
		if (way === "down" && !(await ask(`Take ${text} out of service?`, "Force down", "It gets no calls until you let what is observed hold again. Calls that run go on.")))
			return;
		await attempt(async () => {
			const old = forces.find((f) => f.trunk_id === v.trunk_id);
			if (old)
				await remove(`/v1/vendor-forces/${old.id}`);
			if (way)
				await post("/v1/vendor-forces", { trunk_id: v.trunk_id, force: way });
			toast(way ? `${text} is forced ${way}.` : `What is observed of ${text} holds again.`, "good");
			again();
		});
	};
	const word = (v) => {
		if (!may("POST", "/v1/vendor-forces"))
			return NONE;
		const said = forces.find((f) => f.trunk_id === v.trunk_id);
		return said ? button("As observed", force(v, null), "small") : [button("Force down", force(v, "down"), "small danger"), " ", button("Force up", force(v, "up"), "small")];
	};
	return [
		{ title: "Trunk", value: trunk },
		{ title: "Node", value: (v) => v.node },
		{ title: "Address", kind: "mono", value: (v) => v.address },
		{ title: "State", value: (v) => badge(v.state, STATE[v.state]) },
		{ title: "Forced", value: (v) => (v.forced ? badge(v.forced, STATE[v.forced]) : NONE) },
		{ title: "Failures in a row", kind: "number", value: (v) => count(v.failures) },
		{ title: "Since", kind: "mono", value: (v) => when(v.since) },
		{ title: "Why", value: (v) => v.reason || NONE },
		{ title: "", about: "Force", value: word },
	];
}

const QUALITY = [
	{ title: "Trunk", value: trunk, by: (a, b) => name("trunks", a.trunk_id).localeCompare(name("trunks", b.trunk_id)) },
	{ title: "Destination", value: (q) => q.destination, by: (a, b) => a.destination.localeCompare(b.destination) },
	{ title: "Standing", value: (q) => (q.demoted ? badge("demoted", "bad") : q.measured ? badge("measured", "good") : badge("too few calls")) },
	{ title: "Score", kind: "number", value: (q) => q.score.toFixed(3), by: (a, b) => a.score - b.score },
	{ title: "Attempts", kind: "number", value: (q) => count(q.attempts), by: (a, b) => a.attempts - b.attempts },
	{ title: "ASR", kind: "number", value: (q) => share(q.asr), by: (a, b) => a.asr - b.asr },
	{ title: "NER", kind: "number", value: (q) => share(q.ner), by: (a, b) => a.ner - b.ner },
	{ title: "ACD", kind: "number", value: (q) => tenths(q.acd, "s"), by: (a, b) => (a.acd ?? -1) - (b.acd ?? -1) },
	{ title: "PDD", kind: "number", value: (q) => tenths(q.pdd === null ? null : q.pdd * 1000, "ms"), by: (a, b) => (a.pdd ?? -1) - (b.pdd ?? -1) },
	{ title: "Short calls", kind: "number", value: (q) => count(q.short_calls), by: (a, b) => a.short_calls - b.short_calls },
];
const EVENTS = [
	{ title: "At", kind: "mono", value: (e) => when(e.at) },
	{ title: "Trunk", value: trunk },
	{ title: "Event", value: (e) => badge(e.event, EVENT[e.event]) },
	{ title: "Destination", value: (e) => e.destination ?? NONE },
	{ title: "Node", value: (e) => e.node },
	{ title: "Why", value: (e) => e.reason || NONE },
];

export async function vendors(place, rest, query) {
	await load("carriers", "trunks");
	const [health, quality, events, forces] = await Promise.all([get("/v1/vendor-health", query), get("/v1/vendor-quality", query), get("/v1/vendor-events", query), all("/v1/vendor-forces")]);
	const again = () => attempt(() => vendors(place, rest, query));
	replace(place, heading("Vendors", { actions: [button("Read again", again)] }),
		filterForm([{ name: "trunk_id", label: "Trunk", choices: choices("trunks", (t) => t.direction === "egress") }], query, "vendors"),
		panel("Do they answer?", table(healthColumns(forces, again), health.items, { label: "Health", cards: true, none: "No node has tried a vendor yet.", next: ["Vendors' trunks", "#/trunks?direction=egress"] })),
		panel("How do they complete calls? (last hour)", table(QUALITY, quality.items, { label: "Quality", cards: true, order: { column: "Score", down: false }, none: "No attempt ended within the last hour." })),
		panel("What changed", table(EVENTS, events.items.slice(0, EVENTS_SHOWN), { label: "Changes", cards: true, none: "Nothing changed: no vendor went down, none was demoted." })));
}
