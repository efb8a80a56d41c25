/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/route-lookups: where a call would go, by the same functions that route it in the switch. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/idempotency.h"
#include "api/resource.h"
#include "api/service.h"
#include "api/store.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/random.h"
#include "routing/loader.h"
#include "routing/number.h"
#include "routing/portability.h"
#include "routing/route.h"
#include "routing/standing_live.h"

static const struct field fields[] = {
	{.name = "trunk_id",
	 .type = FIELD_ID,
	 .flags = FIELD_REQUIRED | FIELD_WRITE_ONLY,
	 .refers = "trunks",
	 .example = "1",
	 .meaning = "The ingress trunk that the call would come by."},
	{.name = "called",
	 .type = FIELD_TEXT,
	 .flags = FIELD_REQUIRED | FIELD_WRITE_ONLY,
	 .min = 1,
	 .max = 127,
	 .example = "\"+44201234567\"",
	 .meaning = "Called number as the trunk would send it."},
	{.name = "calling",
	 .type = FIELD_TEXT,
	 .flags = FIELD_NULLABLE | FIELD_WRITE_ONLY,
	 .min = 0,
	 .max = 127,
	 .example = "\"+49301234\"",
	 .meaning = "Calling number."},
	{.name = "at",
	 .type = FIELD_TIME,
	 .flags = FIELD_NULLABLE | FIELD_WRITE_ONLY,
	 .meaning = "At which time. Null: now."},
	{.name = "outcome",
	 .type = FIELD_TEXT,
	 .flags = FIELD_READ_ONLY,
	 .example = "\"ok\"",
	 .meaning = "ok, or why there is no route."},
	{.name = "reason",
	 .type = FIELD_TEXT,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .example = "\"The called number is on a block list.\"",
	 .meaning = "The same as a sentence."},
	{.name = "lrn",
	 .type = FIELD_TEXT,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .example = "\"12129990000\"",
	 .meaning = "The routing number of a ported number, by which rates were looked up. Null: the called number."},
	{.name = "lrn_error",
	 .type = FIELD_TEXT,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .example = "\"time-out\"",
	 .meaning =
		 "Why nobody could be asked for the routing number; the called number was taken. Null: all was well."},
	{.name = "sell",
	 .type = FIELD_ANY,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .example = "{\"prefix\": \"4420\", \"destination\": \"UK London\", \"price\": \"0.015000\"}",
	 .meaning = "The sell rate: prefix, destination, price and its other terms."},
	{.name = "routes",
	 .type = FIELD_ANY,
	 .flags = FIELD_READ_ONLY,
	 .example = "[{\"trunk_id\": 2, \"carrier_id\": 3, \"prefix\": \"4420\", \"price\": \"0.009000\", "
		    "\"expected_margin\": \"0.006000\", \"score\": 1}]",
	 .meaning = "In order: trunk_id, carrier_id, prefix, price, expected_margin, score."},
	{.name = "excluded",
	 .type = FIELD_ANY,
	 .flags = FIELD_READ_ONLY,
	 .example = "[{\"trunk_id\": 4, \"reason\": \"margin\", \"detail\": \"under the plan's min_margin\"}]",
	 .meaning = "Who was left out: trunk_id, reason, detail; prefix, price, score if it has a rate, "
		    "expected_margin if "
		    "that can be compared."},
};

const struct resource route_lookups = {
	.collection = "route-lookups",
	.noun = "route look-up",
	.meaning = "Where a call would go, without placing it.",
	.fields = fields,
	.n = sizeof(fields) / sizeof(*fields),
};

struct lookup { /* what was asked */
	int64_t trunk_id, at_us;
	bool now;
	const char *called, *calling;
	struct gauge_table *gauges; /* of this look-up alone */
};

static void answer_field(struct request *r, const char *field, const char *message)
{
	request_problem_fields(r, 422, "At least one field is wrong; see errors.",
			       json_pack("[{s:s, s:s}]", "field", field, "message", message));
}

/* A snapshot for the look-up; NULL after an answer. */
static struct snapshot *load(struct request *r, const struct lookup *q, const char *called)
{
	struct snapshot *snap = NULL;
	struct status st = {0};
	char quoted[600];
	int err = loader_one_number(r->pg, q->trunk_id, called, q->gauges, &snap, &st);

	if (err == 0)
		return snap;
	if (err == -ENOENT) {
		answer_field(r, "trunk_id", "there is no such trunk");
		return NULL;
	}
	if (err != -ENOTCONN)
		log_event(LOG_LEVEL_ERROR, "look-up failed", "error=%s", log_quote(st.text, quoted, sizeof(quoted)));
	request_problem(r, err == -ENOTCONN || err == -ETIMEDOUT ? 503 : 500,
			"The routes could not be read; try again.");
	return NULL;
}

/* What outside knows of the number; *why says, if need be, why it could not be asked. */
struct ported {
	char lrn[DIGITS_MAX + 1]; /* "" : routed by the number itself */
	struct status why;	  /* "": nothing was wrong */
};

static void ported_ask(struct request *r, const char *called, struct ported *p)
{
	char quoted[600];

	p->why.text[0] = '\0';
	if (portability_desk_look(r->service->ported, r->redis, called, p->lrn, &p->why) != 0)
		log_event(LOG_LEVEL_WARN, "look-up by the dialled number", "why=%s",
			  log_quote(p->why.text, quoted, sizeof(quoted)));
}

static json_t *decide(struct request *r, const struct snapshot *snap, const struct lookup *q,
		      const struct number_pair *numbers, const struct ported *ported)
{
	const struct trunk *trunk = snapshot_trunk(snap, q->trunk_id);
	struct route *route = route_new(16);

	route_fit(route, snap);
	struct route_query query = {.snap = snap,
				    .ingress = trunk,
				    .called = numbers->called,
				    .calling = numbers->calling,
				    .at_us = q->at_us,
				    .mono_us = clock_mono_us(),
				    .now = q->now,
				    .seed = random_u64(),
				    .settled = true};
	if (route_permit(route, &query) == ROUTE_OK) { /* number lists look at what was dialled */
		query.called = ported->lrn[0] != '\0' ? ported->lrn : numbers->called;
		(void)standing_decide(route, &query, r->redis, r->pg, q->gauges); /* the outcome stands in route */
	}
	json_t *out = route_json(route);
	json_object_set_new(out, "lrn", ported->lrn[0] != '\0' ? json_string(ported->lrn) : json_null());
	json_object_set_new(out, "lrn_error",
			    ported->why.text[0] != '\0' ? json_string(ported->why.text) : json_null());
	route_free(&route);
	return out;
}

static json_t *look_up(struct request *r, const struct lookup *q)
{
	struct number_pair numbers;
	struct ported ported;
	json_t *out = NULL;

	struct snapshot *snap = load(r, q, NULL);
	if (snap == NULL)
		return NULL;
	const struct trunk *trunk = snapshot_trunk(snap, q->trunk_id);
	if (trunk == NULL) {
		answer_field(r, "trunk_id", "there is no such trunk");
	} else if (trunk->direction != TRUNK_INGRESS) {
		answer_field(r, "trunk_id", "is an egress trunk: calls come by an ingress trunk");
	} else if (number_in(trunk, q->called, q->calling, &numbers) != 0) {
		answer_field(r, "called",
			     "is not 3 to 32 digits after the trunk's prefix and translations (a call gets 484)");
	} else {
		snapshot_unref(&snap);
		ported_ask(r, numbers.called, &ported);
		snap = load(r, q, ported.lrn[0] != '\0' ? ported.lrn : numbers.called);
		if (snap != NULL && snapshot_trunk(snap, q->trunk_id) != NULL)
			out = decide(r, snap, q, &numbers, &ported);
		else if (snap != NULL)
			answer_field(r, "trunk_id", "there is no such trunk");
	}
	snapshot_unref(&snap);
	return out;
}

/* A kept answer is stored after the look-up: nothing was changed that a second run could double. */
static void keep(struct request *r)
{
	if (r->idempotency_key == NULL)
		return;
	if (store_begin(r) == 0 && idempotency_claim(r) == 0 && idempotency_keep(r) == 0 && store_commit(r) != 0)
		return;
	store_rollback(r);
}

void route_lookup(struct request *r)
{
	struct errors e = {NULL};
	json_t *input, *object;

	if (params_check(r, NULL, NULL, NULL) != 0 || (input = request_json(r)) == NULL)
		return;
	object = fields_check(fields, sizeof(fields) / sizeof(*fields), input, NULL, &e);
	json_decref(input);
	if (e.list != NULL) {
		request_problem_fields(r, 422, "At least one field is wrong; see errors.", e.list);
		json_decref(object);
		return;
	}
	const char *at = json_string_value(json_object_get(object, "at"));
	const char *calling = json_string_value(json_object_get(object, "calling"));
	struct lookup q = {.trunk_id = json_integer_value(json_object_get(object, "trunk_id")),
			   .called = json_string_value(json_object_get(object, "called")),
			   .calling = calling != NULL ? calling : "",
			   .now = at == NULL,
			   .at_us = clock_wall_us()};
	json_t *out = NULL;
	if (at != NULL && clock_parse(at, &q.at_us) != 0) {
		answer_field(r, "at", "is not a time");
	} else {
		q.gauges = gauge_table_new();
		out = look_up(r, &q);
		gauge_table_free(&q.gauges);
	}
	if (out != NULL) {
		request_answer_json(r, 200, out);
		keep(r);
		json_decref(out);
	}
	json_decref(object);
}
