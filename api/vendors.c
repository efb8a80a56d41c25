/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/vendor-health, -quality, -events: what the nodes observe, from Redis. /v1/vendor-forces: the operator's word. */
#include <stdlib.h>
#include <string.h>

#include "api/endpoint.h"
#include "api/handlers.h"
#include "api/resource.h"
#include "api/store.h"
#include "lib/clock.h"
#include "routing/standing_live.h"

#define RO FIELD_READ_ONLY
#define RON (FIELD_READ_ONLY | FIELD_NULLABLE)

static const char *const states[] = {"up", "down", "trial", NULL};
static const char *const forces[] = {"up", "down", NULL};

static const struct field health_fields[] = {
	{.name = "trunk_id", .type = FIELD_ID, .flags = RO, .example = "2", .meaning = "The egress trunk."},
	{.name = "node", .type = FIELD_TEXT, .flags = RO, .example = "\"sw1\"", .meaning = "The node that sees it so."},
	{.name = "address",
	 .type = FIELD_TEXT,
	 .flags = RO,
	 .example = "\"192.0.2.7:5060;udp\"",
	 .meaning = "What the breaker is kept for; trunks with the same address share it."},
	{.name = "state",
	 .type = FIELD_CHOICE,
	 .flags = RO,
	 .choices = states,
	 .example = "\"up\"",
	 .meaning = "down: it gets no calls; trial: one call may try it."},
	{.name = "forced",
	 .type = FIELD_CHOICE,
	 .flags = RON,
	 .choices = forces,
	 .meaning = "The operator's word, which holds against state. Null: none."},
	{.name = "failures",
	 .type = FIELD_INT,
	 .flags = RO,
	 .example = "0",
	 .meaning = "Calls or probes without an answer, in a row."},
	{.name = "since",
	 .type = FIELD_TIME,
	 .flags = RON,
	 .meaning = "When state last changed. Null: not since the node started."},
	{.name = "reason",
	 .type = FIELD_TEXT,
	 .flags = RON,
	 .example = "\"5 calls in a row: no response\"",
	 .meaning = "Why it changed."},
};

const struct resource vendor_health = {
	.collection = "vendor-health",
	.noun = "vendor's health",
	.meaning = "Whether vendors' addresses answer, as each node sees it.",
	.fields = health_fields,
	.n = sizeof(health_fields) / sizeof(*health_fields),
};

static const struct field quality_fields[] = {
	{.name = "trunk_id", .type = FIELD_ID, .flags = RO, .example = "2", .meaning = "The egress trunk."},
	{.name = "destination",
	 .type = FIELD_TEXT,
	 .flags = RO,
	 .example = "\"France\"",
	 .meaning = "Of the sell rate; # and its prefix where it has no name."},
	{.name = "attempts",
	 .type = FIELD_INT,
	 .flags = RO,
	 .example = "120",
	 .meaning = "Attempts that ended within the last hour."},
	{.name = "answered", .type = FIELD_INT, .flags = RO, .example = "64", .meaning = "Of these, answered."},
	{.name = "short_calls",
	 .type = FIELD_INT,
	 .flags = RO,
	 .example = "3",
	 .meaning = "Of these, over within 6 s."},
	{.name = "asr", .type = FIELD_NUMBER, .flags = RO, .example = "0.533", .meaning = "Answered attempts, 0 to 1."},
	{.name = "ner",
	 .type = FIELD_NUMBER,
	 .flags = RO,
	 .example = "0.91",
	 .meaning = "Attempts where the network did its part (answered, busy, rang in vain, rejected by the callee), 0 "
		    "to 1."},
	{.name = "acd",
	 .type = FIELD_NUMBER,
	 .flags = RON,
	 .example = "94.2",
	 .meaning = "Seconds of an answered call. Null: none was."},
	{.name = "pdd",
	 .type = FIELD_NUMBER,
	 .flags = RON,
	 .example = "2.1",
	 .meaning = "Seconds from INVITE to ringing or answer. Null: none rang."},
	{.name = "score",
	 .type = FIELD_NUMBER,
	 .flags = RO,
	 .example = "0.82",
	 .meaning = "What routing goes by; 1 until 20 attempts."},
	{.name = "measured", .type = FIELD_BOOL, .flags = RO, .example = "true", .meaning = "Are there 20 attempts?"},
	{.name = "demoted",
	 .type = FIELD_BOOL,
	 .flags = RO,
	 .example = "false",
	 .meaning = "Far below the other vendors there: policies quality and balanced put it last."},
};

const struct resource vendor_quality = {
	.collection = "vendor-quality",
	.noun = "vendor's quality",
	.meaning = "How vendors complete calls to a destination, over the last hour and all nodes.",
	.fields = quality_fields,
	.n = sizeof(quality_fields) / sizeof(*quality_fields),
};

static const struct field event_fields[] = {
	{.name = "at", .type = FIELD_TIME, .flags = RO, .meaning = "When."},
	{.name = "node", .type = FIELD_TEXT, .flags = RO, .example = "\"sw1\"", .meaning = "The node that saw it."},
	{.name = "trunk_id", .type = FIELD_ID, .flags = RO, .example = "2", .meaning = "The egress trunk."},
	{.name = "destination",
	 .type = FIELD_TEXT,
	 .flags = RON,
	 .example = "\"France\"",
	 .meaning = "Of demoted and restored."},
	{.name = "event",
	 .type = FIELD_TEXT,
	 .flags = RO,
	 .example = "\"down\"",
	 .meaning = "down, up, demoted, restored, forced down, forced up, as observed."},
	{.name = "reason",
	 .type = FIELD_TEXT,
	 .flags = RO,
	 .example = "\"5 calls in a row: no response\"",
	 .meaning = "Why."},
};

const struct resource vendor_events = {
	.collection = "vendor-events",
	.noun = "vendor event",
	.meaning = "The last 1,000 changes of vendors' standing.",
	.fields = event_fields,
	.n = sizeof(event_fields) / sizeof(*event_fields),
};

static const struct field force_fields[] = {
	{.name = "id", .type = FIELD_ID, .flags = RO, .example = "1", .meaning = "Id."},
	{.name = "trunk_id",
	 .type = FIELD_ID,
	 .flags = FIELD_REQUIRED,
	 .refers = "trunks",
	 .example = "2",
	 .meaning = "An egress trunk; one force each."},
	{.name = "force",
	 .type = FIELD_CHOICE,
	 .flags = FIELD_REQUIRED,
	 .choices = forces,
	 .example = "\"down\"",
	 .meaning = "down: it gets no calls; up: it gets calls whatever is observed."},
	{.name = "note",
	 .type = FIELD_TEXT,
	 .flags = FIELD_NULLABLE,
	 .min = 0,
	 .max = 200,
	 .example = "\"maintenance until 6\"",
	 .meaning = "For people."},
	FIELD_MADE("Since when."),
};

const struct resource vendor_forces = {
	.collection = "vendor-forces",
	.noun = "force",
	.meaning = "The operator's word on a vendor's health, against what is observed, until it is deleted.",
	.fields = force_fields,
	.n = sizeof(force_fields) / sizeof(*force_fields),
	.list = &store_force_list,
	.get = &store_force_get,
	.lock = &store_force_lock,
	.insert = &store_force_insert,
	.remove = &store_force_delete,
	.faults = &store_force_faults,
};

/* ---- lists ---- */

static void answer_items(struct request *r, json_t *items)
{
	json_t *page = json_pack("{s:o, s:n}", "items", items, "next_cursor");

	request_answer_json(r, 200, page);
	json_decref(page);
}

static bool of_trunk(const json_t *one, const char *wanted)
{
	return wanted == NULL || json_integer_value(json_object_get(one, "trunk_id")) == strtoll(wanted, NULL, 10);
}

static json_t *shared(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);
	return value != NULL ? json_incref(value) : json_null();
}

static json_t *health_shown(const json_t *one)
{
	bool down = json_is_true(json_object_get(one, "down")), trial = json_is_true(json_object_get(one, "trial"));
	const char *why = json_string_value(json_object_get(one, "why"));

	return json_pack("{s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o}", "trunk_id", shared(one, "trunk_id"), "node",
			 shared(one, "node"), "address", shared(one, "address"), "state",
			 trial	? "trial"
			 : down ? "down"
				: "up",
			 "forced", shared(one, "forced"), "failures", shared(one, "failures"), "since",
			 shared(one, "since"), "reason",
			 why != NULL && why[0] != '\0' ? json_string(why) : json_null());
}

void vendor_health_list(struct request *r)
{
	const char *values[PARAMS_MAX];
	struct status st = {0};
	json_t *one;
	size_t i;

	if (params_check(r, r->endpoint->params, values, NULL) != 0)
		return;
	json_t *all = json_array(), *items = json_array();
	int err = standing_read_health(r->redis, all, &st);
	json_array_foreach(all, i, one)
	{
		const char *node = json_string_value(json_object_get(one, "node"));
		if (of_trunk(one, values[0]) && (values[1] == NULL || (node != NULL && strcmp(node, values[1]) == 0)))
			json_array_append_new(items, health_shown(one));
	}
	json_decref(all);
	if (err == 0) {
		answer_items(r, items);
	} else {
		json_decref(items);
		request_problem_redis(r, "What the nodes observe", err, &st);
	}
}

static json_t *share_of(uint64_t part, uint64_t whole, double unit)
{
	return whole > 0 ? json_real((double)part / (double)whole / unit) : json_null();
}

static json_t *quality_shown(const char *key, const struct standing_vendor *v)
{
	const struct quality_counts *c = &v->counts;

	return json_pack("{s:I, s:s, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:f, s:b, s:b}", "trunk_id",
			 (json_int_t)v->trunk_id, "destination", key, "attempts", (int)c->attempts, "answered",
			 (int)c->answered, "short_calls", (int)c->short_calls, "asr",
			 share_of(c->answered, c->attempts, 1), "ner", share_of(c->effective, c->attempts, 1), "acd",
			 share_of(c->talk_ms, c->answered, 1000), "pdd", share_of(c->pdd_ms, c->pdds, 1000), "score",
			 v->verdict.score_ppm / 1e6, "measured", (int)v->verdict.measured, "demoted",
			 (int)v->verdict.demoted);
}

static int add_destination(struct request *r, json_t *items, const char *key, const char *trunk, struct status *st)
{
	int64_t now_slot = clock_wall_us() / 1000000 / QUALITY_SLOT_S;
	struct quality_book book = {0};

	int err = standing_read_shares(r->redis, key, NULL, now_slot, &book, st);
	struct standing_destination *d =
		standing_destination_new(key, (const struct quality_book *const[]){&book}, 1, now_slot);
	for (size_t i = 0; i < d->n; i++)
		if (d->vendor[i].counts.attempts > 0 &&
		    (trunk == NULL || d->vendor[i].trunk_id == strtoll(trunk, NULL, 10)))
			json_array_append_new(items, quality_shown(key, &d->vendor[i]));
	standing_destination_unref(&d);
	quality_book_free(&book);
	return err;
}

void vendor_quality_list(struct request *r)
{
	const char *values[PARAMS_MAX];
	struct status st = {0};
	redisReply *keys = NULL;
	json_t *items;
	int err = 0;

	if (params_check(r, r->endpoint->params, values, NULL) != 0)
		return;
	items = json_array();
	if (values[1] != NULL)
		err = add_destination(r, items, values[1], values[0], &st);
	else
		err = redis_command(r->redis, &keys, &st, "ZRANGEBYSCORE %s %lld +inf", STANDING_DESTINATIONS_KEY,
				    (long long)(clock_wall_us() / 1000000 - QUALITY_SLOT_S * QUALITY_SLOTS));
	for (size_t i = 0; err == 0 && keys != NULL && keys->type == REDIS_REPLY_ARRAY && i < keys->elements; i++)
		err = add_destination(r, items, keys->element[i]->str, values[0], &st);
	if (keys != NULL)
		freeReplyObject(keys);
	if (err == 0) {
		answer_items(r, items);
	} else {
		json_decref(items);
		request_problem_redis(r, "What the nodes observe", err, &st);
	}
}

void vendor_events_list(struct request *r)
{
	const char *values[PARAMS_MAX];
	struct status st = {0};
	redisReply *reply;

	if (params_check(r, r->endpoint->params, values, NULL) != 0)
		return;
	int err = redis_command(r->redis, &reply, &st, "LRANGE %s 0 -1", STANDING_EVENTS_KEY);
	if (err != 0) {
		request_problem_redis(r, "What the nodes observe", err, &st);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
		json_t *one = json_loadb(reply->element[i]->str, reply->element[i]->len, 0, NULL);
		if (json_is_object(one) && of_trunk(one, values[0]))
			json_array_append(items, one);
		json_decref(one);
	}
	freeReplyObject(reply);
	answer_items(r, items);
}
