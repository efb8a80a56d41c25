/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exporter.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "billing/export.h"
#include "lib/buf.h"
#include "lib/log.h"

#define WAITING_MAX 64
#define STOP_S 10

struct job {
	struct job *next;
	int64_t run;
	int result;
	bool done;
	int holders; /* who may look at it: those who wait, and the queue */
};

struct exporter {
	struct service *service;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake, done;
	struct job *first, **last; /* the first one is the one under way */
	int waiting;
	atomic_bool stopping;
};

static void job_drop(struct job *j)
{
	if (--j->holders == 0)
		free(j);
}

/* ---- the thread ---- */

static void log_failure(int64_t run, const struct status *st)
{
	char quoted[600];

	log_event(LOG_LEVEL_ERROR, "export not written", "run=%" PRId64 " error=%s", run,
		  log_quote(st->text, quoted, sizeof(quoted)));
}

static int write_run(struct exporter *e, struct pg *pg, int64_t run)
{
	const struct settings *settings = e->service->settings;
	const struct export_options o = {
		.dir = settings->export_dir, .node = settings->node_id, .actor = "api", .stopping = &e->stopping};
	struct export_result result = {0};
	struct status st = {""};
	int64_t after = 0;
	int found, err = export_write(pg, &o, run, false, &result, &st);

	if (err != 0)
		log_failure(run, &st);
	/* what others left behind */
	while ((found = export_finish_left(pg, &o, after, &result, &st)) > 0)
		after = result.id;
	if (found < 0 && !e->stopping)
		log_failure(result.id, &st);
	return err;
}

static void *exporter_thread(void *arg)
{
	struct exporter *e = arg;
	struct pg *pg = pg_new(&(struct pg_options){.url = e->service->settings->database_url,
						    .application_name = "tandem-apid exporter"});

	pthread_mutex_lock(&e->lock);
	for (;;) {
		while (e->first == NULL && !e->stopping)
			pthread_cond_wait(&e->wake, &e->lock);
		struct job *j = e->first;
		if (j == NULL)
			break;
		pthread_mutex_unlock(&e->lock);
		int result = e->stopping ? -ECANCELED : write_run(e, pg, j->run);
		pthread_mutex_lock(&e->lock);
		j->result = result;
		j->done = true;
		e->first = j->next;
		if (e->first == NULL)
			e->last = &e->first;
		e->waiting--;
		job_drop(j);
		pthread_cond_broadcast(&e->done);
	}
	pthread_mutex_unlock(&e->lock);
	pg_free(&pg);
	return NULL;
}

/* ---- asking ---- */

/* the job for a run that is queued already, or a new one; NULL: too many */
static struct job *job_for(struct exporter *e, int64_t run)
{
	struct job *j = e->first;

	while (j != NULL && j->run != run)
		j = j->next;
	if (j == NULL && e->waiting < WAITING_MAX) {
		j = xcalloc(1, sizeof(*j));
		j->run = run;
		j->holders = 1;
		*e->last = j;
		e->last = &j->next;
		e->waiting++;
		pthread_cond_signal(&e->wake);
	}
	return j;
}

static struct timespec in_ms(int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000L;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000L;
	}
	return t;
}

int exporter_write(struct exporter *e, int64_t run, int limit_ms)
{
	const struct timespec until = in_ms(limit_ms);
	int err = -EBUSY, waited = 0;

	pthread_mutex_lock(&e->lock);
	struct job *j = e->stopping ? NULL : job_for(e, run);
	if (j != NULL) {
		j->holders++;
		while (!j->done && waited == 0)
			waited = pthread_cond_timedwait(&e->done, &e->lock, &until);
		err = j->done ? j->result : -EINPROGRESS;
		job_drop(j);
	} else if (e->stopping) {
		err = -ECANCELED;
	}
	pthread_mutex_unlock(&e->lock);
	return err;
}

/* ---- life ---- */

static void release(struct exporter **e)
{
	pthread_cond_destroy(&(*e)->wake);
	pthread_cond_destroy(&(*e)->done);
	pthread_mutex_destroy(&(*e)->lock);
	free(*e);
	*e = NULL;
}

struct exporter *exporter_start(struct service *service)
{
	struct exporter *e = xcalloc(1, sizeof(*e));
	pthread_condattr_t monotonic;

	e->service = service;
	e->last = &e->first;
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->wake, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&e->done, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&e->thread, NULL, exporter_thread, e) != 0)
		release(&e);
	return e;
}

void exporter_stop(struct exporter **e)
{
	const struct timespec until = in_ms(STOP_S * 1000);

	if (*e == NULL)
		return;
	pthread_mutex_lock(&(*e)->lock);
	(*e)->stopping = true;
	pthread_cond_signal(&(*e)->wake);
	pthread_mutex_unlock(&(*e)->lock);
	if (pthread_clockjoin_np((*e)->thread, NULL, CLOCK_MONOTONIC, &until) == 0) {
		release(e);
	} else {
		log_event(LOG_LEVEL_WARN, "an export was left behind: the database hangs", "limit_s=%d", STOP_S);
		*e = NULL; /* its thread still has it; the process ends now */
	}
}
