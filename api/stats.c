/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/stats: what calls amount to, from the roll-ups that follow the CDRs. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/endpoint.h"
#include "api/handlers.h"
#include "api/resource.h"
#include "api/store.h"
#include "lib/clock.h"

#define RO FIELD_READ_ONLY
#define RON (FIELD_READ_ONLY | FIELD_NULLABLE)
#define DEFAULT_SPAN_US (7 * 86400 * 1000000LL)
#define HOUR_US (3600 * 1000000LL)
#define DIGITS "0123456789"

static const struct field fields[] = {
	{.name = "carrier_id",
	 .type = FIELD_ID,
	 .flags = RON,
	 .example = "1",
	 .meaning = "By carrier or trunk: the customer, or with side=egress the vendor that was tried last."},
	{.name = "trunk_id", .type = FIELD_ID, .flags = RON, .example = "1", .meaning = "By trunk: its trunk."},
	{.name = "destination",
	 .type = FIELD_TEXT,
	 .flags = RON,
	 .example = "\"UK London\"",
	 .meaning = "By destination: of the sell rate; empty for calls without one."},
	{.name = "hour", .type = FIELD_TIME, .flags = RON, .meaning = "By hour: its beginning."},
	{.name = "currency",
	 .type = FIELD_TEXT,
	 .flags = RON,
	 .example = "\"EUR\"",
	 .meaning =
		 "Of the money here: the sell rate's; a group has an item for each. Null: calls without a sell rate."},
	{.name = "calls", .type = FIELD_INT, .flags = RO, .example = "1250", .meaning = "Calls, answered or not."},
	{.name = "answered", .type = FIELD_INT, .flags = RO, .example = "600", .meaning = "Of them answered."},
	{.name = "asr", .type = FIELD_NUMBER, .flags = RO, .example = "48", .meaning = "Answered in percent of calls."},
	{.name = "ner",
	 .type = FIELD_NUMBER,
	 .flags = RO,
	 .example = "91.2",
	 .meaning = "Percent of calls that reached the callee: answered, busy, ringing, or refused by it."},
	{.name = "acd_s",
	 .type = FIELD_NUMBER,
	 .flags = RON,
	 .example = "183.5",
	 .meaning = "Mean talk of answered calls, in seconds."},
	{.name = "pdd_p50_ms",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "1200",
	 .meaning = "Half of the calls rang, or had their final answer, within this; from a histogram."},
	{.name = "pdd_p95_ms", .type = FIELD_INT, .flags = RON, .example = "3100", .meaning = "95 % of them."},
	{.name = "pdd_p99_ms", .type = FIELD_INT, .flags = RON, .example = "5900", .meaning = "99 % of them."},
	{.name = "minutes", .type = FIELD_MONEY, .flags = RO, .example = "\"1835.000000\"", .meaning = "Talked."},
	{.name = "sell_minutes",
	 .type = FIELD_MONEY,
	 .flags = RO,
	 .example = "\"1850.000000\"",
	 .meaning = "Billed to customers."},
	{.name = "buy_minutes",
	 .type = FIELD_MONEY,
	 .flags = RO,
	 .example = "\"1840.000000\"",
	 .meaning = "Billed by vendors."},
	{.name = "revenue", .type = FIELD_MONEY, .flags = RO, .example = "\"27.750000\"", .meaning = "Sold."},
	{.name = "cost",
	 .type = FIELD_MONEY,
	 .flags = RO,
	 .example = "\"18.400000\"",
	 .meaning = "Bought, at the exchange rates of the calls."},
	{.name = "margin",
	 .type = FIELD_MONEY,
	 .flags = RO,
	 .example = "\"9.350000\"",
	 .meaning = "Revenue less cost."},
	{.name = "unconverted",
	 .type = FIELD_INT,
	 .flags = RO,
	 .example = "0",
	 .meaning = "Calls whose cost is left out, as no exchange rate was kept with them."},
};

const struct resource stats = {
	.collection = "stats",
	.noun = "figure",
	.meaning = "What calls amount to, as soon as their CDRs are there. A re-rating does not change it.",
	.fields = fields,
	.n = sizeof(fields) / sizeof(*fields),
};

static void default_span(struct request *r, const char **from, const char **to)
{
	char text[CLOCK_TEXT_MAX];
	int64_t end = clock_wall_us();

	if (*to == NULL)
		*to = arena_strdup(r->arena, clock_format(end, text));
	else if (clock_parse(*to, &end) != 0)
		end = clock_wall_us();
	if (*from == NULL)
		*from = arena_strdup(r->arena,
				     clock_format(end > DEFAULT_SPAN_US ? end - DEFAULT_SPAN_US : HOUR_US, text));
}

/* Hours know a destination of all calls alone, days that of each trunk, too. */
static bool is_kept(const char *by, const char *carrier, const char *trunk, const char *destination)
{
	bool parties = strstr(by, "carrier") != NULL || strstr(by, "trunk") != NULL || carrier != NULL || trunk != NULL;
	bool places = strstr(by, "destination") != NULL || destination != NULL;

	return !(strstr(by, "hour") != NULL && parties && places);
}

/* Where a page begins: "start:skip", both in digits, as stats_read gave them. */
static int page_begin(struct request *r, const char *cursor, const char **start, const char **skip)
{
	*start = "-1";
	*skip = "0";
	if (cursor == NULL)
		return 0;
	size_t first = strspn(cursor, DIGITS);
	size_t second = cursor[first] == ':' ? strspn(cursor + first + 1, DIGITS) : 0;
	if (first == 0 || first > 18 || second == 0 || second > 9 || cursor[first + 1 + second] != '\0') {
		request_problem(r, 400, "cursor is not one that this list gave.");
		return -1;
	}
	*start = arena_printf(r->arena, "%.*s", (int)first, cursor);
	*skip = cursor + first + 1;
	return 0;
}

static void answer_page(struct request *r, const PGresult *result)
{
	struct buf *out = &r->answer.body;
	int rows = PQntuples(result);
	const char *next = rows > 0 ? store_text(result, rows - 1, 0) : NULL;

	buf_reset(out);
	buf_puts(out, "{\"items\":[");
	for (int i = 0; i < rows - (next != NULL); i++) {
		buf_puts(out, i > 0 ? "," : "");
		buf_puts(out, PQgetvalue(result, i, 1));
	}
	if (next != NULL)
		buf_printf(out, "],\"next_cursor\":\"%s\"}\n", params_cursor(r, next));
	else
		buf_puts(out, "],\"next_cursor\":null}\n");
	request_answer(r, 200, "application/json");
}

void stats_list(struct request *r)
{
	enum { BY, SIDE, FROM, TO, CARRIER, TRUNK, DESTINATION, START, SKIP, LIMIT };
	const char *v[PARAMS_MAX];
	struct listing listing;
	char limit[16];
	PGresult *result;

	if (params_check(r, r->endpoint->params, v, &listing) != 0)
		return;
	if (v[BY] == NULL) {
		request_problem(r, 400, "group_by must be one or more of carrier, trunk, destination and hour.");
		return;
	}
	if (!is_kept(v[BY], v[CARRIER], v[TRUNK], v[DESTINATION])) {
		request_problem(r, 400, "A carrier's or trunk's destinations are kept by day: not by hour.");
		return;
	}
	default_span(r, &v[FROM], &v[TO]);
	if (page_begin(r, listing.cursor, &v[START], &v[SKIP]) != 0)
		return;
	snprintf(limit, sizeof(limit), "%d", listing.limit);
	v[LIMIT] = limit;
	v[SIDE] = v[SIDE] != NULL && strcmp(v[SIDE], "egress") == 0 ? "true" : "false";
	if (store_query(r, &store_stats, v, &result) != 0)
		return;
	answer_page(r, result);
	PQclear(result);
}
