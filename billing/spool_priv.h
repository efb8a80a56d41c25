/* SPDX-License-Identifier: Apache-2.0 */
/* spool_priv.h - what the spool's thread and the poster's pass to each other: a batch of records. One owner at a time.
 */
#ifndef BILLING_SPOOL_PRIV_H
#define BILLING_SPOOL_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/status.h"
#include "lib/uuid.h"

enum spool_fate {
	SPOOL_WAITING, /* not yet in PostgreSQL, or not known to be */
	SPOOL_POSTED,  /* committed there */
	SPOOL_REFUSED, /* PostgreSQL will not have it: see why */
};

struct spool_record { /* text in the batch's arena, as COPY takes it */
	int64_t seq;
	const char *id;
	const char *cdr;      /* columns of cdr_row_put_columns */
	const char *attempts; /* whole lines, "" for none */
	const char *trace;    /* JSON, not escaped; NULL: none */
	const char *hash;     /* of its place in the chain, hex (chain.h) */
	bool damaged;	      /* not what was given to the spool: its hash does not hold */
	enum spool_fate fate;
	const char *why;
};

struct spool_batch {
	struct arena *arena; /* the batch lies in it */
	char chain[UUID_TEXT_MAX];
	size_t n, slots;
	struct spool_record *record; /* seq rises */
};

struct spool_batch *spool_batch_new(const char *chain, size_t slots);
void spool_batch_free(struct spool_batch **b);

/* spool_dir_take - make the directory (0750, parents too) if missing and lock it for this process; *lock_fd is the
 * caller's to close, which unlocks. 0; -EBUSY another process has it; -errno; st says what is wrong */
int spool_dir_take(const char *dir, int *lock_fd, struct status *st) must_check;

#endif
