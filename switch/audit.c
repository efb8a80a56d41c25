/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "switch/audit_priv.h"
#include "switch/node.h"
#include "switch/purse.h"
#include "switch/worker.h"

enum { MONEY_LAG_US = 30 * 1000000 };

struct audit {
	struct node *node;
	int64_t money_since_us; /* since when more is held than could be; 0: it is not */
	json_t *before;		/* key -> words: what the last look found; NULL: it failed, or there was none */
	json_t *confirmed;	/* what two in a row did */
};

struct round { /* shared by whoever waits and the workers that have not answered */
	pthread_mutex_t lock;
	pthread_cond_t answered;
	int refs, missing;
	struct audit_sheet sheet;
};

struct audit *audit_new(struct node *n)
{
	struct audit *a = xcalloc(1, sizeof *a);

	*a = (struct audit){.node = n, .confirmed = json_object()};
	return a;
}

void audit_free(struct audit **pa)
{
	struct audit *a = *pa;

	if (!a)
		return;
	json_decref(a->before);
	json_decref(a->confirmed);
	free(a);
	*pa = NULL;
}

size_t audit_count(const struct audit *a)
{
	return json_object_size(a->confirmed);
}

json_t *audit_differences(const struct audit *a)
{
	json_t *list = json_array(), *words;
	const char *key;

	json_object_foreach(a->confirmed, key, words) if (json_array_size(list) < AUDIT_WORDS_MAX)
		json_array_append(list, words);
	return list;
}

/* ---- asking the workers ---- */

static struct round *round_new(int workers)
{
	struct round *r = xcalloc(1, sizeof *r);
	pthread_condattr_t attr;

	r->refs = workers + 1;
	r->missing = workers;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->answered, &attr);
	pthread_condattr_destroy(&attr);
	return r;
}

/* With the lock held, which it lets go. */
static void round_leave(struct round *r)
{
	bool last = --r->refs == 0;

	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	audit_sheet_free(&r->sheet);
	pthread_cond_destroy(&r->answered);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* On the worker's thread; the lock is never held for longer than it takes to add two sheets. */
static void sheet_give(struct worker *w, void *arg)
{
	struct round *r = arg;
	struct audit_sheet mine = {0};

	audit_sheet_fill(&mine, w);
	pthread_mutex_lock(&r->lock);
	audit_sheet_add(&r->sheet, &mine);
	r->missing--;
	pthread_cond_signal(&r->answered);
	round_leave(r);
}

static void until(struct timespec *t, int64_t ms)
{
	clock_gettime(CLOCK_MONOTONIC, t);
	t->tv_sec += (time_t)(ms / 1000);
	t->tv_nsec += (long)(ms % 1000) * 1000000;
	if (t->tv_nsec >= 1000000000) {
		t->tv_sec++;
		t->tv_nsec -= 1000000000;
	}
}

static int sheets_collect(struct node *n, struct audit_sheet *out)
{
	struct round *r = round_new(n->workers);
	struct timespec limit;
	int err = 0, unasked = 0;

	for (int i = 0; i < n->workers; i++)
		unasked += worker_post(n->worker[i], sheet_give, r) != 0;
	until(&limit, AUDIT_WAIT_MS);
	pthread_mutex_lock(&r->lock);
	r->refs -= unasked;
	while (r->missing > 0 && err == 0)
		err = -pthread_cond_timedwait(&r->answered, &r->lock, &limit);
	if (r->missing == 0) {
		*out = r->sheet;
		r->sheet = (struct audit_sheet){0};
	}
	err = r->missing == 0 ? 0 : -EAGAIN;
	round_leave(r);
	return err;
}

/* ---- what the node believes ---- */

static int64_t steps_taken(const struct node *n)
{
	uint64_t steps = 0;

	for (int i = 0; i < n->workers; i++)
		steps += atomic_load(&n->worker[i]->count.steps);
	return (int64_t)steps;
}

static void channels_note(void *arg, char kind, int64_t id, struct gauge *g)
{
	struct buf *out = arg;
	const struct audit_channels ch = {.kind = kind, .id = id, .in_use = atomic_load(&g->in_use), .gauge = g};

	if (kind == 't' || kind == 'c')
		buf_append(out, &ch, sizeof ch);
}

static struct audit_counts counts_read(struct node *n)
{
	struct spool_stats spool;
	struct audit_counts c = {0};

	gauge_each(n->gauges, channels_note, &c.channels);
	spool_stats(n->spool, &spool);
	c.reserved = (int64_t)spool.reserved - (int64_t)spool.closing;
	c.closing = (int64_t)spool.closing;
	c.on_disk = (int64_t)spool.on_disk;
	for (int i = 0; i < n->workers; i++) {
		c.live += atomic_load(&n->worker[i]->count.live);
		c.held += atomic_load(&n->worker[i]->count.held);
	}
	return c;
}

/* ---- what Redis has ---- */

static int shown_compare(const struct audit_shown *shown, const struct audit_sheet *s, json_t *found, struct status *st)
{
	redisReply *reply;
	int r = redis_command(shown->redis, &reply, st, "HKEYS %s", shown->calls_key);

	if (r)
		return r;
	size_t n = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
	const char **ids = xcalloc(n + 1, sizeof *ids);
	for (size_t i = 0; i < n; i++)
		ids[i] = reply->element[i]->str;
	audit_compare_shown(s, ids, n, found);
	free(ids);
	freeReplyObject(reply);
	return 0;
}

static const char *used_find(const struct audit_shown *shown, const char *field)
{
	for (const char *w = shown->used, *end = w + shown->used_len; w && w < end;) {
		const char *value = w + strlen(w) + 1;
		if (strcmp(w, field) == 0)
			return value;
		w = value + strlen(value) + 1;
	}
	return "0";
}

static int use_compare(const struct audit_shown *shown, json_t *found, struct status *st)
{
	redisReply *reply;
	int r = redis_command(shown->redis, &reply, st, "HGETALL %s", shown->use_key);

	if (r)
		return r;
	size_t n = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
	for (size_t i = 0; i + 1 < n; i += 2) {
		const char *field = reply->element[i]->str, *has = reply->element[i + 1]->str;
		const char *wrote = used_find(shown, field);
		char key[80];
		if (strcmp(has, wrote) == 0)
			continue;
		snprintf(key, sizeof key, "use %.60s", field);
		audit_put(found, key, "%s %s: Redis has %s channels in use here, this node %s",
			  field[0] == 't' ? "trunk" : "carrier", field + 1, has, wrote);
	}
	freeReplyObject(reply);
	return 0;
}

/* An ended call's money is held until its record is booked and the balance read again: a moment more is no difference.
 */
static void money_compare(struct audit *a, const struct audit_sheet *s, const struct audit_counts *c, json_t *found)
{
	int64_t leases = (int64_t)purse_leases(a->node->purse),
		could = s->spending + c->reserved + c->closing + c->on_disk;
	int64_t now_us = clock_mono_us();

	if (leases <= could)
		a->money_since_us = 0;
	else if (!a->money_since_us)
		a->money_since_us = now_us;
	else if (now_us - a->money_since_us > MONEY_LAG_US)
		audit_put_exact(found,
				"money: %" PRId64 " leases, but only %" PRId64 " calls and records could have one",
				leases, could);
}

static int leases_compare(const struct audit_shown *shown, struct node *n, json_t *found, struct status *st)
{
	redisReply *reply;
	int64_t mine = (int64_t)purse_leases(n->purse);
	int r = redis_command(shown->redis, &reply, st, "HLEN {tandem}:leases:%s", purse_owner(n->purse));

	if (r)
		return r;
	if (reply->integer != mine)
		audit_put_exact(found, "money: Redis has %" PRId64 " leases of this node, the purse %" PRId64,
				reply->integer, mine);
	freeReplyObject(reply);
	return 0;
}

/* ---- looks ---- */

static void confirm(struct audit *a, json_t *found)
{
	json_t *both = json_object(), *words;
	const char *key;
	char quoted[400];

	json_object_foreach(found, key, words)
	{
		if (!json_object_get(a->before, key))
			continue;
		json_object_set(both, key, words);
		if (!json_object_get(a->confirmed, key))
			log_event(LOG_LEVEL_ERROR, "audit: counts and calls do not agree", "difference=%s",
				  log_quote(json_string_value(words), quoted, sizeof quoted));
	}
	if (json_object_size(a->confirmed) && !json_object_size(both))
		log_event(LOG_LEVEL_INFO, "audit: counts and calls agree again", NULL);
	json_decref(a->confirmed);
	json_decref(a->before);
	a->confirmed = both;
	a->before = found;
}

int audit_look(struct audit *a, const struct audit_shown *shown, struct status *st)
{
	struct audit_sheet sheet = {0};
	json_t *found = json_object();
	int64_t steps = steps_taken(a->node);
	int r = sheets_collect(a->node, &sheet);

	if (r == 0) {
		struct audit_counts counts = counts_read(a->node);
		counts.slack = steps_taken(a->node) - steps;
		audit_compare(&sheet, &counts, found);
		money_compare(a, &sheet, &counts, found);
		buf_free(&counts.channels);
	}
	if (r == 0 && shown->redis)
		r = shown_compare(shown, &sheet, found, st);
	if (r == 0 && shown->redis)
		r = use_compare(shown, found, st);
	if (r == 0 && shown->redis)
		r = leases_compare(shown, a->node, found, st);
	audit_sheet_free(&sheet);
	if (r == 0) {
		confirm(a, found);
		return 0;
	}
	json_decref(found);
	json_decref(a->before);
	a->before = NULL;
	return r;
}
