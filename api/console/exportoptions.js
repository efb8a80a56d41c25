/* SPDX-License-Identifier: Apache-2.0 */
/* exportoptions.js - how each partner wants its export files: format, columns, where they are sent. */
import { badge } from "./dom.js";
import { collection } from "./collection.js";
import { choices, name } from "./names.js";

const SIDES = { sell: "as a customer", buy: "as a vendor" };

export const exportOptions = collection({
	page: "export-options", path: "/v1/export-options", title: "Export options", noun: "export option", component: "ExportOptions", needs: ["carriers"],
	id: (o) => `${name("carriers", o.carrier_id)}, ${SIDES[o.side]}`,
	about: "Each run writes a file for each partner and side. Without an option here it is CSV with all columns that the partner may see, and is sent nowhere. Changes hold from the next run on.",
	warning: "From the next run on, its files are CSV with all columns again, and are sent nowhere.",
	groups: [["Whose", ["carrier_id", "side"]], ["How", ["format", "columns"]], ["Where to", ["deliver"]]],
	none: "No partner wants its files otherwise: CSV with all columns, fetched by hand.",
	filters: () => [{ name: "carrier_id", label: "Carrier", choices: choices("carriers") }, { name: "side", label: "Side", choices: Object.entries(SIDES) }],
	columns: [
		{ title: "Carrier", value: (o) => name("carriers", o.carrier_id) },
		{ title: "Its calls", value: (o) => badge(SIDES[o.side]) },
		{ title: "Format", value: (o) => (o.format === "jsonl" ? "JSON lines" : "CSV") },
		{ title: "Columns", value: (o) => o.columns?.join(", ") ?? "all" },
		{ title: "Sent to", kind: "mono", value: (o) => (o.deliver === "command" ? "your own command" : (o.deliver ?? "nowhere")) },
	],
});
