/* SPDX-License-Identifier: Apache-2.0 */
/* export_row.h - a CDR as a line of an export file: which columns, for whom, in which form.
 * Pure, any thread. The columns and their order are those of a CDR (section 5); what a partner may see of its calls is
 * fixed here and nowhere else.
 */
#ifndef BILLING_EXPORT_ROW_H
#define BILLING_EXPORT_ROW_H

#include <stdint.h>

#include "lib/buf.h"
#include "lib/status.h"

#define EXPORT_COLUMNS 42

enum export_side {
	EXPORT_OPERATOR, /* everything */
	EXPORT_SELL,	 /* the customer's view of its calls */
	EXPORT_BUY,	 /* the vendor's view of its calls */
};

enum export_format { EXPORT_CSV, EXPORT_JSON_LINES };

/* Places of columns that the writer of a run itself looks at. */
enum {
	EXPORT_INGRESS_CARRIER = 6,
	EXPORT_EGRESS_CARRIER = 8,
	EXPORT_SELL_AMOUNT = 25,
	EXPORT_SELL_CURRENCY = 26,
	EXPORT_BUY_AMOUNT = 30,
	EXPORT_BUY_CURRENCY = 31,
};

struct export_shape {
	uint64_t columns; /* bit i: column i */
	enum export_format format;
};

/* export_shape_of - CSV with every column of a side */
struct export_shape export_shape_of(enum export_side side);

/* export_shape_choose - format "csv" or "jsonl"; names: column names, n of them, 0 for every column of the side. The
 *   order of the columns stays that of a CDR.
 *   0; -EINVAL with st naming the column that does not exist or that this side may not see, or the unknown format */
int export_shape_choose(enum export_side side, const char *format, const char *const *names, size_t n,
			struct export_shape *out, struct status *st) must_check;

/* export_put_header - the first line of a CSV file; nothing for JSON lines */
void export_put_header(struct buf *out, const struct export_shape *shape);
/* export_put_row - one line; values[EXPORT_COLUMNS] as text, NULL for SQL null */
void export_put_row(struct buf *out, const struct export_shape *shape, const char *const *values);

#endif
