/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/purse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "switch/purse_priv.h"

enum {
	QUEUE_SLOTS = 1 << 18,
	ASKS_MAX = QUEUE_SLOTS / 4, /* beyond, no more asks: talks and ends must always find a place */
	TURN_US = 100 * 1000,
	REDIS_TIMEOUT_MS = 500,
	EPOCH_WAIT_MS = 3000,
	HELD_ASK_US = 6 * 1000000, /* an epoch and a recall, and time to spare */
};

enum message_kind {
	MESSAGE_ASK,
	MESSAGE_TALKS,
	MESSAGE_SHRINK,
	MESSAGE_END,
	MESSAGE_LIMIT,
	MESSAGE_NEWS,
	MESSAGE_QUIET
};

struct message {
	enum message_kind kind;
	struct purse_ask *ask;
	struct uuid call;
	int64_t answered_us, micro, carrier_id;
	struct rate_terms terms;
	struct balance_news *news;
	struct message *next; /* of the asks that wait */
};

/* ---- asks ---- */

static void answer(struct message *m, enum purse_word word)
{
	m->ask->word = word;
	m->ask->answer(m->ask);
	free(m);
}

static void granted(struct purse *p, const struct purse_ask *a, enum purse_word word)
{
	purse_lease_set(p, purse_lease_add(p, a), word == PURSE_WANTED ? a->wanted_micro : a->least_micro);
}

/* Redis is away and the operator wants calls all the same: nobody can see what the other nodes hold. */
static enum purse_word grant_alone(struct purse *p, const struct purse_ask *a)
{
	const struct account *acc = purse_account(p, a->carrier_id);
	const struct lease *l = *purse_lease_slot(p, &a->call);

	if (!p->options.admit_when_away || acc->version < 0)
		return PURSE_AWAY;
	if (acc->balance_micro + a->limit_micro - acc->held_micro < a->least_micro - (l ? l->micro : 0))
		return PURSE_REFUSED;
	granted(p, a, PURSE_LEAST);
	return PURSE_LEAST;
}

static bool epoch_open(const struct purse *p)
{
	return p->posted && p->epoch_age_ms + (clock_mono_us() - p->epoch_seen_us) / 1000 >= EPOCH_WAIT_MS;
}

static void wait_more(struct purse *p, struct message *m)
{
	m->next = p->waiting;
	p->waiting = m;
}

/* Heard from a call that begins: those that talk may not have been looked at yet. */
static void note_limit(struct account *a, int64_t limit_micro)
{
	if (a->limit_micro != limit_micro)
		a->followed = false;
	a->limit_micro = limit_micro;
}

static void take_ask(struct purse *p, struct message *m)
{
	const struct purse_ask *a = m->ask;

	note_limit(purse_account(p, a->carrier_id), a->limit_micro);
	if (!p->up) {
		answer(m, grant_alone(p, a));
		return;
	}
	if (clock_mono_us() > a->until_us) {
		answer(m, PURSE_AWAY);
		return;
	}
	if (!epoch_open(p)) {
		wait_more(p, m);
		return;
	}
	switch (purse_redis_grant(p, a, *purse_lease_slot(p, &a->call))) {
	case 0:
		answer(m, PURSE_REFUSED);
		break;
	case 1:
		granted(p, a, PURSE_LEAST);
		answer(m, PURSE_LEAST);
		break;
	case 2:
		granted(p, a, PURSE_WANTED);
		answer(m, PURSE_WANTED);
		break;
	case 3: /* a call that talks asks again by itself */
		p->looked_us = 0;
		if (a->first)
			wait_more(p, m);
		else
			answer(m, PURSE_REFUSED);
		break;
	case -1: /* a carrier that has just been limited: its balance will be read within a second */
		wait_more(p, m);
		break;
	case -2: /* Redis was emptied under us */
		p->posted = false;
		p->beat_us = 0;
		wait_more(p, m);
		break;
	default:
		answer(m, grant_alone(p, a));
	}
}

static void take_waiting(struct purse *p)
{
	struct message *m = p->waiting;

	if (!m || clock_mono_us() - p->retried_us < TURN_US / 2)
		return;
	p->retried_us = clock_mono_us();
	p->waiting = NULL;
	while (m) {
		struct message *next = m->next;
		take_ask(p, m);
		m = next;
	}
}

static void refuse_waiting(struct purse *p)
{
	while (p->waiting) {
		struct message *m = p->waiting;
		p->waiting = m->next;
		answer(m, PURSE_AWAY);
	}
}

/* ---- the rest of a call's life ---- */

static void take_talks(struct purse *p, const struct message *m)
{
	struct lease *l = *purse_lease_slot(p, &m->call);

	if (!l)
		return;
	l->answered_us = m->answered_us;
	l->terms = m->terms;
	purse_redis_put(p, l, l->micro);
}

static void take_shrink(struct purse *p, const struct message *m)
{
	struct lease *l = *purse_lease_slot(p, &m->call);

	if (!l || l->ended || m->micro >= l->micro)
		return;
	purse_lease_set(p, l, m->micro);
	purse_redis_put(p, l, m->micro);
}

static void take_limit(struct purse *p, const struct message *m)
{
	struct account *a = purse_account(p, m->carrier_id);

	for (struct message *w = p->waiting; w; w = w->next)
		if (w->ask->carrier_id == m->carrier_id)
			w->ask->limit_micro = m->micro;
	if (a->followed && a->limit_micro == m->micro)
		return; /* another call that talks has said so */
	a->limit_micro = m->micro;
	a->followed = true;
	purse_recall_overdrawn(p, a);
}

static void take_end(struct purse *p, const struct message *m)
{
	struct lease **slot = purse_lease_slot(p, &m->call), *l = *slot;

	if (!l)
		return;
	l->ended = true;
	if (m->micro == 0 || l->posted) {
		purse_redis_put(p, l, -1);
		purse_lease_remove(p, slot);
		return;
	}
	purse_lease_set(p, l, m->micro);
	purse_redis_put(p, l, m->micro);
}

static void take_posted(struct purse *p, const struct uuid *call)
{
	struct lease **slot = purse_lease_slot(p, call), *l = *slot;

	if (!l)
		return;
	l->posted = true;
	if (l->ended) {
		purse_redis_put(p, l, -1);
		purse_lease_remove(p, slot);
	}
}

/* Balances first: what is let go below is booked in them. */
static void take_news(struct purse *p, struct balance_news *news)
{
	size_t back = 0;

	for (size_t i = 0; i < news->n; i++)
		back += purse_balance_take(p, &news->balance[i], news->read_us);
	if (back > 0) {
		purse_balance_tell_back(back);
		news->moved = true;
	}
	for (size_t i = 0; i < news->n_posted; i++)
		take_posted(p, &news->posted[i]);
	for (struct balance_estate *e = news->estates; e; e = e->next)
		purse_estate_bury(p, e->owner);
	for (size_t i = 0; news->moved && i < news->n; i++)
		purse_recall_overdrawn(p, purse_account(p, news->balance[i].carrier_id));
	balance_news_free(&news);
}

/* ---- the thread ---- */

static void take_quiet(struct purse *p)
{
	refuse_waiting(p);
	p->silent = true;
	pthread_mutex_lock(&p->mutex);
	p->is_quiet = true;
	pthread_cond_signal(&p->quieted);
	pthread_mutex_unlock(&p->mutex);
}

static void take(struct purse *p, struct message *m)
{
	switch (m->kind) {
	case MESSAGE_ASK:
		take_ask(p, m);
		return; /* it is the answer's now */
	case MESSAGE_TALKS:
		take_talks(p, m);
		break;
	case MESSAGE_SHRINK:
		take_shrink(p, m);
		break;
	case MESSAGE_END:
		take_end(p, m);
		break;
	case MESSAGE_LIMIT:
		take_limit(p, m);
		break;
	case MESSAGE_NEWS:
		take_news(p, m->news);
		break;
	case MESSAGE_QUIET:
		take_quiet(p);
		break;
	}
	free(m);
}

static void *purse_thread(void *arg)
{
	struct purse *p = arg;
	struct message *m;

	pthread_setname_np(pthread_self(), "purse");
	while (!atomic_load(&p->stop)) {
		purse_beat(p);
		purse_recall_look(p);
		take_waiting(p);
		queue_wait(p->queue, TURN_US);
		while ((m = queue_pop(p->queue))) {
			take(p, m);
			purse_beat(p);
		}
		purse_redis_settle(p);
	}
	return NULL;
}

/* What was said last, once nobody can say more. */
static void purse_drain(struct purse *p)
{
	struct message *m;

	while ((m = queue_pop(p->queue)))
		take(p, m);
	refuse_waiting(p);
	purse_redis_settle(p);
}

/* ---- from other threads ---- */

static int message_push(struct purse *p, const struct message *m)
{
	struct message *copy = xcalloc(1, sizeof(*copy));

	*copy = *m;
	int err = queue_push(p->queue, copy);
	if (err)
		free(copy);
	return err;
}

int purse_ask(struct purse *p, struct purse_ask *ask)
{
	ask->until_us = clock_mono_us() + HELD_ASK_US;
	if (queue_depth(p->queue) > ASKS_MAX)
		return -EAGAIN;
	return message_push(p, &(struct message){.kind = MESSAGE_ASK, .ask = ask});
}

/* A lost one would hold money until the next start; there is room for three times the asks. */
static void must_push(struct purse *p, const struct message *m)
{
	if (message_push(p, m))
		log_event(LOG_LEVEL_ERROR, "leases: the queue was full", "kind=%d", m->kind);
}

void purse_talks(struct purse *p, const struct uuid *call, int64_t answered_us, const struct rate_terms *terms)
{
	must_push(p,
		  &(struct message){.kind = MESSAGE_TALKS, .call = *call, .answered_us = answered_us, .terms = *terms});
}

void purse_shrink(struct purse *p, const struct uuid *call, int64_t micro)
{
	must_push(p, &(struct message){.kind = MESSAGE_SHRINK, .call = *call, .micro = micro});
}

void purse_limit(struct purse *p, int64_t carrier_id, int64_t limit_micro)
{
	must_push(p, &(struct message){.kind = MESSAGE_LIMIT, .carrier_id = carrier_id, .micro = limit_micro});
}

void purse_end(struct purse *p, const struct uuid *call, int64_t micro)
{
	must_push(p, &(struct message){.kind = MESSAGE_END, .call = *call, .micro = micro});
}

/* On the reader's thread. */
static void on_news(void *arg, struct balance_news *news)
{
	struct purse *p = arg;
	const struct message m = {.kind = MESSAGE_NEWS, .news = news};

	if (message_push(p, &m)) {
		log_event(LOG_LEVEL_ERROR, "leases: the queue was full", "kind=%d", m.kind);
		balance_news_free(&news);
	}
}

void purse_posted(struct purse *p, struct uuid *ids, size_t n)
{
	if (atomic_load(&p->leases) > 0)
		balance_posted(p->balance, ids, n);
	else
		free(ids); /* no call holds anything: nobody waits for them */
}

/* ---- life ---- */

static void purse_free(struct purse *p)
{
	for (size_t i = 0; i < PURSE_BUCKETS; i++)
		while (p->lease[i])
			purse_lease_remove(p, &p->lease[i]);
	for (size_t i = 0; i < PURSE_CARRIER_BUCKETS; i++)
		while (p->account[i]) {
			struct account *a = p->account[i];
			p->account[i] = a->next;
			free(a);
		}
	redis_free(&p->redis);
	if (p->queue)
		queue_free(&p->queue);
	buf_free(&p->reaping);
	pthread_mutex_destroy(&p->mutex);
	pthread_cond_destroy(&p->quieted);
	free(p->node);
	free(p);
}

int purse_start(struct purse **out, const struct purse_options *o, struct status *st)
{
	struct purse *p = xcalloc(1, sizeof(*p));
	int err = queue_new(&p->queue, QUEUE_SLOTS);

	p->options = *o;
	p->node = xstrdup(o->node);
	snprintf(p->owner, sizeof(p->owner), "%s/%" PRId64, o->node, clock_wall_us());
	snprintf(p->leases_key, sizeof(p->leases_key), "{tandem}:leases:%s", p->owner);
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->quieted, NULL);
	p->redis = redis_new(o->redis_url, REDIS_TIMEOUT_MS);
	if (err)
		status_set(st, err, "cannot start the purse: %s", strerror(-err));
	else
		err = balance_start(
			&p->balance,
			&(struct balance_options){.database_url = o->database_url, .tell = on_news, .arg = p}, st);
	if (!err) {
		err = -pthread_create(&p->thread, NULL, purse_thread, p);
		if (err)
			status_set(st, err, "cannot start the purse: %s", strerror(-err));
	}
	if (err) {
		balance_stop(&p->balance);
		purse_free(p);
		return err;
	}
	*out = p;
	return 0;
}

void purse_quiet(struct purse *p)
{
	must_push(p, &(struct message){.kind = MESSAGE_QUIET});
	pthread_mutex_lock(&p->mutex);
	while (!p->is_quiet)
		pthread_cond_wait(&p->quieted, &p->mutex);
	p->is_quiet = false;
	pthread_mutex_unlock(&p->mutex);
}

/* The purse's thread shows the reader what is held, so it ends first; the reader's last news wait in the queue. */
void purse_stop(struct purse **p)
{
	if (!*p)
		return;
	atomic_store(&(*p)->stop, true);
	queue_wake((*p)->queue);
	pthread_join((*p)->thread, NULL);
	balance_stop(&(*p)->balance);
	purse_drain(*p);
	if ((*p)->up && atomic_load(&(*p)->leases) == 0)
		purse_estate_bury(*p, (*p)->owner); /* nothing is held: this owner was never there */
	purse_free(*p);
	*p = NULL;
}

size_t purse_leases(const struct purse *p)
{
	return atomic_load(&p->leases);
}

const char *purse_owner(const struct purse *p)
{
	return p->owner;
}
