/* SPDX-License-Identifier: Apache-2.0 */
#include "api/pool.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "api/auth.h"
#include "api/endpoint.h"
#include "api/service.h"
#include "api/sheet.h"
#include "api/store.h"
#include "lib/clock.h"
#include "lib/log.h"

#define WAITING_MAX 1024
#define WAIT_US_MAX (10 * 1000000LL) /* who waited longer has gone away by now */
#define TRIES_MAX 6
#define PAUSE_MS 120
#define RETRY_MS 100
#define REDIS_TIMEOUT_MS 2000

struct pool {
	struct service *service;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct request *first, **last;
	int waiting;
	bool stopping;
	int threads;
	pthread_t thread[];
};

static struct request *take(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->first == NULL && !p->stopping)
		pthread_cond_wait(&p->wake, &p->lock);
	struct request *r = p->first;
	if (r != NULL) {
		p->first = r->next;
		if (p->first == NULL)
			p->last = &p->first;
		r->next = NULL;
		p->waiting--;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

static void handle(struct request *r)
{
	r->endpoint->run(r);
	if (r->sheet.wanted)
		sheet_page(r);
}

/* Repeat what the database threw out for a deadlock, or what met a connection that had died while nobody used it. A
 * connection that failed a moment ago is not tried at once: when the watcher finds both backends there, that is worth a
 * short wait; when they are away it is not. */
static void run(struct request *r)
{
	const struct service *s = r->service;

	for (int tries = 1; tries <= TRIES_MAX; tries++) {
		request_answer_reset(r);
		if (auth_check(r) == 0 && !r->admit_only)
			handle(r);
		store_rollback(r);
		if (!r->again || (tries > 1 && !(s->database_up && s->redis_up)))
			break;
		if (tries > 1)
			poll(NULL, 0, PAUSE_MS);
	}
}

/* Each statement is planned for its own values: the many optional filters make one plan for all a bad one. */
static void session_prepare(struct pg *pg, uint64_t *generation)
{
	struct status st = {0};

	if (pg_connect(pg, &st) != 0 || pg_generation(pg) == *generation)
		return; /* away: the handler's first statement says so to the caller */
	if (pg_simple(pg, "set plan_cache_mode = force_custom_plan; set lock_timeout = '5s'", &st) != 0) {
		char quoted[600];
		log_event(LOG_LEVEL_WARN, "database session refused", "error=%s",
			  log_quote(st.text, quoted, sizeof(quoted)));
		pg_drop(pg);
		return;
	}
	*generation = pg_generation(pg);
}

static void *worker(void *arg)
{
	struct pool *p = arg;
	const struct settings *settings = p->service->settings;
	struct pg *pg = pg_new(&(struct pg_options){.url = settings->database_url,
						    .application_name = "tandem-apid",
						    .retry_ms = RETRY_MS,
						    .statement_timeout_ms = SERVICE_STATEMENT_TIMEOUT_MS});
	struct redis *redis = redis_new(settings->redis_url, REDIS_TIMEOUT_MS);
	uint64_t generation = 0;
	struct request *r;

	while ((r = take(p)) != NULL) {
		if (clock_mono_us() - r->queued_us > WAIT_US_MAX) {
			request_problem(r, 503, "Too many requests wait; try again.");
		} else {
			session_prepare(pg, &generation);
			r->pg = pg;
			r->redis = redis;
			run(r);
			r->pg = NULL;
			r->redis = NULL;
		}
		r->done(r);
	}
	pg_free(&pg);
	redis_free(&redis);
	return NULL;
}

struct pool *pool_new(struct service *service, int threads)
{
	struct pool *p = xcalloc(1, sizeof(*p) + (size_t)threads * sizeof(p->thread[0]));

	p->service = service;
	p->last = &p->first;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	for (; p->threads < threads; p->threads++) {
		if (pthread_create(&p->thread[p->threads], NULL, worker, p) != 0)
			break;
	}
	if (p->threads < threads) {
		pool_stop(p);
		pool_free(&p);
	}
	return p;
}

void pool_stop(struct pool *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < p->threads; i++)
		pthread_join(p->thread[i], NULL);
}

void pool_free(struct pool **p)
{
	if (*p == NULL)
		return;
	pthread_cond_destroy(&(*p)->wake);
	pthread_mutex_destroy(&(*p)->lock);
	free(*p);
	*p = NULL;
}

int pool_submit(struct pool *p, struct request *r)
{
	int rc = -EAGAIN;

	pthread_mutex_lock(&p->lock);
	if (p->waiting < WAITING_MAX && !p->stopping) {
		r->queued_us = clock_mono_us();
		r->next = NULL;
		*p->last = r;
		p->last = &r->next;
		p->waiting++;
		pthread_cond_signal(&p->wake);
		rc = 0;
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

int pool_waiting(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	int n = p->waiting;
	pthread_mutex_unlock(&p->lock);
	return n;
}
