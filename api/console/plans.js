/* SPDX-License-Identifier: Apache-2.0 */
/* plans.js - which vendors a customer's calls may go to, and in which order. */
import { badge, panel } from "./dom.js";
import { collection } from "./collection.js";
import { name, object } from "./names.js";
import { table } from "./table.js";

const members = (plan) => panel("Members", table([
	{ title: "Trunk", value: (m) => name("trunks", m.trunk_id) },
	{ title: "Vendor", value: (m) => name("carriers", object("trunks", m.trunk_id)?.carrier_id) },
	{ title: "Priority", kind: "number", value: (m) => String(m.priority) },
	{ title: "Weight", kind: "number", value: (m) => String(m.weight) },
	{ title: "Only prefixes", kind: "mono", value: (m) => (m.prefixes || []).join(", ") || "all" },
], plan.members, { link: (m) => `#/trunks/${m.trunk_id}`, none: "It has no member: no call finds a way.", next: ["Add members", `#/routing-plans/${plan.id}/change`], label: "Members" }));

export const plans = collection({
	page: "routing-plans", path: "/v1/routing-plans", title: "Routing plans", noun: "plan", component: "RoutingPlans", needs: ["trunks", "carriers"], extra: members, hidden: ["members"],
	choose: () => ({ trunk_id: (t) => t.direction === "egress" }),
	groups: [["Rule", ["name", "policy", "max_attempts"]], ["Members", ["members"]], ["Margin", ["min_margin", "min_margin_percent", "allow_loss", "allow_return"]]],
	none: "No routing plan yet. A plan names the vendors' trunks that a customer's calls may go to.",
	filters: () => [{ name: "name", label: "Name" }, { name: "policy", label: "Policy", choices: ["lcr", "priority", "weighted", "quality", "balanced"].map((p) => [p, p]) }],
	columns: [
		{ title: "Name", value: (p) => p.name },
		{ title: "Policy", value: (p) => badge(p.policy) },
		{ title: "Members", kind: "number", value: (p) => String(p.members.length) },
		{ title: "Attempts at most", kind: "number", value: (p) => String(p.max_attempts) },
		{ title: "May lose", value: (p) => (p.allow_loss ? badge("yes", "warn") : "no") },
	],
});
