/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/cdrs: what calls were and cost. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/answers.h"
#include "api/endpoint.h"
#include "api/handlers.h"
#include "api/resource.h"
#include "api/service.h"
#include "api/store.h"
#include "lib/clock.h"
#include "lib/uuid.h"

#define RO FIELD_READ_ONLY
#define RON (FIELD_READ_ONLY | FIELD_NULLABLE)
/* Past the year 9999 it is no time of ours, and none for PostgreSQL. */
#define CDR_TIME_MAX_US 253402300799999000LL

static const char *const reasons[] = {"normal",		 "cancelled",	      "busy",
				      "no_answer",	 "callee_rejected",   "no_ack",
				      "auth_failed",	 "no_route",	      "no_rate",
				      "rejected",	 "blocked",	      "no_balance",
				      "capacity",	 "vendor_failed",     "media_timeout",
				      "max_duration",	 "balance_exhausted", "admin",
				      "session_expired", "switch_restart",    NULL};
static const char *const parties[] = {"caller", "callee", "switch", NULL};

static const struct field attempt_fields[] = {
	{.name = "n", .type = FIELD_INT, .flags = RO, .example = "1", .meaning = "Which try, from 1."},
	{.name = "trunk_id", .type = FIELD_ID, .flags = RO, .example = "2", .meaning = "The vendor's trunk."},
	{.name = "carrier_id", .type = FIELD_ID, .flags = RO, .example = "3", .meaning = "The vendor."},
	{.name = "started_at", .type = FIELD_TIME, .flags = RO, .meaning = "When its INVITE was sent."},
	{.name = "progress_at", .type = FIELD_TIME, .flags = RON, .meaning = "Its first 18x."},
	{.name = "answered_at", .type = FIELD_TIME, .flags = RON, .meaning = "Its 200."},
	{.name = "ended_at", .type = FIELD_TIME, .flags = RON, .meaning = "When it was over."},
	{.name = "sip_code",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "503",
	 .meaning = "Its final answer; 408 for silence."},
	{.name = "reason",
	 .type = FIELD_TEXT,
	 .flags = RO,
	 .example = "\"no_response\"",
	 .meaning = "How it ended, in a word."},
	{.name = "buy_prefix",
	 .type = FIELD_TEXT,
	 .flags = RON,
	 .example = "\"4930\"",
	 .meaning = "Prefix of its rate."},
	{.name = "buy_price",
	 .type = FIELD_MONEY,
	 .flags = RON,
	 .example = "\"0.010000\"",
	 .meaning = "Its price a minute."},
	{.name = "b_call_id",
	 .type = FIELD_TEXT,
	 .flags = RON,
	 .example = "\"b41d77c0@198.51.100.5\"",
	 .meaning = "Call-ID on its side."},
};
static const struct field attempt_item = {
	.type = FIELD_OBJECT, .item = attempt_fields, .items = sizeof(attempt_fields) / sizeof(*attempt_fields)};

static const struct field fields[] = {
	{.name = "id", .type = FIELD_UUID, .flags = RO, .meaning = "UUIDv7; carries started_at's milliseconds."},
	{.name = "node", .type = FIELD_TEXT, .flags = RO, .example = "\"sw1\"", .meaning = "The node that carried it."},
	{.name = "started_at", .type = FIELD_TIME, .flags = RO, .meaning = "When the INVITE came."},
	{.name = "progress_at", .type = FIELD_TIME, .flags = RON, .meaning = "First 18x to the caller."},
	{.name = "answered_at", .type = FIELD_TIME, .flags = RON, .meaning = "200 to the caller. Null: not answered."},
	{.name = "ended_at", .type = FIELD_TIME, .flags = RO, .meaning = "When it was over."},
	{.name = "ingress_carrier_id",
	 .type = FIELD_ID,
	 .flags = RON | FIELD_INGRESS,
	 .example = "1",
	 .meaning = "The customer."},
	{.name = "ingress_trunk_id",
	 .type = FIELD_ID,
	 .flags = RON | FIELD_INGRESS,
	 .example = "1",
	 .meaning = "The way it came in."},
	{.name = "egress_carrier_id",
	 .type = FIELD_ID,
	 .flags = RON | FIELD_EGRESS,
	 .example = "2",
	 .meaning = "The last vendor tried."},
	{.name = "egress_trunk_id",
	 .type = FIELD_ID,
	 .flags = RON | FIELD_EGRESS,
	 .example = "2",
	 .meaning = "The way it went out."},
	{.name = "calling_in",
	 .type = FIELD_TEXT,
	 .flags = RON | FIELD_INGRESS,
	 .example = "\"+49301234\"",
	 .meaning = "Calling number as received."},
	{.name = "called_in",
	 .type = FIELD_TEXT,
	 .flags = RON | FIELD_INGRESS,
	 .example = "\"+44201234567\"",
	 .meaning = "Called number as received."},
	{.name = "calling_out",
	 .type = FIELD_TEXT,
	 .flags = RON | FIELD_EGRESS,
	 .example = "\"49301234\"",
	 .meaning = "Calling number as sent."},
	{.name = "called_out",
	 .type = FIELD_TEXT,
	 .flags = RON | FIELD_EGRESS,
	 .example = "\"44201234567\"",
	 .meaning = "Called number as sent."},
	{.name = "destination",
	 .type = FIELD_TEXT,
	 .flags = RON,
	 .example = "\"UK London\"",
	 .meaning = "Of the sell rate."},
	{.name = "pdd_ms",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "850",
	 .meaning = "INVITE to the first 18x or final answer, in ms."},
	{.name = "duration_ms",
	 .type = FIELD_INT,
	 .flags = RO,
	 .example = "61000",
	 .meaning = "Talk in ms; 0 if not answered."},
	{.name = "sip_code",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "200",
	 .meaning = "Final answer to the caller."},
	{.name = "q850_cause", .type = FIELD_INT, .flags = RON, .example = "16", .meaning = "Q.850 cause."},
	{.name = "disconnect_reason",
	 .type = FIELD_CHOICE,
	 .flags = RO,
	 .choices = reasons,
	 .example = "\"normal\"",
	 .meaning = "Why it ended."},
	{.name = "hangup_party",
	 .type = FIELD_CHOICE,
	 .flags = RO,
	 .choices = parties,
	 .example = "\"caller\"",
	 .meaning = "Who ended it."},
	{.name = "attempts",
	 .type = FIELD_ANY,
	 .flags = RO | FIELD_EGRESS,
	 .item = &attempt_item,
	 .items = 1,
	 .example = "1",
	 .meaning = "How many vendors were tried; in the answer for one CDR, the list of attempts."},
	{.name = "sell_prefix",
	 .type = FIELD_TEXT,
	 .flags = RON | FIELD_INGRESS,
	 .example = "\"4420\"",
	 .meaning = "Prefix of the sell rate."},
	{.name = "sell_price",
	 .type = FIELD_MONEY,
	 .flags = RON | FIELD_INGRESS,
	 .example = "\"0.015000\"",
	 .meaning = "Sell price a minute."},
	{.name = "sell_billed_s",
	 .type = FIELD_INT,
	 .flags = RON | FIELD_INGRESS,
	 .example = "66",
	 .meaning = "Seconds billed to the customer."},
	{.name = "sell_amount",
	 .type = FIELD_MONEY,
	 .flags = RON | FIELD_INGRESS,
	 .example = "\"0.016500\"",
	 .meaning = "What the customer pays."},
	{.name = "sell_currency",
	 .type = FIELD_TEXT,
	 .flags = RON | FIELD_INGRESS,
	 .example = "\"EUR\"",
	 .meaning = "In this currency."},
	{.name = "buy_prefix",
	 .type = FIELD_TEXT,
	 .flags = RON | FIELD_EGRESS,
	 .example = "\"44\"",
	 .meaning = "Prefix of the buy rate."},
	{.name = "buy_price",
	 .type = FIELD_MONEY,
	 .flags = RON | FIELD_EGRESS,
	 .example = "\"0.010000\"",
	 .meaning = "Buy price a minute."},
	{.name = "buy_billed_s",
	 .type = FIELD_INT,
	 .flags = RON | FIELD_EGRESS,
	 .example = "61",
	 .meaning = "Seconds that the vendor bills."},
	{.name = "buy_amount",
	 .type = FIELD_MONEY,
	 .flags = RON | FIELD_EGRESS,
	 .example = "\"0.010167\"",
	 .meaning = "What the vendor takes."},
	{.name = "buy_currency",
	 .type = FIELD_TEXT,
	 .flags = RON | FIELD_EGRESS,
	 .example = "\"EUR\"",
	 .meaning = "In this currency."},
	{.name = "source_ip",
	 .type = FIELD_TEXT,
	 .flags = RON | FIELD_INGRESS,
	 .example = "\"192.0.2.7\"",
	 .meaning = "Where the INVITE came from."},
	{.name = "a_call_id",
	 .type = FIELD_TEXT,
	 .flags = RON | FIELD_INGRESS,
	 .example = "\"6f1c2a9e@192.0.2.10\"",
	 .meaning = "Call-ID on the customer's side."},
	{.name = "b_call_id",
	 .type = FIELD_TEXT,
	 .flags = RON | FIELD_EGRESS,
	 .example = "\"b41d77c0@198.51.100.5\"",
	 .meaning = "Call-ID on the last vendor's side."},
	{.name = "recovered",
	 .type = FIELD_BOOL,
	 .flags = RO,
	 .example = "false",
	 .meaning = "Closed after a crash, with what was proven."},
	{.name = "lrn",
	 .type = FIELD_TEXT,
	 .flags = RON | FIELD_INTERNAL,
	 .example = "\"12129990000\"",
	 .meaning = "Location routing number, if one was known."},
	{.name = "buy_to_sell_rate",
	 .type = FIELD_DECIMAL,
	 .flags = RON | FIELD_INTERNAL,
	 .example = "\"0.920000\"",
	 .meaning = "Exchange rate that the margin was made with."},
	{.name = "chain_id",
	 .type = FIELD_UUID,
	 .flags = RON | FIELD_INTERNAL,
	 .meaning = "Tamper-evidence chain that it stands in."},
	{.name = "chain_seq",
	 .type = FIELD_INT,
	 .flags = RON | FIELD_INTERNAL,
	 .example = "1042",
	 .meaning = "Its place there."},
	{.name = "rated_called",
	 .type = FIELD_TEXT,
	 .flags = RON | FIELD_INTERNAL,
	 .example = "\"442071234567\"",
	 .meaning = "Number by which both sides were rated: after tech prefix and translations, or the LRN."},
	{.name = "rated_calling",
	 .type = FIELD_TEXT,
	 .flags = RON | FIELD_INTERNAL,
	 .example = "\"4930123456\"",
	 .meaning = "Calling number by which rates with an origin_prefix were chosen."},
	{.name = "trace",
	 .type = FIELD_ANY,
	 .flags = RON | FIELD_ALONE,
	 .example = "{\"routes\": []}",
	 .meaning = "Only in the answer for one CDR: how its route was found."},
};

const struct resource cdrs = {
	.collection = "cdrs",
	.noun = "CDR",
	.meaning =
		"What calls were and cost. A key bound to a carrier sees the columns of its side: ingress where it is "
		"the customer, egress where it is the vendor.",
	.fields = fields,
	.n = sizeof(fields) / sizeof(*fields),
	.list = &store_cdr_list,
	.get = &store_cdr_get,
};

/* Where endpoint.c's cdr_params have their bounds. */
enum { FILTER_FROM, FILTER_TO };

/* The newest are mostly what is asked for, and each day is a partition: a plan over all of them takes longer than
 * finding a page in the last one. So the page is looked for in the last day first, and in eight times as much while
 * it is not full. Times past which there is nothing to find end it. */
struct window {
	int64_t since_us; /* `from`; 0: not given */
	int64_t end_us;	  /* at or before this a page begins */
	int64_t span_us;
};

#define WINDOW_FIRST_US (86400 * 1000000LL)
#define WINDOW_LAST_US (100 * WINDOW_FIRST_US) /* the next one is everything */

/* A cursor is the microseconds and the id of the last one shown: what follows it is no later. As times have
 * milliseconds here, one more of them. */
static void window_begin(struct window *w, struct request *r, const char *cursor, const char **from, const char **to)
{
	char text[CLOCK_TEXT_MAX];
	int64_t to_us = INT64_MAX, last_us = INT64_MAX;

	*w = (struct window){.end_us = clock_wall_us(), .span_us = WINDOW_FIRST_US};
	if (*from != NULL && clock_parse(*from, &w->since_us) != 0)
		w->since_us = 0;
	if (*to != NULL && clock_parse(*to, &to_us) != 0)
		to_us = INT64_MAX;
	if (cursor != NULL) {
		errno = 0;
		last_us = strtoll(cursor, NULL, 10);
		if (errno != 0 || last_us <= 0 || last_us >= CDR_TIME_MAX_US)
			last_us = INT64_MAX;
	}
	if (last_us < to_us - 1000)
		*to = arena_strdup(r->arena, clock_format(last_us + 1000, text));
	w->end_us = last_us < w->end_us ? last_us : w->end_us;
	w->end_us = to_us < w->end_us ? to_us : w->end_us;
}

/* The next, wider one: false if there was none but the one that `from` bounds. */
static bool window_next(struct window *w, struct request *r, const char *asked_from, const char **from)
{
	char text[CLOCK_TEXT_MAX];
	int64_t begin_us = w->end_us - w->span_us;

	if (w->span_us == 0)
		return false;
	if (w->span_us > WINDOW_LAST_US || begin_us <= w->since_us) {
		*from = asked_from;
		w->span_us = 0;
		return true;
	}
	*from = arena_strdup(r->arena, clock_format(begin_us, text));
	w->span_us *= 8;
	return true;
}

/* A carrier's sheet has the columns of the sides that it has calls or trunks on, whether they are on this page or not.
 */
static int columns_choose(struct request *r)
{
	const char *own = r->caller.carrier_text;
	PGresult *result;

	if (!r->sheet.wanted || !request_is_bound(r) || r->sheet.next != NULL)
		return 0;
	if (store_query(r, &store_cdr_sides, &own, &result) != 0)
		return -1;
	r->sheet.hidden = (*PQgetvalue(result, 0, 0) == 't' ? 0 : FIELD_INGRESS) |
			  (*PQgetvalue(result, 0, 1) == 't' ? 0 : FIELD_EGRESS);
	PQclear(result);
	return 0;
}

void cdrs_list(struct request *r)
{
	bool bound = request_is_bound(r);
	const char *values[3 + PARAMS_MAX], **filters = values + 3;
	struct listing listing;
	struct window window;
	char limit[16];
	PGresult *result = NULL;

	if (params_check(r, r->endpoint->params, filters, &listing) != 0 || columns_choose(r) != 0)
		return;
	snprintf(limit, sizeof(limit), "%d", listing.limit + 1);
	values[0] = listing.cursor;
	values[1] = limit;
	values[2] = bound ? r->caller.carrier_text : NULL;
	const char *asked_from = filters[FILTER_FROM];
	window_begin(&window, r, listing.cursor, &filters[FILTER_FROM], &filters[FILTER_TO]);
	while (window_next(&window, r, asked_from, &filters[FILTER_FROM])) {
		PQclear(result);
		if (store_query(r, bound ? &store_cdr_list_bound : &store_cdr_list, values, &result) != 0)
			return;
		if (PQntuples(result) > listing.limit)
			break;
	}
	resource_page(r, result, listing.limit, &cdrs);
	PQclear(result);
}

/* What one CDR's answer says beyond a row of the list goes into its text: parsing and writing it again would take
 * longer than finding it. Inside a value the name's quotes would be escaped: the first place is the field. */
static int put_whole(struct buf *out, const char *cdr, const char *attempts, const char *trace)
{
	static const char name[] = "\"attempts\":";
	const char *at = strstr(cdr, name), *end = strrchr(cdr, '}');

	if (at == NULL || end == NULL)
		return -EINVAL;
	at += strlen(name);
	const char *after = at + strspn(at, "0123456789");
	buf_append(out, cdr, (size_t)(at - cdr));
	buf_puts(out, attempts);
	buf_append(out, after, (size_t)(end - after));
	buf_puts(out, ",\"trace\":");
	buf_puts(out, trace != NULL ? trace : "null");
	buf_puts(out, "}\n");
	return 0;
}

/* False: the path's id is none. */
static bool key_of(const struct request *r, struct answers_key *key)
{
	key->carrier_id = strtoll(r->caller.carrier_text, NULL, 10);
	return uuid_parse(r->id, &key->cdr) == 0;
}

bool cdrs_recall(struct request *r)
{
	char *etag = arena_alloc(r->arena, ANSWERS_ETAG);
	struct answers_key key;

	if (r->params > 0 || !key_of(r, &key) ||
	    !answers_find(r->service->answers, &key, clock_mono_us(), &r->answer.body, etag))
		return false;
	if (!request_answer_same(r, etag))
		request_answer(r, 200, "application/json");
	return true;
}

static void answer_found(struct request *r, PGresult *result, const struct answers_key *key)
{
	char *etag = arena_alloc(r->arena, ANSWERS_ETAG);
	struct buf *out = &r->answer.body;
	int err = 0;

	buf_reset(out);
	if (request_is_bound(r)) {
		buf_puts(out, PQgetvalue(result, 0, 0));
		buf_putc(out, '\n');
	} else {
		err = put_whole(out, PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1), store_text(result, 0, 2));
	}
	if (err != 0) {
		request_problem(r, 500, "The answer could not be written.");
		return;
	}
	answers_keep(r->service->answers, key, clock_mono_us(), out, etag);
	if (!request_answer_same(r, etag))
		request_answer(r, 200, "application/json");
}

void cdrs_get(struct request *r)
{
	bool bound = request_is_bound(r);
	char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];
	struct answers_key key = {0};
	PGresult *result;

	if (params_check(r, NULL, NULL, NULL) != 0)
		return;
	int64_t wall_ms = key_of(r, &key) ? uuid_wall_ms(&key.cdr) : 0;
	if (wall_ms <= 0 || wall_ms >= CDR_TIME_MAX_US / 1000)
		wall_ms = 1;
	const char *values[] = {r->id, bound ? r->caller.carrier_text : NULL, clock_format(wall_ms * 1000, from),
				clock_format((wall_ms + 1) * 1000, to)};
	if (store_query(r, bound ? &store_cdr_get_bound : &store_cdr_get, values, &result) != 0)
		return;
	if (PQntuples(result) == 0)
		request_problem(r, 404, "There is no such CDR.");
	else
		answer_found(r, result, &key);
	PQclear(result);
}
