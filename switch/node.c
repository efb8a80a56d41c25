/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "switch/audit.h"
#include "switch/bindings.h"
#include "switch/call.h"
#include "switch/dialogs.h"
#include "switch/digest.h"
#include "switch/lrn.h"
#include "switch/parser.h"
#include "switch/purse.h"
#include "switch/shared.h"
#include "switch/spend.h"
#include "switch/tlsdir.h"
#include "switch/vendors.h"
#include "switch/worker.h"

enum { LEGS_END_MS = 2000, POST_AT_STOP_MS = 3000 };

static bool needs_stream(const struct settings *s)
{
	for (int i = 0; i < s->listen.n; i++)
		if (s->listen.item[i].transport != SETTINGS_UDP)
			return true;
	return false;
}

/* TCP and TLS connections cannot be steered, so several workers need a port each to be found again by in-dialog
 * requests. */
static int workers_wanted(const struct settings *s, struct status *st)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int n = s->workers > 0 ? (int)s->workers : cores > 0 ? (int)cores : 1;
	if (n > SELECTOR_WORKERS_MAX)
		n = SELECTOR_WORKERS_MAX;
	if (n > 1 && needs_stream(s) && !s->worker_ports.first) {
		if (s->workers > 0)
			return status_set(st, -EINVAL,
					  "[sip] workers = %d with a tcp or tls listener needs worker_ports: a port "
					  "for each worker to name in Via and Contact",
					  n);
		log_event(LOG_LEVEL_INFO, "one worker: tcp and tls with more need worker_ports", NULL);
		n = 1;
	}
	if (s->worker_ports.first && s->worker_ports.last - s->worker_ports.first + 1 < n)
		return status_set(st, -EINVAL, "[sip] worker_ports has %d ports for %d workers",
				  s->worker_ports.last - s->worker_ports.first + 1, n);
	return n;
}

/* ---- from other threads into the workers ---- */

static void snapshot_take(struct worker *w, void *arg)
{
	struct snapshot *s = arg;
	if (w->snap)
		snapshot_unref(&w->snap);
	w->snap = s;
	route_fit(w->route, s);
	spend_limits_changed(w);
}

static void standing_take(struct worker *w, void *arg)
{
	struct standing *s = arg;
	standing_unref(&w->standing);
	w->standing = s;
}

static void on_standing(void *arg, struct standing *s)
{
	struct node *n = arg;
	for (int i = 0; i < n->workers; i++) {
		struct standing *ref = standing_ref(s);
		if (worker_post(n->worker[i], standing_take, ref)) {
			log_event(LOG_LEVEL_ERROR, "no memory to hand a worker the vendors' standing", "worker=%d", i);
			standing_unref(&ref);
		}
	}
	standing_unref(&s);
}

static bool on_bound(void *arg, int64_t trunk_id)
{
	struct node *n = arg;
	struct bindings_contact list[BINDINGS_MAX];
	return bindings_read(n->bindings, trunk_id, clock_wall_us(), list) > 0;
}

static void on_owed(void *arg, const struct store_owed *list, size_t count)
{
	struct node *n = arg;
	vendors_tell_owed(n->vendors, list, count);
}

static void on_snapshot(void *arg, struct snapshot *s)
{
	struct node *n = arg;
	vendors_tell_snapshot(n->vendors, snapshot_ref(s));
	bindings_tell_snapshot(n->bindings, snapshot_ref(s));
	for (int i = 0; i < n->workers; i++) {
		struct snapshot *ref = snapshot_ref(s);
		if (worker_post(n->worker[i], snapshot_take, ref)) {
			log_event(LOG_LEVEL_ERROR, "no memory to hand a worker its new routes", "worker=%d", i);
			snapshot_unref(&ref);
		}
	}
	snapshot_unref(&s);
}

static void hangup_here(struct worker *w, void *arg)
{
	struct uuid *id = arg;
	struct call *c = call_find(w, id);
	if (c && c->proxy)
		log_event(LOG_LEVEL_WARN, "a proxied call cannot be hung up", NULL); /* cluster/live.h asks for none */
	else if (c)
		call_end(c, CDR_ADMIN, 480);
	free(id);
}

static void on_hangup(void *arg, const struct uuid *id)
{
	struct node *n = arg;
	for (int i = 0; i < n->workers; i++) {
		struct uuid *copy = xcalloc(1, sizeof *copy);
		*copy = *id;
		if (worker_post(n->worker[i], hangup_here, copy))
			free(copy);
	}
}

static void recall_take(struct worker *w, void *arg)
{
	int64_t *carrier_id = arg;

	spend_recalled(w, *carrier_id);
	free(carrier_id);
}

/* On the purse's thread, while calls hold leases: the workers are there. */
static void on_recall(void *arg, int64_t carrier_id)
{
	struct node *n = arg;
	for (int i = 0; i < n->workers; i++) {
		int64_t *copy = xcalloc(1, sizeof *copy);
		*copy = carrier_id;
		if (worker_post(n->worker[i], recall_take, copy)) {
			log_event(LOG_LEVEL_ERROR, "no memory to tell a worker of a recall", "worker=%d", i);
			free(copy);
		}
	}
}

static void redis_take(struct worker *w, void *arg)
{
	struct redis_address *address = arg;
	shared_connect(w->shared, address);
	free(address);
}

static void on_connected(void *arg, const struct redis_address *master)
{
	struct node *n = arg;
	for (int i = 0; i < n->workers; i++) {
		struct redis_address *copy = xcalloc(1, sizeof *copy);
		*copy = *master;
		if (worker_post(n->worker[i], redis_take, copy))
			free(copy);
	}
}

static void on_figures(void *arg, struct figures *f)
{
	figures_read(arg, f);
}

static json_t *on_registrations(void *arg)
{
	struct node *n = arg;
	return bindings_vendors(n->bindings);
}

int64_t node_live_calls(struct node *n)
{
	struct figures f;
	figures_read(n, &f);
	return f.live;
}

/* ---- start ---- */

static int purse_begin(struct node *n, struct status *st)
{
	const struct settings *s = n->settings;
	const struct purse_options o = {
		.redis_url = s->redis_url,
		.database_url = s->database_url,
		.node = s->node_id,
		.recall = on_recall,
		.arg = n,
		.admit_when_away = s->without_redis == WITHOUT_REDIS_ADMIT,
	};
	return purse_start(&n->purse, &o, st);
}

static void on_posted(void *arg, struct uuid *ids, size_t n)
{
	const struct node *node = arg;
	purse_posted(node->purse, ids, n);
}

static int spool_begin(struct node *n, struct status *st)
{
	const struct settings *s = n->settings;
	const struct spool_options o = {
		.dir = s->spool_dir,
		.node = s->node_id,
		.database_url = s->database_url,
		.keep_ms = s->spool_keep_ms,
		.posted = on_posted,
		.arg = n,
	};
	return spool_start(&n->spool, &o, st);
}

static int presence_begin(struct node *n, struct status *st)
{
	const struct presence_options o = {
		.redis_url = n->settings->redis_url,
		.node = n->settings->node_id,
		.gauges = n->gauges,
		.connected = on_connected,
		.hangup = on_hangup,
		.figures = on_figures,
		.registrations = on_registrations,
		.audit = n->audit,
		.arg = n,
	};
	return presence_start(&n->presence, &o, st);
}

struct ported { /* an answer on its way to its call */
	struct uuid call;
	char lrn[DIGITS_MAX + 1];
};

static void ported_take(struct worker *w, void *arg)
{
	struct ported *p = arg;
	struct call *c = call_find(w, &p->call);
	if (c)
		call_ported(c, p->lrn);
	free(p);
}

static void on_ported(void *arg, int worker, const struct uuid *call, const char *lrn)
{
	struct node *n = arg;
	struct ported *p = xcalloc(1, sizeof *p);
	p->call = *call;
	snprintf(p->lrn, sizeof p->lrn, "%s", lrn);
	if (worker_post(n->worker[worker], ported_take, p)) {
		log_event(LOG_LEVEL_ERROR, "no memory to hand a worker a routing number", "worker=%d", worker);
		free(p);
	}
}

static int lrn_begin(struct node *n, struct status *st)
{
	const struct lrn_options o = {
		.lookup = n->settings->portability_lookup,
		.redis_url = n->settings->redis_url,
		.dns_servers = n->settings->dns_servers,
		.timeout_ms = n->settings->portability_timeout_ms,
		.cache_ms = n->settings->portability_cache_ms,
		.answer = on_ported,
		.arg = n,
	};
	return lrn_start(&n->lrn, &o, st);
}

static int vendors_begin(struct node *n, struct status *st)
{
	const struct vendors_options o = {
		.redis_url = n->settings->redis_url,
		.node = n->settings->node_id,
		.publish = on_standing,
		.bound = on_bound,
		.arg = n,
	};
	return vendors_start(&n->vendors, &o, st);
}

static int bindings_begin(struct node *n, struct status *st)
{
	const struct bindings_options o = {.redis_url = n->settings->redis_url, .node = n->settings->node_id};
	return bindings_start(&n->bindings, &o, st);
}

static bool has_tls(const struct settings *s)
{
	for (int i = 0; i < s->listen.n; i++)
		if (s->listen.item[i].transport == SETTINGS_TLS)
			return true;
	return false;
}

static int workers_begin(struct node *n, struct status *st)
{
	int want = workers_wanted(n->settings, st);
	if (want >= 0 && has_tls(n->settings)) {
		int made = tlsdir_make(n->settings, &n->tls_dir, st);
		if (made)
			want = made;
	}
	if (want < 0)
		return want;
	if (!parser_class())
		return status_set(st, -ENOMEM, "out of memory");
	n->worker = xcalloc((size_t)want, sizeof *n->worker);
	for (int i = 0; i < want; i++) {
		int r = worker_new(&n->worker[i], n, i, want, st);
		if (r)
			return r;
		n->workers = i + 1;
	}
	return 0;
}

static int loader_begin(struct node *n, struct status *st)
{
	char *dir = NULL;
	if (asprintf(&dir, "%s/cache", n->settings->spool_dir) < 0)
		return -ENOMEM;
	const struct loader_options o = {
		.database_url = n->settings->database_url,
		.redis_url = n->settings->redis_url,
		.cache_dir = dir,
		.gauges = n->gauges,
		.publish = on_snapshot,
		.owed = on_owed,
		.arg = n,
	};
	int r = loader_start(&n->loader, &o, st);
	free(dir);
	return r;
}

void node_reload(struct node *n, const struct settings *s)
{
	atomic_store(&n->invite_timeout_ms, s->invite_timeout_ms);
	atomic_store(&n->drain_timeout_ms, s->drain_timeout_ms);
	atomic_store(&n->max_cps, s->max_cps > 0 ? (int32_t)s->max_cps : NO_LIMIT);
	atomic_store(&n->unknown_source, s->unknown_source);
	log_set_level((enum log_level)s->log_level);
}

int node_start(struct node **out, const struct settings *settings, struct status *st)
{
	struct node *n = xcalloc(1, sizeof *n);

	n->settings = settings;
	n->gauges = gauge_table_new();
	n->calls = gauge_get(n->gauges, 'n', 0);
	n->audit = audit_new(n);
	n->guard = digest_guard_new();
	n->dialogs = dialogs_new();
	node_reload(n, settings);
	int r = purse_begin(n, st);
	if (r == 0)
		r = spool_begin(n, st);
	if (r == 0)
		r = secret_load(settings->spool_dir, n->secret, st);
	if (r == 0)
		r = bindings_begin(n, st);
	if (r == 0)
		r = vendors_begin(n, st);
	if (r == 0)
		r = workers_begin(n, st);
	if (r == 0)
		r = lrn_begin(n, st);
	if (r == 0)
		r = presence_begin(n, st);
	if (r == 0)
		r = loader_begin(n, st);
	if (r) {
		node_stop(&n);
		return r;
	}
	*out = n;
	return 0;
}

/* ---- end
 * ----------------------------------------------------------------------------------------------------------------------
 */

void node_drain(struct node *n)
{
	atomic_store(&n->draining, true);
}

static void hang_up_all(struct worker *w, void *arg)
{
	for (struct call *c = w->calls, *next; c; c = next) {
		next = c->next; /* an end takes along at most a taker, which is younger and stands before */
		if (c->state != CALL_OVER)
			call_end(c, CDR_SWITCH_RESTART, 503);
	}
}

static int64_t held_calls(struct node *n)
{
	int64_t held = 0;
	for (int i = 0; i < n->workers; i++)
		held += atomic_load(&n->worker[i]->count.held);
	return held;
}

static bool registrations_left(struct node *n)
{
	return n->workers && atomic_load(&n->worker[0]->count.registrations) > 0; /* the first worker keeps them */
}

/* ... and for vendors' answers to our farewell. */
static void wait_for_legs(struct node *n)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	int64_t deadline = clock_mono_us() + LEGS_END_MS * 1000;
	while ((held_calls(n) > 0 || registrations_left(n)) && clock_mono_us() < deadline)
		nanosleep(&pause, NULL);
}

/* All calls have ended: now everything must be zero. Two looks, so that what was on its way is past. */
static void audit_last(struct node *n)
{
	const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
	const struct audit_shown nothing = {0};
	struct status st = {""};

	for (int i = 0; i < 3; i++) {
		if (i)
			nanosleep(&pause, NULL);
		if (audit_look(n->audit, &nothing, &st))
			log_event(LOG_LEVEL_WARN, "audit: a worker was too busy to be asked at the end", NULL);
	}
}

void node_stop(struct node **pn)
{
	struct node *n = *pn;
	if (!n)
		return;
	node_drain(n);
	loader_stop(&n->loader);
	for (int i = 0; i < n->workers; i++)
		if (worker_post(n->worker[i], hang_up_all, NULL))
			log_event(LOG_LEVEL_ERROR, "no memory to hang up calls", "worker=%d", i);
	wait_for_legs(n);
	/* presence before the workers: it asks them for figures */
	presence_stop(&n->presence);
	if (n->workers && n->spool)
		audit_last(n);
	lrn_quiet(n->lrn);
	if (n->purse)
		purse_quiet(n->purse); /* no answer may come to a worker that is gone */
	if (n->vendors)
		vendors_quiet(n->vendors); /* it may post to no worker that is gone */
	for (int i = 0; i < n->workers; i++)
		worker_free(&n->worker[i]);
	free(n->worker);
	if (n->spool) {
		int64_t left = spool_stop(&n->spool, POST_AT_STOP_MS);
		if (left > 0)
			log_event(LOG_LEVEL_INFO, "CDRs stay on disk until the next start", "records=%lld",
				  (long long)left);
	}
	purse_stop(&n->purse); /* after the spool: it hears what was posted last */
	lrn_stop(&n->lrn);
	vendors_stop(&n->vendors); /* after the workers' last words */
	bindings_stop(&n->bindings);
	audit_free(&n->audit);
	gauge_table_free(&n->gauges);
	digest_guard_free(&n->guard);
	dialogs_free(&n->dialogs);
	tlsdir_remove(&n->tls_dir);
	free(n);
	*pn = NULL;
}
