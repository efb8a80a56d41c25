/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.js - money: payments, and every booking; their sum is a carrier's balance. */
import { post } from "./api.js";
import { amount, badge, h, heading, link, panel, replace, to, toast, when } from "./dom.js";
import { schemaForm } from "./form.js";
import { become } from "./leaving.js";
import { choices, load, name, object } from "./names.js";
import { listing } from "./table.js";
import { word } from "./values.js";

const KINDS = ["payment", "charge", "cost", "adjustment", "tax", "rerate"];

const carrier = (b) => link(`#/carriers/${b.carrier_id}`, name("carriers", b.carrier_id));
const currency = (b) => object("carriers", b.carrier_id)?.currency;
const between = [{ name: "from", label: "From", type: "datetime-local" }, { name: "to", label: "To", type: "datetime-local" }];

/* What a booking says, wherever bookings are listed. */
export const BOOKING = [
	{ title: "Booked", kind: "mono", value: (b) => when(b.created_at) },
	{ title: "Kind", value: (b) => badge(word(b.kind), b.kind === "payment" ? "good" : "") },
	{ title: "Amount", kind: "number", value: (b) => amount(b.amount, currency(b)) },
	{ title: "Call", kind: "mono", value: (b) => (b.cdr_id ? link(`#/cdrs/${b.cdr_id}`, `${b.cdr_id.slice(0, 8)}…${b.cdr_id.slice(-6)}`, b.cdr_id) : "–") },
	{ title: "Note", value: (b) => b.note ?? "–" },
];

export async function payments(place, rest, query) {
	await load("carriers");
	if (rest[0] === "new") {
		const save = async (body, version, once) => {
			await post("/v1/payments", body, once);
			toast("Payment booked.", "good");
			become(`#/payments?carrier_id=${body.carrier_id}`);
		};
		const start = query.carrier_id ? { carrier_id: Number(query.carrier_id) } : {};
		return replace(place, heading("New payment", { under: ["Payments", "#/payments"] }), h("p", { class: "lede" }, "A payment can't be edited or deleted; book the opposite amount to take one back."),
			await schemaForm({ component: "Payments", start, verb: "Book it", save, cancel: () => (location.hash = "#/payments") }));
	}
	const news = "#/payments/new" + (query.carrier_id ? `?carrier_id=${query.carrier_id}` : "");
	return replace(place, heading("Payments", { actions: [to(news, "New payment", "primary")] }), await listing({ path: "/v1/payments", page: "payments", query, label: "Payments", none: "No payment yet.", next: ["New payment", news],
		filters: [{ name: "carrier_id", label: "Carrier", choices: choices("carriers") }, ...between],
		columns: [BOOKING[0], { title: "Carrier", value: carrier }, BOOKING[2], BOOKING[4]] }));
}

export async function ledger(place, rest, query) {
	await load("carriers");
	const of = object("carriers", Number(query.carrier_id));
	replace(place, heading("Ledger"), of && panel(null, h("p", { class: "plain" }, link(`#/carriers/${of.id}`, of.name), " has a balance of ", amount(of.balance, of.currency), ", the sum of all its bookings.")),
		await listing({ path: "/v1/ledger", page: "ledger", query, spans: true, label: "Bookings", none: "No booking yet: calls and payments make them.", next: ["New payment", "#/payments/new"],
			filters: [{ name: "carrier_id", label: "Carrier", choices: choices("carriers") }, { name: "kind", label: "Kind", choices: KINDS.map((k) => [k, word(k)]) }, ...between, { name: "cdr_id", label: "Call", placeholder: "its id" }],
			columns: [BOOKING[0], { title: "Carrier", value: carrier }, ...BOOKING.slice(1)] }));
}
