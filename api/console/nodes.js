/* SPDX-License-Identifier: Apache-2.0 */
/* nodes.js - the switch's nodes, and the registrations that they keep with vendors. */
import { get } from "./api.js";
import { badge, heading, panel, replace, when } from "./dom.js";
import { load, name } from "./names.js";
import { table } from "./table.js";
import { count } from "./values.js";

const STALE_MS = 15000;
const REGISTERED = { registered: "good", trying: "warn", failed: "bad" };

const alive = (n) => n.at && Date.now() - Date.parse(n.at) < STALE_MS;

const COLUMNS = [
	{ title: "Node", value: (n) => n.node },
	{ title: "State", value: (n) => (alive(n) ? badge("up", "good") : badge("silent", "bad")) },
	{ title: "Seen", kind: "mono", value: (n) => when(n.at) },
	{ title: "Runs since", kind: "mono", value: (n) => when(n.started_at) },
	{ title: "Live calls", kind: "number", value: (n) => count(n.calls) },
	{ title: "Calls / s", kind: "number", value: (n) => (n.cps === null ? "–" : n.cps.toFixed(1)) },
	{ title: "Calls since start", kind: "number", value: (n) => count(n.calls_total) },
	{ title: "Answered", kind: "number", value: (n) => count(n.answered_total) },
	{ title: "Media relays down", kind: "number", value: (n) => (n.rtpengines_down ? badge(n.rtpengines_down, "bad") : "0") },
	{ title: "Calls without media", kind: "number", value: (n) => count(n.media_lost_total) },
];
const REGISTRATIONS = [
	{ title: "Trunk", value: (r) => name("trunks", r.trunk_id) },
	{ title: "Node", value: (r) => r.node },
	{ title: "State", value: (r) => badge(r.state, REGISTERED[r.state]) },
	{ title: "Since", kind: "mono", value: (r) => when(r.since) },
	{ title: "Expires", kind: "mono", value: (r) => when(r.expires_at) },
	{ title: "Reason", value: (r) => r.reason || "–" },
];

export async function nodes(place) {
	await load("trunks");
	const { items } = await get("/v1/nodes");
	const kept = items.flatMap((n) => (n.registrations || []).map((r) => ({ ...r, node: n.node })));
	replace(place, heading("Nodes"), panel(null, table(COLUMNS, items, { label: "Nodes", cards: true, none: "No tandemd has shown itself in Redis. Start one, or ask “tandem doctor” what is wrong." })),
		panel("Registrations with vendors", table(REGISTRATIONS, kept, { label: "Registrations", cards: true, link: (r) => `#/trunks/${r.trunk_id}`, none: "No vendor's trunk says register.", next: ["Vendors' trunks", "#/trunks?direction=egress"] })));
}
