/* SPDX-License-Identifier: Apache-2.0 */
/* poster.h - the threads that bring batches of CDRs into PostgreSQL, each batch as often as it takes.
 *
 * A batch is in its hands until each record's fate is known. The server may be away, hang or die at any point: the
 * whole is repeated, and cdr_ingest() skips what was committed. A batch that the server refuses for its data is halved
 * until the row that it refuses stands alone; the others go in.
 *
 * Several batches are under way at once, one a connection, but they commit in the order in which they were given: the
 * COMMIT of one is sent when the fate of each record before is known. So whoever reads the database at any moment finds
 * the begin of the chain without a gap. One that is done before its turn waits a second for it, then rolls back, lest
 * those before wait for its locks, and does its work once more when its turn has come.
 *
 * A database may lack what it had confirmed: a standby took over without the last commits, or a backup was restored. A
 * new connection shows it. Then all batches come back as they are, and no more are taken until poster_take_lost has
 * told from where on records are to be given again.
 */
#ifndef BILLING_POSTER_H
#define BILLING_POSTER_H

#include <stdbool.h>

#include "billing/spool_priv.h"
#include "lib/status.h"

#define POSTER_CONNECTIONS_MAX 2

struct poster;

struct poster_options {
	const char *database_url;
	const char *chain;	 /* of the records, as text */
	int64_t settled;	 /* the last record of the chain that the database had confirmed, or refused, before */
	int connections;	 /* 1 to POSTER_CONNECTIONS_MAX */
	void (*done)(void *arg); /* a batch lies ready for poster_take; on a thread of the poster's */
	void *arg;
	/* as spool_options; one call at a time, in the order of the chain, on a thread of the poster's */
	void (*posted)(void *arg, struct uuid *ids, size_t n);
	void *posted_arg;
};

/* poster_start - PostgreSQL may be away. 0 or -errno, with st */
int poster_start(struct poster **p, const struct poster_options *options, struct status *st) must_check;
/* poster_stop - interrupt what is under way (at most a connection attempt is waited for); its threads end. What it has
 *               in hand comes out of poster_left, batch by batch, as far as its records' fates are known; NULL at the
 *               end. Then free it. */
void poster_stop(struct poster *p);
struct spool_batch *poster_left(struct poster *p);
void poster_free(struct poster **p);

/* How many batches are under way, or given and not yet begun; finished ones do not count. */
int poster_busy(const struct poster *p);
/* poster_has_room - may poster_give be called? There is room for one more than there are connections. */
bool poster_has_room(const struct poster *p);
void poster_give(struct poster *p, struct spool_batch *b); /* takes it; in the order of the chain */
/* poster_take - the first of those that are finished, or that come back; NULL: none */
struct spool_batch *poster_take(struct poster *p);
/* poster_take_lost - the last record that the database still has, once, when it lacks some and every batch is back; -1
 */
int64_t poster_take_lost(struct poster *p);
bool poster_database_up(const struct poster *p); /* any thread */

#endif
