/* SPDX-License-Identifier: Apache-2.0 */
/* spool_db_priv.h - the spool's file from inside: its statements, for what works on it as a whole. */
#ifndef BILLING_SPOOL_DB_PRIV_H
#define BILLING_SPOOL_DB_PRIV_H

#include <sqlite3.h>
#include <stdbool.h>

#include "billing/chain.h"
#include "billing/spool_db.h"
#include "lib/buf.h"

enum spool_statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	PUT_RECORD,
	PUT_OPEN,
	DROP_OPEN,
	SET_STATE,
	GET_STATE,
	FORGET,
	SET_ASIDE,
	READ,
	HASH_OF,
	OLDEST,
	COUNT_RECORDS,
	GET_SETTLED,
	COUNT_OPEN,
	EACH_OPEN,
	SET_OPEN_ASIDE,
	FREE_PAGES,
	PAGE_SIZE,
	TRIM,
	STATEMENTS
};

struct spool_db {
	sqlite3 *sqlite;
	sqlite3_stmt *statement[STATEMENTS];
	int lock_fd;
	char *dir;
	uint64_t log_limit; /* bytes of the log that count as free */
	char chain[UUID_TEXT_MAX];
	struct chain_hash head; /* of the last record, committed or not */
	bool head_moved;
	struct buf cdr, attempts;
};

/* spool_db_failed - SQLite's last error in st; returns -ENOSPC, -EBUSY, -EACCES or -EIO */
int spool_db_failed(struct spool_db *db, struct status *st);
/* spool_db_statement - reset, its parameters forgotten; NULL and st if it cannot be prepared */
sqlite3_stmt *spool_db_statement(struct spool_db *db, enum spool_statement which, struct status *st);
/* spool_db_run - one step of a statement that gives no rows (those of a pragma are dropped) */
int spool_db_run(struct spool_db *db, sqlite3_stmt *s, struct status *st) must_check;
void spool_db_bind_text(sqlite3_stmt *s, int place, const char *text); /* borrowed until the step; NULL is null */
/* spool_db_number - the number that a statement finds, 0 if no row; text: its parameter, NULL if it has none */
int spool_db_number(struct spool_db *db, enum spool_statement which, const char *text, int64_t *out,
		    struct status *st) must_check;
/* spool_db_drop_open - *was_open: 1 if this open call stood there */
int spool_db_drop_open(struct spool_db *db, const char *id, int *was_open, struct status *st) must_check;

/* spool_recover - in one transaction each open call becomes a record, `recovered`, with what is proven; *recovered: how
 *                 many. node stands in those that lack one. */
int spool_recover(struct spool_db *db, const char *node, int64_t *recovered, struct status *st) must_check;

#endif
