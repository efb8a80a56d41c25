/* SPDX-License-Identifier: Apache-2.0 */
/* spool_db.h - the spool's file: SQLite in WAL mode with synchronous=FULL. One thread.
 *
 *   records     finished; seq is never used twice and has no gaps: the spool's chain; hash links each to the one
 *               before (chain.h). Up to settled_seq they are in PostgreSQL, or refused, and only kept: see forget
 *   open_calls  answered and not finished, as they stood at the answer
 *   refused     what PostgreSQL would not have, and why
 *   state       chain_id (a UUID of this spool's own), chain_hash (of the last record), heartbeat_us (monotonic),
 *               settled_seq
 *
 * Changes between begin and commit are one transaction. After any error roll back; nothing of it stands then.
 */
#ifndef BILLING_SPOOL_DB_H
#define BILLING_SPOOL_DB_H

#include <stddef.h>
#include <stdint.h>

#include "billing/cdr.h"
#include "billing/spool_priv.h"
#include "lib/status.h"

struct spool_db;

struct spool_db_counts {
	int64_t records, open_calls; /* records: those that wait */
	int64_t recovered;	     /* calls of an earlier run that were closed just now */
	int64_t settled;	     /* the last record whose fate is known */
	const char *chain;	     /* the chain's id, as text; the spool's */
};

/* spool_db_open - make the directory (0750) and the file if missing, lock them against a second process, and close the
 *   calls of an earlier run: each becomes a record that is `recovered`.
 *   0; -EBUSY another process has it; -EPROTO it is of a newer version; -errno, with st saying what is wrong */
int spool_db_open(struct spool_db **db, const char *dir, const char *node, struct spool_db_counts *counts,
		  struct status *st) must_check;
void spool_db_close(struct spool_db **db);

/* All of these: 0; -ENOSPC the disk is full; -EIO anything else, st has SQLite's words. */
int spool_db_begin(struct spool_db *db, struct status *st) must_check;
int spool_db_commit(struct spool_db *db, struct status *st) must_check;
void spool_db_rollback(struct spool_db *db);
int spool_db_put_open(struct spool_db *db, const struct cdr *c, struct status *st) must_check;
/* spool_db_put_record - the call's end; *was_open: 1 if its open call stood there and is gone now, else 0 */
int spool_db_put_record(struct spool_db *db, const struct cdr *c, int *was_open, struct status *st) must_check;
int spool_db_heartbeat(struct spool_db *db, int64_t mono_us, struct status *st) must_check;
/* spool_db_settle - up to the first whose fate is open: posted ones wait no more, refused ones are set aside */
int spool_db_settle(struct spool_db *db, const struct spool_batch *b, struct status *st) must_check;
/* spool_db_forget - delete records up to `upto` that wait no more, at most `most`; *more: there are more of them */
int spool_db_forget(struct spool_db *db, int64_t upto, int most, bool *more, struct status *st) must_check;

/* spool_db_rewind - a transaction of its own: what is kept after `settled` waits again, but what was set aside;
 *                   *waiting: how many wait now */
int spool_db_rewind(struct spool_db *db, int64_t settled, int64_t *waiting, struct status *st) must_check;

/* spool_db_read - a new batch of up to max records that wait, after `after`, NULL if there are none */
int spool_db_read(struct spool_db *db, int64_t after, size_t max, struct spool_batch **b, struct status *st) must_check;
/* spool_db_oldest_us - when the oldest waiting record was closed; 0: none waits */
int64_t spool_db_oldest_us(struct spool_db *db);
/* spool_db_free_bytes - what the spool may still write: free on disk, free inside its file, and its log; UINT64_MAX if
 * unknown */
uint64_t spool_db_free_bytes(struct spool_db *db);
/* spool_db_disk_bytes - how large the disk is that the spool is on; UINT64_MAX if unknown */
uint64_t spool_db_disk_bytes(struct spool_db *db);
/* spool_db_log_limit - copy the log into the file when it has grown to so many bytes (at most SQLite's own 1000 pages)
 */
void spool_db_log_limit(struct spool_db *db, uint64_t bytes);
/* spool_db_trim - give the log's space on disk back (it is kept at its largest else); not inside a transaction. On a
 * disk that is full it may fail, and changes nothing then. */
void spool_db_trim(struct spool_db *db);

#endif
