/* SPDX-License-Identifier: Apache-2.0 */
/* form.js - a form made from the API's description of a collection: each field with its limits and its meaning. */
import { anyKey, schema } from "./api.js";
import { control, range } from "./controls.js";
import { button, facts, h, panel, replace } from "./dom.js";
import { sent as settle, touched } from "./leaving.js";
import { label } from "./values.js";

const types = (f) => (Array.isArray(f.type) ? f.type : [f.type]);
const wide = (f) => types(f).includes("array") && types(f.items || {}).includes("object");
/* One text for one value, in whatever order its fields stand. */
const canonical = (v) => JSON.stringify(v, (k, x) => (x && typeof x === "object" && !Array.isArray(x) ? Object.fromEntries(Object.entries(x).sort()) : x));
const same = (a, b) => canonical(a) === canonical(b);

/* What stands under a control: the description's words, so that the form and the API's manual say the same, as a person at a
 * form would say them. */
const meaning = (f) => [(f.description || "").replace(/\bNull\b/g, "Empty").replace(/;? a PATCH[^.]*/, "").replace(/\b[a-z]+(_[a-z]+)+\b/g, (n) => `“${label(n)}”`), range(f)].filter(Boolean).join(" ");

const SECONDS = /_timeout$|^(session_expires|max_duration|probe_interval|default_initial|default_increment|initial|increment|grace)$/;

/* What a number counts, beside its label. currency: of the object, if that is known. */
function unit(name, f, currency) {
	const words = SECONDS.test(name) ? "seconds" : /_days$/.test(name) ? "days" : f.format !== "decimal" || /percent|^rate$/.test(name) || !currency ? null : /price$|^min_margin$/.test(name) ? `${currency} a minute` : currency;
	return words && h("span", { class: "unit" }, ` (${words})`);
}

/* field - a control with its label, its meaning, and a place for what is wrong with it */
export function field(name, f, needed, made, { group, currency } = {}) {
	const id = `field-${name}`;
	const box = made.node.type === "checkbox";
	const title = [label(name), unit(name, f, currency), needed ? h("span", { class: "needed", title: "needed" }, " *") : null];
	const grouped = ["DIV", "FIELDSET"].includes(made.node.tagName); /* several controls: they are named as a group */
	const head = grouped ? h("span", { class: group === label(name) ? "label unseen" : "label", id: `${id}-label` }, title) : h("label", { for: id }, box ? [made.node, " "] : null, title);
	if (grouped)
		made.node.setAttribute("aria-labelledby", `${id}-label`);
	return h("div", { class: `field ${wide(f) ? "wide" : ""} ${box ? "box" : ""}` }, head, box ? null : made.node, h("p", { class: "about", id: `${id}-about` }, meaning(f)),
		h("p", { class: "fault", id: `${id}-fault`, role: "alert" }));
}

/* Fields in the order and under the titles of groups; what no group names comes at the end. */
function grouped(fields, groups) {
	const left = new Map(fields);
	const taken = groups.map(([title, names]) => [title, names.filter((n) => left.has(n)).map((n) => {
		const entry = [n, left.get(n)];
		left.delete(n);
		return entry;
	})]);
	return [...taken, [groups.length ? "More" : null, [...left]]].filter(([, list]) => list.length);
}

/* tell - what was refused, beside the fields that it is about; the first of them has the focus */
export function tell(form, general, problem) {
	form.querySelectorAll(".fault").forEach((p) => p !== general && replace(p));
	form.querySelectorAll("[aria-invalid]").forEach((c) => c.removeAttribute("aria-invalid"));
	replace(general, problem.fields?.length ? "Not saved: see the fields marked below." : problem.message);
	for (const fault of problem.fields || []) {
		const top = fault.field.split(/[.[]/)[0];
		const place = document.getElementById(`field-${top}-fault`);
		replace(place || general, `${place && top === fault.field ? "" : fault.field + " "}${fault.message}`);
		document.getElementById(`field-${top}`)?.setAttribute("aria-invalid", "true");
	}
	(form.querySelector("[aria-invalid]") ?? form.querySelector("button.primary")).focus();
}

/* schemaForm - component "Trunks": its New or Change schema. value: the object, or null to make one. start: values to begin
 * with. fixed: fields that are set and not asked for. keep(name, field) false leaves one out. groups: [[title, [field, ...]], ...].
 * choose: {field: (object) => may it be chosen?}. currency: of its amounts. save(changes, version, once) is awaited; its refusal is shown beside the fields.
 * once: the same as long as what is sent is, for a POST whose answer may be lost.
 * latest() reads the object as it is now, shown(field, value) a value as people read it: for a change that somebody else made
 * meanwhile. */
export async function schemaForm({ component, value, start = {}, fixed = {}, keep = () => true, groups = [], choose = {}, currency = value?.currency, verb, save, latest, shown, cancel }) {
	const { properties, required = [] } = await schema(component + (value ? "Change" : "New"));
	const asked = Object.entries(properties).filter(([name, f]) => !(name in fixed) && !f.readOnly && !(value && /Set once\./.test(f.description)) && keep(name, f));
	asked.sort(([a], [b]) => required.includes(b) - required.includes(a));
	const controls = new Map(asked.map(([name, f]) => [name, control(name, f, value ? value[name] : (start[name] ?? f.default), { id: `field-${name}`, name, "aria-describedby": `field-${name}-about field-${name}-fault` }, choose)]));
	const parts = grouped(asked, groups).map(([title, list]) => h("fieldset", {}, title && h("legend", {}, title), h("div", { class: "fields" }, list.map(([name, f]) => field(name, f, required.includes(name), controls.get(name), { group: title, currency })))));
	const needed = asked.some(([name]) => required.includes(name));
	const general = h("p", { class: "fault", role: "alert" });
	const meanwhile = h("div", { "aria-live": "polite" });
	const submit = h("button", { class: "primary" }, verb ?? (value ? "Save" : "Create"));

	const changes = () => {
		const body = { ...(value ? {} : fixed) };
		for (const [name, f] of asked) {
			let now;
			try {
				now = controls.get(name).read();
			} catch (e) {
				throw Object.assign(new Error(e.message), { fields: [{ field: name, message: e.message }] });
			}
			if (now !== undefined && !(f.writeOnly && now === null) && !(value && same(now, value[name])) && !(!value && now === null))
				body[name] = now;
		}
		return body;
	};
	let version = value?.version;
	let sent = null; /* {text, once} */
	const discard = () => {
		settle(form);
		cancel();
	};
	const form = h("form", { class: "schema", novalidate: true, onsubmit: async (e) => {
		e.preventDefault();
		if (submit.disabled)
			return;
		submit.disabled = true;
		try {
			const body = changes();
			tell(form, general, { message: "" });
			const text = JSON.stringify(body);
			if (sent?.text !== text)
				sent = { text, once: anyKey() };
			await save(body, version, sent.once);
			settle(form);
		} catch (problem) {
			submit.disabled = false; /* before the focus goes to it */
			tell(form, general, problem);
			if (problem.status === 412 && latest)
				await collide();
		}
		submit.disabled = false;
	}, oninput: () => touched(form) }, needed ? h("p", { class: "about" }, h("span", { class: "needed" }, "*"), " is needed.") : null, parts, general, meanwhile, h("div", { class: "actions end" }, submit, button("Cancel", discard)));

	/* Somebody else was faster: what they changed, beside what is typed here; the next Save goes over theirs, knowingly. */
	const collide = async () => {
		try {
			const now = await latest();
			const theirs = Object.keys(properties).filter((n) => !same(now[n], value[n]));
			const mine = changes();
			replace(general, "Not saved: somebody else changed it since you opened it.");
			replace(meanwhile, panel("What the other one changed", theirs.length ? facts(theirs.map((n) => [label(n), [shown(n, now[n]), h("span", { class: "muted" }, ` was ${[shown(n, value[n])].flat().map((t) => t.textContent ?? t).join("")}`),
				n in mine ? h("p", { class: "fault" }, "You change it, too: yours would replace theirs.") : null]])) : "Nothing that stands in this form.",
			h("div", { class: "actions foot" }, button("Save mine as well", () => form.requestSubmit(), "primary"), button("Discard mine", discard))));
			version = now.version;
			meanwhile.querySelector("button").focus();
		} catch (e) {
			replace(general, e.message);
		}
	};
	return form;
}
