/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/lrn.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/queue.h"
#include "lib/redis.h"
#include "routing/portability.h"

enum { QUEUE_SLOTS = 1024, WAIT_US = 200 * 1000 };

struct question {
	int worker;
	struct uuid call;
	int64_t deadline_us;
	char number[DIGITS_MAX + 1];
};

struct asker { /* one thread */
	struct lrn *lrn;
	pthread_t thread;
	bool started;
	struct queue *queue;
	struct redis *redis;
	struct portability *outside;
};

struct lrn {
	struct lrn_options o;
	struct asker asker[LRN_THREADS];
	_Atomic unsigned next;
	_Atomic int failures;
	_Atomic int64_t rest_until_us;
	_Atomic bool stop;
};

/* ---- a question ---- */

static void note(struct lrn *l, int err)
{
	if (err == 0) {
		if (atomic_exchange(&l->failures, 0) >= LRN_FAILURES)
			log_event(LOG_LEVEL_INFO, "portability look-up back", NULL);
		return;
	}
	int n = atomic_fetch_add(&l->failures, 1) + 1;
	if (n < LRN_FAILURES)
		return;
	atomic_store(&l->rest_until_us, clock_mono_us() + LRN_REST_US);
	if (n == LRN_FAILURES)
		log_event(LOG_LEVEL_WARN, "portability look-up away, calls go by the dialled number", "why=\"%s\"",
			  strerror(-err));
}

static void answer(struct asker *a, const struct question *q)
{
	struct lrn *l = a->lrn;
	char lrn[DIGITS_MAX + 1] = "";

	if (clock_mono_us() < q->deadline_us && !portability_cached(a->redis, q->number, lrn))
		note(l, portability_ask(a->outside, a->redis, q->number, q->deadline_us, lrn));
	l->o.answer(l->o.arg, q->worker, &q->call, lrn);
}

static void *asker_run(void *arg)
{
	struct asker *a = arg;
	struct question *q;

	while (!atomic_load(&a->lrn->stop)) {
		queue_wait(a->queue, WAIT_US);
		while (!atomic_load(&a->lrn->stop) && (q = queue_pop(a->queue)) != NULL) {
			answer(a, q);
			free(q);
		}
	}
	return NULL;
}

bool lrn_ask(struct lrn *l, int worker, const struct uuid *call, const char *number)
{
	int64_t now_us = clock_mono_us();

	if (l == NULL || now_us < atomic_load_explicit(&l->rest_until_us, memory_order_relaxed))
		return false;
	struct question *q = xcalloc(1, sizeof *q);
	*q = (struct question){.worker = worker, .call = *call, .deadline_us = now_us + l->o.timeout_ms * 1000};
	snprintf(q->number, sizeof q->number, "%s", number);
	unsigned at = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed) % LRN_THREADS;
	if (queue_push(l->asker[at].queue, q) == 0)
		return true;
	free(q);
	return false;
}

/* ---- life ---- */

static int asker_start(struct asker *a, struct lrn *l, struct status *st)
{
	a->lrn = l;
	a->redis = redis_new(l->o.redis_url, (int)l->o.timeout_ms);
	int err = queue_new(&a->queue, QUEUE_SLOTS);
	if (err == 0) {
		err = portability_new(&a->outside,
				      &(struct portability_options){.lookup = l->o.lookup,
								    .prefixes = "",
								    .dns_servers = l->o.dns_servers,
								    .timeout_ms = l->o.timeout_ms,
								    .cache_ms = l->o.cache_ms},
				      st);
		if (err != 0)
			return err; /* st says it */
	}
	if (err == 0)
		err = -pthread_create(&a->thread, NULL, asker_run, a);
	a->started = err == 0;
	return err == 0 ? 0 : status_set(st, err, "cannot start a portability look-up: %s", strerror(-err));
}

int lrn_start(struct lrn **out, const struct lrn_options *o, struct status *st)
{
	*out = NULL;
	if (o->lookup[0] == '\0')
		return 0;
	struct lrn *l = xcalloc(1, sizeof *l);
	l->o = *o;
	int err = 0;
	for (int i = 0; err == 0 && i < LRN_THREADS; i++)
		err = asker_start(&l->asker[i], l, st);
	*out = l;
	if (err != 0)
		lrn_stop(out);
	return err;
}

void lrn_quiet(struct lrn *l)
{
	if (l == NULL || atomic_exchange(&l->stop, true))
		return;
	for (int i = 0; i < LRN_THREADS; i++)
		if (l->asker[i].started) {
			queue_wake(l->asker[i].queue);
			pthread_join(l->asker[i].thread, NULL);
		}
}

void lrn_stop(struct lrn **lp)
{
	struct lrn *l = *lp;
	struct question *q;

	*lp = NULL;
	if (l == NULL)
		return;
	lrn_quiet(l);
	for (int i = 0; i < LRN_THREADS; i++) {
		struct asker *a = &l->asker[i];
		while (a->queue != NULL && (q = queue_pop(a->queue)) != NULL)
			free(q);
		queue_free(&a->queue);
		redis_free(&a->redis);
		portability_free(&a->outside);
	}
	free(l);
}
