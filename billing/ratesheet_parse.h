/* SPDX-License-Identifier: Apache-2.0 */
/* ratesheet_parse.h - one record of a rate sheet as text becomes one checked row. Pure: no I/O, no clock.
 *
 * Column names are compared without case, blanks and punctuation; each has the synonyms that vendors use. Columns that
 * say nothing about a rate (country, comment, ...) are passed over; an unknown one is an error, lest a misspelt fee be
 * lost.
 */
#ifndef BILLING_RATESHEET_PARSE_H
#define BILLING_RATESHEET_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "billing/codes.h"
#include "lib/buf.h"
#include "lib/status.h"

enum sheet_column { /* in the order of section 8, and of an export */
		    SHEET_PREFIX,
		    SHEET_DESTINATION,
		    SHEET_PRICE,
		    SHEET_CONNECT_FEE,
		    SHEET_INITIAL,
		    SHEET_INCREMENT, /* may say both: `60/60` */
		    SHEET_EFFECTIVE_FROM,
		    SHEET_EFFECTIVE_TO,
		    SHEET_BLOCKED,
		    SHEET_INITIAL_PRICE,
		    SHEET_GRACE,
		    SHEET_ORIGIN_PREFIX,
		    SHEET_SCHEDULE,
		    SHEET_COLUMNS
};
extern const char *const sheet_column_names[SHEET_COLUMNS];

struct sheet_header {
	int at[SHEET_COLUMNS]; /* which field holds it; -1: none */
	size_t fields;
	bool pair; /* its column of increments is one of pairs, "min/inc": a number alone says both */
};

/* sheet_header_read - 0, or -EINVAL with st naming the column that is missing, unknown or there twice */
int sheet_header_read(char **fields, size_t n, struct sheet_header *h, struct status *st) must_check;

struct sheet_row {	    /* text borrowed from the record */
	struct codes codes; /* its prefixes: all have the same terms */
	const char *destination, *origin_prefix;
	const char *schedule;				 /* JSON; NULL none */
	int64_t price_n, initial_price_n, connect_fee_n; /* nano-units */
	bool has_initial_price, blocked;
	int32_t initial_s, increment_s, grace_s;    /* -1: not said */
	int64_t effective_from_us, effective_to_us; /* 0: not said; whole milliseconds */
};

/* sheet_row_read - the fields are trimmed in place. now_us: what a row without effective_from begins at.
 *   0, or -EINVAL with st giving the first reason against the row, without its line */
int sheet_row_read(const struct sheet_header *h, char **fields, size_t n, int64_t now_us, struct sheet_row *row,
		   struct status *st) must_check;

#define SHEET_SCHEDULE_MAX 4096 /* bytes of a schedule */

/* sheet_row_put - one prefix of the row (codes_next) as a line of COPY text for rate_stage, with its line end */
void sheet_row_put(struct buf *out, int64_t line, const char *prefix, const struct sheet_row *row);

#endif
