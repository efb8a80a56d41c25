/* SPDX-License-Identifier: Apache-2.0 */
/* bills.js - invoices: drafts, issued ones, on paper; and the CDR export runs with their files. */
import { download, get, post, remove } from "./api.js";
import { ask, attempt, badge, button, count, facts, h, heading, money, panel, replace, time, toast, word } from "./dom.js";
import { choices, load } from "./names.js";
import { schemaForm } from "./form.js";
import { listing, table } from "./table.js";

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
				await post(`/v1/invoices/${id}/${verb.toLowerCase()}`);
				await invoice(place, id);
			});
	}, verb === "Issue" ? "primary" : "danger");
	replace(place, heading(i.number ?? `Draft ${i.id}`, button("PDF", () => attempt(() => download(`/v1/invoices/${id}/pdf`, `${i.number ?? "draft-" + id}.pdf`))),
		button("CSV", () => attempt(() => download(`/v1/invoices/${id}/csv`, `${i.number ?? "draft-" + id}.csv`))),
		i.status === "draft" ? [step("Issue", "Issue this invoice? It gets its number and claims its bookings."), step("Delete", "Delete this draft?")] : null,
		i.status === "issued" ? step("Void", "Make this invoice void? The next one bills its calls.") : null),
	panel(null, facts([["Carrier", h("a", { href: `#/carriers/${i.carrier_id}` }, i.carrier)], ["Status", badge(i.status, KIND[i.status])], ["Side", i.side], ["Period", `${i.from} – ${i.to} (${i.timezone})`],
		["Net", money(i.net, i.currency)], ["Tax", money(i.tax, i.currency)], ["Total", money(i.total, i.currency)], ["Issued", time(i.issued_at)], ["Note", i.note]])),
	panel("Lines", table([
		{ title: "Destination", value: (l) => l.destination || "–" },
		{ title: "Kind", value: (l) => word(l.kind) },
		{ title: "Calls", kind: "number", value: (l) => count(l.calls) },
		{ title: "Minutes", kind: "number", value: (l) => (l.seconds / 60).toFixed(1) },
		{ title: "Amount", kind: "number", value: (l) => money(l.amount, i.currency) },
	], i.lines, { none: "It bills nothing." })));
}

export async function invoices(place, rest, query) {
	await load("carriers");
	if (rest[0] === "new")
		return replace(place, heading("New invoice"), panel(null, await schemaForm({ component: "Invoices", cancel: () => (location.hash = "#/invoices"),
			save: async (body) => (location.hash = `#/invoices/${(await post("/v1/invoices", body)).id}`) })));
	if (rest[0])
		return invoice(place, rest[0]);
	replace(place, heading("Invoices", h("a", { class: "button primary", href: "#/invoices/new" }, "New invoice")),
		await listing({ path: "/v1/invoices", page: "invoices", query, link: (i) => `#/invoices/${i.id}`, none: "No invoice yet.",
			filters: [{ name: "carrier_id", label: "Carrier", choices: choices("carriers") }, { name: "status", label: "Status", choices: ["draft", "issued", "void"].map((v) => [v, v]) }],
			columns: [
				{ title: "Number", value: (i) => i.number ?? `draft ${i.id}` },
				{ title: "Carrier", value: (i) => i.carrier },
				{ title: "Side", value: (i) => i.side },
				{ title: "Status", value: (i) => badge(i.status, KIND[i.status]) },
				{ title: "Period", kind: "mono", value: (i) => `${i.from} – ${i.to}` },
				{ title: "Total", kind: "number", value: (i) => money(i.total, i.currency) },
			] }));
}

async function exportRun(place, id) {
	const run = await get(`/v1/exports/${id}`);
	replace(place, heading(`Export ${run.id}`, h("a", { class: "button", href: "#/exports" }, "All exports")),
		panel(null, facts([["Status", badge(run.status, KIND[run.status])], ["Cut-off", time(run.cutoff)], ["Started by", run.actor], ["Finished", time(run.finished_at)]])),
		panel("Files", table([
			{ title: "Name", value: (f) => button(f.name, () => attempt(() => download(`/v1/exports/${id}/files/${f.name}`, f.name)), "link") },
			{ title: "Rows", kind: "number", value: (f) => count(f.rows) },
			{ title: "Amount", kind: "number", value: (f) => money(f.amount, f.currency) },
			{ title: "SHA-256", kind: "mono", value: (f) => f.sha256 },
		], run.files || [], { none: "It has no file yet." })));
}

export async function exports(place, rest, query) {
	if (rest[0])
		return exportRun(place, rest[0]);
	const start = () => attempt(async () => {
		const run = await post("/v1/exports", {});
		toast("The export runs.", "good");
		location.hash = `#/exports/${run.id}`;
	});
	replace(place, heading("Exports", button("Export now", start, "primary")), await listing({ path: "/v1/exports", page: "exports", query, link: (r) => `#/exports/${r.id}`, none: "No export yet.",
		columns: [
			{ title: "Run", value: (r) => `#${r.id}` },
			{ title: "Status", value: (r) => badge(r.status, KIND[r.status]) },
			{ title: "Cut-off", kind: "mono", value: (r) => time(r.cutoff) },
			{ title: "Files", kind: "number", value: (r) => count(r.files?.length) },
			{ title: "By", value: (r) => r.actor },
			{ title: "Finished", kind: "mono", value: (r) => time(r.finished_at) },
		] }));
}
