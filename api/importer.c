/* SPDX-License-Identifier: Apache-2.0 */
#include "api/importer.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/store.h"
#include "billing/rate_version.h"
#include "billing/ratesheet.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "routing/schedule.h"

#define WAITING_MAX 16
#define PROGRESS_US 500000
#define BEAT_MS 5000
#define ANALYZE_ROWS 1000
#define STOP_US (10 * 1000000LL)
#define EXPIRE_BEATS 120 /* idempotency keys are swept every ten minutes */

struct job {
	struct job *next;
	struct importer *importer;
	char id[24];
	int fd;
	int64_t bytes;
	int64_t told_us; /* when progress was last stored */
};

struct importer {
	struct service *service;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *first, **last;
	int waiting;
	_Atomic bool stopping;
	_Atomic int work_pid; /* of the server's process that works on an import now; 0: none */
	pthread_t runner, keeper;
	struct pg *work;   /* the import's own transaction */
	struct pg *status; /* what is said about it meanwhile; runner's thread */
};

static void log_failure(const char *what, const char *id, const struct status *st)
{
	char quoted[600];

	log_event(LOG_LEVEL_WARN, what, "import=%s error=%s", id, log_quote(st->text, quoted, sizeof(quoted)));
}

/* Reading the file */

static long read_file(void *source, char *bytes, long max)
{
	struct job *j = source;
	ssize_t n;

	do
		n = read(j->fd, bytes, (size_t)max);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int on_progress(void *arg, double share)
{
	struct job *j = arg;
	struct importer *i = j->importer;
	int64_t now = clock_mono_us();
	struct status st = {0};
	char text[16];

	if (i->stopping)
		return -ECANCELED;
	if (now - j->told_us < PROGRESS_US)
		return 0;
	j->told_us = now;
	snprintf(text, sizeof(text), "%.3f", share < 0 ? 0 : share > 1 ? 1 : share);
	const char *values[] = {j->id, i->service->instance, text};
	PGresult *result;
	if (pg_exec(i->status, &store_import_progress, values, &result, &st) != 0) {
		log_failure("import progress not stored", j->id, &st); /* the next one will be */
		return 0;
	}
	int rows = PQntuples(result);
	PQclear(result);
	return rows == 1 ? 0 : -ECANCELED; /* somebody gave the job up */
}

/* The report */

static void add_error(json_t *errors, int64_t line, const char *reason)
{
	json_t *one = json_object(), *text = json_string(reason);

	json_object_set_new(one, "line", line > 0 ? json_integer(line) : json_null());
	json_object_set_new(one, "reason", text != NULL ? text : json_string("the row is not UTF-8"));
	json_array_append_new(errors, one);
}

static const char *failure_reason(int err, const struct status *st)
{
	switch (err) {
	case -EINVAL:
		return st->text;
	case -ECANCELED:
		return "the server was stopped; nothing was applied";
	case -ENOENT:
		return "the rate deck is gone";
	case -ENOTCONN:
		return "the database went away; nothing was applied: send the file again";
	case -EAGAIN:
	case -EEXIST:
		return "the deck was changed meanwhile; nothing was applied: send the file again";
	default:
		return "the import failed here; nothing was applied, the log says why";
	}
}

/* A sheet that is given up at one of its lines says so in front: "line 1: ...". The line, or 0; text is what follows.
 */
static int64_t line_of(const char *reason, const char **text)
{
	int64_t line = 0;
	int len = 0;

	*text = reason;
	if (sscanf(reason, "line %" SCNd64 ": %n", &line, &len) != 1 || len == 0)
		return 0;
	*text = reason + len;
	return line;
}

static json_t *report_json(const struct ratesheet_report *report, int err, const struct status *st)
{
	json_t *errors = json_array();

	for (size_t n = 0; n < report->n_errors; n++)
		add_error(errors, report->errors[n].line, report->errors[n].reason);
	if (err != 0 && !(err == -EINVAL && report->rejected > 0)) {
		const char *text;
		int64_t line = line_of(failure_reason(err, st), &text);

		add_error(errors, line, text);
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "added", (json_int_t)report->added, "changed",
			 (json_int_t)report->changed, "ended", (json_int_t)report->ended, "unchanged",
			 (json_int_t)report->unchanged, "short_notice", (json_int_t)report->short_notice, "rejected",
			 (json_int_t)report->rejected, "errors", errors);
}

/* Stored for sure, unless we are told to stop: then the job is found without a heartbeat and given up. */
static void finish(struct importer *i, struct job *j, bool done, json_t *report)
{
	char *text = json_dumps(report, JSON_COMPACT);
	const char *values[] = {j->id, i->service->instance, done ? "done" : "failed", text};
	struct status st = {0};

	for (;;) {
		PGresult *result;
		if (pg_exec(i->status, &store_import_finish, values, &result, &st) == 0) {
			PQclear(result);
			break;
		}
		log_failure("import result not stored", j->id, &st);
		if (i->stopping)
			break;
		poll(NULL, 0, 1000);
	}
	free(text);
}

/* Running a job */

/* Until autovacuum comes by, the planner would take a large new deck for a small one. */
static void plan_anew(struct importer *i, struct job *j, const struct ratesheet_report *report)
{
	struct status st = {0};

	if (report->added + report->changed >= ANALYZE_ROWS && pg_simple(i->work, "analyze rates", &st) != 0)
		log_failure("rates not analyzed", j->id, &st);
}

static int run_rollback(struct importer *i, const struct ratesheet_options *o, int64_t version,
			struct ratesheet_report *report, struct status *st)
{
	const struct rate_version_restore restore = {.deck_id = o->deck_id,
						     .version = version,
						     .import_id = o->import_id,
						     .dry_run = o->dry_run,
						     .actor = o->actor};

	return rate_version_restore(i->work, &restore, report, st);
}

static int run_sheet(struct importer *i, struct job *j, const struct ratesheet_options *o,
		     struct ratesheet_report *report, struct status *st)
{
	return lseek(j->fd, 0, SEEK_SET) == 0 ? ratesheet_import(i->work, o, read_file, j, report, st) : -errno;
}

static int run_claimed(struct importer *i, struct job *j, const PGresult *row)
{
	int64_t version = pg_number(row, 0, 4);
	struct ratesheet_report report = {0};
	struct status st = {0};
	struct ratesheet_options o = {
		.deck_id = pg_number(row, 0, 0),
		.dry_run = strcmp(PQgetvalue(row, 0, 1), "t") == 0,
		.import_id = strtoll(j->id, NULL, 10),
		.replace = strcmp(PQgetvalue(row, 0, 2), "t") == 0,
		.actor = PQgetvalue(row, 0, 3),
		.progress = on_progress,
		.arg = j,
		.size = j->bytes,
		.schedule_text = schedule_text,
	};
	int err = pg_connect(i->work, &st);

	if (err == 0) {
		i->work_pid = PQbackendPID(pg_raw(i->work));
		err = version != 0 ? run_rollback(i, &o, version, &report, &st) : run_sheet(i, j, &o, &report, &st);
		i->work_pid = 0;
	}
	if (err == -ETIMEDOUT && i->stopping) /* cancelled by importer_stop */
		err = -ECANCELED;
	if (err != 0 && err != -EINVAL && err != -ECANCELED)
		log_failure("import failed", j->id, &st);
	json_t *json = report_json(&report, err, &st);
	if (err == 0 && !o.dry_run)
		plan_anew(i, j, &report);
	finish(i, j, err == 0, json);
	json_decref(json);
	ratesheet_report_free(&report);
	return err;
}

static void run_job(struct importer *i, struct job *j)
{
	const char *values[] = {j->id, i->service->instance};
	struct status st = {0};
	PGresult *row = NULL;
	int64_t began_us = clock_mono_us();
	int err;

	while ((err = pg_exec(i->status, &store_import_start, values, &row, &st)) == -ENOTCONN && !i->stopping)
		poll(NULL, 0, 1000);
	if (err != 0) {
		log_failure("import not started", j->id, &st);
		return;
	}
	if (PQntuples(row) == 1) {
		err = run_claimed(i, j, row);
		log_event(LOG_LEVEL_INFO, "import ended", "import=%s result=%d ms=%" PRId64, j->id, err,
			  (clock_mono_us() - began_us) / 1000);
	}
	PQclear(row);
}

static struct job *take(struct importer *i)
{
	pthread_mutex_lock(&i->lock);
	while (i->first == NULL && !i->stopping)
		pthread_cond_wait(&i->wake, &i->lock);
	struct job *j = i->first;
	if (j != NULL) {
		i->first = j->next;
		if (i->first == NULL)
			i->last = &i->first;
		i->waiting--;
	}
	pthread_mutex_unlock(&i->lock);
	return j;
}

static void *runner_thread(void *arg)
{
	struct importer *i = arg;
	struct job *j;

	while ((j = take(i)) != NULL) {
		if (i->stopping) {
			struct ratesheet_report none = {0};
			json_t *report = report_json(&none, -ECANCELED, &(struct status){0});
			finish(i, j, false, report);
			json_decref(report);
		} else {
			run_job(i, j);
		}
		if (j->fd >= 0)
			close(j->fd);
		free(j);
	}
	return NULL;
}

/* Heartbeats for our jobs, an end for those of the dead, and a broom for what is old, a piece of it each time. */
static void keep(struct importer *i, struct pg *pg, unsigned beats)
{
	const char *instance = i->service->instance;
	struct status st = {0};
	PGresult *result;

	if (pg_exec(pg, &store_import_beat, &instance, NULL, &st) != 0)
		return; /* away: the watcher says so */
	if (pg_exec(pg, &store_import_orphans, &instance, &result, &st) != 0) {
		log_failure("imports of dead servers not looked at", "-", &st);
		return;
	}
	for (int n = 0; n < PQntuples(result); n++)
		log_event(LOG_LEVEL_WARN, "import given up: its server died", "import=%s", PQgetvalue(result, n, 0));
	PQclear(result);
	if (pg_exec(pg, &store_import_changes_expire, NULL, NULL, &st) != 0)
		log_failure("changes of old dry runs not removed", "-", &st);
	if (pg_exec(pg, &store_rate_past_expire, NULL, NULL, &st) != 0)
		log_failure("old rates of decks not removed", "-", &st);
	if (beats % EXPIRE_BEATS == 0 && pg_exec(pg, &store_idempotency_expire, NULL, NULL, &st) != 0)
		log_failure("old idempotency keys not removed", "-", &st);
}

static void *keeper_thread(void *arg)
{
	struct importer *i = arg;
	struct pg *pg = pg_new(&(struct pg_options){.url = i->service->settings->database_url,
						    .application_name = "tandem-apid keeper",
						    .statement_timeout_ms = SERVICE_STATEMENT_TIMEOUT_MS});
	struct status st = {0};

	for (unsigned beats = 0; !i->stopping; beats++) {
		bool up = pg_connect(pg, &st) == 0;
		if (up && i->service->schema == SCHEMA_CURRENT)
			keep(i, pg, beats);
		for (int ms = 0; ms < (up ? BEAT_MS : 1000) && !i->stopping; ms += 100)
			poll(NULL, 0, 100);
	}
	pg_free(&pg);
	return NULL;
}

static void release(struct importer **i)
{
	pg_free(&(*i)->work);
	pg_free(&(*i)->status);
	pthread_cond_destroy(&(*i)->wake);
	pthread_mutex_destroy(&(*i)->lock);
	free(*i);
	*i = NULL;
}

/* An import may be in the middle of a long statement, or wait for a lock. */
static void work_cancel(struct importer *i, struct pg *pg)
{
	struct status st = {0};
	PGresult *result;
	char pid[16];

	if (i->work_pid == 0)
		return;
	snprintf(pid, sizeof(pid), "%d", i->work_pid);
	const char *values[] = {pid};
	if (pg_exec(pg, &store_import_cancel, values, &result, &st) == 0)
		PQclear(result);
	else
		log_failure("import not cancelled", "-", &st);
}

/* False if the runner can't be had: the database hangs. Its job is then given up by the next tandem-apid. */
static bool runner_stop(struct importer *i)
{
	struct pg *pg = pg_new(&(struct pg_options){.url = i->service->settings->database_url,
						    .application_name = "tandem-apid stop",
						    .statement_timeout_ms = 1000,
						    .connect_timeout_s = 1});
	int64_t until_us = clock_mono_us() + STOP_US;
	struct timespec t;
	int err;

	pthread_mutex_lock(&i->lock);
	i->stopping = true;
	pthread_cond_signal(&i->wake);
	pthread_mutex_unlock(&i->lock);
	do {
		work_cancel(i, pg);
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_sec += 1;
		err = pthread_timedjoin_np(i->runner, NULL, &t);
	} while (err == ETIMEDOUT && clock_mono_us() < until_us);
	pg_free(&pg);
	return err == 0;
}

struct importer *importer_start(struct service *service)
{
	struct importer *i = xcalloc(1, sizeof(*i));
	const char *url = service->settings->database_url;

	i->service = service;
	i->last = &i->first;
	pthread_mutex_init(&i->lock, NULL);
	pthread_cond_init(&i->wake, NULL);
	/* No statement timeout: a million rows take their time. */
	i->work = pg_new(&(struct pg_options){.url = url, .application_name = "tandem-apid import"});
	i->status = pg_new(&(struct pg_options){.url = url,
						.application_name = "tandem-apid import status",
						.statement_timeout_ms = SERVICE_STATEMENT_TIMEOUT_MS});
	if (pthread_create(&i->runner, NULL, runner_thread, i) != 0) {
		release(&i);
	} else if (pthread_create(&i->keeper, NULL, keeper_thread, i) != 0) {
		if (runner_stop(i))
			release(&i);
		i = NULL;
	}
	return i;
}

void importer_stop(struct importer **i)
{
	if (*i == NULL)
		return;
	bool ended = runner_stop(*i);
	pthread_join((*i)->keeper, NULL);
	if (ended) {
		release(i);
	} else {
		log_event(LOG_LEVEL_WARN, "an import was left behind: the database hangs", "limit_s=%d",
			  (int)(STOP_US / 1000000));
		*i = NULL; /* the runner still has it; the process ends now */
	}
}

bool importer_has_room(struct importer *i)
{
	pthread_mutex_lock(&i->lock);
	bool room = i->waiting < WAITING_MAX && !i->stopping;
	pthread_mutex_unlock(&i->lock);
	return room;
}

void importer_add(struct importer *i, int64_t id, int fd, int64_t bytes)
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->importer = i;
	j->fd = fd;
	j->bytes = bytes;
	snprintf(j->id, sizeof(j->id), "%" PRId64, id);
	pthread_mutex_lock(&i->lock);
	*i->last = j;
	i->last = &j->next;
	i->waiting++;
	pthread_cond_signal(&i->wake);
	pthread_mutex_unlock(&i->lock);
}
