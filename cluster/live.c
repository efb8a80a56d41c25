/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/live.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/json_read.h"
#include "lib/money.h"
#include "lib/uuid.h"
#include "tariff/rate.h"

#define KEY_MAX 128
#define COMMANDS_KEPT "20000"

static int64_t time_of(const json_t *object, const char *key)
{
	int64_t us;

	return clock_parse(json_read_text(object, key), &us) == 0 ? us : 0;
}

static bool seen_within(const json_t *node, int64_t us)
{
	int64_t at_us = time_of(node, "at");

	return at_us != 0 && clock_wall_us() - at_us < us;
}

bool live_node_lives(const json_t *node)
{
	return seen_within(node, LIVE_NODE_DEAD_US);
}

/* the values of a hash as JSON objects, appended to out; what is no JSON object is none of ours */
static int hash_values(struct redis *r, const char *key, json_t *out, struct status *st)
{
	redisReply *reply = NULL;
	int err = redis_command(r, &reply, st, "HVALS %s", key);

	if (err != 0)
		return err;
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
		json_t *value =
			json_loadb(reply->element[i]->str, reply->element[i]->len, JSON_REJECT_DUPLICATES, NULL);

		if (json_is_object(value))
			json_array_append_new(out, value);
		else
			json_decref(value);
	}
	freeReplyObject(reply);
	return 0;
}

static struct rate_terms terms_read(const json_t *j)
{
	struct rate_terms t = rate_terms_plain(json_integer_value(json_object_get(j, "price_n")));
	json_int_t initial_s = json_integer_value(json_object_get(j, "initial_s"));
	json_int_t increment_s = json_integer_value(json_object_get(j, "increment_s"));
	json_int_t grace_s = json_integer_value(json_object_get(j, "grace_s"));
	json_int_t places = json_integer_value(json_object_get(j, "places"));

	t.initial_price_n = json_integer_value(json_object_get(j, "initial_price_n"));
	t.connect_fee_n = json_integer_value(json_object_get(j, "connect_fee_n"));
	t.initial_s = initial_s >= 0 && initial_s <= INT32_MAX ? (int32_t)initial_s : 0;
	t.increment_s = increment_s >= 1 && increment_s <= INT32_MAX ? (int32_t)increment_s : 1;
	t.grace_s = grace_s >= 0 && grace_s <= INT32_MAX ? (int32_t)grace_s : 0;
	t.rounding = (uint8_t)json_integer_value(json_object_get(j, "rounding"));
	t.places = places >= 0 && places <= MONEY_PLACES ? (uint8_t)places : 6;
	t.duration_rounding = (uint8_t)json_integer_value(json_object_get(j, "duration_rounding"));
	return t;
}

/* What the vendor's rate comes to by now; the private terms are taken away. */
static void call_finish(json_t *call, int64_t now_us)
{
	const json_t *terms = json_object_get(call, "_terms");
	int64_t answered_us = time_of(call, "answered_at"), billed_s;
	char text[MONEY_TEXT_MAX];
	struct money cost;

	if (json_is_object(terms) && answered_us != 0) {
		struct rate_terms t = terms_read(terms);
		int64_t talked_ms = now_us > answered_us ? (now_us - answered_us) / 1000 : 0;

		if (rate_call(&t, talked_ms, &billed_s, &cost) == 0)
			json_object_set_new(call, "cost_so_far", json_string(money_format(cost, t.places, text)));
	}
	json_object_del(call, "_terms");
}

static int by_start(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int order = strcmp(json_read_text(x, "started_at"), json_read_text(y, "started_at"));

	return order != 0 ? order : strcmp(json_read_text(x, "id"), json_read_text(y, "id"));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(json_read_text(*(json_t *const *)a, "node"), json_read_text(*(json_t *const *)b, "node"));
}

static json_t *array_sorted(json_t *array, int (*order)(const void *, const void *))
{
	size_t n = json_array_size(array);
	json_t **item = calloc(n > 0 ? n : 1, sizeof(json_t *));
	json_t *sorted = json_array();

	for (size_t i = 0; item != NULL && i < n; i++)
		item[i] = json_array_get(array, i);
	if (item != NULL)
		qsort(item, n, sizeof(json_t *), order);
	for (size_t i = 0; item != NULL && i < n; i++)
		json_array_append(sorted, item[i]);
	free(item);
	json_decref(array);
	return sorted;
}

/* the nodes that were seen within so long, with what is between nodes only */
static int nodes_read(struct redis *r, int64_t within_us, json_t **nodes, struct status *st)
{
	json_t *all = json_array();
	int err = hash_values(r, LIVE_NODES_KEY, all, st);

	for (size_t i = json_array_size(all); i-- > 0;) {
		if (!seen_within(json_array_get(all, i), within_us))
			json_array_remove(all, i);
	}
	if (err != 0) {
		json_decref(all);
		return err;
	}
	*nodes = array_sorted(all, by_name);
	return 0;
}

static void nodes_strip(json_t *nodes)
{
	json_t *node;
	size_t i;

	json_array_foreach(nodes, i, node) json_object_del(node, LIVE_AUDITED);
}

int live_nodes(struct redis *r, json_t **nodes, struct status *st)
{
	int err = nodes_read(r, LIVE_NODE_DEAD_US, nodes, st);

	if (err == 0)
		nodes_strip(*nodes);
	return err;
}

int live_nodes_seen(struct redis *r, json_t **nodes, struct status *st)
{
	int err = nodes_read(r, LIVE_NODE_FORGOTTEN_US, nodes, st);

	if (err == 0)
		nodes_strip(*nodes);
	return err;
}

int live_calls(struct redis *r, json_t **calls, struct status *st)
{
	int64_t now_us = clock_wall_us();
	json_t *nodes = NULL, *node, *call, *all = json_array();
	char key[KEY_MAX];
	size_t i;
	int err = live_nodes(r, &nodes, st);

	json_array_foreach(nodes, i, node)
	{
		if (err == 0) {
			snprintf(key, sizeof(key), LIVE_CALLS_KEY, json_read_text(node, "node"));
			err = hash_values(r, key, all, st);
		}
	}
	json_decref(nodes);
	if (err != 0) {
		json_decref(all);
		return err;
	}
	json_array_foreach(all, i, call) call_finish(call, now_us);
	*calls = array_sorted(all, by_start);
	return 0;
}

static bool text_fits(const json_t *call, const char *key, const char *wanted)
{
	return wanted == NULL || strcmp(json_read_text(call, key), wanted) == 0;
}

static bool id_is(const json_t *call, const char *key, const char *wanted)
{
	return json_integer_value(json_object_get(call, key)) == strtoll(wanted, NULL, 10);
}

static bool either_is(const json_t *call, const char *a, const char *b, const char *wanted)
{
	return wanted == NULL || id_is(call, a, wanted) || id_is(call, b, wanted);
}

bool live_call_passes(const json_t *call, const struct live_filter *f)
{
	const char *called = json_read_text(call, "called");

	return text_fits(call, "node", f->node) && text_fits(call, "state", f->state) &&
	       text_fits(call, "called", f->called) && text_fits(call, "calling", f->calling) &&
	       (f->ingress_trunk_id == NULL || id_is(call, "ingress_trunk_id", f->ingress_trunk_id)) &&
	       (f->egress_trunk_id == NULL || id_is(call, "egress_trunk_id", f->egress_trunk_id)) &&
	       either_is(call, "ingress_carrier_id", "egress_carrier_id", f->carrier_id) &&
	       either_is(call, "ingress_trunk_id", "egress_trunk_id", f->trunk_id) &&
	       (f->called_prefix == NULL ||
		strncmp(called + (*called == '+'), f->called_prefix, strlen(f->called_prefix)) == 0);
}

/* 0 and *call (new reference; NULL: not there); an error as redis_command */
static int node_call(struct redis *r, const char *node, const char *call_id, json_t **call, struct status *st)
{
	redisReply *reply = NULL;
	char key[KEY_MAX];

	snprintf(key, sizeof(key), LIVE_CALLS_KEY, node);

	int err = redis_command(r, &reply, st, "HGET %s %s", key, call_id);
	if (err == 0) {
		*call = reply->type == REDIS_REPLY_STRING ? json_loadb(reply->str, reply->len, 0, NULL) : NULL;
		freeReplyObject(reply);
	}
	return err;
}

static int command_send(struct redis *r, const char *node, const char *call_id, struct status *st)
{
	char key[KEY_MAX];

	snprintf(key, sizeof(key), LIVE_COMMANDS_KEY, node);
	return redis_command(r, NULL, st, "XADD %s MAXLEN ~ " COMMANDS_KEPT " * command hangup call %s", key, call_id);
}

/* ---- audit ---- */

/* the command's id, which the node repeats when it has done it */
static int audit_send(struct redis *r, const char *node, char *id, size_t size, struct status *st)
{
	redisReply *reply = NULL;
	char key[KEY_MAX];

	snprintf(key, sizeof(key), LIVE_COMMANDS_KEY, node);
	int err = redis_command(r, &reply, st, "XADD %s MAXLEN ~ " COMMANDS_KEPT " * command audit", key);
	if (err == 0) {
		snprintf(id, size, "%s", reply->str != NULL ? reply->str : "");
		freeReplyObject(reply);
	}
	return err;
}

/* ids are MILLISECONDS-SEQUENCE; a later one answers the earlier, too */
static bool id_reached(const char *has, const char *wanted)
{
	unsigned long long has_ms = 0, has_n = 0, ms = 0, n = 0;

	if (sscanf(has, "%llu-%llu", &has_ms, &has_n) != 2 || sscanf(wanted, "%llu-%llu", &ms, &n) != 2)
		return false;
	return has_ms > ms || (has_ms == ms && has_n >= n);
}

/* takes those out of nodes that have not answered; how many did not */
static size_t audit_missing(json_t *nodes, const json_t *asked)
{
	size_t missing = json_object_size(asked);

	for (size_t i = json_array_size(nodes); i-- > 0;) {
		const json_t *node = json_array_get(nodes, i);
		const char *wanted = json_string_value(json_object_get(asked, json_read_text(node, "node")));

		if (wanted != NULL && id_reached(json_read_text(node, LIVE_AUDITED), wanted))
			missing--;
		else
			json_array_remove(nodes, i);
	}
	return missing;
}

static int audit_send_all(struct redis *r, json_t *asked, struct status *st)
{
	json_t *nodes = NULL, *node;
	char id[64];
	size_t i;
	int err = nodes_read(r, LIVE_NODE_DEAD_US, &nodes, st);

	json_array_foreach(nodes, i, node)
	{
		if (err == 0)
			err = audit_send(r, json_read_text(node, "node"), id, sizeof(id), st);
		if (err == 0)
			json_object_set_new(asked, json_read_text(node, "node"), json_string(id));
	}
	json_decref(nodes);
	return err;
}

int live_audit(struct redis *r, int limit_ms, json_t **nodes, struct status *st)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
	int64_t until_us = clock_mono_us() + limit_ms * 1000LL;
	json_t *asked = json_object(), *now = NULL;
	int err = audit_send_all(r, asked, st);
	size_t missing = 1;

	while (err == 0 && missing > 0) {
		json_decref(now);
		now = NULL;
		err = nodes_read(r, LIVE_NODE_DEAD_US, &now, st);
		missing = err == 0 ? audit_missing(now, asked) : 0;
		if (missing > 0 && clock_mono_us() > until_us)
			break;
		if (missing > 0)
			nanosleep(&pause, NULL);
	}
	json_decref(asked);
	if (err != 0) {
		json_decref(now);
		return err;
	}
	nodes_strip(now);
	*nodes = now;
	return 0;
}

int live_hangup(struct redis *r, const char *call_id, struct status *st)
{
	json_t *nodes = NULL, *node, *call = NULL;
	char id[UUID_TEXT_MAX];
	struct uuid uuid;
	size_t i;

	if (uuid_parse(call_id, &uuid) != 0)
		return status_set(st, -ENOENT, "no such live call");
	uuid_format(&uuid, id);

	int err = live_nodes(r, &nodes, st);
	json_array_foreach(nodes, i, node)
	{
		if (err != 0 || call != NULL)
			break;
		err = node_call(r, json_read_text(node, "node"), id, &call, st);
		if (err == 0 && call != NULL && strcmp(json_read_text(call, "mode"), "proxy") == 0)
			err = status_set(st, -EPERM, "the call's trunk has mode proxy: only its ends can hang it up");
		else if (err == 0 && call != NULL)
			err = command_send(r, json_read_text(node, "node"), id, st);
	}
	if (err == 0 && call == NULL)
		err = status_set(st, -ENOENT, "no such live call");
	json_decref(nodes);
	json_decref(call);
	return err;
}

json_t *live_take_proxied(json_t *calls)
{
	json_t *all = json_copy(calls), *proxied = json_array(), *call;
	size_t i;

	json_array_clear(calls);
	json_array_foreach(all, i, call)
		json_array_append(strcmp(json_read_text(call, "mode"), "proxy") == 0 ? proxied : calls, call);
	json_decref(all);
	return proxied;
}

int live_hangup_all(struct redis *r, const json_t *calls, size_t *told, struct status *st)
{
	const json_t *call;
	size_t i;
	int err = 0;

	*told = 0;
	json_array_foreach(calls, i, call)
	{
		if (strcmp(json_read_text(call, "mode"), "proxy") == 0)
			continue;
		err = command_send(r, json_read_text(call, "node"), json_read_text(call, "id"), st);
		if (err != 0)
			return err;
		++*told;
	}
	return 0;
}
