/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/callboard.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/live.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json_text.h"
#include "lib/log.h"
#include "lib/queue.h"

enum {
	QUEUE_SLOTS = 1 << 16,
	BUCKETS = 1 << 14,
	EXPIRE_S = 10,
	KEY_MAX = 160,
};

struct entry {
	struct entry *next;
	struct callboard_call call;
	bool dirty, fresh; /* not written yet; never written */
};

struct callboard {
	char *node;
	char key[KEY_MAX];
	struct queue *queue;
	struct entry *bucket[BUCKETS];
	bool whole;	 /* everything must be written again */
	struct buf text; /* scratch */
	_Atomic uint64_t dropped;
};

int callboard_new(struct callboard **out, const char *node)
{
	struct callboard *b = xcalloc(1, sizeof *b);
	int r = queue_new(&b->queue, QUEUE_SLOTS);

	if (r) {
		free(b);
		return r;
	}
	b->node = xstrdup(node);
	b->whole = true;
	snprintf(b->key, sizeof b->key, LIVE_CALLS_KEY, node);
	*out = b;
	return 0;
}

void callboard_free(struct callboard **pb)
{
	struct callboard *b = *pb;
	struct callboard_call *c;

	if (!b)
		return;
	while ((c = queue_pop(b->queue)))
		free(c);
	for (size_t i = 0; i < BUCKETS; i++)
		while (b->bucket[i]) {
			struct entry *e = b->bucket[i];
			b->bucket[i] = e->next;
			free(e);
		}
	queue_free(&b->queue);
	buf_free(&b->text);
	free(b->node);
	free(b);
	*pb = NULL;
}

void callboard_show(struct callboard *b, const struct callboard_call *call)
{
	struct callboard_call *copy = xcalloc(1, sizeof *copy);
	*copy = *call;
	if (queue_push(b->queue, copy)) {
		free(copy);
		atomic_fetch_add(&b->dropped, 1);
	}
}

size_t callboard_waiting(const struct callboard *b)
{
	return queue_depth(b->queue);
}

const char *callboard_key(const struct callboard *b)
{
	return b->key;
}

/* ---- a call as JSON ---- */

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
static void call_put(struct buf *out, const struct callboard *b, const struct callboard_call *c, bool inward)
{
	static const char *const state[] = {"routing", "ringing", "answered", "ended"};
	char id[UUID_TEXT_MAX], time[CLOCK_TEXT_MAX];

	buf_putc(out, '{');
	text_field(out, "id", uuid_format(&c->id, id));
	text_field(out, "node", b->node);
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

/* ---- what the workers say ---- */

static struct entry **slot_of(struct callboard *b, const struct uuid *id)
{
	uint64_t tail;
	memcpy(&tail, id->byte + 8, sizeof tail); /* the random half */
	struct entry **e = &b->bucket[tail % BUCKETS];
	while (*e && memcmp(&(*e)->call.id, id, sizeof *id) != 0)
		e = &(*e)->next;
	return e;
}

/* events: NULL if nobody listens */
static void event_add(struct callboard *b, struct buf *events, const struct callboard_call *c, const char *name)
{
	if (!events)
		return;
	buf_puts(events, events->len ? ",{\"event\":" : "[{\"event\":");
	json_put_text(events, name);
	buf_puts(events, ",\"call\":");
	call_put(events, b, c, false);
	buf_putc(events, '}');
}

/* Take in what the workers said since the last time. A call that came and went in between is never written, but told.
 */
static void take_in(struct callboard *b, struct buf *events)
{
	struct callboard_call *c;

	while ((c = queue_pop(b->queue))) {
		struct entry **slot = slot_of(b, &c->id), *e = *slot;
		bool ended = c->state == CALLBOARD_ENDED;
		if (!e) {
			e = xcalloc(1, sizeof *e);
			e->fresh = true;
			e->next = NULL;
			*slot = e;
			event_add(b, events, c, "call.started");
		}
		e->dirty = true;
		if (ended || e->call.state != c->state || !e->fresh)
			event_add(b, events, c, ended ? "call.ended" : "call.updated");
		e->call = *c;
		free(c);
	}
}

static void dropped_say(struct callboard *b)
{
	static struct log_limit every = {.interval_us = 10 * 1000000};
	uint64_t skipped, n = atomic_load(&b->dropped);
	if (n && log_limit(&every, clock_mono_us(), &skipped))
		log_event(LOG_LEVEL_ERROR, "live calls: the queue was full", "dropped=%llu",
			  (unsigned long long)atomic_exchange(&b->dropped, 0));
}

/* ---- writing ---- */

static bool somebody_listens(struct redis *redis)
{
	redisReply *reply;
	if (redis_command(redis, &reply, NULL, "PUBSUB NUMSUB %s", LIVE_EVENTS_CHANNEL))
		return false;
	bool yes = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[1]->integer > 0;
	freeReplyObject(reply);
	return yes;
}

static int call_write(struct callboard *b, struct redis *redis, const struct callboard_call *c, struct status *st)
{
	char id[UUID_TEXT_MAX];

	buf_reset(&b->text);
	call_put(&b->text, b, c, true);
	return redis_append(redis, st, 4, (const char *[]){"HSET", b->key, uuid_format(&c->id, id), b->text.text},
			    NULL);
}

static int call_remove(struct callboard *b, struct redis *redis, const struct callboard_call *c, struct status *st)
{
	char id[UUID_TEXT_MAX];
	return redis_append(redis, st, 3, (const char *[]){"HDEL", b->key, uuid_format(&c->id, id)}, NULL);
}

static int flush(struct callboard *b, struct redis *redis, struct buf *events, struct status *st)
{
	int r = 0;

	if (b->whole)
		r = redis_append(redis, st, 2, (const char *[]){"DEL", b->key}, NULL);
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct entry **e = &b->bucket[i]; *e;) {
			struct entry *x = *e;
			bool ended = x->call.state == CALLBOARD_ENDED;
			if (r == 0 && (x->dirty || b->whole)) {
				if (!ended)
					r = call_write(b, redis, &x->call, st);
				else if (!x->fresh)
					r = call_remove(b, redis, &x->call, st);
				x->dirty = x->fresh = false;
			}
			if (ended) {
				*e = x->next;
				free(x);
			} else {
				e = &x->next;
			}
		}
	}
	if (r == 0 && events && events->len) {
		buf_putc(events, ']');
		r = redis_append(redis, st, 3, (const char *[]){"PUBLISH", LIVE_EVENTS_CHANNEL, events->text}, NULL);
	}
	return r;
}

int callboard_write(struct callboard *b, struct redis *redis, struct status *st)
{
	struct buf told = {0}, *events = somebody_listens(redis) ? &told : NULL;

	take_in(b, events);
	int r = flush(b, redis, events, st);
	buf_free(&told);
	return r;
}

void callboard_settle(struct callboard *b, bool reached)
{
	b->whole = !reached;
	if (!reached)
		take_in(b, NULL);
	dropped_say(b);
}

int callboard_beat(const struct callboard *b, struct redis *redis, struct status *st)
{
	char expire[12];

	snprintf(expire, sizeof expire, "%d", EXPIRE_S);
	return redis_append(redis, st, 3, (const char *[]){"EXPIRE", b->key, expire}, NULL);
}

int callboard_clear(const struct callboard *b, struct redis *redis, struct status *st)
{
	return redis_append(redis, st, 2, (const char *[]){"DEL", b->key}, NULL);
}
