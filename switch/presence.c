/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/presence.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/live.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/redis.h"
#include "lib/thread.h"
#include "switch/audit.h"
#include "switch/figures.h"
#include "switch/usage.h"

enum {
	FLUSH_US = 100 * 1000,
	HEARTBEAT_US = 1000 * 1000,
	REDIS_TIMEOUT_MS = 1000,
	KEY_MAX = 160,
};

struct presence {
	struct presence_options o;
	char *node;
	pthread_t thread;
	struct redis *redis;
	struct callboard *calls;
	struct usage *usage;
	int64_t started_us, beat_us;
	int64_t away_since_us; /* monotonic; 0: Redis is there */
	int64_t away_us;       /* all its absences together */
	uint64_t lost;
	uint64_t calls_before;
	char last_command[48];
	char audit_asked[48];	 /* the command that wants a look now; "" none */
	char audit_answered[48]; /* the last one that had it */
	int audit_looks;	 /* still to be made for it */
	char commands_key[KEY_MAX];
	_Atomic bool stop, up;
};

/* ---- once a second: figures ---- */

/* How it fared with Redis: what it could not say while that was away. */
static int redis_put(const struct presence *p, json_t *j)
{
	int r = json_object_set_new(j, "redis_lost_total", json_integer((json_int_t)p->lost));
	if (r == 0)
		r = json_object_set_new(j, "redis_away_seconds_total", json_real((double)p->away_us / 1e6));
	if (r == 0)
		r = json_object_set_new(j, "presence_waiting", json_integer((json_int_t)callboard_waiting(p->calls)));
	return r;
}

static int node_write(struct presence *p, struct status *st)
{
	int64_t now = clock_wall_us(), beat = clock_mono_us();
	struct figures f = {0};
	char started[CLOCK_TEXT_MAX], at[CLOCK_TEXT_MAX];

	p->o.figures(p->o.arg, &f);
	double seconds = p->beat_us ? (double)(beat - p->beat_us) / 1e6 : 1;
	json_t *j = json_pack("{ss ss ss sf so}", "node", p->node, "started_at", clock_format(p->started_us, started),
			      "at", clock_format(now, at), "cps",
			      p->beat_us ? (double)(f.calls - p->calls_before) / seconds : 0.0, "registrations",
			      p->o.registrations(p->o.arg));
	if (j && (figures_put(&f, now, j) || redis_put(p, j))) {
		json_decref(j);
		j = NULL;
	}
	if (j && p->o.audit) {
		json_object_set_new(j, "audit_differences", json_integer((json_int_t)audit_count(p->o.audit)));
		json_object_set_new(j, "audit", audit_differences(p->o.audit));
		json_object_set_new(j, LIVE_AUDITED, json_string(p->audit_answered));
	}
	char *text = j ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
	int r = text ? redis_append(p->redis, st, 4, (const char *[]){"HSET", LIVE_NODES_KEY, p->node, text}, NULL)
		     : -ENOMEM;
	free(text);
	json_decref(j);
	p->calls_before = f.calls;
	p->beat_us = beat;
	return r;
}

/* ---- audit ---- */

static void audit_ask(struct presence *p, const char *command)
{
	snprintf(p->audit_asked, sizeof p->audit_asked, "%s", command);
	p->audit_looks = 2;
}

/* After all of ours was written, and at a heartbeat: then Redis must have what we have. */
static int audit_turn(struct presence *p, struct status *st)
{
	const struct buf *told = usage_told(p->usage);
	const struct audit_shown shown = {.redis = p->redis,
					  .calls_key = callboard_key(p->calls),
					  .use_key = usage_key(p->usage),
					  .used = told->text,
					  .used_len = told->len};
	int r = p->o.audit ? audit_look(p->o.audit, &shown, st) : 0;

	if (r == -EAGAIN)
		return 0; /* a worker is busy: at the next heartbeat again */
	if (r == 0 && p->audit_looks > 0 && --p->audit_looks == 0) {
		memcpy(p->audit_answered, p->audit_asked, sizeof p->audit_answered);
		r = node_write(p, st);
		int f = redis_flush(p->redis, st);
		r = r ? r : f;
	}
	return r;
}

/* ---- commands ---- */

static void command_run(struct presence *p, const char *id_text, const redisReply *fields)
{
	const char *command = "", *call = "";
	struct uuid id;

	for (size_t i = 0; i + 1 < fields->elements; i += 2) {
		if (strcmp(fields->element[i]->str, "command") == 0)
			command = fields->element[i + 1]->str;
		else if (strcmp(fields->element[i]->str, "call") == 0)
			call = fields->element[i + 1]->str;
	}
	if (strcmp(command, "hangup") == 0 && uuid_parse(call, &id) == 0)
		p->o.hangup(p->o.arg, &id);
	else if (strcmp(command, "audit") == 0)
		audit_ask(p, id_text);
	else
		log_event(LOG_LEVEL_WARN, "unknown command in the stream", "key=%s", p->commands_key);
}

static int commands_read(struct presence *p, struct status *st)
{
	redisReply *reply;
	int r = redis_command(p->redis, &reply, st, "XREAD COUNT 100 STREAMS %s %s", p->commands_key, p->last_command);
	if (r)
		return r;
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 && reply->element[0]->elements == 2) {
		const redisReply *list = reply->element[0]->element[1];
		for (size_t i = 0; i < list->elements; i++) {
			snprintf(p->last_command, sizeof p->last_command, "%s", list->element[i]->element[0]->str);
			command_run(p, p->last_command, list->element[i]->element[1]);
		}
	}
	freeReplyObject(reply);
	return 0;
}

/* ---- the thread ---- */

static int round_trip(struct presence *p, struct status *st)
{
	int64_t now = clock_mono_us();
	bool beat = now - p->beat_us >= HEARTBEAT_US || p->audit_looks > 0;

	int r = callboard_write(p->calls, p->redis, st);
	if (r == 0 && beat)
		r = node_write(p, st);
	if (r == 0 && beat)
		r = callboard_beat(p->calls, p->redis, st);
	if (r == 0)
		r = usage_tell(p->usage, p->redis, beat, st);
	int f = redis_flush(p->redis, st);
	if (r == 0)
		r = f;
	if (r == 0 && beat)
		r = usage_hear(p->usage, p->redis, st);
	if (r == 0 && beat)
		r = audit_turn(p, st);
	if (r == 0)
		r = commands_read(p, st);
	return r;
}

/* An absence lasts until the first round that succeeds. */
static void away_count(struct presence *p, bool here)
{
	int64_t now = clock_mono_us();
	if (!here && !p->away_since_us) {
		p->away_since_us = now;
		p->lost++;
	} else if (!here || p->away_since_us) {
		p->away_us += now - p->away_since_us;
		p->away_since_us = here ? 0 : now;
	}
}

static void state_say(struct presence *p, int r, const struct status *st)
{
	away_count(p, r == 0);
	bool was = atomic_exchange(&p->up, r == 0);
	char quoted[300];
	if (r == 0 && !was) {
		log_event(LOG_LEVEL_INFO, "redis connected", NULL);
		p->o.connected(p->o.arg, redis_peer(p->redis));
	} else if (r && was)
		log_event(LOG_LEVEL_WARN, "redis away: limits hold for this node alone, live calls are not shown",
			  "error=%s", log_quote(st->text, quoted, sizeof quoted));
}

static void *presence_run(void *arg)
{
	struct presence *p = arg;
	bool said_away = false;

	thread_settle("presence", 5);

	while (!atomic_load(&p->stop)) {
		struct status st = {""};
		int r = round_trip(p, &st);
		if (r && !atomic_load(&p->up) && !said_away) {
			atomic_store(&p->up, true); /* so that an absence from the start is said once, too */
			said_away = true;
		}
		state_say(p, r, &st);
		callboard_settle(p->calls, r == 0);
		struct timespec pause = {.tv_nsec = FLUSH_US * 1000L};
		nanosleep(&pause, NULL);
	}
	return NULL;
}

/* All but its thread. */
static void presence_free(struct presence *p)
{
	callboard_free(&p->calls);
	usage_free(&p->usage);
	redis_free(&p->redis);
	free(p->node);
	free(p);
}

int presence_start(struct presence **out, const struct presence_options *o, struct status *st)
{
	struct presence *p = xcalloc(1, sizeof *p);

	*p = (struct presence){.o = *o,
			       .node = xstrdup(o->node),
			       .redis = redis_new(o->redis_url, REDIS_TIMEOUT_MS),
			       .usage = usage_new(o->node, o->gauges),
			       .started_us = clock_wall_us()};
	snprintf(p->commands_key, sizeof p->commands_key, LIVE_COMMANDS_KEY, o->node);
	snprintf(p->last_command, sizeof p->last_command, "%lld-0", (long long)(p->started_us / 1000));
	int r = callboard_new(&p->calls, o->node);
	if (r == 0)
		r = -pthread_create(&p->thread, NULL, presence_run, p);
	if (r) {
		presence_free(p);
		return status_set(st, r, "cannot start the presence thread: %s", strerror(-r));
	}
	*out = p;
	return 0;
}

/* This node is not there any more. */
static int keys_remove(struct presence *p, struct status *st)
{
	int r = callboard_clear(p->calls, p->redis, st);

	if (r == 0)
		r = usage_clear(p->usage, p->redis, st);
	if (r == 0)
		r = redis_append(p->redis, st, 2, (const char *[]){"DEL", p->commands_key}, NULL);
	if (r == 0)
		r = redis_append(p->redis, st, 3, (const char *[]){"HDEL", LIVE_NODES_KEY, p->node}, NULL);
	int f = redis_flush(p->redis, st);
	return r ? r : f;
}

void presence_stop(struct presence **pp)
{
	struct presence *p = *pp;
	struct status st = {""};

	if (!p)
		return;
	atomic_store(&p->stop, true);
	pthread_join(p->thread, NULL);
	if (atomic_load(&p->up) && keys_remove(p, &st))
		log_event(LOG_LEVEL_WARN, "redis went away at the end: this node's keys expire by themselves", NULL);
	presence_free(p);
	*pp = NULL;
}

void presence_show(struct presence *p, const struct callboard_call *call)
{
	callboard_show(p->calls, call);
}

int presence_others(const struct presence *p)
{
	return usage_others(p->usage);
}
