/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/routing-plans, /v1/number-lists, /v1/number-lengths, /v1/exchange-rates. */
#include <string.h>

#include "api/resource.h"
#include "api/store.h"

static const char *const policies[] = {"lcr", "priority", "weighted", "quality", "balanced", NULL};
static const char *const kinds[] = {"block", "allow", NULL};
static const char *const matches[] = {"called", "calling", NULL};

static const struct field prefix_item = {.type = FIELD_DIGITS, .min = 1, .max = 32, .example = "\"49\""};
static const struct field id_item = {.type = FIELD_ID, .example = "1"};

static const struct field member_fields[] = {
	{.name = "trunk_id",
	 .type = FIELD_ID,
	 .flags = FIELD_REQUIRED,
	 .refers = "trunks",
	 .example = "2",
	 .meaning = "An egress trunk."},
	{.name = "priority",
	 .type = FIELD_INT,
	 .min = 0,
	 .max = 1000000,
	 .fallback = "1",
	 .example = "1",
	 .meaning = "Lower goes first."},
	{.name = "weight",
	 .type = FIELD_INT,
	 .min = 0,
	 .max = 1000000,
	 .fallback = "1",
	 .example = "1",
	 .meaning = "Share within a priority. 0: only after all others."},
	{.name = "prefixes",
	 .type = FIELD_LIST,
	 .max = 1000,
	 .fallback = "[]",
	 .item = &prefix_item,
	 .items = 1,
	 .meaning = "Only for called numbers that start so. Empty: all."},
};
static const struct field member_item = {.type = FIELD_OBJECT, .item = member_fields, .items = 4};

static const struct field plan_fields[] = {
	FIELD_OWN_ID,
	FIELD_OWN_NAME("\"Standard\"", "Unique name."),
	{.name = "policy",
	 .type = FIELD_CHOICE,
	 .flags = FIELD_REQUIRED,
	 .choices = policies,
	 .example = "\"lcr\"",
	 .meaning =
		 "lcr: cheapest first; priority; weighted: a draw; quality: best score; balanced: price over score."},
	{.name = "min_margin",
	 .type = FIELD_MONEY,
	 .flags = FIELD_NULLABLE,
	 .example = "\"0.001000\"",
	 .meaning = "Least margin a minute of talk, in the sell currency. Null: none."},
	{.name = "min_margin_percent",
	 .type = FIELD_MONEY,
	 .flags = FIELD_NULLABLE,
	 .example = "\"5.000000\"",
	 .meaning = "Least margin as a share of what a call earns. Null: none."},
	{.name = "allow_loss",
	 .type = FIELD_BOOL,
	 .fallback = "false",
	 .example = "false",
	 .meaning = "Routes that cost more than they earn are allowed."},
	{.name = "allow_return",
	 .type = FIELD_BOOL,
	 .fallback = "false",
	 .example = "false",
	 .meaning = "A call may go back to the carrier that it came from."},
	{.name = "max_attempts",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 20,
	 .fallback = "5",
	 .example = "5",
	 .meaning = "How many attempts a call has: vendors, addresses of a name, redirects."},
	{.name = "members",
	 .type = FIELD_LIST,
	 .max = 1000,
	 .fallback = "[]",
	 .item = &member_item,
	 .items = 1,
	 .meaning = "The vendors' trunks; a PATCH replaces them as a whole."},
	FIELDS_HISTORY,
};

const struct resource routing_plans = {
	.collection = "routing-plans",
	.large = true,
	.noun = "routing plan",
	.meaning = "Which vendors may have a call, and by what rule they are ordered.",
	.fields = plan_fields,
	.n = sizeof(plan_fields) / sizeof(*plan_fields),
	.configures = true,
	.list = &store_plan_list,
	.get = &store_plan_get,
	.lock = &store_plan_lock,
	.insert = &store_plan_insert,
	.update = &store_plan_update,
	.remove = &store_plan_delete,
	.faults = &store_plan_faults,
	.users = &store_plan_users,
};

static const struct field list_fields[] = {
	FIELD_OWN_ID,
	FIELD_OWN_NAME("\"Premium numbers\"", "Unique name."),
	{.name = "kind",
	 .type = FIELD_CHOICE,
	 .flags = FIELD_REQUIRED,
	 .choices = kinds,
	 .example = "\"block\"",
	 .meaning = "block: refuses what is on it; allow: what it applies to must be on one."},
	{.name = "match",
	 .type = FIELD_CHOICE,
	 .flags = FIELD_REQUIRED,
	 .choices = matches,
	 .example = "\"called\"",
	 .meaning = "Which number is looked at."},
	{.name = "entries",
	 .type = FIELD_LIST,
	 .max = 100000,
	 .fallback = "[]",
	 .item = &prefix_item,
	 .items = 1,
	 .meaning = "Prefixes; a whole number is its own."},
	{.name = "trunk_ids",
	 .type = FIELD_LIST,
	 .max = 1000,
	 .fallback = "[]",
	 .item = &id_item,
	 .items = 1,
	 .meaning = "Ingress trunks that it applies to."},
	{.name = "carrier_ids",
	 .type = FIELD_LIST,
	 .max = 1000,
	 .fallback = "[]",
	 .item = &id_item,
	 .items = 1,
	 .meaning = "Carriers that it applies to. Neither these nor trunks: everywhere."},
	FIELDS_HISTORY,
};

const struct resource number_lists = {
	.collection = "number-lists",
	.large = true,
	.noun = "number list",
	.meaning = "Numbers that are refused, or alone allowed.",
	.fields = list_fields,
	.n = sizeof(list_fields) / sizeof(*list_fields),
	.configures = true,
	.list = &store_list_list,
	.get = &store_list_get,
	.lock = &store_list_lock,
	.insert = &store_list_insert,
	.update = &store_list_update,
	.remove = &store_list_delete,
	.faults = &store_list_faults,
};

static const struct field length_fields[] = {
	FIELD_OWN_ID,
	{.name = "prefix",
	 .type = FIELD_DIGITS,
	 .flags = FIELD_REQUIRED,
	 .min = 1,
	 .max = 32,
	 .example = "\"49\"",
	 .meaning = "The destination; unique. A number goes by the rule with its longest prefix."},
	{.name = "min_length",
	 .type = FIELD_INT,
	 .min = 3,
	 .max = 32,
	 .fallback = "3",
	 .example = "7",
	 .meaning = "Least digits of its numbers, prefix included. Shorter: 484."},
	{.name = "max_length",
	 .type = FIELD_INT,
	 .min = 3,
	 .max = 32,
	 .fallback = "32",
	 .example = "14",
	 .meaning = "Most digits of its numbers. Longer: 484."},
	{.name = "note",
	 .type = FIELD_TEXT,
	 .flags = FIELD_NULLABLE,
	 .min = 0,
	 .max = 200,
	 .example = "\"Germany\"",
	 .meaning = "For people."},
	FIELDS_HISTORY,
};

static void length_check(json_t *object, struct errors *e)
{
	json_int_t min = json_integer_value(json_object_get(object, "min_length"));
	json_int_t max = json_integer_value(json_object_get(object, "max_length"));
	size_t prefix = json_string_length(json_object_get(object, "prefix"));

	if (max < min)
		errors_add(e, "max_length", "must not be less than min_length");
	else if ((size_t)max < prefix)
		errors_add(e, "max_length", "must not be less than the digits of prefix");
}

const struct resource number_lengths = {
	.collection = "number-lengths",
	.noun = "number length",
	.meaning = "How many digits the numbers of a destination have; others are refused with 484.",
	.fields = length_fields,
	.n = sizeof(length_fields) / sizeof(*length_fields),
	.configures = true,
	.list = &store_length_list,
	.get = &store_length_get,
	.lock = &store_length_lock,
	.insert = &store_length_insert,
	.update = &store_length_update,
	.remove = &store_length_delete,
	.check = length_check,
};

static const struct field exchange_fields[] = {
	FIELD_OWN_ID,
	{.name = "from",
	 .type = FIELD_TEXT,
	 .flags = FIELD_REQUIRED,
	 .min = 3,
	 .max = 3,
	 .check = check_currency,
	 .example = "\"USD\"",
	 .meaning = "One unit of this currency"},
	{.name = "to",
	 .type = FIELD_TEXT,
	 .flags = FIELD_REQUIRED,
	 .min = 3,
	 .max = 3,
	 .check = check_currency,
	 .example = "\"EUR\"",
	 .meaning = "is worth `rate` units of this one. No inverse is implied."},
	{.name = "rate",
	 .type = FIELD_DECIMAL,
	 .flags = FIELD_REQUIRED,
	 .example = "\"0.921500\"",
	 .meaning = "Up to 12 decimals, greater than 0."},
	{.name = "effective_from",
	 .type = FIELD_TIME,
	 .example = "\"2026-02-01T00:00:00.000Z\"",
	 .meaning = "Holds from then until a later one. Without it: from the moment it is stored."},
	FIELD_MADE("When it was stored."),
};

static void exchange_check(json_t *object, struct errors *e)
{
	if (json_equal(json_object_get(object, "from"), json_object_get(object, "to")))
		errors_add(e, "to", "must be another currency than from");
}

const struct resource exchange_rates = {
	.collection = "exchange-rates",
	.noun = "exchange rate",
	.meaning = "What one currency is worth in another, from a moment on. Dated, not edited.",
	.fields = exchange_fields,
	.n = sizeof(exchange_fields) / sizeof(*exchange_fields),
	.list = &store_exchange_list,
	.get = &store_exchange_get,
	.lock = &store_exchange_lock,
	.insert = &store_exchange_insert,
	.remove = &store_exchange_delete,
	.check = exchange_check,
};
