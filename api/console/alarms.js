/* SPDX-License-Identifier: Apache-2.0 */
/* alarms.js - what somebody should look at: carriers' money, silent nodes, vendors that are down or demoted, registrations that
 * failed. The dashboard shows those that stand; the page also those of the past. */
import { all, get } from "./api.js";
import { amount, badge, empty, h, heading, link, panel, replace, when } from "./dom.js";
import { load, name } from "./names.js";
import { listing } from "./table.js";
import { ago, money } from "./values.js";

const STALE_S = 15;
const KINDS = { low_balance: "low balance", vendor_limit: "vendor limit" };

const silent = (n) => n.at && (Date.now() - Date.parse(n.at)) / 1000 > STALE_S;

function ofMoney(a) {
	const text = `${a.carrier_name}: balance ${money(a.balance, a.currency, 2)}, limit ${money(a.threshold, a.currency, 2)}`;
	return { kind: "warn", what: KINDS[a.kind] ?? a.kind, text, href: `#/carriers/${a.carrier_id}`, since: a.raised_at };
}
function ofNode(n) {
	if (silent(n))
		return [{ kind: "bad", what: "node silent", text: `${n.node} last showed itself ${ago(n.at)}`, href: "#/nodes", since: n.at }];
	const failed = (n.registrations || []).filter((r) => r.state === "failed");
	const list = failed.map((r) => ({ kind: "bad", what: "registration failed", text: `${name("trunks", r.trunk_id)} on ${n.node}: ${r.reason || "no reason given"}`, href: `#/trunks/${r.trunk_id}`, since: r.since }));
	if (n.rtpengines_down)
		list.push({ kind: "bad", what: "media relay down", text: `${n.node} can't reach ${n.rtpengines_down} of its rtpengines`, href: "#/nodes", since: null });
	return list;
}
const ofHealth = (v) => ({ kind: "bad", what: v.forced === "down" ? "vendor forced down" : "vendor down", text: `${name("trunks", v.trunk_id)} (${v.address}) as ${v.node} sees it${v.reason ? ": " + v.reason : ""}`,
	href: `#/vendors?trunk_id=${v.trunk_id}`, since: v.since });
const ofQuality = (q) => ({ kind: "warn", what: "vendor demoted", text: `${name("trunks", q.trunk_id)} to ${q.destination}: ASR ${(100 * q.asr).toFixed(0)} % of ${q.attempts} attempts`,
	href: `#/vendors?trunk_id=${q.trunk_id}`, since: null });

/* What each alarm means, and what to do. */
const MEANS = {
	"no node": "No tandemd has written itself into Redis. Either none runs, or none reaches Redis: “tandem doctor” on the node says which. Calls may still pass on nodes that run without Redis.",
	"node silent": "A node writes itself into Redis every few seconds and has stopped. It is down, hangs, or has lost Redis. Other nodes go on; its calls' records come once it is back.",
	"registration failed": "A vendor refuses or does not answer the REGISTER of a trunk that says register. Check user name, password and address of the trunk; calls may be refused by that vendor until it works.",
	"media relay down": "A node can't reach some of its rtpengines. Calls of trunks with media relay go to the others; with none left they are refused.",
	"vendor down": "An address did not answer several times in a row, to calls or to OPTIONS. It gets no calls until it answers again; those go to the next vendor.",
	"vendor forced down": "Somebody took this trunk out of service by hand. It gets no calls until “As observed” is pressed on the vendors' page.",
	"vendor demoted": "A vendor completes clearly fewer calls to a destination than others do. With the policies quality and balanced it is tried last there until it does better.",
	"low balance": "A carrier's balance is below the mark set at it. Where a prepaid one's money or a credit limit ends, new calls are refused with 402 and running ones end: book a payment, or tell it.",
	"vendor limit": "We owe a vendor more than the limit set at its carrier: its routes are left out until a payment is booked or the limit is raised.",
};
const slug = (what) => what.replaceAll(" ", "-");

/* standing - [{kind, what, text, href, since}] of now, the worst first. Names of trunks must be loaded. nodes: if read already. */
export async function standing(signal, nodes) {
	const [money, seen, health, quality] = await Promise.all([all("/v1/alerts", { standing: true }), nodes ?? get("/v1/nodes", {}, signal).then((p) => p.items),
		get("/v1/vendor-health", {}, signal), get("/v1/vendor-quality", {}, signal)]);
	const list = [...seen.flatMap(ofNode), ...health.items.filter((v) => (v.forced ?? v.state) === "down").map(ofHealth), ...money.map(ofMoney), ...quality.items.filter((q) => q.demoted).map(ofQuality)];
	if (!seen.length)
		list.unshift({ kind: "bad", what: "no node", text: "No tandemd has shown itself: no call can come in.", href: "#/nodes", since: null });
	return list.sort((a, b) => (a.kind === b.kind ? 0 : a.kind === "bad" ? -1 : 1));
}

export const shownAlarms = (list) => (list.length
	? h("ul", { class: "alarms" }, list.map((a) => h("li", {}, link(`#/alarms/${slug(a.what)}`, badge(a.what, a.kind), "What it means"), link(a.href, a.text), a.since && h("span", { class: "muted" }, " since ", when(a.since)))))
	: h("p", { class: "calm" }, badge("all quiet", "good"), " No alarm stands."));

/* The meanings, with the one that the address names first in sight: #/alarms/node-silent */
function meanings(named) {
	const entries = Object.entries(MEANS).map(([what, text]) => h("div", { id: slug(what), tabindex: "-1", class: slug(what) === named ? "named" : "" }, h("dt", {}, what), h("dd", {}, text)));
	const found = entries.find((e) => e.id === named);
	if (found)
		requestAnimationFrame(() => (found.scrollIntoView({ block: "center" }), found.focus()));
	return panel("What they mean", h("dl", { class: "meanings" }, entries));
}

export async function alarms(place, rest, query, signal) {
	await load("carriers", "trunks");
	const now = await standing(signal).then(shownAlarms, (e) => empty(`What stands now can't be read: ${e.message}`));
	replace(place, heading("Alarms"), panel("Standing now", now), h("h2", { class: "apart" }, "Alerts about money"),
		await listing({ path: "/v1/alerts", page: "alarms", query, label: "Alerts about money", none: "No alert was ever raised. Set a carrier's low balance or vendor limit to be told in time.", next: ["Carriers", "#/carriers"],
			filters: [{ name: "kind", label: "Kind", choices: Object.entries(KINDS) }, { name: "standing", label: "Standing", choices: [["true", "yes"], ["false", "cleared"]] }],
			columns: [
				{ title: "Raised", kind: "mono", value: (a) => when(a.raised_at) },
				{ title: "Carrier", value: (a) => link(`#/carriers/${a.carrier_id}`, a.carrier_name) },
				{ title: "Kind", value: (a) => badge(KINDS[a.kind] ?? a.kind, a.cleared_at ? "" : "warn") },
				{ title: "Balance", kind: "number", value: (a) => amount(a.balance, a.currency) },
				{ title: "Limit", kind: "number", value: (a) => amount(a.threshold, a.currency) },
				{ title: "Cleared", kind: "mono", value: (a) => when(a.cleared_at) },
				{ title: "Mailed", kind: "mono", minor: true, value: (a) => when(a.mailed_at) },
				{ title: "Posted", kind: "mono", minor: true, value: (a) => when(a.posted_at) },
				{ title: "Error", minor: true, value: (a) => a.error ?? "–" },
			] }), meanings(rest[0]));
}
