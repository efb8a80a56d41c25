/* SPDX-License-Identifier: Apache-2.0 */
/* sheets.js - rate sheets: what one would change, row by row, before it is applied; and the imports of a deck. */
import { anyKey, get, post, request } from "./api.js";
import { amount, attempt, badge, button, h, heading, link, panel, replace, to, toast, when } from "./dom.js";
import { may } from "./rights.js";
import { listing, table } from "./table.js";
import { NONE, compare, count, difference } from "./values.js";

const POLL_MS = 400;
const ENDED = ["done", "failed"];
const STATUS = { done: "good", failed: "bad", running: "warn", queued: "" };
const CHANGES = { new: ["new", "good"], up: ["up", "bad"], down: ["down", "good"], other: ["other terms", "warn"], ended: ["ended", "warn"], unchanged: ["unchanged", ""] };

const kind = (j) => (j.version_id ? `${j.dry_run ? "trial of a roll-back" : "roll-back"} to version ${j.version_id}` : [j.dry_run ? "trial" : "import", j.replace ? "whole sheet" : "amendment"].join(", "));

/* A price's step in percent, for people alone: through floats. */
function step(c) {
	if (c.old_price === null || c.new_price === null || compare(c.old_price, c.new_price) === 0 || Number(c.old_price) === 0)
		return NONE;
	const share = (100 * Number(difference(c.new_price, c.old_price))) / Number(c.old_price);
	return h("span", { class: share > 0 ? "dearer" : "cheaper" }, `${share > 0 ? "+" : "−"}${Math.abs(share).toFixed(1)} %`);
}

const columns = (deck) => [
	{ title: "Prefix", kind: "mono", value: (c) => c.prefix },
	{ title: "Destination", value: (c) => c.destination || NONE },
	{ title: "What", value: (c) => h("span", {}, badge(...(CHANGES[c.kind] ?? [c.kind])), c.short_notice ? [" ", badge("short notice", "bad")] : null) },
	{ title: "Price before", kind: "number", value: (c) => amount(c.old_price, deck.currency) },
	{ title: "Price after", kind: "number", value: (c) => amount(c.new_price, deck.currency) },
	{ title: "Step", kind: "number", value: step },
	{ title: "From", kind: "mono", value: (c) => when(c.effective_from) },
	{ title: "Line", kind: "number", minor: true, value: (c) => (c.line === null ? NONE : count(c.line)) },
];

/* What a sheet does or would do, as counts, and each row that was refused. */
function report(job) {
	const r = job.report;
	const words = job.dry_run ? ["would be added", "would change", "would end", "would stay"] : ["added", "changed", "ended", "unchanged"];
	const box = (n, text, state) => h("div", { class: `tile ${n ? state : ""}` }, h("span", {}, text), h("strong", {}, count(n)));
	return [
		h("div", { class: "tiles" }, box(r.added, words[0], "good"), box(r.changed, words[1], "warn"), box(r.ended, words[2], "warn"), box(r.unchanged, words[3], ""), r.short_notice ? box(r.short_notice, "dearer on short notice", "bad") : null, box(r.rejected, "rejected", "bad")),
		r.errors?.length ? [h("h3", {}, job.version_id ? "What is wrong" : "What is wrong with the sheet"), table([{ title: "Line", kind: "number", value: (e) => String(e.line ?? NONE) }, { title: "Reason", value: (e) => e.reason }], r.errors, { label: "Rejected rows" }),
			r.rejected > r.errors.length && h("p", { class: "about" }, `The first ${count(r.errors.length)} of ${count(r.rejected)}.`)] : null,
	];
}

const diff = (deck, job, query) => listing({ path: `/v1/imports/${job.id}/changes`, page: `rate-decks/${deck.id}/imports/${job.id}`, query, columns: columns(deck), label: "What changes", limit: 100,
	filters: [{ name: "kind", label: "What", choices: Object.entries(CHANGES).map(([v, [text]]) => [v, text]) }, { name: "prefix_starts", label: "Prefix begins", inputmode: "numeric" }], none: "It changes nothing." });

const TITLE = (job) => (job.status === "failed" ? "Refused; nothing was changed" : !ENDED.includes(job.status) ? "Being read…" : job.dry_run ? "Nothing is changed yet" : job.version_id ? "Brought back" : "Imported");

async function send(deck, file, dry, whole) {
	const query = new URLSearchParams({ dry_run: dry, replace: whole });
	return (await request("POST", `/v1/rate-decks/${deck.id}/imports?${query}`, { body: file, type: "text/csv" })).json();
}

/* back - ask for the rates of a version, as a trial or for good; its page shows the diff */
async function back(deck, version, dry) {
	const job = await post(`/v1/rate-decks/${deck.id}/rollbacks${dry ? "?dry_run=true" : ""}`, { version_id: version }, anyKey());
	location.hash = `#/rate-decks/${deck.id}/imports/${job.id}`;
}

let tried; /* the file of the last trial: {job, deck, file, whole}; it lives as long as the tab */

/* One import: its progress until it ends, then what it did. */
async function one(place, deck, id, query, signal) {
	const job = await get(`/v1/imports/${id}`);
	const again = () => !signal.aborted && attempt(() => one(place, deck, id, query, signal));
	const bring = button(`Bring back version ${job.version_id}`, () => attempt(() => ((bring.disabled = true), back(deck, job.version_id, false).finally(() => (bring.disabled = false)))), "primary");
	const returns = job.version_id && job.dry_run && job.status === "done" && may("POST", "/v1/rate-decks/{parent}/rollbacks");
	const apply = button("Import this", () => attempt(async () => {
		apply.disabled = true;
		const real = await send(deck, tried.file, false, tried.whole).finally(() => (apply.disabled = false));
		location.hash = `#/rate-decks/${deck.id}/imports/${real.id}`;
	}), "primary");
	const mine = job.dry_run && job.status === "done" && tried?.job === job.id;
	const bar = h("progress", { max: 1, value: job.progress, "aria-label": "Import" });
	replace(place, heading(TITLE(job), { under: [deck.name, `#/rate-decks/${deck.id}`], actions: [returns ? bring : mine ? apply : null, to(`#/rate-decks/${deck.id}`, "Back to the deck")] }),
		h("p", { class: "lede" }, badge(job.status, STATUS[job.status]), ` ${kind(job)}, `, when(job.created_at, { zoned: true })),
		panel(null, ENDED.includes(job.status) && job.report ? report(job) : bar), job.status === "done" ? await diff(deck, job, query) : null);
	if (!ENDED.includes(job.status))
		setTimeout(again, POLL_MS);
}

/* importer - the part of a deck's page that takes a sheet */
export function importer(deck) {
	const file = h("input", { type: "file", accept: ".csv,text/csv", id: "sheet" });
	const whole = h("input", { type: "checkbox", id: "replace" });
	const submit = h("button", { class: "primary" }, "See what would change");
	const go = (e) => {
		e.preventDefault();
		if (!file.files.length)
			return toast("Choose a file first.", "bad");
		submit.disabled = true;
		return attempt(async () => {
			const job = await send(deck, file.files[0], true, whole.checked);
			tried = { job: job.id, file: file.files[0], whole: whole.checked };
			location.hash = `#/rate-decks/${deck.id}/imports/${job.id}`;
		}).finally(() => (submit.disabled = false));
	};
	return panel("Import a rate sheet", h("form", { class: "filters", onsubmit: go }, h("label", { for: "sheet" }, "CSV file", file), h("label", { for: "replace", class: "check" }, whole, "It is the whole sheet: end all rates that it lacks"),
		h("div", { class: "actions" }, submit)), h("p", { class: "about" }, "Columns prefix and price are needed; destination, effective_from and others are taken where they are. Nothing changes before you have seen what would."));
}

export async function history(deck) {
	const jobs = (await get("/v1/imports", { rate_deck_id: deck.id, limit: 10 })).items;
	return panel("Imports", table([
		{ title: "At", kind: "mono", value: (j) => when(j.created_at) },
		{ title: "Status", value: (j) => badge(j.status, STATUS[j.status]) },
		{ title: "Kind", value: kind },
		{ title: "Added", kind: "number", value: (j) => count(j.report?.added) },
		{ title: "Changed", kind: "number", value: (j) => count(j.report?.changed) },
		{ title: "Ended", kind: "number", value: (j) => count(j.report?.ended) },
		{ title: "Rejected", kind: "number", value: (j) => count(j.report?.rejected) },
	], jobs, { none: "No sheet was imported yet.", label: "Imports", cards: true, link: (j) => `#/rate-decks/${deck.id}/imports/${j.id}` }));
}

/* versions - what the deck was after each import: which file made it, by whom, and to which of them it went back */
export async function versions(deck) {
	const { items } = await get(`/v1/rate-decks/${deck.id}/versions`, { limit: 20 });
	const origin = (v) => (v.rolled_back_to ? `brought back version ${v.rolled_back_to}` : v.import_id ? link(`#/rate-decks/${deck.id}/imports/${v.import_id}`, `import ${v.import_id}`) : "import by command line");
	return panel("Versions", table([
		{ title: "Version", value: (v) => String(v.id) },
		{ title: "At", kind: "mono", value: (v) => when(v.at) },
		{ title: "By", value: (v) => v.actor },
		{ title: "From", value: origin },
		{ title: "Added", kind: "number", value: (v) => count(v.added) },
		{ title: "Changed", kind: "number", value: (v) => count(v.changed) },
		{ title: "Ended", kind: "number", value: (v) => count(v.ended) },
		may("POST", "/v1/rate-decks/{parent}/rollbacks") && { title: "", about: "Roll back", value: (v) => (v === items[0] ? "the latest" : button("See the way back", () => attempt(() => back(deck, v.id, true)), "small")) },
	].filter(Boolean), items, { none: "Each import makes a version that the deck can go back to.", label: "Versions", cards: true }));
}

/* imports - the pages under #/rate-decks/ID/imports */
export async function imports(place, deck, rest, query, signal) {
	if (rest[0])
		return one(place, deck, rest[0], query, signal);
	return replace(place, heading("Imports", { under: [deck.name, `#/rate-decks/${deck.id}`] }), await history(deck));
}
