/* SPDX-License-Identifier: Apache-2.0 */
/* export_parts.h - the files of one export run while they are written: cdrs.csv.gz, and for each partner its calls as a
 * customer, its calls as a vendor, and corrections of their amounts. A file is made with its first row, cdrs.csv.gz
 * always. One thread.
 */
#ifndef BILLING_EXPORT_PARTS_H
#define BILLING_EXPORT_PARTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "billing/export_file.h"
#include "billing/export_row.h"
#include "lib/money.h"
#include "lib/status.h"

struct export_parts;

struct export_wish {	     /* how a carrier wants one side's file */
	const char *format;  /* "csv" or "jsonl" */
	const char *columns; /* names with commas between, "" for all */
};

/* export_wish_check - 0, or -EINVAL with st naming what that side's files cannot have */
int export_wish_check(enum export_side side, const struct export_wish *wish, struct status *st) must_check;

struct export_part_facts {
	char name[EXPORT_NAME_MAX];
	int64_t rows, bytes;
	const char *amount, *currency; /* NULL: none, or more than one currency; in `text` */
	char sha256[EXPORT_SHA256_MAX];
	char text[MONEY_SUM_TEXT_MAX];
};

/* export_parts_new - dir_fd is borrowed; columns: how many of a CDR's, from the first, cdrs.csv.gz
 * has, 1..EXPORT_COLUMNS
 */
struct export_parts *export_parts_new(int dir_fd, int columns);
void export_parts_free(struct export_parts **p);

/* export_parts_add_carrier - in rising order of ids; wish[0] for the sell side, wish[1] for the buy side. 0 or -EINVAL
 */
int export_parts_add_carrier(struct export_parts *p, int64_t carrier_id, const char *currency,
			     const struct export_wish wish[static 2], struct status *st) must_check;
/* export_parts_put - one CDR, to each file that it belongs in. 0; -EBADMSG a value is no amount; -ERANGE a total too
 *   large; -errno of a file */
int export_parts_put(struct export_parts *p, const char *const *values, struct status *st) must_check;
struct export_correction { /* of a call's amount, as text */
	const char *cdr_id, *old, *new, *difference, *currency;
};
/* export_parts_put_correction - a line of the carrier's rerate file; errors as export_parts_put */
int export_parts_put_correction(struct export_parts *p, int64_t carrier_id, const struct export_correction *c,
				struct status *st) must_check;
int export_parts_seal(struct export_parts *p, struct status *st) must_check; /* all files are whole and on disk */

int64_t export_parts_rows(const struct export_parts *p); /* of cdrs.csv.gz */
/* export_parts_facts - of the i-th file, after the seal, in the order of the names; false: there is none */
bool export_parts_facts(const struct export_parts *p, size_t i, struct export_part_facts *out);
json_t *export_parts_describe(const struct export_parts *p); /* the manifest's list; a new reference */

#endif
