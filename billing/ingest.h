/* SPDX-License-Identifier: Apache-2.0 */
/* ingest.h - one connection by which records go into PostgreSQL, in transactions that their owner ends. One thread.
 *
 * Nothing waits for longer than 30 s for the server, nor past the moment when stop_fd becomes readable. All return 0;
 *   -EINVAL     the server refuses the data: nobody but its row should suffer
 *   -ECANCELED  a stop
 *   other       the connection, or the server's state: drop, and try all of it again
 * with st saying why. After an error within a transaction: ingest_rollback or ingest_drop.
 */
#ifndef BILLING_INGEST_H
#define BILLING_INGEST_H

#include <stddef.h>

#include "billing/spool_priv.h"
#include "lib/status.h"

struct ingest;

/* ingest_new - connects when it is first needed; database_url and chain (of the records, as text) are borrowed.
 * stop_fd: an eventfd, or -1 */
struct ingest *ingest_new(const char *database_url, const char *chain, int stop_fd);
void ingest_free(struct ingest **i);

/* ingest_ready - connected, with staging tables, and partitions for the days to come? */
int ingest_ready(struct ingest *i, struct status *st) must_check;
/* ingest_take_head - the chain's last record that the database had when this connection was made; INT64_MAX: no new
 *                    connection since the last time, or the database knows nothing of this chain */
int64_t ingest_take_head(struct ingest *i);
/* ingest_stage - begin, and bring in records first..first+n with all that belongs to them, but what the COMMIT does:
 *                balances and figures. What is there already is skipped. */
int ingest_stage(struct ingest *i, const struct spool_batch *b, size_t first, size_t n, struct status *st) must_check;
int ingest_commit(struct ingest *i, struct status *st) must_check; /* in doubt after an error: stage it again */
int ingest_rollback(struct ingest *i, struct status *st) must_check;
/* ingest_list_refused - keep the record, whose `why` is set, in its place of the chain: set aside, not missing */
int ingest_list_refused(struct ingest *i, const struct spool_batch *b, const struct spool_record *r,
			struct status *st) must_check;
void ingest_drop(struct ingest *i); /* close; the next ingest_ready connects anew */

#endif
