/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - every SQL statement that billing/ sends to PostgreSQL. The functions they call stand in sql/. */
#ifndef BILLING_STORE_H
#define BILLING_STORE_H

#include "lib/buf.h"
#include "lib/pg.h"

extern const char store_cdr_stage_make[];
extern const char store_cdr_partitions_ahead[];
extern const char store_cdr_commit[];
extern const char store_cdr_rollback[];
/* store_put_cdr_post - one transaction: COPY of CDRs, COPY of attempts, cdr_ingest(). Columns of the first: those of
 *                      cdr_row_put_columns, then chain_id, chain_seq, chain_hash, trace.
 * store_put_cdr_stage - the same, and the transaction stays open */
void store_put_cdr_post(struct buf *out);
void store_put_cdr_stage(struct buf *out);

extern const struct pg_statement store_deck_find; /* name or decimal id -> id */
extern const struct pg_statement
	store_deck_begin; /* id -> wall clock in microseconds, has it a notice period; no row: no such deck */
extern const struct pg_statement store_rate_repeats;  /* -> line, first_line, how many in all, prefix; the first 1000 */
extern const struct pg_statement store_rates_compare; /* import (0: none), deck, replace -> increases on short notice */
extern const struct pg_statement store_rates_apply;   /* deck, replace -> added, changed, ended, unchanged */
extern const struct pg_statement store_import_audit;  /* and a version: actor, deck, replace, added, changed, ended,
							 unchanged, import (0: none) */
extern const struct pg_statement store_rates_page;    /* deck, after prefix, after id -> columns of section 8, id */
extern const struct pg_statement store_rate_versions; /* deck -> id, at, actor, rolled back to, the four counts */
extern const struct pg_statement store_rates_rollback; /* deck, version, actor, import (0: none), trial -> added,
							  changed, ended, unchanged */
extern const struct pg_statement store_rate_deck_lock; /* deck: nobody else stores rates of it before the commit */
extern const char store_rate_stage_begin[];
extern const char store_rate_stage_copy[];

#endif
