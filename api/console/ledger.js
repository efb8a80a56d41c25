/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.js - money: payments and adjustments, which people book and take back, and every booking; their sum is a carrier's balance. */
import { anyKey, post } from "./api.js";
import { amount, ask, attempt, badge, button, h, heading, link, panel, replace, to, toast, visit, when } from "./dom.js";
import { schemaForm } from "./form.js";
import { become } from "./leaving.js";
import { choices, load, name, object } from "./names.js";
import { may } from "./rights.js";
import { listing } from "./table.js";
import { money, word } from "./values.js";

const KINDS = ["payment", "charge", "cost", "adjustment", "tax", "rerate"];

const carrier = (b) => link(`#/carriers/${b.carrier_id}`, name("carriers", b.carrier_id));
const currency = (b) => object("carriers", b.carrier_id)?.currency;
const between = [{ name: "from", label: "From", type: "datetime-local" }, { name: "to", label: "To", type: "datetime-local" }];

/* What a booking says, wherever bookings are listed. */
const BOOKED = { title: "Booked", kind: "mono", value: (b) => when(b.created_at) };
const AMOUNT = { title: "Amount", kind: "number", value: (b) => amount(b.amount, currency(b)) };
const NOTE = { title: "Note", value: (b) => [b.note ?? "–", b.reversed_by ? [" ", badge(`reversed by ${b.reversed_by}`, "warn")] : null] };
const NUMBER = { title: "No.", kind: "mono", minor: true, value: (b) => String(b.id) };
const REVERSE = { title: "", about: "Reverse", value: (b) => (reversible(b) ? button("Reverse", () => reverse(b), "small danger") : null) };

/* Booked by hand, no reversal, not reversed; of /v1/payments and /v1/adjustments, which tell no kind, all are by hand. */
const reversible = (b) => ["payment", "adjustment", undefined].includes(b.kind) && !b.cdr_id && !b.reverses && !b.reversed_by;

async function reverse(b) {
	if (await ask(`Reverse booking ${b.id}?`, "Reverse", `The opposite, ${money(b.amount.startsWith("-") ? b.amount.slice(1) : "-" + b.amount, currency(b), 2)}, is booked for ${name("carriers", b.carrier_id)}. Both bookings stay and name each other; a reversal can't be reversed.`))
		await attempt(async () => {
			const made = await post(`/v1/ledger/${b.id}/reverse`, undefined, anyKey());
			toast(`Reversed by booking ${made.id}.`, "good");
			visit(location.hash);
		});
}

/* bookings - the columns of a list of bookings; who may reverse them can do so there. load("carriers") comes first. */
const reversing = (columns) => (may("POST", "/v1/ledger/{id}/reverse") ? [...columns, REVERSE] : columns);
export const bookings = () => reversing([
	BOOKED,
	{ title: "Kind", value: (b) => badge(word(b.kind), b.kind === "payment" ? "good" : "") },
	AMOUNT,
	{ title: "Call", kind: "mono", value: (b) => (b.cdr_id ? link(`#/cdrs/${b.cdr_id}`, `${b.cdr_id.slice(0, 8)}…${b.cdr_id.slice(-6)}`, b.cdr_id) : "–") },
	NOTE,
]);

/* A page of what is booked by hand: its list, and the form of a new one. */
function byHand({ page, title, noun, about }) {
	const path = `/v1/${page}`;
	return async (place, rest, query) => {
		await load("carriers");
		if (rest[0] === "new") {
			const save = async (body, version, once) => {
				await post(path, body, once);
				toast(`${noun[0].toUpperCase()}${noun.slice(1)} booked.`, "good");
				become(`#/${page}?carrier_id=${body.carrier_id}`);
			};
			const start = query.carrier_id ? { carrier_id: Number(query.carrier_id) } : {};
			return replace(place, heading(`New ${noun}`, { under: [title, `#/${page}`] }), h("p", { class: "lede" }, `${about} It can't be edited or deleted; one that is wrong is reversed.`),
				await schemaForm({ component: title, start, verb: "Book it", save, cancel: () => (location.hash = `#/${page}`) }));
		}
		const news = `#/${page}/new` + (query.carrier_id ? `?carrier_id=${query.carrier_id}` : "");
		return replace(place, heading(title, { actions: [to(news, `New ${noun}`, "primary")] }), await listing({ path, page, query, label: title, none: `No ${noun} yet.`, next: [`New ${noun}`, news],
			filters: [{ name: "carrier_id", label: "Carrier", choices: choices("carriers") }, ...between],
			columns: reversing([BOOKED, NUMBER, { title: "Carrier", value: carrier }, AMOUNT, NOTE]) }));
	};
}

export const payments = byHand({ page: "payments", title: "Payments", noun: "payment", about: "Money that a carrier paid is positive, money paid to it negative." });
export const adjustments = byHand({ page: "adjustments", title: "Adjustments", noun: "adjustment", about: "A balance put right without money paid: what a carrier is granted is positive, what it owes more negative." });

export async function ledger(place, rest, query) {
	await load("carriers");
	const of = object("carriers", Number(query.carrier_id));
	const [booked, ...others] = bookings();
	replace(place, heading("Ledger", { actions: [to("#/payments/new", "New payment"), to("#/adjustments/new", "New adjustment")] }), of && panel(null, h("p", { class: "plain" }, link(`#/carriers/${of.id}`, of.name), " has a balance of ", amount(of.balance, of.currency), ", the sum of all its bookings.")),
		await listing({ path: "/v1/ledger", page: "ledger", query, spans: true, label: "Bookings", none: "No booking yet: calls and payments make them.", next: ["New payment", "#/payments/new"],
			filters: [{ name: "carrier_id", label: "Carrier", choices: choices("carriers") }, { name: "kind", label: "Kind", choices: KINDS.map((k) => [k, word(k)]) }, ...between, { name: "cdr_id", label: "Call", placeholder: "its id" }],
			columns: [booked, NUMBER, { title: "Carrier", value: carrier }, ...others] }));
}
