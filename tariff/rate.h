/* SPDX-License-Identifier: Apache-2.0 */
/* rate.h - what a call costs under a rate: the one rating function of the whole product.
 * Pure, any thread. Quotes, margins, admission, cut-off, CDRs, re-rating and invoices all come here.
 *
 *   seconds = duration in whole seconds (rounded up, half up or down as the deck says)
 *   seconds <= grace                -> billed 0, amount 0   (an unanswered call has duration 0)
 *   billed  = initial                                              if seconds <= initial
 *           = initial + ceil((seconds - initial)/increment) * increment   otherwise
 *   amount  = connect_fee + initial_price * initial/60 + price * (billed - initial)/60, rounded once
 *
 * It stands below routing and billing, because both need it and neither may know the other.
 */
#ifndef TARIFF_RATE_H
#define TARIFF_RATE_H

#include <stdint.h>

#include "lib/money.h"
#include "lib/status.h"

enum rate_duration { RATE_DURATION_UP, RATE_DURATION_HALF_UP, RATE_DURATION_DOWN };

struct rate_terms {
	int64_t price_n;	   /* nano-units a minute; may be negative (a discount or a reverse charge) */
	int64_t initial_price_n;   /* nano-units a minute during the first interval */
	int64_t connect_fee_n;	   /* nano-units */
	int32_t initial_s;	   /* first interval, >= 0 */
	int32_t increment_s;	   /* following intervals, >= 1 */
	int32_t grace_s;	   /* up to here a call is free, >= 0 */
	uint8_t rounding;	   /* enum money_rounding */
	uint8_t places;		   /* 0..8; default 6 */
	uint8_t duration_rounding; /* enum rate_duration */
};

/* The terms of a deck without any words: 1/1, no fee, no grace, half-up to 6, durations up. initial_price = price. */
struct rate_terms rate_terms_plain(int64_t price_n);

/* rate_call - duration_ms >= 0. 0, or -ERANGE (an amount past what money holds) */
int rate_call(const struct rate_terms *t, int64_t duration_ms, int64_t *billed_s, struct money *amount) must_check;

/* rate_call_wide - the same before rounding: the amount as numerator over RATE_DENOMINATOR nano-units, exact.
 *                  For sums and comparisons that must not round (margins). */
#define RATE_DENOMINATOR 60
void rate_call_wide(const struct rate_terms *t, int64_t duration_ms, int64_t *billed_s, __int128 *numerator);

#endif
