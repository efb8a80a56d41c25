/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/ingest.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/cdr_row.h"
#include "billing/copy.h"
#include "billing/store.h"
#include "billing/store_chain.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/pg.h"

#define ANSWER_LIMIT_US (30 * 1000000LL) /* a server that says nothing for so long is dropped */
#define RETRY_US (500 * 1000LL)
#define PARTITIONS_US (3600 * 1000000LL)
#define CHUNK_BYTES 65536

struct ingest {
	int stop_fd;
	struct pg *pg;
	const char *chain;
	int64_t head;	       /* as ingest_take_head */
	uint64_t generation;   /* of the connection that has the staging tables */
	int64_t partitions_us; /* when the next are due */
	struct buf stage, chunk;
};

/* ---- one command, without ever hanging past its limit or a stop ---- */

/* 0 ready, -ECANCELED stop, -ETIMEDOUT, -errno */
static int await(struct ingest *i, PGconn *conn, short events, int64_t until_us)
{
	struct pollfd fd[2] = {{.fd = PQsocket(conn), .events = events}, {.fd = i->stop_fd, .events = POLLIN}};

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

static int await_said(struct ingest *i, PGconn *conn, short events, int64_t until_us, struct status *st)
{
	int err = await(i, conn, events, until_us);

	if (err == -ECANCELED)
		return status_set(st, err, "stopping");
	if (err == -ETIMEDOUT)
		return status_set(st, err, "no answer for %lld s", ANSWER_LIMIT_US / 1000000);
	return err == 0 ? 0 : status_set(st, err, "%s", strerror(-err));
}

static int flush(struct ingest *i, PGconn *conn, struct status *st)
{
	int64_t until_us = clock_mono_us() + ANSWER_LIMIT_US;

	for (;;) {
		int left = PQflush(conn), err;

		if (left == 0)
			return 0;
		if (left < 0)
			return lost(conn, st);
		err = await_said(i, conn, POLLIN | POLLOUT, until_us, st);
		if (err != 0)
			return err;
		if (!PQconsumeInput(conn))
			return lost(conn, st);
	}
}

/* The next result of the command under way; *result NULL at its end. */
static int next_result(struct ingest *i, PGconn *conn, PGresult **result, struct status *st)
{
	int64_t until_us = clock_mono_us() + ANSWER_LIMIT_US;
	int err = flush(i, conn, st);

	while (err == 0 && PQisBusy(conn)) {
		err = await_said(i, conn, POLLIN, until_us, st);
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
	for (size_t d = 0; d < sizeof(data) / sizeof(data[0]); d++)
		if (strncmp(state, data[d], 2) == 0)
			err = -EINVAL;
	return status_set(st, err, "%s (SQLSTATE %s)", words != NULL ? words : "no reason given", state);
}

static int send_chunk(struct ingest *i, PGconn *conn, struct status *st)
{
	int sent = PQputCopyData(conn, i->chunk.text, (int)i->chunk.len);

	while (sent == 0) { /* libpq could not take it: let some out first */
		int err = flush(i, conn, st);

		if (err != 0)
			return err;
		sent = PQputCopyData(conn, i->chunk.text, (int)i->chunk.len);
	}
	buf_reset(&i->chunk);
	return sent < 0 ? lost(conn, st) : flush(i, conn, st);
}

static void put_cdr(struct buf *out, const struct spool_batch *b, const struct spool_record *r)
{
	cdr_row_put_whole(out, r->cdr);
	buf_printf(out, "\t%s\t%lld\t\\\\x%s\t", b->chain, (long long)r->seq, r->hash);
	copy_put(out, r->trace);
	buf_putc(out, '\n');
}

/* The data of one COPY: the CDRs first, the attempts second. */
static int send_copy(struct ingest *i, PGconn *conn, const struct spool_batch *b, size_t first, size_t n, bool attempts,
		     struct status *st)
{
	int err = 0;

	buf_reset(&i->chunk);
	for (size_t r = first; err == 0 && r < first + n; r++) {
		if (attempts)
			buf_puts(&i->chunk, b->record[r].attempts);
		else
			put_cdr(&i->chunk, b, &b->record[r]);
		if (i->chunk.len >= CHUNK_BYTES)
			err = send_chunk(i, conn, st);
	}
	if (err == 0 && i->chunk.len > 0)
		err = send_chunk(i, conn, st);
	if (err == 0 && PQputCopyEnd(conn, NULL) < 0)
		err = lost(conn, st);
	return err;
}

/* Run a command to its end; records first..first+n of b are its COPY data, if it asks for any. */
static int command(struct ingest *i, const char *sql, const struct spool_batch *b, size_t first, size_t n,
		   struct status *st)
{
	PGconn *conn = pg_raw(i->pg);
	PGresult *result;
	int copies = 0, verdict = 0, err;

	PQsetnonblocking(conn, 1);
	if (!PQsendQuery(conn, sql))
		return lost(conn, st);
	while ((err = next_result(i, conn, &result, st)) == 0 && result != NULL) {
		ExecStatusType status = PQresultStatus(result);

		if (status == PGRES_COPY_IN)
			err = send_copy(i, conn, b, first, n, copies++ > 0, st);
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

/* ---- a transaction ---- */

int ingest_stage(struct ingest *i, const struct spool_batch *b, size_t first, size_t n, struct status *st)
{
	return command(i, i->stage.text, b, first, n, st);
}

int ingest_commit(struct ingest *i, struct status *st)
{
	/* the COMMIT of a transaction that has failed would be a ROLLBACK that looks like a success */
	if (PQtransactionStatus(pg_raw(i->pg)) != PQTRANS_INTRANS)
		return status_set(st, -EIO, "the transaction is not there any more");
	return command(i, store_cdr_commit, NULL, 0, 0, st);
}

int ingest_rollback(struct ingest *i, struct status *st)
{
	int err = command(i, store_cdr_rollback, NULL, 0, 0, st);

	return err == -EINVAL ? -EIO : err; /* no data is at fault */
}

int ingest_list_refused(struct ingest *i, const struct spool_batch *b, const struct spool_record *r, struct status *st)
{
	char seq[24], node[80] = "";
	const char *from = strchr(r->cdr, '\t'); /* the second column */

	snprintf(seq, sizeof(seq), "%lld", (long long)r->seq);
	if (from != NULL)
		snprintf(node, sizeof(node), "%.*s", (int)strcspn(from + 1, "\t"), from + 1);
	const char *params[] = {b->chain, seq, r->hash, r->id, node, r->why, r->cdr, r->attempts, r->trace};
	int err = pg_exec(i->pg, &store_refused_add, params, NULL, st);
	if (err != -EINVAL)
		return err;
	log_event(LOG_LEVEL_ERROR, "a CDR that was set aside cannot be listed", "id=%s", r->id);
	return 0;
}

/* ---- the connection ---- */

static int prepare(struct ingest *i, const char *sql, struct status *st)
{
	int err = command(i, sql, NULL, 0, 0, st);

	return err == -EINVAL ? -EIO : err;
}

static int read_head(struct ingest *i, struct status *st)
{
	PGresult *result;
	int err = pg_exec(i->pg, &store_chain_head, &i->chain, &result, st);

	if (err != 0)
		return err;
	i->head = PQntuples(result) == 1 ? pg_number(result, 0, 0) : INT64_MAX;
	PQclear(result);
	return 0;
}

int ingest_ready(struct ingest *i, struct status *st)
{
	int err = pg_connect(i->pg, st);

	if (err == 0 && pg_generation(i->pg) != i->generation) {
		err = prepare(i, store_cdr_stage_make, st);
		if (err == 0)
			err = read_head(i, st);
		if (err == 0)
			i->generation = pg_generation(i->pg);
	}
	if (err == 0 && clock_mono_us() >= i->partitions_us) {
		err = prepare(i, store_cdr_partitions_ahead, st);
		if (err == 0)
			i->partitions_us = clock_mono_us() + PARTITIONS_US;
	}
	return err;
}

int64_t ingest_take_head(struct ingest *i)
{
	int64_t head = i->head;

	i->head = INT64_MAX;
	return head;
}

void ingest_drop(struct ingest *i)
{
	pg_drop(i->pg);
}

struct ingest *ingest_new(const char *database_url, const char *chain, int stop_fd)
{
	struct ingest *i = xcalloc(1, sizeof(*i));

	i->stop_fd = stop_fd;
	i->chain = chain;
	i->head = INT64_MAX;
	i->pg = pg_new(&(struct pg_options){.url = database_url,
					    .application_name = "tandemd poster",
					    .statement_timeout_ms = (int)(ANSWER_LIMIT_US / 1000),
					    .retry_ms = (int)(RETRY_US / 1000)});
	store_put_cdr_stage(&i->stage);
	return i;
}

void ingest_free(struct ingest **i)
{
	if (*i == NULL)
		return;
	pg_free(&(*i)->pg);
	buf_free(&(*i)->stage);
	buf_free(&(*i)->chunk);
	free(*i);
	*i = NULL;
}
