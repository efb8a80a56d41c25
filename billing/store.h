/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - every SQL statement that billing/ sends to PostgreSQL. The functions they call stand in sql/. */
#ifndef BILLING_STORE_H
#define BILLING_STORE_H

#include "lib/buf.h"
#include "lib/pg.h"

extern const char store_cdr_stage_make[];
extern const char store_cdr_partitions_ahead[];
/* store_put_cdr_post - one transaction: COPY of CDRs, COPY of attempts, cdr_ingest(). Columns of the first: those of
 *                      cdr_row_put_columns, then chain_id, chain_seq, trace. */
void store_put_cdr_post(struct buf *out);

#endif
