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
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json_text.h"
#include "lib/log.h"
#include "lib/money.h"
#include "lib/queue.h"
#include "lib/redis.h"
#include "lib/thread.h"
#include "switch/audit.h"
#include "switch/figures.h"

enum {
	QUEUE_SLOTS = 1 << 16,
	BUCKETS = 1 << 14,
	FLUSH_US = 100 * 1000,
	HEARTBEAT_US = 1000 * 1000,
	REDIS_TIMEOUT_MS = 1000,
	CALLS_EXPIRE_S = 10,
	USE_EXPIRE_S = 5,
	KEY_MAX = 160,
};

struct entry {
	struct entry *next;
	struct presence_call call;
	bool dirty, fresh; /* not written yet; never written */
};

struct presence {
	struct presence_options o;
	char *node;
	pthread_t thread;
	struct queue *queue;
	struct redis *redis;
	struct entry *bucket[BUCKETS];
	size_t live;
	bool whole; /* everything must be written again */
	int64_t started_us, beat_us;
	int64_t away_since_us; /* monotonic; 0: Redis is there */
	int64_t away_us;       /* all its absences together */
	uint64_t lost;
	uint64_t calls_before;
	char last_command[48];
	char audit_asked[48];	 /* the command that wants a look now; "" none */
	char audit_answered[48]; /* the last one that had it */
	int audit_looks;	 /* still to be made for it */
	char calls_key[KEY_MAX], commands_key[KEY_MAX], use_key[KEY_MAX], alive_key[KEY_MAX];
	_Atomic bool stop, up;
	_Atomic int others;
	struct buf text; /* scratch */
	struct buf used; /* what Redis has of our use of limits */
	_Atomic uint64_t dropped;
};

/* ---- the present calls ---- */

static struct entry **slot_of(struct presence *p, const struct uuid *id)
{
	uint64_t tail;
	memcpy(&tail, id->byte + 8, sizeof tail); /* the random half */
	struct entry **e = &p->bucket[tail % BUCKETS];
	while (*e && memcmp(&(*e)->call.id, id, sizeof *id) != 0)
		e = &(*e)->next;
	return e;
}

static void field_put(struct buf *out, const char *name)
{
	if (out->text[out->len - 1] != '{')
		buf_putc(out, ',');
	buf_putc(out, '"');
	buf_puts(out, name);
	buf_puts(out, "\":");
}

static void text_field(struct buf *out, const char *name, const char *text)
{
	field_put(out, name);
	if (text[0])
		json_put_text(out, text);
	else
		buf_puts(out, "null");
}

static void integer_field(struct buf *out, const char *name, int64_t n)
{
	field_put(out, name);
	json_put_integer(out, n);
}

static void id_field(struct buf *out, const char *name, int64_t id)
{
	field_put(out, name);
	if (id)
		json_put_integer(out, id);
	else
		buf_puts(out, "null");
}

static void terms_field(struct buf *out, const struct rate_terms *t)
{
	field_put(out, "_terms");
	buf_putc(out, '{');
	integer_field(out, "price_n", t->price_n);
	integer_field(out, "initial_price_n", t->initial_price_n);
	integer_field(out, "connect_fee_n", t->connect_fee_n);
	integer_field(out, "initial_s", t->initial_s);
	integer_field(out, "increment_s", t->increment_s);
	integer_field(out, "grace_s", t->grace_s);
	integer_field(out, "rounding", t->rounding);
	integer_field(out, "places", t->places);
	integer_field(out, "duration_rounding", t->duration_rounding);
	buf_putc(out, '}');
}

/* As cluster/live.h says; inward: with the terms that tell what it has cost so far. */
static void call_put(struct buf *out, const struct presence *p, const struct presence_call *c, bool inward)
{
	static const char *const state[] = {"routing", "ringing", "answered", "ended"};
	char id[UUID_TEXT_MAX], time[CLOCK_TEXT_MAX];

	buf_putc(out, '{');
	text_field(out, "id", uuid_format(&c->id, id));
	text_field(out, "node", p->node);
	text_field(out, "state", state[c->state]);
	text_field(out, "mode", c->proxied ? "proxy" : "b2bua");
	id_field(out, "ingress_trunk_id", c->ingress_trunk_id);
	id_field(out, "ingress_carrier_id", c->ingress_carrier_id);
	id_field(out, "egress_trunk_id", c->egress_trunk_id);
	id_field(out, "egress_carrier_id", c->egress_carrier_id);
	field_put(out, "calling");
	json_put_text(out, c->calling);
	field_put(out, "called");
	json_put_text(out, c->called);
	text_field(out, "destination", c->destination);
	text_field(out, "started_at", clock_format(c->started_us, time));
	text_field(out, "answered_at", clock_format(c->answered_us, time));
	text_field(out, "cost_so_far", "");
	text_field(out, "currency", c->currency);
	if (inward && c->answered_us)
		terms_field(out, &c->buy);
	buf_putc(out, '}');
}

/* ---- writing ---- */

static int send_words(struct presence *p, struct status *st, int argc, const char **argv)
{
	return redis_append(p->redis, st, argc, argv, NULL);
}

/* events: NULL if nobody listens */
static void event_add(struct presence *p, struct buf *events, const struct presence_call *c, const char *name)
{
	if (!events)
		return;
	buf_puts(events, events->len ? ",{\"event\":" : "[{\"event\":");
	json_put_text(events, name);
	buf_puts(events, ",\"call\":");
	call_put(events, p, c, false);
	buf_putc(events, '}');
}

static int call_write(struct presence *p, const struct presence_call *c, struct status *st)
{
	char id[UUID_TEXT_MAX];

	buf_reset(&p->text);
	call_put(&p->text, p, c, true);
	return send_words(p, st, 4, (const char *[]){"HSET", p->calls_key, uuid_format(&c->id, id), p->text.text});
}

static int call_remove(struct presence *p, const struct presence_call *c, struct status *st)
{
	char id[UUID_TEXT_MAX];
	return send_words(p, st, 3, (const char *[]){"HDEL", p->calls_key, uuid_format(&c->id, id)});
}

/* Take in what the workers said since the last time. A call that came and went in between is never written, but told.
 */
static void take_in(struct presence *p, struct buf *events)
{
	struct presence_call *c;

	while ((c = queue_pop(p->queue))) {
		struct entry **slot = slot_of(p, &c->id), *e = *slot;
		bool ended = c->state == PRESENCE_ENDED;
		if (!e) {
			e = xcalloc(1, sizeof *e);
			e->fresh = true;
			e->next = NULL;
			*slot = e;
			p->live++;
			event_add(p, events, c, "call.started");
		}
		e->dirty = true;
		if (ended || e->call.state != c->state || !e->fresh)
			event_add(p, events, c, ended ? "call.ended" : "call.updated");
		e->call = *c;
		free(c);
	}
}

static int flush(struct presence *p, struct buf *events, struct status *st)
{
	int r = 0;

	if (p->whole)
		r = send_words(p, st, 2, (const char *[]){"DEL", p->calls_key});
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct entry **e = &p->bucket[i]; *e;) {
			struct entry *x = *e;
			bool ended = x->call.state == PRESENCE_ENDED;
			if (r == 0 && (x->dirty || p->whole)) {
				if (!ended)
					r = call_write(p, &x->call, st);
				else if (!x->fresh)
					r = call_remove(p, &x->call, st);
				x->dirty = x->fresh = false;
			}
			if (ended) {
				*e = x->next;
				free(x);
				p->live--;
			} else {
				e = &x->next;
			}
		}
	}
	if (r == 0 && events && events->len) {
		buf_putc(events, ']');
		r = send_words(p, st, 3, (const char *[]){"PUBLISH", LIVE_EVENTS_CHANNEL, events->text});
	}
	return r;
}

/* ---- once a second: figures, limits ---- */

/* How it fared with Redis: what it could not say while that was away. */
static int redis_put(const struct presence *p, json_t *j)
{
	int r = json_object_set_new(j, "redis_lost_total", json_integer((json_int_t)p->lost));
	if (r == 0)
		r = json_object_set_new(j, "redis_away_seconds_total", json_real((double)p->away_us / 1e6));
	if (r == 0)
		r = json_object_set_new(j, "presence_waiting", json_integer((json_int_t)queue_depth(p->queue)));
	return r;
}

static int node_write(struct presence *p, struct status *st)
{
	int64_t now = clock_wall_us(), beat = clock_mono_us();
	struct figures f = {0};
	char started[CLOCK_TEXT_MAX], at[CLOCK_TEXT_MAX], expire[12];

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
	int r = text ? send_words(p, st, 4, (const char *[]){"HSET", LIVE_NODES_KEY, p->node, text}) : -ENOMEM;
	free(text);
	json_decref(j);
	p->calls_before = f.calls;
	p->beat_us = beat;
	snprintf(expire, sizeof expire, "%d", CALLS_EXPIRE_S);
	if (r == 0)
		r = send_words(p, st, 3, (const char *[]){"EXPIRE", p->calls_key, expire});
	snprintf(expire, sizeof expire, "%d", USE_EXPIRE_S);
	if (r == 0)
		r = send_words(p, st, 5, (const char *[]){"SET", p->alive_key, "1", "EX", expire});
	return r;
}

struct use {
	struct buf words; /* "t12 3 c4 1 ...", NUL between */
	int argc;
};

static void use_collect(void *arg, char kind, int64_t id, struct gauge *g)
{
	struct use *u = arg;
	int32_t n = atomic_load(&g->in_use);
	if (n == 0 || kind == 'n')
		return;
	buf_printf(&u->words, "%c%lld", kind, (long long)id);
	buf_putc(&u->words, '\0');
	buf_printf(&u->words, "%d", n);
	buf_putc(&u->words, '\0');
	u->argc += 2;
}

/* In one transaction: a question of another node must never see it half. */
static int use_write(struct presence *p, const struct use *u, struct status *st)
{
	const char **argv = xcalloc((size_t)u->argc + 2, sizeof *argv);
	char expire[12];
	int n = 0;

	argv[n++] = "HSET";
	argv[n++] = p->use_key;
	for (const char *word = u->words.text; n < u->argc + 2; word += strlen(word) + 1)
		argv[n++] = word;
	snprintf(expire, sizeof expire, "%d", USE_EXPIRE_S);
	int r = send_words(p, st, 1, (const char *[]){"MULTI"});
	if (r == 0)
		r = send_words(p, st, 2, (const char *[]){"DEL", p->use_key});
	if (r == 0 && u->argc)
		r = send_words(p, st, n, argv);
	if (r == 0)
		r = send_words(p, st, 3, (const char *[]){"EXPIRE", p->use_key, expire});
	if (r == 0)
		r = send_words(p, st, 1, (const char *[]){"EXEC"});
	free(argv);
	return r;
}

/* Written when something changed, and at each heartbeat because it expires. */
static int use_show(struct presence *p, bool beat, struct status *st)
{
	struct use u = {.argc = 0};
	int r = 0;

	gauge_each(p->o.gauges, use_collect, &u);
	bool same = u.words.len == p->used.len &&
		    (u.words.len == 0 || memcmp(u.words.text, p->used.text, u.words.len) == 0);
	if (!same || beat)
		r = use_write(p, &u, st);
	buf_free(&p->used);
	p->used = u.words;
	return r;
}

struct elsewhere {
	json_t *sum; /* "t12" -> channels in use on other nodes */
};

static void elsewhere_set(void *arg, char kind, int64_t id, struct gauge *g)
{
	const struct elsewhere *s = arg;
	char field[24];
	snprintf(field, sizeof field, "%c%lld", kind, (long long)id);
	atomic_store(&g->elsewhere, (int32_t)json_integer_value(json_object_get(s->sum, field)));
}

static int use_read_node(struct presence *p, const char *node, json_t *sum, struct status *st)
{
	redisReply *reply;
	int r = redis_command(p->redis, &reply, st, "HGETALL {tandem}:use:%s", node);
	if (r)
		return r;
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
		const char *field = reply->element[i]->str;
		json_int_t n = atoll(reply->element[i + 1]->str);
		json_object_set_new(sum, field, json_integer(json_integer_value(json_object_get(sum, field)) + n));
	}
	freeReplyObject(reply);
	return 0;
}

/* 1 if that node showed itself in the last seconds, 0 if not, or as redis_command */
static int node_lives(struct presence *p, const char *node, struct status *st)
{
	redisReply *reply;
	int r = redis_command(p->redis, &reply, st, "EXISTS {tandem}:alive:%s", node);
	if (r)
		return r;
	r = reply->integer == 1;
	freeReplyObject(reply);
	return r;
}

static int use_read(struct presence *p, struct status *st)
{
	redisReply *reply;
	int others = 0, r = redis_command(p->redis, &reply, st, "HKEYS %s", LIVE_NODES_KEY);
	if (r)
		return r;
	struct elsewhere s = {.sum = json_object()};
	for (size_t i = 0; r >= 0 && reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
		const char *node = reply->element[i]->str;
		if (strcmp(node, p->node) == 0)
			continue;
		r = node_lives(p, node, st);
		if (r > 0) {
			others++;
			r = use_read_node(p, node, s.sum, st);
		}
	}
	if (r >= 0) {
		gauge_each(p->o.gauges, elsewhere_set, &s);
		atomic_store(&p->others, others);
		r = 0;
	}
	json_decref(s.sum);
	freeReplyObject(reply);
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
	const struct audit_shown shown = {.redis = p->redis,
					  .calls_key = p->calls_key,
					  .use_key = p->use_key,
					  .used = p->used.text,
					  .used_len = p->used.len};
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

static bool somebody_listens(struct presence *p)
{
	redisReply *reply;
	if (redis_command(p->redis, &reply, NULL, "PUBSUB NUMSUB %s", LIVE_EVENTS_CHANNEL))
		return false;
	bool yes = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[1]->integer > 0;
	freeReplyObject(reply);
	return yes;
}

static int round_trip(struct presence *p, struct status *st)
{
	int64_t now = clock_mono_us();
	bool beat = now - p->beat_us >= HEARTBEAT_US || p->audit_looks > 0;
	struct buf told = {0}, *events = somebody_listens(p) ? &told : NULL;

	take_in(p, events);
	int r = flush(p, events, st);
	buf_free(&told);
	if (r == 0 && beat)
		r = node_write(p, st);
	if (r == 0)
		r = use_show(p, beat, st);
	int f = redis_flush(p->redis, st);
	if (r == 0)
		r = f;
	if (r == 0 && beat)
		r = use_read(p, st);
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
	p->whole = r != 0;
}

static void dropped_say(struct presence *p)
{
	static struct log_limit every = {.interval_us = 10 * 1000000};
	uint64_t skipped, n = atomic_load(&p->dropped);
	if (n && log_limit(&every, clock_mono_us(), &skipped))
		log_event(LOG_LEVEL_ERROR, "live calls: the queue was full", "dropped=%llu",
			  (unsigned long long)atomic_exchange(&p->dropped, 0));
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
		if (r)
			take_in(p, NULL);
		dropped_say(p);
		struct timespec pause = {.tv_nsec = FLUSH_US * 1000L};
		nanosleep(&pause, NULL);
	}
	return NULL;
}

int presence_start(struct presence **out, const struct presence_options *o, struct status *st)
{
	struct presence *p = xcalloc(1, sizeof *p);

	*p = (struct presence){.o = *o, .node = xstrdup(o->node), .started_us = clock_wall_us(), .whole = true};
	snprintf(p->calls_key, sizeof p->calls_key, LIVE_CALLS_KEY, o->node);
	snprintf(p->commands_key, sizeof p->commands_key, LIVE_COMMANDS_KEY, o->node);
	snprintf(p->use_key, sizeof p->use_key, "{tandem}:use:%s", o->node);
	snprintf(p->alive_key, sizeof p->alive_key, "{tandem}:alive:%s", o->node);
	snprintf(p->last_command, sizeof p->last_command, "%lld-0", (long long)(p->started_us / 1000));
	int r = queue_new(&p->queue, QUEUE_SLOTS);
	if (r == 0) {
		p->redis = redis_new(o->redis_url, REDIS_TIMEOUT_MS);
		r = -pthread_create(&p->thread, NULL, presence_run, p);
	}
	if (r) {
		redis_free(&p->redis);
		queue_free(&p->queue);
		free(p->node);
		free(p);
		return status_set(st, r, "cannot start the presence thread: %s", strerror(-r));
	}
	*out = p;
	return 0;
}

void presence_stop(struct presence **pp)
{
	struct presence *p = *pp;
	struct presence_call *c;
	struct status st = {""};

	if (!p)
		return;
	atomic_store(&p->stop, true);
	pthread_join(p->thread, NULL);
	if (atomic_load(&p->up)) {
		(void)send_words(p, &st, 5,
				 (const char *[]){"DEL", p->calls_key, p->use_key, p->commands_key, p->alive_key});
		(void)send_words(p, &st, 3, (const char *[]){"HDEL", LIVE_NODES_KEY, p->node});
		if (redis_flush(p->redis, &st))
			log_event(LOG_LEVEL_WARN, "redis went away at the end: this node's keys expire by themselves",
				  NULL);
	}
	while ((c = queue_pop(p->queue)))
		free(c);
	for (size_t i = 0; i < BUCKETS; i++)
		while (p->bucket[i]) {
			struct entry *e = p->bucket[i];
			p->bucket[i] = e->next;
			free(e);
		}
	redis_free(&p->redis);
	queue_free(&p->queue);
	buf_free(&p->used);
	buf_free(&p->text);
	free(p->node);
	free(p);
	*pp = NULL;
}

void presence_show(struct presence *p, const struct presence_call *call)
{
	struct presence_call *copy = xcalloc(1, sizeof *copy);
	*copy = *call;
	if (queue_push(p->queue, copy)) {
		free(copy);
		atomic_fetch_add(&p->dropped, 1);
	}
}

int presence_others(struct presence *p)
{
	return atomic_load_explicit(&p->others, memory_order_relaxed);
}

bool presence_up(struct presence *p)
{
	return atomic_load(&p->up);
}
