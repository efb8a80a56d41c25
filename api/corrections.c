/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/corrections: what re-rating booked for a call, with the amount before and after. */
#include "api/resource.h"
#include "api/store.h"

#define RO FIELD_READ_ONLY

static const char *const sides[] = {"sell", "buy", NULL};

static const struct field fields[] = {
	FIELD_OWN_ID,
	{.name = "cdr_id", .type = FIELD_UUID, .flags = RO, .meaning = "The call. Its CDR stays as it is."},
	FIELD_CARRIER(RO, "Whose call it was, on that side."),
	{.name = "side",
	 .type = FIELD_CHOICE,
	 .flags = RO,
	 .choices = sides,
	 .example = "\"sell\"",
	 .meaning = "sell: what the carrier owes as a customer; buy: what it is credited as a vendor."},
	{.name = "n",
	 .type = FIELD_INT,
	 .flags = RO,
	 .example = "1",
	 .meaning = "Which correction of this side of the call, from 1; the last one's new amount counts."},
	{.name = "old",
	 .type = FIELD_MONEY,
	 .flags = RO,
	 .example = "\"0.300000\"",
	 .meaning = "Amount before: the CDR's, or that of the correction before."},
	{.name = "new", .type = FIELD_MONEY, .flags = RO, .example = "\"0.250000\"", .meaning = "Amount after."},
	{.name = "difference",
	 .type = FIELD_MONEY,
	 .flags = RO,
	 .example = "\"-0.050000\"",
	 .meaning = "New less old; the ledger has it as a booking of the kind rerate."},
	{.name = "currency", .type = FIELD_TEXT, .flags = RO, .example = "\"EUR\"", .meaning = "The carrier's."},
	{.name = "prefix",
	 .type = FIELD_DIGITS,
	 .flags = RO,
	 .example = "\"4420\"",
	 .meaning = "Of the rate by which it was corrected."},
	{.name = "price",
	 .type = FIELD_MONEY,
	 .flags = RO,
	 .example = "\"0.012500\"",
	 .meaning = "Its price a minute."},
	{.name = "billed_s", .type = FIELD_INT, .flags = RO, .example = "60", .meaning = "Seconds that it bills."},
	{.name = "actor",
	 .type = FIELD_TEXT,
	 .flags = RO | FIELD_INTERNAL,
	 .example = "\"ops\"",
	 .meaning = "Who booked it."},
	FIELD_MADE("When it was booked."),
};

const struct resource corrections = {
	.collection = "corrections",
	.noun = "correction",
	.meaning = "What `tandem rerate --apply` booked, call by call: the amount before and after.",
	.fields = fields,
	.n = sizeof(fields) / sizeof(*fields),
	.list = &store_correction_list,
	.get = &store_correction_get,
};
