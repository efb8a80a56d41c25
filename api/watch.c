/* SPDX-License-Identifier: Apache-2.0 */
#include "api/watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "api/events.h"
#include "api/handlers.h"
#include "api/params.h"
#include "api/store.h"
#include "lib/log.h"
#include "lib/pg.h"
#include "lib/redis.h"
#include "sql/migrate.h"

#define PERIOD_MS 1000
#define SLICE_MS 100
#define REDIS_TIMEOUT_MS 1000

struct watch {
	struct service *service;
	pthread_t thread;
	_Atomic bool stopping;
	struct pg *pg;
	struct redis *redis;
	bool said_database, said_redis; /* the state before is known */
};

static void say(const char *what, bool up, const struct status *st)
{
	char quoted[600];

	if (up)
		log_event(LOG_LEVEL_INFO, "ready", "backend=%s", what);
	else
		log_event(LOG_LEVEL_WARN, "away", "backend=%s retry_s=1 error=%s", what,
			  log_quote(st->text, quoted, sizeof(quoted)));
}

static void look_at_database(struct watch *w)
{
	struct status st = {0};
	int err = pg_connect(w->pg, &st);

	if (err == 0)
		err = migrate_check(w->pg, &st);
	bool up = err != -ENOTCONN && err != -ETIMEDOUT;
	int schema = err == 0 ? SCHEMA_CURRENT : up ? SCHEMA_OTHER : SCHEMA_UNKNOWN;
	if (!w->said_database || schema != w->service->schema)
		say("database", schema == SCHEMA_CURRENT, &st);
	w->said_database = true;
	w->service->schema = schema;
	w->service->database_up = up;
}

static void look_at_redis(struct watch *w)
{
	struct status st = {0};
	redisReply *reply = NULL;
	int err = redis_command(w->redis, &reply, &st, "PING");

	if (err == 0)
		freeReplyObject(reply);
	if (!w->said_redis || (err == 0) != w->service->redis_up)
		say("redis", err == 0, &st);
	w->said_redis = true;
	w->service->redis_up = err == 0;
}

/* Event streams outlive the look at their key: those of a key that was deleted, through another process, too, end. */
static void look_at_keys(struct watch *w)
{
	struct status st = {0};
	PGresult *gone = NULL;
	char *keys = w->service->events != NULL ? events_key_list(w->service->events) : NULL;
	const char *values[] = {keys};

	if (keys != NULL && pg_exec(w->pg, &store_keys_gone, values, &gone, &st) == 0) {
		for (int i = 0; i < PQntuples(gone); i++)
			events_key_gone(w->service->events, strtoll(PQgetvalue(gone, i, 0), NULL, 10));
		PQclear(gone);
	}
	free(keys); /* an error is one of the database's, which is looked at anyway */
}

static void *watch_thread(void *arg)
{
	struct watch *w = arg;

	while (!w->stopping) {
		look_at_database(w);
		look_at_redis(w);
		if (w->service->schema == SCHEMA_CURRENT)
			look_at_keys(w);
		sd_notify(0, "WATCHDOG=1");
		for (int ms = 0; ms < PERIOD_MS && !w->stopping; ms += SLICE_MS)
			poll(NULL, 0, SLICE_MS);
	}
	return NULL;
}

struct watch *watch_start(struct service *service)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	w->service = service;
	w->pg = pg_new(&(struct pg_options){.url = service->settings->database_url,
					    .application_name = "tandem-apid watch",
					    .statement_timeout_ms = 3000,
					    .retry_ms = 500});
	w->redis = redis_new(service->settings->redis_url, REDIS_TIMEOUT_MS);
	if (pthread_create(&w->thread, NULL, watch_thread, w) != 0) {
		pg_free(&w->pg);
		redis_free(&w->redis);
		free(w);
		return NULL;
	}
	return w;
}

void watch_stop(struct watch **w)
{
	if (*w == NULL)
		return;
	(*w)->stopping = true;
	pthread_join((*w)->thread, NULL);
	pg_free(&(*w)->pg);
	redis_free(&(*w)->redis);
	free(*w);
	*w = NULL;
}

void healthz(struct request *r)
{
	if (params_check(r, NULL, NULL, NULL) == 0)
		request_answer_text(r, 200, "{\"status\":\"ok\"}");
}

void readyz(struct request *r)
{
	const struct service *s = r->service;

	if (params_check(r, NULL, NULL, NULL) != 0)
		return;
	if (s->schema == SCHEMA_OTHER)
		request_problem(r, 503, "The database is not at this program's version; run tandem migrate.");
	else if (s->schema != SCHEMA_CURRENT)
		request_problem(r, 503, "The database is away.");
	else if (!s->redis_up)
		request_problem(r, 503, "Redis is away.");
	else
		request_answer_text(r, 200, "{\"status\":\"ready\"}");
}
