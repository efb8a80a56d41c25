/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/bindings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/thread.h"
#include "switch/bindings_priv.h"

enum { NEWS_SLOTS = 64, SHARE_US = 500 * 1000, REDIS_TIMEOUT_MS = 500 };

/* ---- the table, with the mutex held ---- */

struct bindings_entry *bindings_entry_get(struct bindings *b, int64_t trunk_id)
{
	struct bindings_entry **e = &b->bucket[(uint64_t)trunk_id % BINDINGS_BUCKETS];

	while (*e && (*e)->trunk_id != trunk_id)
		e = &(*e)->next;
	if (!*e) {
		*e = xcalloc(1, sizeof **e);
		(*e)->trunk_id = trunk_id;
	}
	return *e;
}

void bindings_expire(struct bindings_entry *e, int64_t wall_us)
{
	int kept = 0;
	for (int i = 0; i < e->n; i++)
		if (e->contact[i].expires_us > wall_us)
			e->contact[kept++] = e->contact[i];
	e->n = kept;
}

/* The slot that can be spared best: one that is gone before one that is in force, then the oldest. */
static struct bindings_contact *slot_spare(struct bindings_entry *e)
{
	struct bindings_contact *best = &e->contact[0];
	for (int i = 1; i < e->n; i++) {
		struct bindings_contact *c = &e->contact[i];
		if (c->gone != best->gone ? c->gone : c->changed_us < best->changed_us)
			best = c;
	}
	return best;
}

static void crowd_thin(struct bindings_entry *e, int64_t wall_us)
{
	for (;;) {
		struct bindings_contact *oldest = NULL;
		int live = 0;
		for (int i = 0; i < e->n; i++) {
			struct bindings_contact *c = &e->contact[i];
			if (c->gone)
				continue;
			live++;
			if (!oldest || c->changed_us < oldest->changed_us)
				oldest = c;
		}
		if (live <= BINDINGS_MAX)
			return;
		oldest->gone = true;
		oldest->changed_us = wall_us;
	}
}

static struct bindings_contact *contact_find(struct bindings_entry *e, const char *uri)
{
	for (int i = 0; i < e->n; i++)
		if (strcmp(e->contact[i].uri, uri) == 0)
			return &e->contact[i];
	return NULL;
}

bool bindings_merge(struct bindings_entry *e, const struct bindings_contact *c, int64_t wall_us)
{
	struct bindings_contact *slot = contact_find(e, c->uri);

	if ((slot && slot->changed_us >= c->changed_us) || c->expires_us <= wall_us)
		return false;
	if (!slot)
		slot = e->n < BINDINGS_SLOTS ? &e->contact[e->n++] : slot_spare(e);
	*slot = *c;
	crowd_thin(e, wall_us);
	return true;
}

/* ---- what a REGISTER changes, and what a call reads ---- */

static bool in_order(const struct bindings_contact *c, const char *call_id, uint32_t cseq)
{
	return !c || c->gone || strcmp(c->call_id, call_id) != 0 || cseq > c->cseq;
}

static void take_away(struct bindings_contact *c, uint32_t cseq, int64_t wall_us)
{
	c->gone = true;
	c->cseq = cseq;
	c->changed_us = wall_us > c->changed_us ? wall_us : c->changed_us + 1;
}

static int change(struct bindings_entry *e, const struct bindings_contact *c, int n, bool all, const char *call_id,
		  uint32_t cseq, int64_t wall_us)
{
	for (int i = 0; i < (all ? e->n : n); i++)
		if (!in_order(all ? &e->contact[i] : contact_find(e, c[i].uri), call_id, cseq))
			return -ESTALE;
	for (int i = 0; all && i < e->n; i++)
		if (!e->contact[i].gone)
			take_away(&e->contact[i], cseq, wall_us);
	for (int i = 0; i < n; i++) {
		struct bindings_contact *old = contact_find(e, c[i].uri), fresh = c[i];
		if (c[i].gone) {
			if (old && !old->gone)
				take_away(old, cseq, wall_us);
			continue;
		}
		snprintf(fresh.call_id, sizeof fresh.call_id, "%s", call_id);
		fresh.cseq = cseq;
		/* later than what is there, even where another node's clock was ahead */
		fresh.changed_us = old && old->changed_us >= wall_us ? old->changed_us + 1 : wall_us;
		bindings_merge(e, &fresh, wall_us);
	}
	return 0;
}

int bindings_change(struct bindings *b, int64_t trunk_id, const struct bindings_contact *c, int n, bool all,
		    const char *call_id, uint32_t cseq, int64_t wall_us)
{
	pthread_mutex_lock(&b->mutex);
	struct bindings_entry *e = bindings_entry_get(b, trunk_id);
	bindings_expire(e, wall_us);
	int r = change(e, c, n, all, call_id, cseq, wall_us);
	pthread_mutex_unlock(&b->mutex);
	queue_wake(b->news);
	return r;
}

int bindings_read(struct bindings *b, int64_t trunk_id, int64_t wall_us,
		  struct bindings_contact out[static BINDINGS_MAX])
{
	int n = 0;

	pthread_mutex_lock(&b->mutex);
	const struct bindings_entry *e = bindings_entry_get(b, trunk_id);
	for (int i = 0; i < e->n; i++) {
		const struct bindings_contact *c = &e->contact[i];
		if (c->gone || c->expires_us <= wall_us || n == BINDINGS_MAX)
			continue;
		int at = n++;
		for (; at > 0 && out[at - 1].changed_us < c->changed_us; at--)
			out[at] = out[at - 1];
		out[at] = *c;
	}
	pthread_mutex_unlock(&b->mutex);
	return n;
}

/* ---- our registrations with vendors ---- */

static struct bindings_vendor *vendor_find(struct bindings *b, int64_t trunk_id)
{
	for (size_t i = 0; i < b->vendors; i++)
		if (b->vendor[i].trunk_id == trunk_id)
			return &b->vendor[i];
	return NULL;
}

bool bindings_is_mine(struct bindings *b, int64_t trunk_id)
{
	pthread_mutex_lock(&b->mutex);
	const struct bindings_vendor *v = vendor_find(b, trunk_id);
	bool mine = v && v->mine;
	pthread_mutex_unlock(&b->mutex);
	return mine;
}

void bindings_tell_vendor(struct bindings *b, int64_t trunk_id, enum bindings_state state, const char *reason,
			  int64_t expires_us)
{
	pthread_mutex_lock(&b->mutex);
	struct bindings_vendor *v = vendor_find(b, trunk_id);
	if (v) {
		if (v->state != state || v->since_us == 0)
			v->since_us = clock_wall_us();
		v->state = state;
		v->expires_us = expires_us;
		snprintf(v->reason, sizeof v->reason, "%s", reason);
	}
	pthread_mutex_unlock(&b->mutex);
}

json_t *bindings_vendors(struct bindings *b)
{
	static const char *const word[] = {"trying", "registered", "failed"};
	json_t *list = json_array();
	char since[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX];

	pthread_mutex_lock(&b->mutex);
	for (size_t i = 0; i < b->vendors; i++) {
		const struct bindings_vendor *v = &b->vendor[i];
		if (!v->mine || v->since_us == 0)
			continue;
		json_array_append_new(
			list,
			json_pack("{sI ss ss ss so}", "trunk_id", (json_int_t)v->trunk_id, "state", word[v->state],
				  "reason", v->reason, "since", clock_format(v->since_us, since), "expires_at",
				  v->expires_us ? json_string(clock_format(v->expires_us, until)) : json_null()));
	}
	pthread_mutex_unlock(&b->mutex);
	return list;
}

/* ---- the thread ---- */

void bindings_tell_snapshot(struct bindings *b, struct snapshot *s)
{
	if (queue_push(b->news, s))
		snapshot_unref(&s); /* full: the thread hangs at Redis for long; the next one is taken */
}

static void snapshot_take(struct bindings *b, struct snapshot *s)
{
	size_t n = snapshot_trunks(s), vendors = 0;
	struct bindings_vendor *fresh = xcalloc(n + 1, sizeof *fresh), *old;

	b->customer = xrealloc(b->customer, (n + 1) * sizeof *b->customer);
	b->customers = 0;
	pthread_mutex_lock(&b->mutex);
	for (size_t i = 0; i < n; i++) {
		const struct trunk *t = snapshot_trunk_at(s, i);
		if (t->direction == TRUNK_INGRESS && t->username[0])
			b->customer[b->customers++] = t->id;
		if (t->direction != TRUNK_EGRESS || !t->registers || !t->enabled)
			continue;
		const struct bindings_vendor *was = vendor_find(b, t->id);
		fresh[vendors++] = was ? *was : (struct bindings_vendor){.trunk_id = t->id};
	}
	old = b->vendor;
	b->vendor = fresh;
	b->vendors = vendors;
	pthread_mutex_unlock(&b->mutex);
	free(old);
	b->turns_us = 0;
	snapshot_unref(&s);
}

static void *run(void *arg)
{
	struct bindings *b = arg;

	thread_settle("bindings", 5);
	while (!atomic_load(&b->stop)) {
		queue_wait(b->news, SHARE_US);
		for (struct snapshot *s; (s = queue_pop(b->news)) != NULL;)
			snapshot_take(b, s);
		bindings_share(b);
	}
	bindings_leave(b);
	return NULL;
}

int bindings_start(struct bindings **out, const struct bindings_options *o, struct status *st)
{
	struct bindings *b = xcalloc(1, sizeof *b);

	b->node = xstrdup(o->node);
	pthread_mutex_init(&b->mutex, NULL);
	int r = queue_new(&b->news, NEWS_SLOTS);
	if (r == 0) {
		b->redis = redis_new(o->redis_url, REDIS_TIMEOUT_MS);
		r = -pthread_create(&b->thread, NULL, run, b);
	}
	if (r) {
		redis_free(&b->redis);
		queue_free(&b->news);
		free(b->node);
		free(b);
		return status_set(st, r, "cannot start the bindings thread: %s", strerror(-r));
	}
	*out = b;
	return 0;
}

void bindings_stop(struct bindings **pb)
{
	struct bindings *b = *pb;

	*pb = NULL;
	if (!b)
		return;
	atomic_store(&b->stop, true);
	queue_wake(b->news);
	pthread_join(b->thread, NULL);
	for (struct snapshot *s; (s = queue_pop(b->news)) != NULL;)
		snapshot_unref(&s);
	for (size_t i = 0; i < BINDINGS_BUCKETS; i++)
		while (b->bucket[i]) {
			struct bindings_entry *e = b->bucket[i];
			b->bucket[i] = e->next;
			free(e);
		}
	redis_free(&b->redis);
	queue_free(&b->news);
	pthread_mutex_destroy(&b->mutex);
	free(b->vendor);
	free(b->customer);
	free(b->node);
	free(b);
}
