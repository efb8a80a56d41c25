/* SPDX-License-Identifier: Apache-2.0 */
/* calls.js - live calls of all nodes, as they come and go, with hang-up. */
import { all, events, remove, request, search } from "./api.js";
import { amount, ask, attempt, badge, button, h, heading, replace, toast } from "./dom.js";
import { follow, following } from "./follow.js";
import { atEnd } from "./leaving.js";
import { choices, load, name } from "./names.js";
import { may } from "./rights.js";
import { filterForm, table } from "./table.js";
import { clock, count, seconds } from "./values.js";

const SHOWN_MAX = 500;
const STATES = { routing: "", ringing: "warn", answered: "good" };

const filters = () => [
	{ name: "text", label: "Number, destination or name", placeholder: "part of it" },
	{ name: "state", label: "State", choices: Object.keys(STATES).map((v) => [v, v]) },
	{ name: "carrier_id", label: "Carrier", choices: choices("carriers") },
	{ name: "trunk_id", label: "Trunk", choices: choices("trunks") },
	{ name: "node", label: "Node" },
];

/* What the search in the address leaves. */
function fits(c, q) {
	const either = (id, a, b) => !id || String(a) === id || String(b) === id;
	const words = [c.calling, c.called, c.destination, c.node, name("trunks", c.ingress_trunk_id), name("trunks", c.egress_trunk_id), name("carriers", c.ingress_carrier_id), name("carriers", c.egress_carrier_id)];
	return (!q.state || c.state === q.state) && (!q.node || c.node === q.node) && either(q.carrier_id, c.ingress_carrier_id, c.egress_carrier_id) && either(q.trunk_id, c.ingress_trunk_id, c.egress_trunk_id)
		&& (!q.text || words.some((t) => String(t ?? "").toLowerCase().includes(q.text.toLowerCase())));
}

const since = (text) => (Date.now() - new Date(text)) / 1000;

async function hangUp(calls) {
	const text = calls.length === 1 ? `Hang up the call to ${calls[0].called}?` : `Hang up these ${calls.length} calls?`;
	if (!(await ask(text, "Hang up", "Both sides hear it end at once. Its CDR says “admin”.")))
		return;
	const gone = await Promise.allSettled(calls.map((c) => remove(`/v1/calls/${c.id}`)));
	const refused = gone.filter((g) => g.status === "rejected");
	toast(refused.length ? `${refused.length} not hung up: ${refused[0].reason.message}` : "Told to hang up.", refused.length ? "bad" : "good");
}

/* All that the search names, on all nodes, also those that came since: the server says how many it would be. A search by text is
 * this page's own: its calls are named one by one. */
async function hangUpAll(query, shown) {
	if (query.text)
		return hangUp(shown);
	const send = async (dry) => (await request("DELETE", "/v1/calls" + search({ ...query, all: Object.keys(query).length ? undefined : true, dry_run: dry }))).json();
	const trial = await send(true);
	const proxied = trial.skipped.length ? ` ${count(trial.skipped.length)} more are proxied: only their ends can hang them up.` : "";
	if (!trial.items.length)
		return toast(`There is no call to hang up.${proxied}`);
	const n = count(trial.items.length);
	const which = Object.keys(query).length ? "Those that this search finds, on all nodes." : "All live calls of all nodes.";
	if (!(await ask(`Hang up ${n} ${trial.items.length === 1 ? "call" : "calls"}?`, `Hang up ${n}`, `${which}${proxied} Both sides hear it end at once. The CDRs say “admin”.`, Object.keys(query).length ? undefined : n)))
		return undefined;
	const done = await send(false);
	return toast(`${count(done.items.length)} told to hang up.`, "good");
}

/* What had the focus has it again after the table was drawn anew: the same control of the same call, or, if that call is gone,
 * the table, and never the button that hangs up another one. */
function focusKept(box) {
	const e = document.activeElement;
	if (!box.contains(e))
		return () => {};
	const same = e.dataset.of && `${e.localName}[data-of="${CSS.escape(e.dataset.of)}"]`;
	return () => ((same && box.querySelector(same)) ?? box.querySelector(".scroll, a"))?.focus();
}

export async function calls(place, rest, query, signal) {
	await load("carriers", "trunks");
	const live = new Map();
	const marked = new Set();
	const box = h("div", { class: "listing" });
	const total = h("span", { class: "muted" });
	const state = following();
	const visible = () => [...live.values()].filter((c) => fits(c, query)).sort((a, b) => a.started_at.localeCompare(b.started_at));

	const mark = (c) => h("input", { type: "checkbox", "aria-label": `Mark the call to ${c.called}`, "data-of": c.id, checked: marked.has(c.id),
		onchange: (e) => (e.target.checked ? marked.add(c.id) : marked.delete(c.id), draw()) });
	const columns = [
		may("DELETE", "/v1/calls/{id}") && { title: "", about: "Mark", value: mark },
		{ title: "State", value: (c) => badge(c.state, STATES[c.state]) },
		{ title: "Since", kind: "mono", value: (c) => h("time", { datetime: c.started_at }, clock(c.started_at)) },
		{ title: "Talk", kind: "number", value: (c) => h("span", { "data-since": c.answered_at || "" }, c.answered_at ? seconds(since(c.answered_at)) : "–") },
		{ title: "Calling", kind: "mono", value: (c) => c.calling ?? "–" },
		{ title: "Called", kind: "mono", value: (c) => c.called ?? "–" },
		{ title: "Destination", value: (c) => c.destination ?? "–" },
		{ title: "From", value: (c) => name("carriers", c.ingress_carrier_id) },
		{ title: "To", value: (c) => name("carriers", c.egress_carrier_id) },
		{ title: "Cost", kind: "number", value: (c) => amount(c.cost_so_far, c.currency) },
		{ title: "Node", value: (c) => c.node },
		may("DELETE", "/v1/calls/{id}") && { title: "", about: "Hang up", value: (c) => h("button", { type: "button", class: "danger small", "data-of": c.id, onclick: () => hangUp([c]) }, "Hang up") },
	].filter(Boolean);
	let pending = false;
	function draw() {
		pending = false;
		const rows = visible();
		for (const id of marked)
			if (!live.has(id))
				marked.delete(id);
		replace(total, `${count(rows.length)} of ${count(live.size)} calls`);
		many.disabled = marked.size === 0;
		many.textContent = marked.size ? `Hang up ${marked.size} marked` : "Hang up marked";
		found.disabled = !rows.length;
		found.textContent = Object.keys(query).length ? `Hang up all found (${count(rows.length)})` : `Hang up all (${count(rows.length)})`;
		const refocus = focusKept(box);
		const none = live.size ? { none: "No live call fits this search.", next: ["Clear the search", "#/calls"] } : { none: "No live call. New ones appear here by themselves.", next: ["See where a call would go", "#/simulator"] };
		replace(box, table(columns, rows.slice(0, SHOWN_MAX), { ...none, label: "Live calls", cards: true }),
			rows.length > SHOWN_MAX && h("p", { class: "more muted" }, `The first ${SHOWN_MAX} are shown; search to see others.`));
		refocus();
	}
	const soon = () => {
		if (!pending) {
			pending = true;
			setTimeout(draw, 250);
		}
	};
	const many = button("Hang up marked", () => hangUp([...marked].map((id) => live.get(id)).filter(Boolean)), "danger");
	const found = button("Hang up all", () => attempt(() => hangUpAll(query, visible())), "danger");
	replace(place, heading("Live calls", { actions: [state, total, may("DELETE", "/v1/calls") ? [many, found] : null] }), filterForm(filters(), query, "calls"), box);

	const read = async () => {
		const now = await all("/v1/calls", {}, signal);
		live.clear();
		now.forEach((c) => live.set(c.id, c));
		draw();
	};
	const ticker = setInterval(() => box.querySelectorAll("[data-since]").forEach((e) => e.dataset.since && (e.textContent = seconds(since(e.dataset.since)))), 1000);
	atEnd(signal, () => clearInterval(ticker));
	await read();
	follow(read, signal, state, (event, call) => {
		if (event === "call.ended")
			live.delete(call.id);
		else
			live.set(call.id, call);
		soon();
	});
}

