/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/payments, /v1/adjustments, /v1/audit-log. */
#include <string.h>

#include "api/resource.h"
#include "api/store.h"

static void check_not_zero(const json_t *value, const char *path, struct errors *e)
{
	if (strspn(json_string_value(value), "-0.") == strlen(json_string_value(value)))
		errors_add(e, path, "must not be 0");
}

/* What it takes back, and what took it back. */
#define REVERSAL_FIELDS                                                                                                \
	{.name = "reverses",                                                                                           \
	 .type = FIELD_ID,                                                                                             \
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,                                                                    \
	 .meaning = "The booking that it takes back."},                                                                \
	{                                                                                                              \
		.name = "reversed_by", .type = FIELD_ID, .flags = FIELD_READ_ONLY | FIELD_NULLABLE,                    \
		.meaning = "The booking that takes it back."                                                           \
	}

static const struct field payment_fields[] = {
	{.name = "id",
	 .type = FIELD_ID,
	 .flags = FIELD_READ_ONLY,
	 .example = "1",
	 .meaning = "Id, the same as in the ledger."},
	FIELD_CARRIER(FIELD_REQUIRED, "Whose balance it moves."),
	{.name = "amount",
	 .type = FIELD_MONEY,
	 .flags = FIELD_REQUIRED,
	 .check = check_not_zero,
	 .example = "\"500.000000\"",
	 .meaning = "In the carrier's currency. Money in is positive, a refund negative."},
	{.name = "note",
	 .type = FIELD_TEXT,
	 .flags = FIELD_NULLABLE,
	 .min = 0,
	 .max = 500,
	 .example = "\"wire 4711\"",
	 .meaning = "A word about it."},
	REVERSAL_FIELDS,
	FIELD_MADE("When it was booked."),
};

const struct resource payments = {
	.collection = "payments",
	.noun = "payment",
	.meaning = "Money from or to a carrier; a booking in the ledger.",
	.fields = payment_fields,
	.n = sizeof(payment_fields) / sizeof(*payment_fields),
	.list = &store_payment_list,
	.get = &store_payment_get,
	.insert = &store_payment_insert,
};

static const struct field adjustment_fields[] = {
	{.name = "id",
	 .type = FIELD_ID,
	 .flags = FIELD_READ_ONLY,
	 .example = "1",
	 .meaning = "Id, the same as in the ledger."},
	FIELD_CARRIER(FIELD_REQUIRED, "Whose balance it moves."),
	{.name = "amount",
	 .type = FIELD_MONEY,
	 .flags = FIELD_REQUIRED,
	 .check = check_not_zero,
	 .example = "\"-12.500000\"",
	 .meaning = "In the carrier's currency. What it is granted is positive, what it owes more negative."},
	{.name = "note",
	 .type = FIELD_TEXT,
	 .flags = FIELD_REQUIRED,
	 .min = 1,
	 .max = 500,
	 .example = "\"goodwill for the outage of 1 May\"",
	 .meaning = "Why."},
	REVERSAL_FIELDS,
	FIELD_MADE("When it was booked."),
};

const struct resource adjustments = {
	.collection = "adjustments",
	.noun = "adjustment",
	.meaning = "A balance put right by hand, without money paid; a booking in the ledger.",
	.fields = adjustment_fields,
	.n = sizeof(adjustment_fields) / sizeof(*adjustment_fields),
	.list = &store_adjustment_list,
	.get = &store_adjustment_get,
	.insert = &store_adjustment_insert,
};

static const struct field audit_fields[] = {
	FIELD_OWN_ID,
	{.name = "at", .type = FIELD_TIME, .flags = FIELD_READ_ONLY, .meaning = "When."},
	{.name = "actor",
	 .type = FIELD_TEXT,
	 .flags = FIELD_READ_ONLY,
	 .example = "\"ops\"",
	 .meaning = "Who: the API key's name."},
	{.name = "action",
	 .type = FIELD_TEXT,
	 .flags = FIELD_READ_ONLY,
	 .example = "\"update\"",
	 .meaning = "What was done."},
	{.name = "resource",
	 .type = FIELD_TEXT,
	 .flags = FIELD_READ_ONLY,
	 .example = "\"trunks\"",
	 .meaning = "To which collection."},
	{.name = "resource_id",
	 .type = FIELD_TEXT,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .example = "\"7\"",
	 .meaning = "To which object."},
	{.name = "before",
	 .type = FIELD_ANY,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .example = "{\"name\": \"Acme\"}",
	 .meaning = "The object before."},
	{.name = "after",
	 .type = FIELD_ANY,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .example = "{\"name\": \"Acme Telecom\"}",
	 .meaning = "The object after."},
};

const struct resource audit_log = {
	.collection = "audit-log",
	.large = true,
	.noun = "audit entry",
	.meaning = "Every change: who, when, what, before and after. Secrets are masked.",
	.fields = audit_fields,
	.n = sizeof(audit_fields) / sizeof(*audit_fields),
	.list = &store_audit_list,
};
