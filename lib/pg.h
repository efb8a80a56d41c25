/* SPDX-License-Identifier: Apache-2.0 */
/* pg.h - one PostgreSQL connection that comes back by itself. One thread at a time. Blocking, with limits:
 * never call it from a SIP thread.
 *
 * Every call connects first if there is no connection. A lost one is not hidden: the call that met it fails with
 * -ENOTCONN (nothing is repeated behind the caller's back); the next call connects again. While the database is away
 * further attempts fail at once until retry_us has passed, so that a caller may ask as often as it likes.
 * A connection is given connect_timeout, keepalives and, at the server, a statement_timeout.
 *
 * Statements are prepared on first use per connection under their struct's address: keep them static.
 */
#ifndef LIB_PG_H
#define LIB_PG_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/status.h"

struct pg;

struct pg_options {
	const char *url;	      /* any libpq URI or keyword string; borrowed */
	const char *application_name; /* shown in pg_stat_activity */
	int statement_timeout_ms;     /* 0: none */
	int connect_timeout_s;	      /* 0: 3 */
	int retry_ms;		      /* pause between attempts while away; 0: 1000 */
};

struct pg_statement {
	const char *name; /* unique within the program; also shown in errors */
	const char *sql;
	int params;
};

struct pg *pg_new(const struct pg_options *options);
void pg_free(struct pg **pg);

/* pg_connect - connected after this? 0 or -ENOTCONN with the reason (no password in it). */
int pg_connect(struct pg *pg, struct status *st) must_check;
PGconn *pg_raw(struct pg *pg); /* for COPY and notifications; NULL while away; borrowed */
void pg_drop(struct pg *pg);   /* close; the next call connects anew */

/* pg_exec - run a prepared statement with text parameters (NULL = SQL null).
 *   *result is the caller's (PQclear) and only set when 0 is returned; result may be NULL if not wanted
 *   returns 0; -ENOTCONN the connection is or went away; -ETIMEDOUT cancelled by the statement timeout;
 *   -EEXIST unique violation; -EBUSY foreign key or restrict violation; -EINVAL other data error (class 22, 23);
 *   -EAGAIN serialization failure or deadlock: repeat the transaction; -EIO anything else.
 *   st says it in the server's words; pg_sqlstate and pg_constraint tell more until the next call. */
int pg_exec(struct pg *pg, const struct pg_statement *s, const char *const *params, PGresult **result,
	    struct status *st) must_check;
/* pg_simple - a constant command without parameters: BEGIN, COMMIT, LISTEN, a migration script (several statements). */
int pg_simple(struct pg *pg, const char *sql, struct status *st) must_check;

/* pg_number - a column of whole numbers, in text form; 0 for SQL null */
int64_t pg_number(const PGresult *r, int row, int column);

const char *pg_sqlstate(const struct pg *pg);	/* five characters, or "" */
const char *pg_constraint(const struct pg *pg); /* constraint or column of the last error, or "" */
uint64_t pg_generation(const struct pg *pg); /* counts connections made: a change means LISTEN etc. must be renewed */

/* pg_listen_wait - sleep until a notification came or timeout_ms went by (it calls nobody).
 *   returns 1 (one came; *channel and *payload are copied, cut to the sizes), 0 (none), -ENOTCONN */
int pg_listen_wait(struct pg *pg, int timeout_ms, char channel[static 64], char payload[static 256],
		   struct status *st) must_check;

#endif
