/* SPDX-License-Identifier: Apache-2.0 */
/* lengths.js - how many digits the numbers of each destination have. */
import { collection } from "./collection.js";
import { NONE } from "./values.js";

export const lengths = collection({
	page: "number-lengths", path: "/v1/number-lengths", title: "Number lengths", noun: "number length", component: "NumberLengths", id: (l) => l.prefix,
	about: "A called number goes by the rule with its longest prefix, after translations. A shorter or longer one is refused with 484.",
	none: "No rule yet: every number of 3 to 32 digits may be called.",
	filters: () => [{ name: "prefix", label: "Prefix" }],
	columns: [
		{ title: "Prefix", kind: "mono", value: (l) => l.prefix },
		{ title: "Least digits", kind: "number", value: (l) => String(l.min_length) },
		{ title: "Most digits", kind: "number", value: (l) => String(l.max_length) },
		{ title: "Note", value: (l) => l.note || NONE },
	],
});
