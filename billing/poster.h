/* SPDX-License-Identifier: Apache-2.0 */
/* poster.h - the thread that brings batches of CDRs into PostgreSQL, one at a time, as often as it takes.
 *
 * A batch is in its hands until each record's fate is known. The server may be away, hang or die at any point: the
 * whole is repeated, and cdr_ingest() skips what was committed. A batch that the server refuses for its data is halved
 * until the row that it refuses stands alone; the others go in.
 */
#ifndef BILLING_POSTER_H
#define BILLING_POSTER_H

#include <stdbool.h>

#include "billing/spool_priv.h"
#include "lib/status.h"

struct poster;

struct poster_options {
	const char *database_url;
	void (*done)(void *arg); /* a batch lies ready for poster_take; on the poster's thread */
	void *arg;
	void (*posted)(void *arg, struct uuid *ids, size_t n); /* as spool_options */
	void *posted_arg;
};

int poster_start(struct poster **p, const struct poster_options *options, struct status *st) must_check;
/* poster_stop - interrupt what is under way (at most a connection attempt is waited for). The batch in hand is handed
 *               back as far as its records' fates are known, or NULL. */
struct spool_batch *poster_stop(struct poster **p);

bool poster_idle(const struct poster *p);		   /* it has no batch in hand */
void poster_give(struct poster *p, struct spool_batch *b); /* takes it; only when idle */
struct spool_batch *poster_take(struct poster *p);	   /* a finished one, or NULL */
bool poster_database_up(const struct poster *p);	   /* any thread */

#endif
