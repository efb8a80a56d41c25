/* SPDX-License-Identifier: Apache-2.0 */
/* senders.js - who sends invoices: our own company, from a moment on. */
import { when } from "./dom.js";
import { collection } from "./collection.js";
import { NONE } from "./values.js";

export const senders = collection({
	page: "invoice-senders", path: "/v1/invoice-senders", title: "Invoice senders", noun: "invoice sender", component: "InvoiceSenders", fixed: true,
	about: "Your own company, as invoices name it. One holds until a later one; an issued invoice keeps the one that was in force then.",
	warning: "Issued invoices keep it; drafts are issued under the one in force before, or under none.",
	none: "No sender yet: invoices don't say whose they are.",
	columns: [
		{ title: "Name", value: (s) => s.name },
		{ title: "Address", value: (s) => s.address.join(", ") || NONE },
		{ title: "Tax id", kind: "mono", value: (s) => s.tax_id || NONE },
		{ title: "Holds from", kind: "mono", value: (s) => when(s.effective_from) },
		{ title: "Stored", kind: "mono", minor: true, value: (s) => when(s.created_at) },
	],
});
