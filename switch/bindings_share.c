/* SPDX-License-Identifier: Apache-2.0 */
/* bindings_share.c - the bindings thread and Redis: the keys stand in bindings.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "switch/bindings_priv.h"

#define BINDING_KEY "{tandem}:binding:%" PRId64
#define TURN_KEY "{tandem}:register:%" PRId64
#define TURN_EXPIRE_S "15"
#define TURN_EVERY_US (3 * 1000000LL)

enum { AT_ONCE = 256, KEY_MAX = 48 };

/* Ours, or nobody's: ours from here on. */
static const char turn_script[] = "local holder = redis.call('GET', KEYS[1])\n"
				  "if holder and holder ~= ARGV[1] then return 0 end\n"
				  "redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])\n"
				  "return 1\n";
static const char leave_script[] =
	"if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1\n";

/* ---- contacts as JSON ---- */

static json_t *contact_json(const struct bindings_contact *c)
{
	return json_pack("{ss ss si ss si si ss sI sI sI sb}", "uri", c->uri, "uri_host", c->uri_host, "uri_port",
			 c->uri_port, "host", c->host, "port", c->port, "transport", (int)c->transport, "call_id",
			 c->call_id, "cseq", (json_int_t)c->cseq, "changed_us", (json_int_t)c->changed_us, "expires_us",
			 (json_int_t)c->expires_us, "gone", c->gone);
}

static bool contact_read(json_t *j, struct bindings_contact *c)
{
	const char *uri, *uri_host, *host, *call_id;
	json_int_t cseq, changed_us, expires_us;
	int transport, gone;

	*c = (struct bindings_contact){0};
	if (json_unpack(j, "{ss ss si ss si si ss sI sI sI sb}", "uri", &uri, "uri_host", &uri_host, "uri_port",
			&c->uri_port, "host", &host, "port", &c->port, "transport", &transport, "call_id", &call_id,
			"cseq", &cseq, "changed_us", &changed_us, "expires_us", &expires_us, "gone", &gone) != 0)
		return false;
	if (transport < TRUNK_UDP || transport > TRUNK_TLS || strlen(uri) >= sizeof c->uri)
		return false;
	snprintf(c->uri, sizeof c->uri, "%s", uri);
	snprintf(c->uri_host, sizeof c->uri_host, "%s", uri_host);
	snprintf(c->host, sizeof c->host, "%s", host);
	snprintf(c->call_id, sizeof c->call_id, "%s", call_id);
	c->transport = (enum trunk_transport)transport;
	c->cseq = (uint32_t)cseq;
	c->changed_us = changed_us;
	c->expires_us = expires_us;
	c->gone = gone != 0;
	return true;
}

/* ---- one trunk ---- */

/* Takes in what Redis has of it. returns what Redis lacks: the whole entry as JSON text with its life time, or NULL.
 * With the mutex held. */
static char *entry_merge(struct bindings_entry *e, json_t *remote, int64_t wall_us, int *expire_s)
{
	size_t known = 0, i;
	json_t *j;
	int64_t last_us = 0;

	bindings_expire(e, wall_us);
	json_array_foreach(json_object_get(remote, "contacts"), i, j)
	{
		struct bindings_contact c;
		if (contact_read(j, &c))
			bindings_merge(e, &c, wall_us);
		for (int k = 0; k < e->n; k++)
			known += strcmp(e->contact[k].uri, c.uri) == 0 && e->contact[k].changed_us == c.changed_us;
	}
	if (known == (size_t)e->n)
		return NULL;
	json_t *list = json_array();
	for (int k = 0; k < e->n; k++) {
		json_array_append_new(list, contact_json(&e->contact[k]));
		if (e->contact[k].expires_us > last_us)
			last_us = e->contact[k].expires_us;
	}
	json_t *all = json_pack("{so}", "contacts", list);
	char *text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	*expire_s = (int)((last_us - wall_us) / 1000000) + 1;
	return text;
}

static int entry_write(struct bindings *b, int64_t trunk_id, const char *text, int expire_s, struct status *st)
{
	char key[KEY_MAX], seconds[16];

	snprintf(key, sizeof key, BINDING_KEY, trunk_id);
	snprintf(seconds, sizeof seconds, "%d", expire_s);
	return redis_append(b->redis, st, 5, (const char *[]){"SET", key, text, "EX", seconds}, NULL);
}

static int entry_share(struct bindings *b, int64_t trunk_id, const redisReply *has, struct status *st)
{
	json_t *remote = has->type == REDIS_REPLY_STRING ? json_loadb(has->str, has->len, 0, NULL) : NULL;
	int expire_s = 0, r = 0;

	pthread_mutex_lock(&b->mutex);
	char *text = entry_merge(bindings_entry_get(b, trunk_id), remote, clock_wall_us(), &expire_s);
	pthread_mutex_unlock(&b->mutex);
	if (text)
		r = entry_write(b, trunk_id, text, expire_s, st);
	free(text);
	json_decref(remote);
	return r;
}

/* ---- all of them ---- */

static int customers_share(struct bindings *b, size_t from, size_t n, struct status *st)
{
	char(*key)[KEY_MAX] = xcalloc(n, sizeof *key);
	const char **argv = xcalloc(n + 1, sizeof *argv);
	redisReply *reply = NULL;

	argv[0] = "MGET";
	for (size_t i = 0; i < n; i++) {
		snprintf(key[i], sizeof key[i], BINDING_KEY, b->customer[from + i]);
		argv[i + 1] = key[i];
	}
	int r = redis_command_argv(b->redis, &reply, st, (int)n + 1, argv, NULL);
	if (r == 0) {
		for (size_t i = 0; r == 0 && i < n && i < reply->elements; i++)
			r = entry_share(b, b->customer[from + i], reply->element[i], st);
		freeReplyObject(reply);
		int f = redis_flush(b->redis, st);
		if (r == 0)
			r = f;
	}
	free(argv);
	free(key);
	return r;
}

static int64_t vendor_at(struct bindings *b, size_t i)
{
	pthread_mutex_lock(&b->mutex);
	int64_t id = i < b->vendors ? b->vendor[i].trunk_id : 0;
	pthread_mutex_unlock(&b->mutex);
	return id;
}

/* The list is changed by this thread alone, what stands in it by others, too. */
static void turn_set(struct bindings *b, size_t i, bool mine)
{
	pthread_mutex_lock(&b->mutex);
	b->vendor[i].mine = mine;
	pthread_mutex_unlock(&b->mutex);
}

static int turns_take(struct bindings *b, struct status *st)
{
	char key[KEY_MAX];
	redisReply *reply;
	int64_t id;

	for (size_t i = 0; (id = vendor_at(b, i)) != 0; i++) {
		snprintf(key, sizeof key, TURN_KEY, id);
		int r = redis_command_argv(b->redis, &reply, st, 6,
					   (const char *[]){"EVAL", turn_script, "1", key, b->node, TURN_EXPIRE_S},
					   NULL);
		if (r)
			return r;
		turn_set(b, i, reply->type == REDIS_REPLY_INTEGER && reply->integer == 1);
		freeReplyObject(reply);
	}
	return 0;
}

static void state_say(struct bindings *b, int r, const struct status *st)
{
	char quoted[600];

	if (r && !b->said_away)
		log_event(LOG_LEVEL_WARN, "registrations: redis away, this node goes by what it knows itself", "why=%s",
			  log_quote(st->text, quoted, sizeof quoted));
	if (!r && b->said_away)
		log_event(LOG_LEVEL_INFO, "registrations: redis is back", NULL);
	b->said_away = r != 0;
}

void bindings_share(struct bindings *b)
{
	struct status st = {""};
	int64_t now_us = clock_mono_us();
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->customers; i += AT_ONCE)
		r = customers_share(b, i, b->customers - i < AT_ONCE ? b->customers - i : AT_ONCE, &st);
	if (r == 0 && now_us - b->turns_us >= TURN_EVERY_US) {
		r = turns_take(b, &st);
		b->turns_us = now_us;
	}
	if (r) {
		for (size_t i = 0; vendor_at(b, i) != 0; i++)
			turn_set(b, i, true);
		b->turns_us = 0;
	}
	state_say(b, r, &st);
}

void bindings_leave(struct bindings *b)
{
	struct status st = {""};
	char key[KEY_MAX];
	redisReply *reply;
	int64_t id;

	bindings_share(b);
	for (size_t i = 0; (id = vendor_at(b, i)) != 0; i++) {
		snprintf(key, sizeof key, TURN_KEY, id);
		if (redis_command_argv(b->redis, &reply, &st, 5,
				       (const char *[]){"EVAL", leave_script, "1", key, b->node}, NULL))
			return; /* away: it expires by itself */
		freeReplyObject(reply);
	}
}
