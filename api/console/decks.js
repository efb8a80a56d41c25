/* SPDX-License-Identifier: Apache-2.0 */
/* decks.js - rate decks: their rates, and rate sheets, which are looked at (what would change) before they are applied. */
import { get, request } from "./api.js";
import { attempt, badge, button, count, facts, h, money, panel, replace, time, toast, word } from "./dom.js";
import { collection } from "./collection.js";
import { table } from "./table.js";

const POLL_MS = 500;
const ENDED = ["done", "failed"];

const RATES = [
	{ title: "Prefix", kind: "mono", value: (r) => r.prefix },
	{ title: "Destination", value: (r) => r.destination || "–" },
	{ title: "Price / min", kind: "number", value: (r) => money(r.price) },
	{ title: "Fee", kind: "number", value: (r) => money(r.connect_fee) },
	{ title: "Initial / increment", kind: "mono", value: (r) => `${r.initial ?? "deck"} / ${r.increment ?? "deck"}` },
	{ title: "From", kind: "mono", value: (r) => time(r.effective_from) },
	{ title: "To", kind: "mono", value: (r) => time(r.effective_to) },
	{ title: "Blocked", value: (r) => (r.blocked ? badge("blocked", "bad") : "no") },
];

function rates(deck) {
	const box = h("div", {});
	const prefix = h("input", { type: "search", inputmode: "numeric", "aria-label": "Prefix", placeholder: "prefix" });
	let cursor = null;
	const rows = [];
	const read = async () => {
		const page = await get(`/v1/rate-decks/${deck.id}/rates`, { prefix: prefix.value.trim(), limit: 50, cursor });
		rows.push(...page.items);
		cursor = page.next_cursor;
		replace(box, table(RATES, rows, { none: "No rate fits.", label: "Rates" }), cursor && h("div", { class: "more" }, button("Show 50 more", () => attempt(read))));
	};
	const again = () => attempt(() => {
		rows.length = 0;
		cursor = null;
		return read();
	});
	again();
	const form = h("form", { class: "filters", onsubmit: (e) => (e.preventDefault(), again()) }, h("label", {}, "Prefix", prefix), h("button", { class: "primary" }, "Search"));
	return { node: panel("Rates", form, box), again };
}

async function finished(id, bar) {
	for (;;) {
		const job = await get(`/v1/imports/${id}`);
		bar.value = job.progress;
		if (ENDED.includes(job.status))
			return job;
		await new Promise((r) => setTimeout(r, POLL_MS));
	}
}

/* What a sheet does or would do, as counts, and each row that was refused. */
function report(job) {
	const r = job.report;
	const words = job.dry_run ? ["would be added", "would change", "would end", "would stay"] : ["added", "changed", "ended", "unchanged"];
	const tile = (n, text, kind) => h("div", { class: `tile ${n ? kind : ""}` }, h("strong", {}, count(n)), h("span", {}, text));
	return [
		h("div", { class: "tiles" }, tile(r.added, words[0], "good"), tile(r.changed, words[1], "warn"), tile(r.ended, words[2], "warn"), tile(r.unchanged, words[3], ""),
			tile(r.rejected, "rejected", "bad")),
		r.errors?.length ? table([{ title: "Line", kind: "number", value: (e) => String(e.line ?? "–") }, { title: "Reason", value: (e) => e.reason }], r.errors, { label: "Rejected rows" }) : null,
	];
}

function importer(deck, changed) {
	const file = h("input", { type: "file", accept: ".csv,text/csv", id: "sheet", required: true });
	const whole = h("input", { type: "checkbox", id: "replace" });
	const result = h("div", { "aria-live": "polite" });
	const run = async (dry) => {
		if (!file.files.length)
			return toast("Choose a file first.", "bad");
		const bar = h("progress", { max: 1, "aria-label": "Import" });
		replace(result, bar);
		const query = new URLSearchParams({ dry_run: dry, replace: whole.checked });
		const job = await (await request("POST", `/v1/rate-decks/${deck.id}/imports?${query}`, { body: file.files[0], type: "text/csv" })).json();
		const done = await finished(job.id, bar);
		replace(result, h("h3", {}, done.status === "failed" ? "Refused; nothing was changed" : dry ? "Nothing is changed yet" : "Imported"), report(done),
			dry && done.status === "done" ? button("Import this", () => attempt(() => run(false)), "primary") : null);
		if (!dry && done.status === "done")
			changed();
	};
	const guarded = (dry) => async () => {
		if ((await attempt(async () => (await run(dry), true))) === undefined)
			replace(result);
	};
	return panel("Import a rate sheet", h("div", { class: "filters" }, h("label", { for: "sheet" }, "CSV file", file), h("label", { for: "replace", class: "check" }, whole, "end all rates that the file lacks"),
		button("See what would change", guarded(true), "primary")), result);
}

async function extra(deck) {
	const list = rates(deck);
	const jobs = (await get("/v1/imports", { rate_deck_id: deck.id, limit: 10 })).items;
	return [importer(deck, list.again), list.node,
		panel("Imports", table([
			{ title: "At", kind: "mono", value: (j) => time(j.created_at) },
			{ title: "Status", value: (j) => badge(j.status, j.status === "done" ? "good" : j.status === "failed" ? "bad" : "") },
			{ title: "Kind", value: (j) => (j.dry_run ? "trial" : j.replace ? "replace" : "merge") },
			{ title: "Added", kind: "number", value: (j) => count(j.report?.added) },
			{ title: "Changed", kind: "number", value: (j) => count(j.report?.changed) },
			{ title: "Ended", kind: "number", value: (j) => count(j.report?.ended) },
			{ title: "Rejected", kind: "number", value: (j) => count(j.report?.rejected) },
		], jobs, { none: "No import yet." }))];
}

export const decks = collection({
	page: "rate-decks", path: "/v1/rate-decks", title: "Rate decks", noun: "deck", component: "RateDecks", extra,
	filters: () => [{ name: "name", label: "Name" }, { name: "side", label: "Side", choices: [["sell", "sell"], ["buy", "buy"]] }],
	columns: [
		{ title: "Name", value: (d) => d.name },
		{ title: "Side", value: (d) => badge(d.side) },
		{ title: "Currency", value: (d) => d.currency },
		{ title: "Initial / increment", kind: "mono", value: (d) => `${d.default_initial} / ${d.default_increment}` },
		{ title: "Rounding", value: (d) => `${word(d.rounding.mode)}, ${d.rounding.places} places` },
		{ title: "Changed", kind: "mono", value: (d) => time(d.updated_at) },
	],
});
