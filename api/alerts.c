/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/alerts. */
#include "api/resource.h"
#include "api/store.h"

static const char *const kinds[] = {"low_balance", "vendor_limit", NULL};

static const struct field alert_fields[] = {
	FIELD_OWN_ID,
	FIELD_CARRIER(FIELD_READ_ONLY, "About whose money."),
	{.name = "carrier_name",
	 .type = FIELD_TEXT,
	 .flags = FIELD_READ_ONLY,
	 .example = "\"harbour\"",
	 .meaning = "What it is called."},
	{.name = "kind",
	 .type = FIELD_CHOICE,
	 .flags = FIELD_READ_ONLY,
	 .choices = kinds,
	 .example = "\"low_balance\"",
	 .meaning =
		 "low_balance: below the carrier's low_balance. vendor_limit: we owe it more than its vendor_limit."},
	{.name = "balance",
	 .type = FIELD_MONEY,
	 .flags = FIELD_READ_ONLY,
	 .example = "\"4.200000\"",
	 .meaning = "The balance when it was raised."},
	{.name = "threshold",
	 .type = FIELD_MONEY,
	 .flags = FIELD_READ_ONLY,
	 .example = "\"5.000000\"",
	 .meaning = "What it had passed."},
	{.name = "currency", .type = FIELD_TEXT, .flags = FIELD_READ_ONLY, .example = "\"EUR\"", .meaning = "Of both."},
	{.name = "raised_at", .type = FIELD_TIME, .flags = FIELD_READ_ONLY, .meaning = "Since when it stands."},
	{.name = "cleared_at",
	 .type = FIELD_TIME,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .meaning = "Until when it stood. Null: it stands."},
	{.name = "mailed_at",
	 .type = FIELD_TIME,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .meaning = "When sendmail took it."},
	{.name = "posted_at",
	 .type = FIELD_TIME,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .meaning = "When the webhook took it."},
	{.name = "error",
	 .type = FIELD_TEXT,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .example = "\"the mail server refused the sender\"",
	 .meaning = "Why the last try to send it failed."},
};

const struct resource alerts = {
	.collection = "alerts",
	.noun = "alert",
	.meaning = "What somebody should know about a carrier's money. Raised and cleared by itself.",
	.fields = alert_fields,
	.n = sizeof(alert_fields) / sizeof(*alert_fields),
	.list = &store_alert_list,
	.get = &store_alert_get,
};
