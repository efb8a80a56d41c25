/* SPDX-License-Identifier: Apache-2.0 */
/* bills.js - invoices: drafts, issued ones, on paper; and the CDR export runs with their files. */
import { anyKey, download, get, post, remove } from "./api.js";
import { amount, ask, attempt, badge, button, copyable, facts, h, heading, link, panel, replace, to, toast, when } from "./dom.js";
import { choices, load } from "./names.js";
import { may } from "./rights.js";
import { schemaForm } from "./form.js";
import { become } from "./leaving.js";
import { listing, table } from "./table.js";
import { bytes, count, fromInput, word } from "./values.js";

const AGAIN_MS = 1000;
const KIND = { draft: "warn", issued: "good", void: "bad", done: "good", failed: "bad" };

async function invoice(place, id) {
	const i = await get(`/v1/invoices/${id}`);
	const step = (verb, question) => button(verb, async () => {
		if (await ask(question, verb))
			await attempt(async () => {
				if (verb === "Delete") {
					await remove(`/v1/invoices/${id}`);
					location.hash = "#/invoices";
					return;
				}
				await post(`/v1/invoices/${id}/${verb.toLowerCase()}`, undefined, anyKey());
				await invoice(place, id);
			});
	}, verb === "Issue" ? "primary" : "danger");
	replace(place, heading(i.number ?? `Draft ${i.id}`, { under: ["Invoices", "#/invoices"], actions: [button("PDF", () => attempt(() => download(`/v1/invoices/${id}/pdf`, `${i.number ?? "draft-" + id}.pdf`))),
		button("CSV", () => attempt(() => download(`/v1/invoices/${id}/csv`, `${i.number ?? "draft-" + id}.csv`))),
		i.status === "draft" && may("POST", "/v1/invoices/{id}/issue") ? [step("Issue", "Issue this invoice? It gets its number and claims its bookings."), step("Delete", "Delete this draft?")] : null,
		i.status === "issued" && may("POST", "/v1/invoices/{id}/void") ? step("Void", "Make this invoice void? The next one bills its calls.") : null] }),
	panel(null, facts([["Sender", i.sender ? [i.sender.name, ...i.sender.address, i.sender.tax_id].filter(Boolean).join(", ") : null], ["Carrier", link(`#/carriers/${i.carrier_id}`, i.carrier)], ["Status", badge(i.status, KIND[i.status])], ["Side", i.side], ["Period", `${i.from} – ${i.to} (${i.timezone})`],
		["Net", amount(i.net, i.currency)], ["Tax", amount(i.tax, i.currency)], ["Total", amount(i.total, i.currency)], ["Issued", when(i.issued_at, { zoned: true })], ["Note", i.note]])),
	panel("Lines", table([
		{ title: "Destination", value: (l) => l.destination || "–" },
		{ title: "Kind", value: (l) => word(l.kind) },
		{ title: "Calls", kind: "number", value: (l) => count(l.calls) },
		{ title: "Minutes", kind: "number", value: (l) => (l.seconds / 60).toFixed(1) },
		{ title: "Amount", kind: "number", value: (l) => amount(l.amount, i.currency) },
	], i.lines, { none: "It bills nothing.", label: "Lines", cards: true })));
}

/* Whole months, or this one up to today, as days: what is billed most. */
function periods() {
	const [year, month] = new Date().toISOString().split("-").map(Number);
	const day = (y, m, d) => new Date(Date.UTC(y, m, d)).toISOString().slice(0, 10);
	return { "Last month": [day(year, month - 2, 1), day(year, month - 1, 0)], "This month": [day(year, month - 1, 1), new Date().toISOString().slice(0, 10)] };
}

async function newInvoice(place, query) {
	const [from, to] = periods()["Last month"];
	const form = await schemaForm({ component: "Invoices", verb: "Draft it", start: { from, to, ...(query.carrier_id ? { carrier_id: Number(query.carrier_id) } : {}) }, cancel: () => (location.hash = "#/invoices"),
		save: async (body, version, once) => become(`#/invoices/${(await post("/v1/invoices", body, once)).id}`) });
	const set = (days) => ["from", "to"].forEach((n, i) => (form.elements[n].value = days[i]));
	replace(place, heading("New invoice", { under: ["Invoices", "#/invoices"] }), h("p", { class: "lede" }, "A draft of what the ledger has for these days, the last one included, and no invoice has billed yet. Issuing it gives it its number."),
		h("div", { class: "actions", role: "group", "aria-label": "Period" }, Object.entries(periods()).map(([text, days]) => button(text, () => set(days), "small"))), form);
}

export async function invoices(place, rest, query) {
	await load("carriers");
	if (rest[0] === "new")
		return newInvoice(place, query);
	if (rest[0])
		return invoice(place, rest[0]);
	replace(place, heading("Invoices", { actions: [to("#/invoices/new" + (query.carrier_id ? `?carrier_id=${query.carrier_id}` : ""), "New invoice", "primary")] }),
		await listing({ path: "/v1/invoices", page: "invoices", query, link: (i) => `#/invoices/${i.id}`, none: "No invoice yet.", next: ["New invoice", "#/invoices/new"], label: "Invoices",
			filters: [{ name: "carrier_id", label: "Carrier", choices: choices("carriers") }, { name: "status", label: "Status", choices: ["draft", "issued", "void"].map((v) => [v, v]) }],
			columns: [
				{ title: "Number", value: (i) => i.number ?? `draft ${i.id}` },
				{ title: "Carrier", value: (i) => i.carrier },
				{ title: "Side", value: (i) => i.side },
				{ title: "Status", value: (i) => badge(i.status, KIND[i.status]) },
				{ title: "Period", kind: "mono", value: (i) => `${i.from} – ${i.to}` },
				{ title: "Total", kind: "number", value: (i) => amount(i.total, i.currency) },
			] }));
}

async function exportRun(place, id, signal) {
	const run = await get(`/v1/exports/${id}`);
	const save = (file) => attempt(() => download(`/v1/exports/${id}/files/${file}`, file));
	replace(place, heading(`Export ${run.id}`, { under: ["Exports", "#/exports"], actions: run.status === "done" ? [button("manifest.json", () => save("manifest.json"))] : [] }),
		panel(null, facts([["Status", badge(run.status, KIND[run.status])], ["Cut-off", when(run.cutoff, { zoned: true })], ["Started by", run.actor], ["Finished", when(run.finished_at, { zoned: true })], ["Written by", run.node]])),
		panel("Files", table([
			{ title: "Name", value: (f) => button(f.name, () => save(f.name), "link") },
			{ title: "Rows", kind: "number", value: (f) => count(f.rows) },
			{ title: "Amount", kind: "number", value: (f) => amount(f.amount, f.currency) },
			{ title: "Size", kind: "number", value: (f) => bytes(f.bytes) },
			{ title: "SHA-256", kind: "mono", value: (f) => copyable(f.sha256, `SHA-256 of ${f.name}`) },
		], run.files || [], { none: run.status === "done" ? "No call ended since the run before: it has no file." : "Its files are being written.", label: "Files", cards: true })));
	if (!["done", "failed"].includes(run.status))
		setTimeout(() => signal.aborted || attempt(() => exportRun(place, id, signal)), AGAIN_MS);
}

/* What a run takes: all that ended before the cut-off and is in no earlier run. */
function starter() {
	const cutoff = h("input", { type: "datetime-local", step: "1", name: "cutoff" });
	const start = (e) => {
		e.preventDefault();
		return attempt(async () => {
			const run = await post("/v1/exports", cutoff.value ? { cutoff: fromInput(cutoff.value) } : {}, anyKey());
			toast("The export runs.", "good");
			location.hash = `#/exports/${run.id}`;
		});
	};
	return h("form", { class: "filters", onsubmit: start }, h("label", {}, "Only calls that ended before (empty: now)", cutoff), h("div", { class: "actions" }, h("button", { class: "primary" }, "Export now")));
}

export async function exports(place, rest, query, signal) {
	if (rest[0])
		return exportRun(place, rest[0], signal);
	return replace(place, heading("Exports"), h("p", { class: "lede" }, "Every CDR is in exactly one run; a run’s files can be fetched again, byte for byte."), may("POST", "/v1/exports") ? starter() : null,
		await listing({ path: "/v1/exports", page: "exports", query, link: (r) => `#/exports/${r.id}`, none: "No export yet. The nightly timer makes one, and who settles can start one here.", label: "Exports",
			columns: [
				{ title: "Run", value: (r) => `#${r.id}` },
				{ title: "Status", value: (r) => badge(r.status, KIND[r.status]) },
				{ title: "Cut-off", kind: "mono", value: (r) => when(r.cutoff) },
				{ title: "Files", kind: "number", value: (r) => count(r.files?.length) },
				{ title: "Rows", kind: "number", value: (r) => count(r.files?.find((f) => f.name.startsWith("cdrs"))?.rows) },
				{ title: "By", value: (r) => r.actor },
				{ title: "Finished", kind: "mono", value: (r) => when(r.finished_at) },
			] }));
}
