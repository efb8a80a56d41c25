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

void stats_list(struct request *r)
{
	enum { BY, SIDE, FROM, TO, CARRIER, TRUNK, DESTINATION, COUNT };
	const char *v[PARAMS_MAX];
	PGresult *result;

	if (params_check(r, r->endpoint->params, v, NULL) != 0)
		return;
	if (v[BY] == NULL) {
		request_problem(r, 400, "group_by must be carrier, trunk, destination or hour.");
		return;
	}
	if (v[DESTINATION] != NULL && strcmp(v[BY], "hour") == 0) {
		request_problem(r, 400, "Destinations are kept by day: group_by=hour takes no destination.");
		return;
	}
	default_span(r, &v[FROM], &v[TO]);
	const char *values[COUNT] = {
		v[BY],	       v[SIDE] != NULL && strcmp(v[SIDE], "egress") == 0 ? "true" : "false",
		v[FROM],       v[TO],
		v[CARRIER],    v[TRUNK],
		v[DESTINATION]};
	if (store_query(r, &store_stats, values, &result) != 0)
		return;
	buf_reset(&r->answer.body);
	buf_puts(&r->answer.body, "{\"items\":[");
	for (int i = 0; i < PQntuples(result); i++) {
		buf_puts(&r->answer.body, i > 0 ? "," : "");
		buf_puts(&r->answer.body, PQgetvalue(result, i, 0));
	}
	buf_puts(&r->answer.body, "],\"next_cursor\":null}");
	request_answer(r, 200, "application/json");
	PQclear(result);
}
