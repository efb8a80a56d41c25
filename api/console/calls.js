/* SPDX-License-Identifier: Apache-2.0 */
/* calls.js - live calls of all nodes, as they come and go, with hang-up. */
import { all, events, remove } from "./api.js";
import { ask, attempt, badge, button, clock, empty, h, heading, money, replace, seconds, toast } from "./dom.js";
import { load, name } from "./names.js";
import { table } from "./table.js";

const SHOWN_MAX = 500;
const STATES = { routing: "", ringing: "warn", answered: "good" };

const since = (text) => (Date.now() - new Date(text)) / 1000;

async function hangUp(calls) {
	const text = calls.length === 1 ? `Hang up the call to ${calls[0].called}?` : `Hang up these ${calls.length} calls?`;
	if (!(await ask(text, "Hang up")))
		return;
	const gone = await Promise.allSettled(calls.map((c) => remove(`/v1/calls/${c.id}`)));
	const refused = gone.filter((g) => g.status === "rejected");
	toast(refused.length ? `${refused.length} not hung up: ${refused[0].reason.message}` : "Told to hang up.", refused.length ? "bad" : "good");
}

export async function calls(place, rest, query, signal) {
	await load("carriers", "trunks");
	const live = new Map();
	const marked = new Set();
	const box = h("div", { class: "listing" });
	const filter = h("input", { type: "search", class: "wide", "aria-label": "Filter calls", placeholder: "number, trunk, carrier, node, state" });
	const total = h("span", { class: "muted", "aria-live": "polite" });
	const fits = (c) => [c.calling, c.called, c.node, c.state, c.destination, name("trunks", c.ingress_trunk_id), name("trunks", c.egress_trunk_id),
		name("carriers", c.ingress_carrier_id), name("carriers", c.egress_carrier_id)].some((t) => String(t ?? "").toLowerCase().includes(filter.value.toLowerCase()));
	const visible = () => [...live.values()].filter(fits).sort((a, b) => a.started_at.localeCompare(b.started_at));

	const mark = (c) => h("input", { type: "checkbox", "aria-label": `Mark the call to ${c.called}`, checked: marked.has(c.id),
		onchange: (e) => (e.target.checked ? marked.add(c.id) : marked.delete(c.id), draw()) });
	const columns = [
		{ title: "", value: mark },
		{ title: "State", value: (c) => badge(c.state, STATES[c.state]) },
		{ title: "Since", kind: "mono", value: (c) => clock(c.started_at) },
		{ title: "Talk", kind: "number", value: (c) => h("span", { "data-since": c.answered_at || "" }, c.answered_at ? seconds(since(c.answered_at)) : "–") },
		{ title: "Calling", kind: "mono", value: (c) => c.calling ?? "–" },
		{ title: "Called", kind: "mono", value: (c) => c.called ?? "–" },
		{ title: "Destination", value: (c) => c.destination ?? "–" },
		{ title: "From", value: (c) => name("carriers", c.ingress_carrier_id) },
		{ title: "To", value: (c) => name("carriers", c.egress_carrier_id) },
		{ title: "Cost", kind: "number", value: (c) => money(c.cost_so_far, c.currency) },
		{ title: "Node", value: (c) => c.node },
		{ title: "", value: (c) => button("Hang up", () => hangUp([c]), "danger small") },
	];
	let pending = false;
	function draw() {
		pending = false;
		const rows = visible();
		for (const id of marked)
			if (!live.has(id))
				marked.delete(id);
		replace(total, `${rows.length} of ${live.size} calls`);
		many.disabled = marked.size === 0;
		many.textContent = marked.size ? `Hang up ${marked.size} marked` : "Hang up marked";
		const focused = box.contains(document.activeElement) ? [...box.querySelectorAll("a, button, input")].indexOf(document.activeElement) : -1;
		replace(box, table(columns, rows.slice(0, SHOWN_MAX), { none: "No live calls.", label: "Live calls" }),
			rows.length > SHOWN_MAX && empty(`The first ${SHOWN_MAX} are shown; filter to see others.`));
		if (focused >= 0)
			box.querySelectorAll("a, button, input")[focused]?.focus();
	}
	const soon = () => {
		if (!pending) {
			pending = true;
			setTimeout(draw, 250);
		}
	};
	const many = button("Hang up marked", () => hangUp([...marked].map((id) => live.get(id)).filter(Boolean)), "danger");
	filter.addEventListener("input", soon);
	replace(place, heading("Live calls", total, many), h("div", { class: "filters" }, h("label", {}, "Filter", filter)), box);

	const read = async () => {
		const now = await all("/v1/calls");
		live.clear();
		now.forEach((c) => live.set(c.id, c));
		draw();
	};
	const ticker = setInterval(() => box.querySelectorAll("[data-since]").forEach((e) => e.dataset.since && (e.textContent = seconds(since(e.dataset.since)))), 1000);
	signal.addEventListener("abort", () => clearInterval(ticker));
	await read();
	follow(read, signal, (event, call) => {
		if (event === "call.ended")
			live.delete(call.id);
		else
			live.set(call.id, call);
		soon();
	});
}

/* Events tell what changes; after a stream's end, or its absence, all is read again. */
async function follow(read, signal, on) {
	while (!signal.aborted) {
		try {
			const stream = events("/v1/calls/events", signal, on);
			await read();
			await stream;
		} catch (e) {
			if (signal.aborted)
				return;
			toast(`Live calls are not followed now: ${e.message}`, "bad");
		}
		await new Promise((r) => setTimeout(r, 3000));
		if (!signal.aborted && sessionStorage.getItem("tandem.key"))
			await attempt(read);
		else
			return;
	}
}
