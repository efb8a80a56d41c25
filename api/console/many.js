/* SPDX-License-Identifier: Apache-2.0 */
/* many.js - one change to all trunks that a search names: which fields, a trial that says which trunks, then the change. The
 * search stands in the address: #/trunks/change?carrier_id=3&direction=egress */
import { get, request, schema, search } from "./api.js";
import { control } from "./controls.js";
import { ask, button, h, heading, link, panel, replace, toast } from "./dom.js";
import { field, tell } from "./form.js";
import { sent, touched } from "./leaving.js";
import { name } from "./names.js";
import { table } from "./table.js";
import { count, label, word } from "./values.js";

const trunks = (n) => (n === 1 ? "1 trunk" : `${count(n)} trunks`);

/* "carrier Atlas, direction egress": what the search says, in words */
function words(query) {
	const of = { carrier_id: "carriers", rate_deck_id: "rate-decks", routing_plan_id: "routing-plans" };
	return Object.entries(query).map(([n, v]) => `${label(n).toLowerCase()} ${of[n] ? name(of[n], Number(v)) : n === "enabled" ? (v === "true" ? "yes" : "no") : word(v)}`).join(", ");
}

const send = async (query, body, dry) => (await request("PATCH", "/v1/trunks" + search({ ...query, all: Object.keys(query).length ? undefined : true, dry_run: dry }), { body })).json();

const result = (done) => table([
	{ title: "Trunk", value: (i) => link(`#/trunks/${i.id}`, i.name) },
	{ title: "Changes", value: (i) => i.changed.map(label).join(", ") || "nothing: it is so already" },
], done.items, { label: "Trunks that it is about", cards: true });

/* The fields that are set: a choice of those left, and each chosen one with its control. */
function fields(properties, query, choose, touched) {
	const chosen = new Map();
	const box = h("div", { class: "fields" });
	const pick = h("select", { "aria-label": "Field to change" });
	const left = () => Object.entries(properties).filter(([n, f]) => !chosen.has(n) && !f.readOnly && n !== "name" && !/Set once\./.test(f.description ?? "") && (!f["x-direction"] || f["x-direction"] === query.direction));
	const offer = () => replace(pick, h("option", { value: "" }, "choose a field"), left().map(([n]) => [label(n), n]).sort().map(([text, n]) => h("option", { value: n }, text)));
	const add = (n) => {
		const made = control(n, properties[n], undefined, { id: `field-${n}`, name: n, "aria-describedby": `field-${n}-about field-${n}-fault` }, choose);
		const node = field(n, properties[n], false, made);
		node.append(button("Leave it as it is", () => (chosen.delete(n), node.remove(), offer(), touched(), pick.focus()), "small"));
		chosen.set(n, made);
		box.append(node);
		offer();
		touched();
		node.querySelector("input, select, textarea")?.focus();
	};
	pick.addEventListener("change", () => pick.value && add(pick.value));
	offer();
	const read = () => Object.fromEntries([...chosen].map(([n, made]) => {
		try {
			return [n, made.read() ?? null];
		} catch (e) {
			throw Object.assign(new Error(e.message), { fields: [{ field: n, message: e.message }] });
		}
	}));
	return { node: [h("div", { class: "pick" }, h("label", {}, "Set ", pick)), box], read, size: () => chosen.size };
}

/* changeTrunks - the page; choose: as for a trunk's form */
export async function changeTrunks(place, query, choose) {
	const home = `#/trunks${search(query)}`;
	const { properties } = await schema("TrunksChange");
	const found = await get("/v1/trunks", { ...query, limit: 1 });
	const about = Object.keys(query).length ? `All trunks of this search: ${words(query)}.` : "All trunks, of every carrier and both directions.";
	const outcome = h("div", { class: "page", "aria-live": "polite" });
	const general = h("p", { class: "fault", role: "alert" });
	const typed = () => {
		replace(outcome);
		touched(form);
	};
	const set = fields(properties, query, choose, typed);

	const apply = async (form, body, trial) => {
		if (!(await ask(`Change ${trunks(trial.changed)}?`, `Change ${trunks(trial.changed)}`, `${about} ${Object.keys(body).map(label).join(", ")} will be as you have set it. All change, or none.`, Object.keys(query).length ? undefined : String(trial.changed))))
			return;
		try {
			const done = await send(query, body, false);
			sent(form);
			toast(`${trunks(done.changed)} changed.`, "good");
			replace(outcome, panel(`${trunks(done.changed)} changed`, result(done)));
			outcome.querySelector(".scroll")?.focus();
		} catch (problem) {
			tell(form, general, problem);
		}
	};
	const form = h("form", { class: "schema", novalidate: true, oninput: typed, onsubmit: async (e) => {
		e.preventDefault();
		if (!set.size())
			return tell(form, general, { message: "Choose at least one field." });
		try {
			const body = set.read();
			tell(form, general, { message: "" });
			const trial = await send(query, body, true);
			const go = button(`Change ${trunks(trial.changed)}`, () => apply(form, body, trial), "primary");
			replace(outcome, panel(`${trunks(trial.matched)} found, ${count(trial.changed)} would change`, result(trial), trial.changed ? h("div", { class: "actions foot" }, go) : null));
			go.focus();
		} catch (problem) {
			tell(form, general, problem);
		}
		return undefined;
	} }, h("fieldset", {}, h("legend", {}, "What changes"), set.node), general, h("div", { class: "actions end" }, h("button", { class: "primary" }, "See what would change"), button("Cancel", () => (sent(form), (location.hash = home)))));
	const more = query.direction ? null : h("p", { class: "about" }, "Search for one direction first to set the fields that only its trunks have.");
	replace(place, heading("Change many trunks", { under: ["Trunks", home] }), h("p", { class: "lede" }, about), more, found.items.length ? form : panel(null, h("p", { class: "calm" }, "No trunk fits this search.")), outcome);
}
