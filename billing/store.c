/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/store.h"

#include "billing/cdr_row.h"

const char store_cdr_stage_make[] = "select cdr_stage_make()";
const char store_cdr_partitions_ahead[] = "select cdr_partitions_ahead()";

void store_put_cdr_post(struct buf *out)
{
	buf_puts(out, "copy pg_temp.cdr_stage (");
	cdr_row_put_columns(out);
	buf_puts(out, ", chain_id, chain_seq, trace) from stdin; copy pg_temp.cdr_attempt_stage (");
	cdr_row_put_attempt_columns(out);
	buf_puts(out, ") from stdin; select cdr_ingest()");
}
