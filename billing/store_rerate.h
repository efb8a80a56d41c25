/* SPDX-License-Identifier: Apache-2.0 */
/* store_rerate.h - the statements of re-rating. What they mean stands in sql/0011_rerate.sql and sql/0070_rated.sql. */
#ifndef BILLING_STORE_RERATE_H
#define BILLING_STORE_RERATE_H

#include "lib/pg.h"

/* store_rerate_carrier - id -> currency; whoever corrects the same carrier waits until the transaction ends */
extern const struct pg_statement store_rerate_carrier;
extern const struct pg_statement store_rerate_open; /* carrier, side, from, to: opens the cursor */

enum rerate_column {
	RERATE_CDR,
	RERATE_TRUNK,
	RERATE_CALLED,
	RERATE_CALLING,
	RERATE_CALLED_OUT,
	RERATE_PREFIX,
	RERATE_DURATION,
	RERATE_STARTED,
	RERATE_CURRENCY,
	RERATE_AMOUNT,
	RERATE_DESTINATION,
	RERATE_DECK,
	RERATE_DECK_CURRENCY,
	RERATE_ROUNDING,
	RERATE_PLACES,
	RERATE_SECONDS,
	RERATE_INITIAL,
	RERATE_INCREMENT,
	RERATE_RATED_CALLED, /* null: a record of an earlier version */
	RERATE_RATED_CALLING,
	RERATE_LRN
};
extern const struct pg_statement store_rerate_fetch; /* -> the next rows of it */

enum rerate_rate_column {
	RERATE_RATE_N,
	RERATE_RATE_PREFIX,
	RERATE_RATE_PRICE,
	RERATE_RATE_INITIAL_PRICE,
	RERATE_RATE_FEE,
	RERATE_RATE_INITIAL,
	RERATE_RATE_INCREMENT,
	RERATE_RATE_GRACE,
	RERATE_RATE_BLOCKED
};
/* store_rerate_rates - arrays of deck, called, calling, time -> for each that has a rate its place (from 1) and the
 * rate; prices in nano-units */
extern const struct pg_statement store_rerate_rates;
extern const struct pg_statement
	store_rerate_book; /* carrier, side, actor, arrays of cdr, old, new, prefix, price, billed */
extern const struct pg_statement store_rerate_audit; /* actor, carrier, report */

#endif
