/* SPDX-License-Identifier: Apache-2.0 */
/* simulator.js - where a call would go, without placing it. The question stands in the address. */
import { post } from "./api.js";
import { empty, h, heading, panel, replace, visit } from "./dom.js";
import { choices, load } from "./names.js";
import { decision } from "./trace.js";
import { fromInput, toInput } from "./values.js";

export async function simulator(place, rest, query) {
	await load("trunks", "carriers");
	const result = h("div", { class: "page", "aria-live": "polite" });
	const ask = (e) => {
		e.preventDefault();
		const values = Object.fromEntries([...new FormData(e.target)].filter(([, v]) => v !== ""));
		if (values.at)
			values.at = fromInput(values.at);
		visit("#/simulator?" + new URLSearchParams(values));
	};
	const ingress = choices("trunks", (t) => t.direction === "ingress");
	replace(place, heading("Route simulator"), h("p", { class: "lede" }, "Where a call would go, without placing it: translations, number lists, margins and vendors’ health count as in a call."),
		h("form", { class: "filters", onsubmit: ask },
			h("label", {}, "From trunk", h("select", { name: "trunk_id", required: true }, ingress.map(([id, text]) => h("option", { value: String(id), selected: String(id) === query.trunk_id }, text)))),
			h("label", {}, "Called", h("input", { name: "called", required: true, inputmode: "tel", value: query.called || "", autocomplete: "off" })),
			h("label", {}, "Calling", h("input", { name: "calling", inputmode: "tel", value: query.calling || "", autocomplete: "off" })),
			h("label", {}, "At", h("input", { name: "at", type: "datetime-local", step: "1", value: toInput(query.at) })),
			h("div", { class: "actions" }, h("button", { class: "primary" }, "Find routes"))), result);
	if (!ingress.length)
		return replace(result, panel(null, empty("There is no ingress trunk that a call could come from.", ["New ingress trunk", "#/trunks/new?direction=ingress"])));
	if (query.trunk_id && query.called) {
		const body = { trunk_id: Number(query.trunk_id), called: query.called };
		if (query.calling)
			body.calling = query.calling;
		if (query.at)
			body.at = query.at;
		await post("/v1/route-lookups", body).then((found) => replace(result, decision(found)),
			(e) => replace(result, panel(null, h("p", { class: "fault", role: "alert" }, e.fields?.length ? e.fields.map((f) => `${f.field}: ${f.message}`).join("; ") : e.message))));
	}
	return result;
}
