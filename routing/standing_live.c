/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/standing_live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "routing/store.h"

int standing_read_shares(struct redis *r, const char *key, const char *but, int64_t now_slot, struct quality_book *book,
			 struct status *st)
{
	redisReply *reply;
	char name[QUALITY_KEY_MAX + 32];

	snprintf(name, sizeof name, STANDING_QUALITY_KEY, key);
	int err = redis_command(r, &reply, st, "HGETALL %s", name);
	if (err != 0)
		return err;
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
		const redisReply *text = reply->element[i + 1];
		if (but != NULL && strcmp(reply->element[i]->str, but) == 0)
			continue;
		json_t *share = json_loadb(text->str, text->len, 0, NULL);
		quality_book_read(book, share, now_slot);
		json_decref(share);
	}
	freeReplyObject(reply);
	return 0;
}

int standing_read_talk(struct redis *r, const char *key, int64_t ms[static STANDING_DURATIONS_MAX], struct status *st)
{
	redisReply *reply;
	char name[QUALITY_KEY_MAX + 32];
	int n = 0;

	snprintf(name, sizeof name, STANDING_TALK_KEY, key);
	int err = redis_command(r, &reply, st, "LRANGE %s 0 %d", name, STANDING_DURATIONS_MAX - 1);
	if (err != 0)
		return err;
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements && n < STANDING_DURATIONS_MAX; i++) {
		long long value = strtoll(reply->element[i]->str, NULL, 10);
		if (value >= 0)
			ms[n++] = value;
	}
	freeReplyObject(reply);
	return n;
}

static int health_of_node(struct redis *r, const char *node, json_t *trunks, struct status *st)
{
	redisReply *reply;
	char name[160];

	snprintf(name, sizeof name, STANDING_HEALTH_KEY, node);
	int err = redis_command(r, &reply, st, "HGETALL %s", name);
	if (err != 0)
		return err;
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
		const redisReply *text = reply->element[i + 1];
		json_t *one = json_loadb(text->str, text->len, 0, NULL);
		if (!json_is_object(one)) {
			json_decref(one);
			continue;
		}
		json_object_set_new(one, "trunk_id", json_integer(strtoll(reply->element[i]->str, NULL, 10)));
		json_object_set_new(one, "node", json_string(node));
		json_array_append_new(trunks, one);
	}
	freeReplyObject(reply);
	return 0;
}

int standing_read_health(struct redis *r, json_t *trunks, struct status *st)
{
	redisReply *nodes;
	int err = redis_command(r, &nodes, st, "HKEYS %s", STANDING_NODES_KEY);

	if (err != 0)
		return err;
	for (size_t i = 0; err == 0 && nodes->type == REDIS_REPLY_ARRAY && i < nodes->elements; i++)
		err = health_of_node(r, nodes->element[i]->str, trunks, st);
	freeReplyObject(nodes);
	return err;
}

static int attempts_of_node(struct redis *r, const char *node, json_t *nodes, struct status *st)
{
	redisReply *reply;
	char name[160];

	snprintf(name, sizeof name, STANDING_ATTEMPTS_KEY, node);
	int err = redis_command(r, &reply, st, "GET %s", name);
	if (err != 0)
		return err;
	json_t *counts = reply->type == REDIS_REPLY_STRING ? json_loadb(reply->str, reply->len, 0, NULL) : NULL;
	if (json_is_object(counts))
		json_object_set(nodes, node, counts);
	json_decref(counts);
	freeReplyObject(reply);
	return 0;
}

int standing_read_attempts(struct redis *r, json_t *nodes, struct status *st)
{
	redisReply *names;
	int err = redis_command(r, &names, st, "HKEYS %s", STANDING_NODES_KEY);

	if (err != 0)
		return err;
	for (size_t i = 0; err == 0 && names->type == REDIS_REPLY_ARRAY && i < names->elements; i++)
		err = attempts_of_node(r, names->element[i]->str, nodes, st);
	freeReplyObject(names);
	return err;
}

/* ---- channels ---- */

int standing_use_add(struct redis *r, const char *node, json_t *sum, struct status *st)
{
	redisReply *use;
	int err = redis_command(r, &use, st, "HGETALL " STANDING_USE_KEY, node);

	if (err != 0)
		return err;
	for (size_t i = 0; use->type == REDIS_REPLY_ARRAY && i + 1 < use->elements; i += 2) {
		const char *field = use->element[i]->str;
		json_int_t n = strtoll(use->element[i + 1]->str, NULL, 10);
		json_object_set_new(sum, field, json_integer(json_integer_value(json_object_get(sum, field)) + n));
	}
	freeReplyObject(use);
	return 0;
}

static void elsewhere_set(void *arg, char kind, int64_t id, struct gauge *g)
{
	const json_t *sum = arg;
	char field[24];

	snprintf(field, sizeof field, "%c%lld", kind, (long long)id);
	atomic_store(&g->elsewhere, (int32_t)json_integer_value(json_object_get(sum, field)));
}

void standing_use_set(json_t *sum, struct gauge_table *gauges)
{
	gauge_each(gauges, elsewhere_set, sum);
}

int standing_read_use(struct redis *r, struct gauge_table *gauges, struct status *st)
{
	redisReply *nodes;
	int err = redis_command(r, &nodes, st, "HKEYS %s", STANDING_NODES_KEY);

	if (err != 0)
		return err;
	json_t *sum = json_object();
	for (size_t i = 0; err == 0 && nodes->type == REDIS_REPLY_ARRAY && i < nodes->elements; i++)
		err = standing_use_add(r, nodes->element[i]->str, sum, st);
	standing_use_set(sum, gauges);
	json_decref(sum);
	freeReplyObject(nodes);
	return err;
}

/* ---- a look-up ---- */

static void put_trunk(struct standing *s, const json_t *trunks, int64_t id)
{
	struct standing_trunk t = {.id = id, .down = true};
	const json_t *one;
	size_t i;

	json_array_foreach(trunks, i, one)
	{
		if (json_integer_value(json_object_get(one, "trunk_id")) != id)
			continue;
		t.down &= json_is_true(json_object_get(one, "down"));
		t.trial |= json_is_true(json_object_get(one, "trial"));
		const char *why = json_string_value(json_object_get(one, "why"));
		snprintf(t.why, sizeof t.why, "%s", why != NULL ? why : "");
	}
	standing_put_trunk(s, &t);
}

static int read_vendors(struct redis *r, struct standing *s, struct status *st)
{
	json_t *trunks = json_array(), *one;
	size_t i, at;
	int err = standing_read_health(r, trunks, st);

	json_array_foreach(trunks, i, one)
	{
		json_int_t id = json_integer_value(json_object_get(one, "trunk_id"));
		for (at = 0; json_integer_value(json_object_get(json_array_get(trunks, at), "trunk_id")) != id; at++)
			;
		if (err == 0 && at == i) /* the first word about it */
			put_trunk(s, trunks, id);
	}
	json_decref(trunks);
	return err;
}

static int read_destination(struct redis *r, struct standing *s, const char *key, struct status *st)
{
	struct quality_book book = {0};
	int64_t now_slot = clock_wall_us() / 1000000 / QUALITY_SLOT_S, ms[STANDING_DURATIONS_MAX];
	int n = 0, err = standing_read_shares(r, key, NULL, now_slot, &book, st);

	if (err == 0)
		n = standing_read_talk(r, key, ms, st);
	if (err == 0 && n >= 0) {
		struct standing_destination *d =
			standing_destination_new(key, (const struct quality_book *const[]){&book}, 1, now_slot);
		standing_destination_talk(d, ms, n, NULL);
		standing_put_destination(s, d);
	}
	quality_book_free(&book);
	return err != 0 ? err : n < 0 ? n : 0;
}

static int read_owed(struct pg *pg, struct standing *s, struct status *st)
{
	struct store_owed *list = NULL;
	size_t n;
	int err = store_owed(pg, &list, &n, st);

	for (size_t i = 0; err == 0 && i < n; i++)
		standing_put_owed(s, list[i].carrier_id, list[i].owed);
	free(list);
	return err;
}

enum route_outcome standing_decide(struct route *route, struct route_query *q, struct redis *redis, struct pg *pg,
				   struct gauge_table *gauges)
{
	struct standing *s = NULL;
	struct status st = {""};
	char key[QUALITY_KEY_MAX], quoted[600];
	enum route_outcome outcome = route_decide(route, q);

	if (!q->now || !route->has_sell)
		return outcome;
	s = standing_new();
	quality_key(route->sell.destination, route->sell.prefix, key);
	int err = pg != NULL ? read_owed(pg, s, &st) : 0;
	if (err == 0 && redis != NULL)
		err = read_vendors(redis, s, &st);
	if (err == 0 && redis != NULL)
		err = read_destination(redis, s, key, &st);
	if (err == 0 && redis != NULL && gauges != NULL)
		err = standing_read_use(redis, gauges, &st);
	if (err != 0)
		log_event(LOG_LEVEL_WARN, "look-up without what the nodes observe", "why=%s",
			  log_quote(st.text, quoted, sizeof quoted));
	standing_finish(s);
	q->standing = s;
	outcome = route_decide(route, q);
	q->standing = NULL;
	standing_unref(&s);
	return outcome;
}
