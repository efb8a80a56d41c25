/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/poster.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "billing/cdr_row.h"
#include "billing/copy.h"
#include "billing/store.h"
#include "billing/store_chain.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/pg.h"
#include "lib/thread.h"

#define ANSWER_LIMIT_US (30 * 1000000LL) /* a server that says nothing for so long is dropped */
#define RETRY_US (500 * 1000LL)
#define IDLE_US (1000 * 1000LL) /* how often an idle poster looks whether the database is there */
#define PARTITIONS_US (3600 * 1000000LL)
#define CHUNK_BYTES 65536

struct poster {
	char *database_url;
	void (*done)(void *arg);
	void *arg;
	void (*posted)(void *arg, struct uuid *ids, size_t n);
	void *posted_arg;
	pthread_t thread;
	int stop_fd; /* an eventfd: readable once the poster is to stop */

	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool stop, finished;	   /* finished: batch is decided and waits for poster_take */
	struct spool_batch *batch; /* in hand */

	_Atomic bool up;
	struct pg *pg; /* from here on: the thread's own */
	uint64_t generation;
	int64_t partitions_us; /* when the next are due */
	bool told_away;
	struct buf post, chunk;
};

/* ---- one command, without ever hanging past its limit or a stop ---- */

/* 0 ready, -ECANCELED stop, -ETIMEDOUT, -errno */
static int await(struct poster *p, PGconn *conn, short events, int64_t until_us)
{
	struct pollfd fd[2] = {{.fd = PQsocket(conn), .events = events}, {.fd = p->stop_fd, .events = POLLIN}};

	for (;;) {
		int64_t left_us = until_us - clock_mono_us();

		if (left_us <= 0)
			return -ETIMEDOUT;
		int n = poll(fd, 2, (int)(left_us / 1000 + 1));
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && fd[1].revents != 0)
			return -ECANCELED;
		if (n > 0)
			return 0;
	}
}

static int lost(PGconn *conn, struct status *st)
{
	return status_set(st, -ENOTCONN, "%s", PQerrorMessage(conn));
}

static int await_said(struct poster *p, PGconn *conn, short events, int64_t until_us, struct status *st)
{
	int err = await(p, conn, events, until_us);

	if (err == -ECANCELED)
		return status_set(st, err, "stopping");
	if (err == -ETIMEDOUT)
		return status_set(st, err, "no answer for %lld s", ANSWER_LIMIT_US / 1000000);
	return err == 0 ? 0 : status_set(st, err, "%s", strerror(-err));
}

static int flush(struct poster *p, PGconn *conn, struct status *st)
{
	int64_t until_us = clock_mono_us() + ANSWER_LIMIT_US;

	for (;;) {
		int left = PQflush(conn), err;

		if (left == 0)
			return 0;
		if (left < 0)
			return lost(conn, st);
		err = await_said(p, conn, POLLIN | POLLOUT, until_us, st);
		if (err != 0)
			return err;
		if (!PQconsumeInput(conn))
			return lost(conn, st);
	}
}

/* The next result of the command under way; *result NULL at its end. */
static int next_result(struct poster *p, PGconn *conn, PGresult **result, struct status *st)
{
	int64_t until_us = clock_mono_us() + ANSWER_LIMIT_US;
	int err = flush(p, conn, st);

	while (err == 0 && PQisBusy(conn)) {
		err = await_said(p, conn, POLLIN, until_us, st);
		if (err == 0 && !PQconsumeInput(conn))
			err = lost(conn, st);
	}
	*result = err == 0 ? PQgetResult(conn) : NULL;
	return err;
}

/* -EINVAL: the data is at fault, nobody but its row should suffer. Anything else is the server's state: try again. */
static int refused(PGconn *conn, const PGresult *result, struct status *st)
{
	static const char *const data[] = {
		"22" /* data exception */,
		"23" /* integrity constraint */,
		"54" /* program limit exceeded */,
		"P0" /* raised by a trigger */,
	};
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	int err = -EIO;

	if (state == NULL || PQstatus(conn) == CONNECTION_BAD)
		return lost(conn, st);
	for (size_t i = 0; i < sizeof(data) / sizeof(data[0]); i++)
		if (strncmp(state, data[i], 2) == 0)
			err = -EINVAL;
	return status_set(st, err, "%s (SQLSTATE %s)", words != NULL ? words : "no reason given", state);
}

static int send_chunk(struct poster *p, PGconn *conn, struct status *st)
{
	int sent = PQputCopyData(conn, p->chunk.text, (int)p->chunk.len);

	while (sent == 0) { /* libpq could not take it: let some out first */
		int err = flush(p, conn, st);

		if (err != 0)
			return err;
		sent = PQputCopyData(conn, p->chunk.text, (int)p->chunk.len);
	}
	buf_reset(&p->chunk);
	return sent < 0 ? lost(conn, st) : flush(p, conn, st);
}

static void put_cdr(struct buf *out, const struct spool_batch *b, const struct spool_record *r)
{
	cdr_row_put_whole(out, r->cdr);
	buf_printf(out, "\t%s\t%lld\t\\\\x%s\t", b->chain, (long long)r->seq, r->hash);
	copy_put(out, r->trace);
	buf_putc(out, '\n');
}

/* The data of one COPY: the CDRs first, the attempts second. */
static int send_copy(struct poster *p, PGconn *conn, const struct spool_batch *b, size_t first, size_t n, bool attempts,
		     struct status *st)
{
	int err = 0;

	buf_reset(&p->chunk);
	for (size_t i = first; err == 0 && i < first + n; i++) {
		if (attempts)
			buf_puts(&p->chunk, b->record[i].attempts);
		else
			put_cdr(&p->chunk, b, &b->record[i]);
		if (p->chunk.len >= CHUNK_BYTES)
			err = send_chunk(p, conn, st);
	}
	if (err == 0 && p->chunk.len > 0)
		err = send_chunk(p, conn, st);
	if (err == 0 && PQputCopyEnd(conn, NULL) < 0)
		err = lost(conn, st);
	return err;
}

/* Run a command to its end; records first..first+n of b are its COPY data, if it asks for any. */
static int command(struct poster *p, const char *sql, const struct spool_batch *b, size_t first, size_t n,
		   struct status *st)
{
	PGconn *conn = pg_raw(p->pg);
	PGresult *result;
	int copies = 0, verdict = 0, err;

	PQsetnonblocking(conn, 1);
	if (!PQsendQuery(conn, sql))
		return lost(conn, st);
	while ((err = next_result(p, conn, &result, st)) == 0 && result != NULL) {
		ExecStatusType status = PQresultStatus(result);

		if (status == PGRES_COPY_IN)
			err = send_copy(p, conn, b, first, n, copies++ > 0, st);
		else if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && verdict == 0)
			verdict = refused(conn, result, st);
		PQclear(result);
		if (err != 0)
			break;
	}
	if (err == 0)
		err = verdict;
	if (err == 0 && PQstatus(conn) == CONNECTION_BAD)
		err = lost(conn, st);
	PQsetnonblocking(conn, 0);
	return err;
}

/* ---- a batch ---- */

static void set_fates(struct spool_batch *b, size_t first, size_t n, enum spool_fate fate)
{
	for (size_t i = first; i < first + n; i++)
		b->record[i].fate = fate;
}

static void refuse(struct spool_batch *b, size_t i, const struct status *st)
{
	struct spool_record *r = &b->record[i];
	char reason[600];

	r->fate = SPOOL_REFUSED;
	r->why = arena_strdup(b->arena, st->text);
	log_event(LOG_LEVEL_ERROR, "CDR set aside: the database refuses it", "id=%s chain_seq=%lld reason=%s", r->id,
		  (long long)r->seq, log_quote(st->text, reason, sizeof(reason)));
}

/* What is set aside is listed in its place of the chain, if at all possible: it is not missing. */
static int list_refused(struct poster *p, const struct spool_batch *b, size_t i, struct status *st)
{
	const struct spool_record *r = &b->record[i];
	char seq[24], node[80] = "";
	const char *from = strchr(r->cdr, '\t'); /* the second column */

	snprintf(seq, sizeof(seq), "%lld", (long long)r->seq);
	if (from != NULL)
		snprintf(node, sizeof(node), "%.*s", (int)strcspn(from + 1, "\t"), from + 1);
	const char *params[] = {b->chain, seq, r->hash, r->id, node, r->why, r->cdr, r->attempts, r->trace};
	int err = pg_exec(p->pg, &store_refused_add, params, NULL, st);
	if (err != -EINVAL)
		return err;
	log_event(LOG_LEVEL_ERROR, "a CDR that was set aside cannot be listed", "id=%s", r->id);
	return 0;
}

/* Post records first..first+n whose fate is open; 0 once each has one. */
static int post(struct poster *p, struct spool_batch *b, size_t first, size_t n, struct status *st)
{
	int err = command(p, p->post.text, b, first, n, st);

	if (err == 0)
		set_fates(b, first, n, SPOOL_POSTED);
	if (err != -EINVAL)
		return err;
	if (n == 1) {
		refuse(b, first, st);
		err = list_refused(p, b, first, st);
		if (err != 0)
			b->record[first].fate = SPOOL_WAITING; /* all of it once more */
		return err;
	}
	err = post(p, b, first, n / 2, st); /* as deep as log2 of a batch */
	return err == 0 ? post(p, b, first + n / 2, n - n / 2, st) : err;
}

static int post_open(struct poster *p, struct spool_batch *b, struct status *st)
{
	int err = 0;

	for (size_t first = 0, next; err == 0 && first < b->n; first = next) {
		for (next = first; next < b->n && b->record[next].fate == SPOOL_WAITING; next++)
			;
		if (next > first)
			err = post(p, b, first, next - first, st);
		else
			next++;
	}
	return err;
}

/* ---- the thread ---- */

static int prepare(struct poster *p, struct status *st)
{
	int err = pg_connect(p->pg, st);

	if (err != 0)
		return err;
	if (pg_generation(p->pg) != p->generation) {
		err = command(p, store_cdr_stage_make, NULL, 0, 0, st);
		if (err != 0)
			return err == -EINVAL ? -EIO : err;
		p->generation = pg_generation(p->pg);
	}
	if (clock_mono_us() >= p->partitions_us) {
		err = command(p, store_cdr_partitions_ahead, NULL, 0, 0, st);
		if (err != 0)
			return err == -EINVAL ? -EIO : err;
		p->partitions_us = clock_mono_us() + PARTITIONS_US;
	}
	return 0;
}

/* Say once that the database is away, and once that it is back. */
static void report(struct poster *p, int err, const struct status *st)
{
	char reason[600];

	atomic_store(&p->up, err == 0);
	if (err != 0 && err != -ECANCELED && !p->told_away) {
		log_event(LOG_LEVEL_WARN, "CDRs wait on disk: the database does not take them", "reason=%s",
			  log_quote(st->text, reason, sizeof(reason)));
		p->told_away = true;
	} else if (err == 0 && p->told_away) {
		log_event(LOG_LEVEL_INFO, "database takes CDRs again", "%s", "");
		p->told_away = false;
	}
}

static struct timespec after(int64_t us)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	int64_t ns = t.tv_nsec + us % 1000000 * 1000;
	t.tv_sec += us / 1000000 + ns / 1000000000;
	t.tv_nsec = ns % 1000000000;
	return t;
}

/* Sleep until there is a batch to post, a stop, or the time is over; the batch, if there is one. With one in hand
 * already (a retry) only a stop ends the sleep early. */
static struct spool_batch *sleep_for(struct poster *p, int64_t us, bool retry, bool *stop)
{
	struct timespec until = after(us);
	struct spool_batch *b;
	int err = 0;

	pthread_mutex_lock(&p->mutex);
	while (!p->stop && err == 0 && (retry || p->batch == NULL || p->finished))
		err = pthread_cond_timedwait(&p->changed, &p->mutex, &until);
	b = p->finished ? NULL : p->batch;
	*stop = p->stop;
	pthread_mutex_unlock(&p->mutex);
	return b;
}

static void tell_posted(const struct poster *p, const struct spool_batch *b)
{
	struct uuid *ids = xcalloc(b->n, sizeof(*ids));
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		if (b->record[i].fate == SPOOL_POSTED && uuid_parse(b->record[i].id, &ids[n]) == 0)
			n++;
	p->posted(p->posted_arg, ids, n);
}

static void finish(struct poster *p)
{
	if (p->posted != NULL)
		tell_posted(p, p->batch);
	pthread_mutex_lock(&p->mutex);
	p->finished = true;
	pthread_mutex_unlock(&p->mutex);
	p->done(p->arg);
}

static void *poster_thread(void *arg)
{
	struct poster *p = arg;
	struct spool_batch *b = NULL;
	bool stop = false;

	thread_settle("poster", 5);
	while (!stop) {
		struct status st = {""};
		int err = prepare(p, &st);

		if (err == 0 && b != NULL)
			err = post_open(p, b, &st);
		report(p, err, &st);
		if (err == 0 && b != NULL)
			finish(p);
		else if (err != 0)
			pg_drop(p->pg); /* whatever state it is in: nothing of it is trusted */
		b = sleep_for(p, err != 0 ? RETRY_US : IDLE_US, err != 0, &stop);
	}
	pg_drop(p->pg);
	return NULL;
}

static void poster_release(struct poster **p)
{
	pg_free(&(*p)->pg);
	buf_free(&(*p)->post);
	buf_free(&(*p)->chunk);
	free((*p)->database_url);
	if ((*p)->stop_fd >= 0)
		close((*p)->stop_fd);
	pthread_cond_destroy(&(*p)->changed);
	pthread_mutex_destroy(&(*p)->mutex);
	free(*p);
	*p = NULL;
}

int poster_start(struct poster **out, const struct poster_options *options, struct status *st)
{
	struct poster *p = xcalloc(1, sizeof(*p));
	pthread_condattr_t clock;
	int err;

	p->database_url = xstrdup(options->database_url);
	p->done = options->done;
	p->arg = options->arg;
	p->posted = options->posted;
	p->posted_arg = options->posted_arg;
	p->pg = pg_new(&(struct pg_options){.url = p->database_url,
					    .application_name = "tandemd poster",
					    .statement_timeout_ms = (int)(ANSWER_LIMIT_US / 1000),
					    .retry_ms = (int)(RETRY_US / 1000)});
	store_put_cdr_post(&p->post);
	pthread_mutex_init(&p->mutex, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &clock);
	pthread_condattr_destroy(&clock);
	p->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = p->stop_fd < 0 ? -errno : -pthread_create(&p->thread, NULL, poster_thread, p);
	if (err != 0) {
		poster_release(&p);
		return status_set(st, err, "spool: cannot start the poster: %s", strerror(-err));
	}
	*out = p;
	return 0;
}

struct spool_batch *poster_stop(struct poster **p)
{
	struct spool_batch *b;

	if (*p == NULL)
		return NULL;
	pthread_mutex_lock(&(*p)->mutex);
	(*p)->stop = true;
	pthread_cond_signal(&(*p)->changed);
	pthread_mutex_unlock(&(*p)->mutex);
	eventfd_write((*p)->stop_fd, 1);
	pthread_join((*p)->thread, NULL);
	b = (*p)->batch;
	poster_release(p);
	return b;
}

bool poster_idle(const struct poster *p)
{
	struct poster *locked = (struct poster *)p; /* the mutex is no part of what is observed */
	bool idle;

	pthread_mutex_lock(&locked->mutex);
	idle = p->batch == NULL;
	pthread_mutex_unlock(&locked->mutex);
	return idle;
}

void poster_give(struct poster *p, struct spool_batch *b)
{
	pthread_mutex_lock(&p->mutex);
	assert(p->batch == NULL);
	p->batch = b;
	p->finished = false;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->mutex);
}

struct spool_batch *poster_take(struct poster *p)
{
	struct spool_batch *b = NULL;

	pthread_mutex_lock(&p->mutex);
	if (p->batch != NULL && p->finished) {
		b = p->batch;
		p->batch = NULL;
	}
	pthread_mutex_unlock(&p->mutex);
	return b;
}

bool poster_database_up(const struct poster *p)
{
	return atomic_load(&p->up);
}
