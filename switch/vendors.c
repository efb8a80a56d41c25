/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/vendors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/thread.h"
#include "routing/store.h"
#include "switch/vendors_priv.h"

enum {
	QUEUE_SLOTS = 1 << 16,
	SHARE_US = 1000 * 1000,
	GATHER_MS = 20,
	REDIS_TIMEOUT_MS = 300, /* words wait as long */
	EVENTS_KEPT = 1000,
};

enum word_kind { WORD_ATTEMPT, WORD_PROBE, WORD_SNAPSHOT, WORD_OWED, WORD_BINDINGS };

struct word {
	enum word_kind kind;
	struct vendors_attempt attempt; /* a probe: trunk_id, life and why */
	struct snapshot *snapshot;
	struct store_owed *owed;
	size_t owing;
};

/* ---- from any thread ---- */

static void word_free(struct word *w)
{
	if (w->snapshot != NULL)
		snapshot_unref(&w->snapshot);
	free(w->owed);
	free(w);
}

static void tell(struct vendors *v, const struct word *word)
{
	struct word *copy = xcalloc(1, sizeof *copy);
	*copy = *word;
	if (queue_push(v->queue, copy) != 0) {
		word_free(copy);
		atomic_fetch_add_explicit(&v->dropped, 1, memory_order_relaxed);
	}
}

void vendors_tell_attempt(struct vendors *v, const struct vendors_attempt *a)
{
	tell(v, &(struct word){.kind = WORD_ATTEMPT, .attempt = *a});
}

void vendors_tell_probe(struct vendors *v, int64_t trunk_id, bool alive, const char *why)
{
	tell(v, &(struct word){
			.kind = WORD_PROBE,
			.attempt = {.trunk_id = trunk_id, .life = alive ? VENDORS_ALIVE : VENDORS_DEAD, .why = why}});
}

void vendors_tell_snapshot(struct vendors *v, struct snapshot *s)
{
	tell(v, &(struct word){.kind = WORD_SNAPSHOT, .snapshot = s});
}

void vendors_tell_owed(struct vendors *v, const struct store_owed *list, size_t n)
{
	struct store_owed *copy = xcalloc(n + 1, sizeof *copy);
	for (size_t i = 0; i < n; i++)
		copy[i] = list[i];
	tell(v, &(struct word){.kind = WORD_OWED, .owed = copy, .owing = n});
}

void vendors_tell_bindings(struct vendors *v)
{
	tell(v, &(struct word){.kind = WORD_BINDINGS});
}

uint64_t vendors_waiting(const struct vendors *v)
{
	return queue_depth(v->queue);
}

/* ---- events ---- */

static void event_keep(struct vendors *v, int64_t trunk_id, const char *destination, const char *event, const char *why)
{
	char at[CLOCK_TEXT_MAX];
	json_t *e =
		json_pack("{ss ss sI so ss ss}", "at", clock_format(clock_wall_us(), at), "node", v->node, "trunk_id",
			  (json_int_t)trunk_id, "destination",
			  destination != NULL ? json_string(destination) : json_null(), "event", event, "reason", why);
	if (e == NULL) /* a destination that is no UTF-8: the log has it */
		return;
	json_array_append_new(v->events, e);
	if (json_array_size(v->events) > EVENTS_KEPT)
		json_array_remove(v->events, 0);
}

static void say_health(struct vendors *v, const struct vendors_address *a, enum health_change change)
{
	bool down = change == HEALTH_OPENED;
	char why[120], address[320];

	for (size_t i = 0; i < v->trunks; i++) {
		const struct vendors_trunk *t = &v->trunk[i];
		if (t->address != a)
			continue;
		log_event(down ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, down ? "vendor down" : "vendor back",
			  "trunk=%" PRId64 " address=%s reason=%s", t->id, log_quote(a->name, address, sizeof address),
			  log_quote(a->health.reason, why, sizeof why));
		event_keep(v, t->id, NULL, down ? "down" : "up", a->health.reason);
	}
}

static void say_quality(struct vendors *v, const char *key, const struct standing_vendor *s)
{
	const struct quality_counts *c = &s->counts;
	char why[160], destination[200], quoted[200];

	snprintf(why, sizeof why, "%u calls, %u answered, %u of these short, NER %u %%; score %.3f", c->attempts,
		 c->answered, c->short_calls, c->attempts > 0 ? c->effective * 100 / c->attempts : 0,
		 s->verdict.score_ppm / 1e6);
	log_event(s->verdict.demoted ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
		  s->verdict.demoted ? "vendor demoted" : "vendor no longer demoted",
		  "trunk=%" PRId64 " destination=%s reason=%s", s->trunk_id,
		  log_quote(key, destination, sizeof destination), log_quote(why, quoted, sizeof quoted));
	event_keep(v, s->trunk_id, key, s->verdict.demoted ? "demoted" : "restored", why);
}

/* ---- trunks and their addresses ---- */

static void address_name(const struct trunk *t, char *out, size_t size)
{
	static const char *const transport[] = {"udp", "tcp", "tls", "any"};
	if (t->host[0] == '\0')
		snprintf(out, size, "trunk:%" PRId64, t->id);
	else
		snprintf(out, size, "%s:%d;%s", t->host, t->port, transport[t->transport]);
}

static struct vendors_address *address_get(struct vendors *v, const struct trunk *t)
{
	char name[sizeof v->address->name];
	address_name(t, name, sizeof name);
	for (struct vendors_address *a = v->address; a != NULL; a = a->next)
		if (strcmp(a->name, name) == 0)
			return a;
	struct vendors_address *a = xcalloc(1, sizeof *a); /* stays: standings point into it */
	snprintf(a->name, sizeof a->name, "%s", name);
	a->next = v->address;
	v->address = a;
	return a;
}

static struct vendors_trunk *trunk_of(struct vendors *v, int64_t id)
{
	size_t lo = 0, hi = v->trunks;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (v->trunk[mid].id == id)
			return &v->trunk[mid];
		if (v->trunk[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static void say_forced(struct vendors *v, const struct vendors_trunk *was, const struct vendors_trunk *is)
{
	static const char *const words[] = {"as observed", "forced up", "forced down"};
	if (was == NULL ? is->forced == TRUNK_NOT_FORCED : was->forced == is->forced)
		return;
	log_event(LOG_LEVEL_INFO, "vendor's health by the operator's word", "trunk=%" PRId64 " health=\"%s\"", is->id,
		  words[is->forced]);
	event_keep(v, is->id, NULL, words[is->forced], "the operator's word");
}

/* Trunks that are reached where they have registered: are they? */
static void bindings_look(struct vendors *v)
{
	for (size_t i = 0; i < v->trunks; i++) {
		struct vendors_trunk *t = &v->trunk[i];
		bool unregistered = t->registered_as != 0 && !v->o.bound(v->o.arg, t->registered_as);
		if (unregistered == t->unregistered)
			continue;
		t->unregistered = unregistered;
		v->changed = v->health_changed = true;
	}
}

static void take_snapshot(struct vendors *v, const struct snapshot *s)
{
	struct vendors_trunk *fresh = xcalloc(snapshot_trunks(s) + 1, sizeof *fresh), *old;
	size_t n = 0;

	for (struct vendors_address *a = v->address; a != NULL; a = a->next)
		a->probed = false;
	for (size_t i = 0; i < snapshot_trunks(s); i++) { /* by id, as the snapshot has them */
		const struct trunk *t = snapshot_trunk_at(s, i);
		if (t->direction != TRUNK_EGRESS)
			continue;
		struct vendors_trunk *f = &fresh[n++];
		*f = (struct vendors_trunk){.id = t->id,
					    .address = address_get(v, t),
					    .forced = t->forced,
					    .registered_as = t->registered_as};
		snprintf(f->name, sizeof f->name, "%s", t->name);
		snprintf(f->carrier, sizeof f->carrier, "%s", t->carrier->name);
		f->address->probed |= t->probe_interval_ms > 0 && t->enabled;
		say_forced(v, trunk_of(v, t->id), f);
	}
	for (struct vendors_address *a = v->address; a != NULL; a = a->next)
		if (!a->probed)
			health_unprobed(&a->health, clock_mono_us());
	old = v->trunk;
	v->trunk = fresh;
	v->trunks = n;
	free(old);
	bindings_look(v);
	v->changed = v->health_changed = true;
}

/* ---- destinations ---- */

static struct vendors_destination **destination_place(struct vendors *v, const char *key)
{
	uint32_t hash = 2166136261U; /* FNV-1a */
	for (const char *p = key; *p != '\0'; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619U;
	struct vendors_destination **d = &v->bucket[hash % VENDORS_BUCKETS];
	while (*d != NULL && strcmp((*d)->key, key) != 0)
		d = &(*d)->next;
	return d;
}

struct vendors_destination *vendors_destination(struct vendors *v, const char *key)
{
	return *destination_place(v, key);
}

static struct vendors_destination *destination_get(struct vendors *v, const char *key)
{
	struct vendors_destination **d = destination_place(v, key);
	if (*d == NULL) {
		*d = xcalloc(1, sizeof **d);
		snprintf((*d)->key, sizeof(*d)->key, "%s", key);
	}
	return *d;
}

static void count(struct vendors *v, const struct vendors_attempt *a)
{
	struct vendors_destination *d = destination_get(v, a->key);

	quality_add(quality_slot(quality_book_get(&d->own, a->trunk_id), v->slot), &a->counts);
	if (a->counts.answered > 0) {
		talk_add(&d->talk, (int64_t)a->counts.talk_ms);
		talk_add(&d->fresh, (int64_t)a->counts.talk_ms); /* Redis is away for long: the oldest go */
	}
	d->used_us = clock_mono_us();
	d->counted = d->changed = true;
}

static bool is_demoted(const struct standing_destination *d, int64_t trunk_id)
{
	const struct standing_vendor *s = d != NULL ? standing_vendor(d, trunk_id) : NULL;
	return s != NULL && s->verdict.demoted;
}

static void destination_make(struct vendors *v, struct vendors_destination *d)
{
	const struct quality_book *const books[] = {&d->own, &d->others};
	struct standing_destination *made = standing_destination_new(d->key, books, 2, v->slot), *old = d->made;
	int64_t ms[TALK_MAX];

	standing_destination_talk(made, ms, talk_read(&d->talk, ms), old);
	for (size_t i = 0; i < made->n; i++)
		if (made->vendor[i].verdict.demoted != is_demoted(old, made->vendor[i].trunk_id))
			say_quality(v, d->key, &made->vendor[i]);
	d->made = made;
	d->made_us = clock_mono_us();
	d->changed = false;
	standing_destination_unref(&old);
	v->changed = true;
}

static void destinations_make(struct vendors *v)
{
	int64_t now_us = clock_mono_us();

	for (size_t i = 0; i < VENDORS_BUCKETS; i++)
		for (struct vendors_destination *d = v->bucket[i]; d != NULL; d = d->next)
			if (d->changed && (d->made_us == 0 || now_us - d->made_us >= VENDORS_EVERY_US))
				destination_make(v, d);
}

static void destinations_slide(struct vendors *v)
{
	int64_t slot = clock_wall_us() / 1000000 / QUALITY_SLOT_S;

	if (slot == v->slot)
		return;
	v->slot = slot;
	for (size_t i = 0; i < VENDORS_BUCKETS; i++)
		for (struct vendors_destination *d = v->bucket[i]; d != NULL; d = d->next)
			d->changed = true;
}

/* ---- the thread ---- */

static void health_heard(struct vendors *v, const struct vendors_attempt *a, bool probe)
{
	const struct vendors_trunk *t = trunk_of(v, a->trunk_id);
	int64_t now_us = clock_mono_us();

	if (t == NULL || a->life == VENDORS_UNSURE)
		return;
	struct health *h = &t->address->health;
	bool alive = a->life == VENDORS_ALIVE;
	enum health_change change = probe ? health_tell_probe(h, alive, a->why, now_us)
					  : health_tell_call(h, alive, a->why, t->address->probed, now_us);
	if (change == HEALTH_SAME)
		return;
	h->since_us = clock_wall_us();
	say_health(v, t->address, change);
	v->changed = v->health_changed = true;
}

static void hear(struct vendors *v, struct word *w)
{
	switch (w->kind) {
	case WORD_ATTEMPT:
		attempts_count(v->attempts, w->attempt.trunk_id, w->attempt.code);
		v->attempted = true;
		health_heard(v, &w->attempt, false);
		if (w->attempt.key[0] != '\0')
			count(v, &w->attempt);
		break;
	case WORD_PROBE:
		health_heard(v, &w->attempt, true);
		break;
	case WORD_SNAPSHOT:
		take_snapshot(v, w->snapshot);
		break;
	case WORD_BINDINGS:
		bindings_look(v);
		break;
	case WORD_OWED:
		v->changed |= w->owing != v->owing;
		for (size_t i = 0; i < w->owing && !v->changed; i++)
			v->changed = w->owed[i].carrier_id != v->owed[i].carrier_id ||
				     w->owed[i].owed.nano != v->owed[i].owed.nano;
		free(v->owed);
		v->owed = w->owed;
		v->owing = w->owing;
		w->owed = NULL;
		break;
	}
	word_free(w);
}

static void publish(struct vendors *v)
{
	struct standing *s = standing_new();

	for (size_t i = 0; i < v->trunks; i++) {
		struct vendors_address *a = v->trunk[i].address;
		struct standing_trunk t = {.id = v->trunk[i].id, .health = &a->health};
		snprintf(t.why, sizeof t.why, "%s", a->health.reason);
		if (v->trunk[i].unregistered) /* no call may try whether it is there */
			t = (struct standing_trunk){.id = t.id, .down = true, .why = "not registered"};
		standing_put_trunk(s, &t);
	}
	for (size_t i = 0; i < v->owing; i++)
		standing_put_owed(s, v->owed[i].carrier_id, v->owed[i].owed);
	for (size_t i = 0; i < VENDORS_BUCKETS; i++)
		for (struct vendors_destination *d = v->bucket[i]; d != NULL; d = d->next)
			if (d->made != NULL)
				standing_put_destination(s, standing_destination_ref(d->made));
	standing_finish(s);
	v->changed = false;
	v->o.publish(v->o.arg, s);
}

static void dropped_say(struct vendors *v)
{
	static struct log_limit every = {.interval_us = 10 * 1000000};
	uint64_t skipped;
	if (atomic_load(&v->dropped) > 0 && log_limit(&every, clock_mono_us(), &skipped))
		log_event(LOG_LEVEL_ERROR, "vendors: the queue was full", "dropped=%" PRIu64,
			  atomic_exchange(&v->dropped, 0));
}

static void *vendors_run(void *arg)
{
	const struct timespec gather = {.tv_nsec = GATHER_MS * 1000000L};
	struct vendors *v = arg;
	int64_t share_us = 0;

	thread_settle("vendors", 3);
	while (!atomic_load(&v->stop)) {
		struct word *w;
		int64_t left_us = share_us - clock_mono_us();
		if (left_us > 0) {
			queue_wait(v->queue, left_us);
			nanosleep(&gather, NULL); /* then take what came meanwhile at once: a wake-up a call costs more
						     than its word */
		}
		while ((w = queue_pop(v->queue)) != NULL)
			hear(v, w);
		if (v->changed) /* health at once; what is counted, once a second */
			publish(v);
		if (clock_mono_us() < share_us)
			continue;
		share_us = clock_mono_us() + SHARE_US;
		destinations_slide(v);
		bindings_look(v); /* one may have expired, or registered at another node */
		vendors_share(v);
		destinations_make(v);
		if (v->changed)
			publish(v);
		dropped_say(v);
	}
	return NULL;
}

int vendors_start(struct vendors **out, const struct vendors_options *o, struct status *st)
{
	struct vendors *v = xcalloc(1, sizeof *v);

	v->o = *o;
	v->node = xstrdup(o->node);
	v->events = json_array();
	v->attempts = attempts_new();
	v->redis_up = true; /* until it shows otherwise */
	v->redis = redis_new(o->redis_url, REDIS_TIMEOUT_MS);
	v->slot = clock_wall_us() / 1000000 / QUALITY_SLOT_S;
	int r = queue_new(&v->queue, QUEUE_SLOTS);
	if (r == 0)
		r = -pthread_create(&v->thread, NULL, vendors_run, v);
	if (r != 0) {
		queue_free(&v->queue);
		redis_free(&v->redis);
		json_decref(v->events);
		attempts_free(&v->attempts);
		free(v->node);
		free(v);
		return status_set(st, r, "cannot start the vendors thread: %s", strerror(-r));
	}
	*out = v;
	return 0;
}

static void destinations_free(struct vendors *v)
{
	for (size_t i = 0; i < VENDORS_BUCKETS; i++)
		while (v->bucket[i] != NULL) {
			struct vendors_destination *d = v->bucket[i];
			v->bucket[i] = d->next;
			talk_clear(&d->talk);
			talk_clear(&d->fresh);
			quality_book_free(&d->own);
			quality_book_free(&d->others);
			standing_destination_unref(&d->made);
			free(d);
		}
}

void vendors_quiet(struct vendors *v)
{
	if (atomic_exchange(&v->stop, true))
		return;
	queue_wake(v->queue);
	pthread_join(v->thread, NULL);
}

void vendors_stop(struct vendors **vp)
{
	struct vendors *v = *vp;
	struct word *w;

	*vp = NULL;
	if (v == NULL)
		return;
	vendors_quiet(v);
	while ((w = queue_pop(v->queue)) != NULL) /* the last calls count for the other nodes */
		hear(v, w);
	vendors_share(v);
	destinations_free(v);
	vendors_peers_free(v);
	while (v->address != NULL) {
		struct vendors_address *a = v->address;
		v->address = a->next;
		free(a);
	}
	free(v->trunk);
	free(v->owed);
	json_decref(v->events);
	attempts_free(&v->attempts);
	redis_free(&v->redis);
	queue_free(&v->queue);
	free(v->node);
	free(v);
}
