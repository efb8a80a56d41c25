/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pg.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"

#define PREPARED_SLOTS 512 /* a power of two */
#define PREPARED_MAX (PREPARED_SLOTS / 4 * 3)
#define GRACE_MS 2000 /* what the server's own statement_timeout may be late */
#define LOOK_MS 100   /* for what comes at once, when it is looked for late */

struct pg {
	const char *url, *application_name;
	int statement_timeout_ms, connect_timeout_ms, retry_ms;
	PGconn *conn;
	uint64_t generation;
	int64_t next_try_us;
	struct status last; /* why there is no connection */
	char sqlstate[6], constraint[64];
	const struct pg_statement *prepared[PREPARED_SLOTS];
	size_t prepared_count;
};

struct pg *pg_new(const struct pg_options *options)
{
	struct pg *pg = xcalloc(1, sizeof(*pg));

	pg->url = options->url;
	pg->application_name = options->application_name;
	pg->statement_timeout_ms = options->statement_timeout_ms;
	pg->connect_timeout_ms = (options->connect_timeout_s > 0 ? options->connect_timeout_s : 3) * 1000;
	pg->retry_ms = options->retry_ms > 0 ? options->retry_ms : 1000;
	return pg;
}

void pg_drop(struct pg *pg)
{
	PQfinish(pg->conn);
	pg->conn = NULL;
	memset(pg->prepared, 0, sizeof(pg->prepared));
	pg->prepared_count = 0;
}

void pg_free(struct pg **pg)
{
	if (*pg == NULL)
		return;
	pg_drop(*pg);
	free(*pg);
	*pg = NULL;
}

PGconn *pg_raw(struct pg *pg)
{
	return pg->conn;
}

int64_t pg_number(const PGresult *r, int row, int column)
{
	return strtoll(PQgetvalue(r, row, column), NULL, 10);
}

const char *pg_sqlstate(const struct pg *pg)
{
	return pg->sqlstate;
}

const char *pg_constraint(const struct pg *pg)
{
	return pg->constraint;
}

uint64_t pg_generation(const struct pg *pg)
{
	return pg->generation;
}

/* the server's words as one line */
static void one_line(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text != '\0' && n + 1 < size; text++) {
		char c = *text == '\n' || *text == '\t' || *text == '\r' ? ' ' : *text;

		if (c == ' ' && (n == 0 || out[n - 1] == ' '))
			continue;
		out[n++] = c;
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
}

/* the connection went away: drop it and say why */
static int lost(struct pg *pg, int err, const char *why, struct status *st)
{
	char text[400];

	one_line(why, text, sizeof(text));
	status_set(&pg->last, err, "database: %s", text[0] != '\0' ? text : "connection lost");
	pg_drop(pg);
	return status_set(st, err, "%s", pg->last.text);
}

/* Waits for the socket. until_us is monotonic, 0: no limit. >0 ready, 0 time is up, -errno. A thread that had no turn
 * for long finds its time up before it has looked: then it looks for look_ms. */
static int wait_socket(const struct pg *pg, short events, int64_t until_us, int look_ms)
{
	for (;;) {
		struct pollfd p = {.fd = PQsocket(pg->conn), .events = events};
		int timeout_ms = -1;

		if (p.fd < 0)
			return -ENOTCONN;
		if (until_us != 0) {
			int64_t left_us = until_us - clock_mono_us();

			timeout_ms = left_us > 0 ? (int)((left_us + 999) / 1000) : look_ms;
		}
		int n = poll(&p, 1, timeout_ms);
		if (n >= 0)
			return n;
		if (errno != EINTR)
			return -errno;
	}
}

static void log_notice(void *arg, const char *message)
{
	char text[400], quoted[420];

	(void)arg;
	one_line(message, text, sizeof(text));
	log_event(LOG_LEVEL_DEBUG, "database notice", "text=%s", log_quote(text, quoted, sizeof(quoted)));
}

/* How many hosts the URL names: each gets the whole connect timeout (TCP_USER_TIMEOUT ends a silent one's share). */
static int count_hosts(PGconn *conn)
{
	PQconninfoOption *info = PQconninfo(conn);
	int hosts = 1;

	for (PQconninfoOption *o = info; o != NULL && o->keyword != NULL; o++) {
		if (o->val != NULL && (strcmp(o->keyword, "host") == 0 || strcmp(o->keyword, "hostaddr") == 0)) {
			int commas = 0;

			for (const char *p = o->val; *p != '\0'; p++)
				commas += *p == ',';
			if (commas + 1 > hosts)
				hosts = commas + 1;
		}
	}
	PQconninfoFree(info);
	return hosts;
}

static int connect_start(struct pg *pg, struct status *st)
{
	char user_timeout[16];
	PQconninfoOption *parsed = PQconninfoParse(pg->url, NULL);

	if (parsed == NULL) /* libpq's own words may quote the password */
		return status_set(st, -ENOTCONN, "database: [database] url is not a valid PostgreSQL URI");
	PQconninfoFree(parsed);

	/* What the URL says overrides what stands before it. */
	snprintf(user_timeout, sizeof(user_timeout), "%d", pg->connect_timeout_ms);
	const char *const keywords[] = {"keepalives_idle",  "keepalives_interval",
					"keepalives_count", "tcp_user_timeout",
					"client_encoding",  "dbname",
					"application_name", NULL};
	const char *const values[] = {"5", "2", "3", user_timeout, "UTF8", pg->url, pg->application_name, NULL};
	pg->conn = PQconnectStartParams(keywords, values, 1);
	if (pg->conn == NULL)
		return status_set(st, -ENOTCONN, "database: out of memory");
	PQsetNoticeProcessor(pg->conn, log_notice, NULL);
	return 0;
}

static int connect_finish(struct pg *pg, struct status *st)
{
	int64_t until_us = clock_mono_us() + (int64_t)pg->connect_timeout_ms * count_hosts(pg->conn) * 1000;
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;

	while (PQstatus(pg->conn) != CONNECTION_BAD && next != PGRES_POLLING_OK) {
		int ready = wait_socket(pg, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_us, LOOK_MS);

		if (ready == 0)
			return lost(pg, -ENOTCONN, "no answer in time", st);
		if (ready < 0)
			return lost(pg, -ENOTCONN, strerror(-ready), st);
		next = PQconnectPoll(pg->conn);
		if (next == PGRES_POLLING_FAILED)
			break;
	}
	if (PQstatus(pg->conn) != CONNECTION_OK)
		return lost(pg, -ENOTCONN, PQerrorMessage(pg->conn), st);
	return 0;
}

static int run_simple(struct pg *pg, const char *sql, struct status *st);

static int connect_now(struct pg *pg, struct status *st)
{
	char set[64];
	int err = connect_start(pg, st);

	if (err == 0)
		err = connect_finish(pg, st);
	if (err != 0)
		return err;
	snprintf(set, sizeof(set), "set statement_timeout = %d", pg->statement_timeout_ms);
	err = run_simple(pg, set, st);
	if (err != 0) {
		struct status why = st != NULL ? *st : (struct status){""};

		return lost(pg, -ENOTCONN, why.text, st);
	}
	pg->generation++;
	return 0;
}

/* An idle connection that the server has closed is readable: better met here than by the next statement. Inside a
 * transaction nothing is hidden: the next statement must fail. */
static void drop_if_closed(struct pg *pg)
{
	struct pollfd p = {.fd = PQsocket(pg->conn), .events = POLLIN};

	if (PQtransactionStatus(pg->conn) != PQTRANS_IDLE)
		return;
	if (poll(&p, 1, 0) > 0 && (!PQconsumeInput(pg->conn) || PQstatus(pg->conn) != CONNECTION_OK))
		pg_drop(pg);
}

int pg_connect(struct pg *pg, struct status *st)
{
	if (pg->conn != NULL)
		drop_if_closed(pg);
	if (pg->conn != NULL)
		return 0;
	if (clock_mono_us() < pg->next_try_us)
		return status_set(st, -ENOTCONN, "%s", pg->last.text);

	struct status why = {""};
	int err = connect_now(pg, &why);
	if (err != 0) {
		pg->last = why;
		pg->next_try_us = clock_mono_us() + (int64_t)pg->retry_ms * 1000;
		return status_set(st, -ENOTCONN, "%s", why.text);
	}
	pg->next_try_us = 0;
	return 0;
}

static int class_of(const char *sqlstate)
{
	static const struct {
		const char *prefix;
		int err;
	} classes[] = {
		{"23505", -EEXIST},    /* unique_violation */
		{"23503", -EBUSY},     /* foreign_key_violation */
		{"23001", -EBUSY},     /* restrict_violation */
		{"57014", -ETIMEDOUT}, /* query_canceled */
		{"40001", -EAGAIN},    /* serialization_failure */
		{"40P01", -EAGAIN},    /* deadlock_detected */
		{"22", -EINVAL},       /* data exception */
		{"23", -EINVAL},       /* other integrity constraints */
		{"08", -ENOTCONN},     /* connection exception */
		{"57P01", -ENOTCONN},  /* admin_shutdown */
		{"57P02", -ENOTCONN},  /* crash_shutdown */
		{"57P03", -ENOTCONN},  /* cannot_connect_now */
		{"25006", -ENOTCONN},  /* read only: no longer the primary; connecting anew finds the new one */
		{"26000", -ENOTCONN},  /* our prepared statement is gone: a pooler gave us another session */
		{"0A000", -ENOTCONN},  /* "cached plan must not change result type": a migration ran; prepare anew */
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (strncmp(sqlstate, classes[i].prefix, strlen(classes[i].prefix)) == 0)
			return classes[i].err;
	}
	return -EIO;
}

static int failed(struct pg *pg, const char *name, const PGresult *result, struct status *st)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
	char text[400];

	if (constraint == NULL)
		constraint = PQresultErrorField(result, PG_DIAG_COLUMN_NAME);
	snprintf(pg->sqlstate, sizeof(pg->sqlstate), "%s", state != NULL ? state : "");
	snprintf(pg->constraint, sizeof(pg->constraint), "%s", constraint != NULL ? constraint : "");
	one_line(words != NULL ? words : PQresultErrorMessage(result), text, sizeof(text));

	int err = class_of(pg->sqlstate);
	if (PQstatus(pg->conn) == CONNECTION_BAD)
		err = -ENOTCONN;
	if (err == -ENOTCONN)
		return lost(pg, err, text, st);
	return status_set(st, err, "database: %s%s%s", text, name != NULL ? " in " : "", name != NULL ? name : "");
}

static int64_t limit_us(const struct pg *pg)
{
	if (pg->statement_timeout_ms == 0)
		return 0;
	return clock_mono_us() + ((int64_t)pg->statement_timeout_ms + GRACE_MS) * 1000;
}

static int hung(struct pg *pg, int ready, struct status *st)
{
	if (ready == 0)
		return lost(pg, -ETIMEDOUT, "no answer in time, connection dropped", st);
	return lost(pg, -ENOTCONN, strerror(-ready), st);
}

/* what libpq still holds goes out, without ever blocking in send() */
static int flush(struct pg *pg, int64_t until_us, struct status *st)
{
	for (;;) {
		int left = PQflush(pg->conn);

		if (left == 0)
			return 0;
		if (left < 0)
			return lost(pg, -ENOTCONN, PQerrorMessage(pg->conn), st);
		int ready = wait_socket(pg, POLLIN | POLLOUT, until_us, LOOK_MS);
		if (ready <= 0)
			return hung(pg, ready, st);
		if (!PQconsumeInput(pg->conn))
			return lost(pg, -ENOTCONN, PQerrorMessage(pg->conn), st);
	}
}

/* the next result, NULL at the end of the command */
static int next_result(struct pg *pg, int64_t until_us, PGresult **result, struct status *st)
{
	while (PQisBusy(pg->conn)) {
		int ready = wait_socket(pg, POLLIN, until_us, LOOK_MS);

		if (ready <= 0)
			return hung(pg, ready, st);
		if (!PQconsumeInput(pg->conn))
			return lost(pg, -ENOTCONN, PQerrorMessage(pg->conn), st);
	}
	*result = PQgetResult(pg->conn);
	return 0;
}

static bool is_copy(const PGresult *result)
{
	ExecStatusType s = PQresultStatus(result);

	return s == PGRES_COPY_IN || s == PGRES_COPY_OUT || s == PGRES_COPY_BOTH;
}

static bool is_error(const PGresult *result)
{
	ExecStatusType s = PQresultStatus(result);

	return s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK && s != PGRES_EMPTY_QUERY && !is_copy(result);
}

/* What was sent is carried out: all its results are read (a COPY is left open); the last good one is kept, the first
 * error decides. */
static int collect(struct pg *pg, const char *name, PGresult **kept, struct status *st)
{
	int64_t until_us = limit_us(pg);
	PGresult *result = NULL, *bad = NULL;
	int err = flush(pg, until_us, st);

	*kept = NULL;
	while (err == 0) {
		err = next_result(pg, until_us, &result, st);
		if (err != 0 || result == NULL)
			break;
		bool copy = is_copy(result);
		if (is_error(result) && bad == NULL) {
			bad = result;
		} else if (is_error(result)) {
			PQclear(result);
		} else {
			PQclear(*kept);
			*kept = result;
		}
		if (copy)
			break;
	}
	if (err == 0 && bad != NULL)
		err = failed(pg, name, bad, st);
	else if (err == 0 && PQstatus(pg->conn) == CONNECTION_BAD)
		err = lost(pg, -ENOTCONN, PQerrorMessage(pg->conn), st);
	if (err != 0) {
		PQclear(*kept);
		*kept = NULL;
	}
	PQclear(bad);
	return err;
}

/* Each command is sent in non-blocking mode, so that a server that reads nothing can't hold us in send(); afterwards
 * the mode is what COPY through pg_raw expects. sent is libpq's answer to the sending: 1 is good. */
static void send_begin(struct pg *pg)
{
	pg->sqlstate[0] = pg->constraint[0] = '\0';
	PQsetnonblocking(pg->conn, 1);
}

static int carry_out(struct pg *pg, int sent, const char *name, PGresult **kept, struct status *st)
{
	*kept = NULL;
	if (!sent)
		return lost(pg, -ENOTCONN, PQerrorMessage(pg->conn), st);

	int err = collect(pg, name, kept, st);
	if (pg->conn != NULL)
		PQsetnonblocking(pg->conn, 0);
	return err;
}

static int run_simple(struct pg *pg, const char *sql, struct status *st)
{
	PGresult *result;

	send_begin(pg);

	int err = carry_out(pg, PQsendQuery(pg->conn, sql), NULL, &result, st);
	PQclear(result);
	return err;
}

int pg_simple(struct pg *pg, const char *sql, struct status *st)
{
	int err = pg_connect(pg, st);

	return err == 0 ? run_simple(pg, sql, st) : err;
}

static int prepare(struct pg *pg, const struct pg_statement *s, struct status *st)
{
	size_t slot = ((uintptr_t)s >> 4) * 0x9e3779b97f4a7c15u >> 32 & (PREPARED_SLOTS - 1);
	PGresult *result;

	/* a free slot always ends the search: pg_exec keeps a quarter free */
	while (pg->prepared[slot] != NULL) {
		if (pg->prepared[slot] == s)
			return 0;
		slot = (slot + 1) & (PREPARED_SLOTS - 1);
	}

	send_begin(pg);
	int err = carry_out(pg, PQsendPrepare(pg->conn, s->name, s->sql, s->params, NULL), s->name, &result, st);
	PQclear(result);
	if (err == 0) {
		pg->prepared[slot] = s;
		pg->prepared_count++;
	}
	return err;
}

int pg_exec(struct pg *pg, const struct pg_statement *s, const char *const *params, PGresult **result,
	    struct status *st)
{
	PGresult *kept;
	int err = pg_connect(pg, st);

	if (err != 0)
		return err;
	assert(pg->prepared_count < PREPARED_MAX); /* a program has a fixed set of them */

	err = prepare(pg, s, st);
	if (err != 0)
		return err;
	send_begin(pg);
	err = carry_out(pg, PQsendQueryPrepared(pg->conn, s->name, s->params, params, NULL, NULL, 0), s->name, &kept,
			st);
	if (err != 0)
		return err;
	if (result != NULL)
		*result = kept;
	else
		PQclear(kept);
	return 0;
}

static int take_notification(struct pg *pg, char channel[static 64], char payload[static 256])
{
	PGnotify *n = PQnotifies(pg->conn);

	if (n == NULL)
		return 0;
	snprintf(channel, 64, "%s", n->relname);
	snprintf(payload, 256, "%s", n->extra);
	PQfreemem(n);
	return 1;
}

int pg_listen_wait(struct pg *pg, int timeout_ms, char channel[static 64], char payload[static 256], struct status *st)
{
	int64_t until_us = clock_mono_us() + (int64_t)timeout_ms * 1000;

	if (pg->conn == NULL)
		return status_set(st, -ENOTCONN, "database: not connected");
	for (;;) {
		if (take_notification(pg, channel, payload))
			return 1;

		int ready = wait_socket(pg, POLLIN, until_us, 0);
		if (ready == 0)
			return 0;
		if (ready < 0)
			return lost(pg, -ENOTCONN, strerror(-ready), st);
		if (!PQconsumeInput(pg->conn))
			return lost(pg, -ENOTCONN, PQerrorMessage(pg->conn), st);
	}
}
