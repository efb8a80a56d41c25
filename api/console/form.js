/* SPDX-License-Identifier: Apache-2.0 */
/* form.js - a form made from the API's description of a collection: each field with its type, limits and meaning. */
import { schema } from "./api.js";
import { button, h, replace, word } from "./dom.js";
import { choices, known } from "./names.js";

/* Which collection a field's id belongs to. */
const REFERS = { carrier_id: "carriers", trunk_id: "trunks", registered_as: "trunks", rate_deck_id: "rate-decks", routing_plan_id: "routing-plans",
	carrier_ids: "carriers", trunk_ids: "trunks" };

const types = (f) => (Array.isArray(f.type) ? f.type : [f.type]);
const structured = (f) => types(f).includes("object") || (types(f).includes("array") && types(f.items || {}).some((t) => t === "object"));

function input(name, f, value) {
	const id = `field-${name}`;
	const collection = REFERS[name];
	const attributes = { id, name, "aria-describedby": `${id}-about` };
	if (types(f).includes("array") && !structured(f))
		return h("textarea", { ...attributes, rows: "2", placeholder: "one a line" }, (value || []).join("\n"));
	if (structured(f))
		return h("textarea", { ...attributes, rows: "4", class: "mono", spellcheck: "false" }, value === null || value === undefined ? "" : JSON.stringify(value, null, 1));
	if (collection && known(collection))
		return h("select", attributes, h("option", { value: "" }, "none"), choices(collection).map(([v, text]) => h("option", { value: String(v), selected: v === value }, text)));
	if (f.enum)
		return h("select", attributes, types(f).includes("null") ? h("option", { value: "" }, "none") : null,
			f.enum.filter((v) => v !== null).map((v) => h("option", { value: v, selected: v === value }, word(v))));
	if (types(f).includes("boolean") && !types(f).includes("null"))
		return h("input", { ...attributes, type: "checkbox", checked: Boolean(value) });
	if (types(f).includes("boolean"))
		return h("select", attributes, ["", "true", "false"].map((v) => h("option", { value: v, selected: String(value ?? "") === v }, v || "as the plan says")));
	const numeric = types(f).includes("integer");
	return h("input", { ...attributes, type: f.writeOnly ? "password" : "text", inputmode: numeric ? "numeric" : undefined, value: value ?? "", autocomplete: f.writeOnly ? "new-password" : "off",
		placeholder: types(f).includes("null") ? "none" : "" });
}

/* What stands in a control, as JSON; throws with the field's name if it is none. */
function read(control, name, f) {
	if (control.type === "checkbox")
		return control.checked;
	const text = control.value.trim();
	if (types(f).includes("array") && !structured(f)) {
		const numeric = types(f.items || {}).includes("integer");
		return text === "" && types(f).includes("null") ? null : text.split(/[\n,]/).map((t) => t.trim()).filter(Boolean).map((t) => (numeric ? Number(t) : t));
	}
	if (structured(f)) {
		try {
			return text === "" ? (types(f).includes("array") ? [] : {}) : JSON.parse(text);
		} catch {
			throw Object.assign(new Error("This is not JSON."), { fields: [{ field: name, message: "is not JSON" }] });
		}
	}
	if (text === "")
		return types(f).includes("null") ? null : types(f).includes("string") && !f.minLength ? "" : undefined;
	if (types(f).includes("boolean"))
		return text === "true";
	return types(f).includes("integer") && /^-?\d+$/.test(text) ? Number(text) : text;
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/* schemaForm - component "Trunks": its New or Change schema. value: the object, or null to make one. fixed: fields that are set
 * and not asked for. keep: (name, field) => false leaves one out. save(changes) is awaited; its refusal is shown beside the fields. */
export async function schemaForm({ component, value, fixed = {}, keep = () => true, save, cancel }) {
	const { properties, required = [] } = await schema(component + (value ? "Change" : "New"));
	const fields = Object.entries(properties).filter(([name, f]) => !(name in fixed) && !f.readOnly && keep(name, f));
	fields.sort(([a], [b]) => required.includes(b) - required.includes(a));
	const start = (name, f) => (value ? value[name] : f.default);
	const rows = fields.map(([name, f]) => h("div", { class: `field ${structured(f) ? "wide" : ""}` },
		h("label", { for: `field-${name}` }, word(name), required.includes(name) ? h("span", { class: "needed", title: "needed" }, " *") : null),
		input(name, f, start(name, f)),
		h("p", { class: "about", id: `field-${name}-about` }, f.description || ""),
		h("p", { class: "fault", id: `field-${name}-fault`, role: "alert" })));
	const general = h("p", { class: "fault", role: "alert" });

	const submit = async (e) => {
		e.preventDefault();
		const form = e.target;
		form.querySelectorAll(".fault").forEach((p) => replace(p));
		try {
			const body = { ...(value ? {} : fixed) };
			for (const [name, f] of fields) {
				const now = read(form.elements[name], name, f);
				if (now !== undefined && !(f.writeOnly && now === null) && !(value && same(now, value[name])) && !(!value && now === null))
					body[name] = now;
			}
			await save(body);
		} catch (problem) {
			replace(general, problem.message);
			for (const fault of problem.fields || [])
				replace(document.getElementById(`field-${fault.field.split(/[.[]/)[0]}-fault`) || general, `${fault.field} ${fault.message}`);
		}
	};
	return h("form", { class: "schema", onsubmit: submit }, rows, general,
		h("div", { class: "actions" }, h("button", { class: "primary" }, value ? "Save" : "Create"), button("Cancel", cancel)));
}
