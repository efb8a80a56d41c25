/* SPDX-License-Identifier: Apache-2.0 */
/* keys.js - API keys: who may use the API and this console. A new key is shown once. */
import { badge, button, copyable, dialog, h, when } from "./dom.js";
import { collection } from "./collection.js";
import { name } from "./names.js";

const ROLES = { admin: "bad", provisioning: "warn", finance: "warn", readonly: "" };

const showOnce = (key) => dialog((done) => ({ text: `The key “${key.name}”`, content: [
	h("p", {}, "Copy it now: only its hash is kept, and it can't be shown again."), h("p", { class: "secret" }, copyable(key.key, "key")),
	h("div", { class: "actions" }, button("I have it", () => done(true), "primary"))] }));

export const keys = collection({
	page: "api-keys", path: "/v1/api-keys", title: "API keys", noun: "key", component: "ApiKeys", needs: ["carriers"], fixed: true, made: showOnce,
	about: "A key that is bound to a carrier sees that carrier's own CDRs, rates, balance and invoices, and nothing else.",
	warning: "Whatever uses this key is refused from now on.",
	filters: () => [{ name: "name", label: "Name" }, { name: "role", label: "Role", choices: Object.keys(ROLES).map((r) => [r, r]) }],
	columns: [
		{ title: "Name", value: (k) => k.name },
		{ title: "Role", value: (k) => badge(k.role, ROLES[k.role]) },
		{ title: "Carrier", value: (k) => (k.carrier_id ? name("carriers", k.carrier_id) : "all") },
		{ title: "Made", kind: "mono", value: (k) => when(k.created_at) },
		{ title: "Last used", kind: "mono", value: (k) => (k.last_used_at ? when(k.last_used_at) : "never") },
	],
});
