/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/figures.h"

#include <errno.h>

#include "switch/node.h"
#include "switch/vendors.h"
#include "switch/worker.h"

/* The first ones tell the switch's own time from the vendors'. */
static const int64_t setup_bound_ms[FIGURES_SETUP_BUCKETS - 1] = {10,	25,   50,   100,   250,	  500,	 1000, 2000,
								  3000, 5000, 8000, 12000, 20000, 30000, 60000};

void figures_setup_add(struct figures_setup *s, int64_t ms)
{
	int i = 0;

	while (i < FIGURES_SETUP_BUCKETS - 1 && ms > setup_bound_ms[i])
		i++;
	atomic_fetch_add_explicit(&s->bucket[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->sum_ms, (uint64_t)ms, memory_order_relaxed);
}

static void worker_add(const struct worker_counters *c, struct figures *f)
{
	f->live += atomic_load_explicit(&c->live, memory_order_relaxed);
	f->calls += atomic_load_explicit(&c->calls, memory_order_relaxed);
	f->answered += atomic_load_explicit(&c->answered, memory_order_relaxed);
	f->shed += atomic_load_explicit(&c->shed, memory_order_relaxed);
	f->strays += atomic_load_explicit(&c->strays, memory_order_relaxed);
	f->misrouted += atomic_load_explicit(&c->misrouted, memory_order_relaxed);
	for (int i = 0; i < FIGURES_SETUP_BUCKETS; i++)
		f->setup[i] += atomic_load_explicit(&c->setup.bucket[i], memory_order_relaxed);
	f->setup_sum_ms += atomic_load_explicit(&c->setup.sum_ms, memory_order_relaxed);
}

void figures_read(const struct node *n, struct figures *f)
{
	*f = (struct figures){.media_lost = atomic_load(&n->rtpengine.lost),
			      .vendors_waiting = vendors_waiting(n->vendors)};
	for (int i = 0; i < n->workers; i++)
		worker_add(&n->worker[i]->count, f);
	for (int i = 0; i < RTPENGINE_MAX; i++)
		f->rtpengines_down += atomic_load(&n->rtpengine.down[i]) > 0;
	spool_stats(n->spool, &f->spool);
}

/* {"bounds": seconds, "counts": one more than bounds, "sum": seconds} */
static json_t *setup_json(const struct figures *f)
{
	json_t *bounds = json_array(), *counts = json_array();

	for (int i = 0; i < FIGURES_SETUP_BUCKETS - 1; i++)
		json_array_append_new(bounds, json_real((double)setup_bound_ms[i] / 1000));
	for (int i = 0; i < FIGURES_SETUP_BUCKETS; i++)
		json_array_append_new(counts, json_integer((json_int_t)f->setup[i]));
	return json_pack("{so so sf}", "bounds", bounds, "counts", counts, "sum", (double)f->setup_sum_ms / 1000);
}

static double age_s(int64_t since_us, int64_t now_us)
{
	return since_us != 0 && now_us > since_us ? (double)(now_us - since_us) / 1e6 : 0;
}

int figures_put(const struct figures *f, int64_t now_us, json_t *out)
{
	const struct spool_stats *s = &f->spool;
	json_t *j = json_pack("{sI sI sI sI sI sI si sI sI so}", "calls", (json_int_t)f->live, "calls_total",
			      (json_int_t)f->calls, "answered_total", (json_int_t)f->answered, "shed_total",
			      (json_int_t)f->shed, "strays_total", (json_int_t)f->strays, "misrouted_total",
			      (json_int_t)f->misrouted, "rtpengines_down", f->rtpengines_down, "media_lost_total",
			      (json_int_t)f->media_lost, "vendors_waiting", (json_int_t)f->vendors_waiting,
			      "setup_seconds", setup_json(f));
	json_t *spool = json_pack("{sI sI sI sI sI sf si si}", "spool_records", (json_int_t)s->on_disk, "spool_queued",
				  (json_int_t)s->queued, "spool_open_calls", (json_int_t)s->open_calls,
				  "spool_posted_total", (json_int_t)s->posted, "spool_refused_total",
				  (json_int_t)s->refused, "spool_oldest_seconds", age_s(s->oldest_us, now_us),
				  "spool_disk_low", (int)s->disk_low, "database_up", (int)s->database_up);
	int r = j == NULL || spool == NULL || json_object_update(out, j) != 0 || json_object_update(out, spool) != 0;

	json_decref(j);
	json_decref(spool);
	return r ? -ENOMEM : 0;
}
