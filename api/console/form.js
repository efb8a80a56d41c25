/* SPDX-License-Identifier: Apache-2.0 */
/* form.js - a form made from the API's description of a collection: each field with its limits and its meaning. */
import { schema } from "./api.js";
import { control, range } from "./controls.js";
import { button, h, replace } from "./dom.js";
import { label } from "./values.js";

const types = (f) => (Array.isArray(f.type) ? f.type : [f.type]);
const wide = (f) => types(f).includes("array") && types(f.items || {}).includes("object");
/* One text for one value, in whatever order its fields stand. */
const canonical = (v) => JSON.stringify(v, (k, x) => (x && typeof x === "object" && !Array.isArray(x) ? Object.fromEntries(Object.entries(x).sort()) : x));
const same = (a, b) => canonical(a) === canonical(b);

/* What stands under a control: the description's words, so that the form and the API's manual say the same, as a person at a
 * form would say them. */
const meaning = (f) => [(f.description || "").replace(/\bNull\b/g, "Empty").replace(/;? a PATCH[^.]*/, "").replace(/\b[a-z]+(_[a-z]+)+\b/g, (n) => `“${label(n)}”`), range(f)].filter(Boolean).join(" ");

function field(name, f, needed, made, group) {
	const id = `field-${name}`;
	const box = made.node.type === "checkbox";
	const title = [label(name), needed ? h("span", { class: "needed", title: "needed" }, " *") : null];
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

function tell(form, general, problem) {
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
 * choose: {field: (object) => may it be chosen?}. save(changes) is awaited; its refusal is shown beside the fields. */
export async function schemaForm({ component, value, start = {}, fixed = {}, keep = () => true, groups = [], choose = {}, verb, save, cancel }) {
	const { properties, required = [] } = await schema(component + (value ? "Change" : "New"));
	const asked = Object.entries(properties).filter(([name, f]) => !(name in fixed) && !f.readOnly && !(value && /Set once\./.test(f.description)) && keep(name, f));
	asked.sort(([a], [b]) => required.includes(b) - required.includes(a));
	const controls = new Map(asked.map(([name, f]) => [name, control(name, f, value ? value[name] : (start[name] ?? f.default), { id: `field-${name}`, name, "aria-describedby": `field-${name}-about field-${name}-fault` }, choose)]));
	const parts = grouped(asked, groups).map(([title, list]) => h("fieldset", {}, title && h("legend", {}, title), h("div", { class: "fields" }, list.map(([name, f]) => field(name, f, required.includes(name), controls.get(name))))));
	const general = h("p", { class: "fault", role: "alert" });
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
	const send = async (e) => {
		e.preventDefault();
		const form = e.target;
		form.querySelectorAll(".fault").forEach((p) => replace(p));
		form.querySelectorAll("[aria-invalid]").forEach((c) => c.removeAttribute("aria-invalid"));
		submit.disabled = true;
		try {
			await save(changes());
		} catch (problem) {
			submit.disabled = false;
			tell(form, general, problem);
		}
		submit.disabled = false;
	};
	return h("form", { class: "schema", onsubmit: send, novalidate: true }, parts, general, h("div", { class: "actions end" }, submit, button("Cancel", cancel)));
}
