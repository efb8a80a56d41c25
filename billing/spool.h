/* SPDX-License-Identifier: Apache-2.0 */
/* spool.h - CDRs on disk before they are anywhere else, then in PostgreSQL, each exactly once.
 *
 * What PostgreSQL has confirmed is kept for a while: if a standby takes over without the last commits, the records that
 * it lacks are posted again, with their bookings.
 *
 * Threads of its own: one holds SQLite (WAL, synchronous=FULL, a commit at least every 100 ms), two hold PostgreSQL, a
 * connection each; a hung server holds up no commit. Calls below marked [any] may come from SIP threads: they never
 * block.
 */
#ifndef BILLING_SPOOL_H
#define BILLING_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "billing/cdr.h"
#include "lib/status.h"

struct spool;

struct spool_options {
	const char *dir;	  /* created (0750) if missing; one process at a time (locked) */
	const char *node;	  /* stands in recovered CDRs */
	const char *database_url; /* where they go in the end */
	/* these are committed there; takes ids (malloc); one call at a time, on threads of the poster's; NULL: nobody
	 * wants to know */
	void (*posted)(void *arg, struct uuid *ids, size_t n);
	void *arg;	       /* of posted */
	size_t calls_max;      /* how many calls may hold a reservation or wait in the queue; 0: 65536 */
	int connections;       /* to PostgreSQL, 1 or 2; 0: 2 */
	int64_t keep_ms;       /* how long records stay here after PostgreSQL has confirmed them; 0: not at all */
	uint64_t disk_reserve; /* below this many free bytes no reservation is given; 0: a quarter of the disk, at most
				  16 MiB */
};

/* spool_start - open or create the spool, close the calls of an earlier run as `recovered` (duration proven by the last
 *   heartbeat, reason switch_restart), start its threads. PostgreSQL may be away.
 *   0, or -errno with st saying what is wrong with the directory or the file */
int spool_start(struct spool **s, const struct spool_options *options, struct status *st) must_check;

/* spool_stop - write all that was given to disk (durable on return), then post for at most post_ms; what is left is
 *   posted after the next start. Frees s. returns how many stayed behind. */
int64_t spool_stop(struct spool **s, int64_t post_ms);

bool spool_reserve(struct spool *s);   /* [any] room for one call's records? To be asked before a call is admitted */
void spool_unreserve(struct spool *s); /* [any] it ends without a CDR after all */
/* spool_answered - [any] the call as it stands at its answer; takes c. Needs a reservation, keeps it. */
void spool_answered(struct spool *s, struct cdr *c);
/* spool_close - [any] the finished record, rated; takes c and the reservation. Never fails: the slot was reserved. */
void spool_close(struct spool *s, struct cdr *c);

struct spool_stats {
	uint64_t reserved, queued; /* in memory */
	uint64_t closing;	   /* of the reserved: given back as soon as the finished record is on disk */
	uint64_t on_disk;	   /* committed, not yet in PostgreSQL */
	uint64_t open_calls;	   /* answered, not closed */
	uint64_t posted, refused;  /* since start; refused: set aside because PostgreSQL would not have the row */
	int64_t oldest_us;	   /* when the oldest waiting record was closed; 0 none */
	bool database_up, disk_low;
};
void spool_stats(struct spool *s, struct spool_stats *out); /* [any] */

#endif
