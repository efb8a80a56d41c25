/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/rate-decks and the rates in them. */
#include <stdlib.h>
#include <string.h>

#include "api/resource.h"
#include "api/store.h"
#include "routing/schedule.h"

static const char *const sides[] = {"sell", "buy", NULL};
static const char *const roundings[] = {"half_up", "up", "down", NULL};
static const char *const duration_roundings[] = {"up", "half_up", "down", NULL};

static const struct field rounding_fields[] = {
	{.name = "mode",
	 .type = FIELD_CHOICE,
	 .choices = roundings,
	 .fallback = "\"half_up\"",
	 .example = "\"half_up\"",
	 .meaning = "half_up: ties away from zero; up: away from zero; down: towards zero."},
	{.name = "places",
	 .type = FIELD_INT,
	 .min = 0,
	 .max = 8,
	 .fallback = "6",
	 .example = "6",
	 .meaning = "Decimals that stay."},
};

static const struct field deck_fields[] = {
	FIELD_OWN_ID,
	FIELD_OWN_NAME("\"Retail EUR\"", "Unique name."),
	{.name = "side",
	 .type = FIELD_CHOICE,
	 .flags = FIELD_REQUIRED,
	 .choices = sides,
	 .example = "\"sell\"",
	 .meaning = "sell: what customers pay; buy: what a vendor takes."},
	{.name = "currency",
	 .type = FIELD_TEXT,
	 .flags = FIELD_REQUIRED,
	 .min = 3,
	 .max = 3,
	 .check = check_currency,
	 .example = "\"EUR\"",
	 .meaning = "ISO 4217 currency of its prices."},
	{.name = "rounding",
	 .type = FIELD_OBJECT,
	 .fallback = "{\"mode\":\"half_up\",\"places\":6}",
	 .item = rounding_fields,
	 .items = 2,
	 .meaning = "How a call's amount is rounded, once, at the end."},
	{.name = "default_initial",
	 .type = FIELD_INT,
	 .min = 0,
	 .max = 86400,
	 .fallback = "1",
	 .example = "1",
	 .meaning = "First interval in seconds, where a rate says none."},
	{.name = "default_increment",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 86400,
	 .fallback = "1",
	 .example = "1",
	 .meaning = "Following intervals in seconds, where a rate says none."},
	{.name = "duration_rounding",
	 .type = FIELD_CHOICE,
	 .choices = duration_roundings,
	 .fallback = "\"up\"",
	 .example = "\"up\"",
	 .meaning = "How a duration becomes whole seconds."},
	{.name = "notice_days",
	 .type = FIELD_INT,
	 .flags = FIELD_NULLABLE,
	 .min = 0,
	 .max = 365,
	 .example = "7",
	 .meaning = "Days' notice that an increase needs: imports report those that come sooner. Null: none."},
	{.name = "rates_version",
	 .type = FIELD_INT,
	 .flags = FIELD_READ_ONLY,
	 .example = "12",
	 .meaning = "Rises with every change of its rates."},
	FIELD_MADE("When it was made."),
	{.name = "updated_at",
	 .type = FIELD_TIME,
	 .flags = FIELD_READ_ONLY,
	 .meaning = "When its own fields last changed."},
	{.name = "version",
	 .type = FIELD_INT,
	 .flags = FIELD_READ_ONLY,
	 .example = "1",
	 .meaning = "Counts changes; the ETag."},
};

const struct resource rate_decks = {
	.collection = "rate-decks",
	.noun = "rate deck",
	.meaning = "A price list: what customers pay, or what a vendor takes.",
	.fields = deck_fields,
	.n = sizeof(deck_fields) / sizeof(*deck_fields),
	.configures = true,
	.list = &store_deck_list,
	.get = &store_deck_get,
	.lock = &store_deck_lock,
	.insert = &store_deck_insert,
	.update = &store_deck_update,
	.remove = &store_deck_delete,
	.faults = &store_deck_faults,
	.users = &store_deck_users,
};

static void check_clock(const json_t *value, const char *path, struct errors *e)
{
	const char *t = json_string_value(value);
	static const char digits[] = "0123456789";

	if (strlen(t) != 5 || strspn(t, digits) != 2 || t[2] != ':' || strspn(t + 3, digits) != 2 ||
	    !(strcmp(t, "24:00") == 0 || (atoi(t) < 24 && atoi(t + 3) < 60)))
		errors_add(e, path, "must be a time of day, \"HH:MM\"");
}

static const struct field day_item = {.type = FIELD_INT, .min = 1, .max = 7, .example = "1"};

static const struct field schedule_fields[] = {
	{.name = "days",
	 .type = FIELD_LIST,
	 .flags = FIELD_REQUIRED,
	 .min = 1,
	 .max = 7,
	 .item = &day_item,
	 .items = 1,
	 .meaning = "Days of the week, 1 is Monday."},
	{.name = "from",
	 .type = FIELD_TEXT,
	 .flags = FIELD_REQUIRED,
	 .min = 5,
	 .max = 5,
	 .check = check_clock,
	 .example = "\"08:00\"",
	 .meaning = "From this time of day,"},
	{.name = "to",
	 .type = FIELD_TEXT,
	 .flags = FIELD_REQUIRED,
	 .min = 5,
	 .max = 5,
	 .check = check_clock,
	 .example = "\"18:00\"",
	 .meaning = "up to before this one; 24:00 ends the day."},
	{.name = "timezone",
	 .type = FIELD_TEXT,
	 .min = 1,
	 .max = 64,
	 .fallback = "\"UTC\"",
	 .check = check_timezone_name,
	 .example = "\"Europe/Berlin\"",
	 .meaning = "IANA time zone of both."},
};
static const struct field schedule_item = {.type = FIELD_OBJECT, .item = schedule_fields, .items = 4};

static const struct field rate_fields[] = {
	FIELD_OWN_ID,
	{.name = "deck_id",
	 .type = FIELD_ID,
	 .flags = FIELD_READ_ONLY,
	 .refers = "rate-decks",
	 .example = "1",
	 .meaning = "The deck that it stands in."},
	{.name = "prefix",
	 .type = FIELD_DIGITS,
	 .flags = FIELD_REQUIRED | FIELD_FIXED,
	 .min = 1,
	 .max = 32,
	 .example = "\"4930\"",
	 .meaning = "First digits of the called number; the longest wins. Set once."},
	{.name = "price",
	 .type = FIELD_MONEY,
	 .flags = FIELD_REQUIRED,
	 .min = 0,
	 .max = 999999999,
	 .example = "\"0.012500\"",
	 .meaning = "Price a minute."},
	{.name = "destination",
	 .type = FIELD_TEXT,
	 .min = 0,
	 .max = 1023,
	 .fallback = "\"\"",
	 .example = "\"Germany Berlin\"",
	 .meaning = "What the prefix is called."},
	{.name = "initial_price",
	 .type = FIELD_MONEY,
	 .flags = FIELD_NULLABLE,
	 .min = 0,
	 .max = 999999999,
	 .example = "\"0.020000\"",
	 .meaning = "Price a minute during the first interval. Null: price."},
	{.name = "connect_fee",
	 .type = FIELD_MONEY,
	 .min = 0,
	 .max = 999999999,
	 .fallback = "\"0.000000\"",
	 .example = "\"0.010000\"",
	 .meaning = "Once for each answered call."},
	{.name = "initial",
	 .type = FIELD_INT,
	 .flags = FIELD_NULLABLE,
	 .min = 0,
	 .max = 86400,
	 .example = "30",
	 .meaning = "First interval in seconds. Null: the deck's."},
	{.name = "increment",
	 .type = FIELD_INT,
	 .flags = FIELD_NULLABLE,
	 .min = 1,
	 .max = 86400,
	 .example = "6",
	 .meaning = "Following intervals in seconds. Null: the deck's."},
	{.name = "grace",
	 .type = FIELD_INT,
	 .min = 0,
	 .max = 86400,
	 .fallback = "0",
	 .example = "0",
	 .meaning = "Calls up to this many seconds are free."},
	{.name = "effective_from",
	 .type = FIELD_TIME,
	 .flags = FIELD_FIXED,
	 .example = "\"2026-02-01T00:00:00.000Z\"",
	 .meaning = "Holds from then on; it ends the earlier rate of this prefix. Without it: from the moment it is "
		    "stored. Set once."},
	{.name = "effective_to",
	 .type = FIELD_TIME,
	 .flags = FIELD_NULLABLE,
	 .example = "\"2026-03-01T00:00:00.000Z\"",
	 .meaning = "Holds until before then. Null: open."},
	{.name = "blocked",
	 .type = FIELD_BOOL,
	 .fallback = "false",
	 .example = "false",
	 .meaning = "Calls to this prefix are refused (sell) or not offered to this vendor (buy)."},
	{.name = "origin_prefix",
	 .type = FIELD_DIGITS,
	 .flags = FIELD_FIXED,
	 .min = 0,
	 .max = 32,
	 .fallback = "\"\"",
	 .example = "\"49\"",
	 .meaning = "Only for calling numbers that start so. Set once."},
	{.name = "schedule",
	 .type = FIELD_LIST,
	 .flags = FIELD_NULLABLE | FIELD_FIXED,
	 .min = 1,
	 .max = 20,
	 .item = &schedule_item,
	 .items = 1,
	 .meaning = "Only at these times of the week. Null: always. Set once."},
	{.name = "version",
	 .type = FIELD_INT,
	 .flags = FIELD_READ_ONLY,
	 .example = "1",
	 .meaning = "Counts changes; the ETag."},
};

static void rate_check(json_t *object, struct errors *e)
{
	const char *from = json_string_value(json_object_get(object, "effective_from"));
	const char *to = json_string_value(json_object_get(object, "effective_to"));

	/* Both in the one normal form: text compares as time does. */
	if (from != NULL && to != NULL && strcmp(to, from) < 0)
		errors_add(e, "effective_to", "must not be before effective_from");
	const json_t *schedule = json_object_get(object, "schedule");
	if (!json_is_array(schedule))
		return;
	struct status st = {0};
	char *text = json_dumps(schedule, JSON_COMPACT), *stored = NULL;
	if (text == NULL || schedule_text(text, &stored, &st) != 0)
		errors_add(e, "schedule", "%s", st.text);
	else
		json_object_set_new(object, "schedule", json_loads(stored, 0, NULL));
	free(stored);
	free(text);
}

static int rate_before_insert(struct request *r, json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);
	const char *values[] = {text, r->parent};
	PGresult *result;
	int rc = store_query(r, &store_rate_same, values, &result);

	free(text);
	if (rc != 0)
		return -1;
	if (PQntuples(result) > 0) {
		json_t *errors =
			json_pack("[{s:s, s:s}]", "field", "effective_from", "message",
				  "there is a rate of this prefix, origin and schedule from this moment already");
		request_problem_fields(r, 409, "The deck has this rate already; change it instead.", errors);
		rc = -1;
	}
	PQclear(result);
	return rc;
}

const struct resource rates = {
	.collection = "rates",
	.noun = "rate",
	.meaning = "What a call to a prefix costs a minute, and from when to when.",
	.fields = rate_fields,
	.n = sizeof(rate_fields) / sizeof(*rate_fields),
	.parent = &rate_decks,
	.list = &store_rate_list,
	.get = &store_rate_get,
	.lock = &store_rate_lock,
	.insert = &store_rate_insert,
	.update = &store_rate_update,
	.remove = &store_rate_delete,
	.faults = &store_rate_faults,
	.check = rate_check,
	.before_insert = rate_before_insert,
};
