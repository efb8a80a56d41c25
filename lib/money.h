/* SPDX-License-Identifier: Apache-2.0 */
/* money.h - exact decimal amounts and prices.
 * Pure, any thread. An amount is a whole number of nano-units (10^-9 of the currency); no double anywhere.
 */
#ifndef LIB_MONEY_H
#define LIB_MONEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/status.h"

#define MONEY_NANO 1000000000LL /* nano-units in one unit of a currency */
#define MONEY_PLACES 9
#define MONEY_TEXT_MAX 32
#define MONEY_SUM_TEXT_MAX 40

struct money {
	int64_t nano;
};

/* money_parse - "-12.0125" → nano-units. Digits, one optional point, optional leading '-'; no exponent,
 *               no blanks, no '+', at most 9 decimals.
 *   returns 0, -EINVAL (not a decimal), -ERANGE (too large), -EDOM (more than 9 decimals) */
int money_parse(const char *text, struct money *out) must_check;

/* money_format - at least `places` decimals (0..9), more only where the amount needs them; returns out.
 *                6 is the form of CDRs and the API: "0.012500". */
char *money_format(struct money m, int places, char out[static MONEY_TEXT_MAX]);

/* A sum of any number of amounts: what an amount holds, some nine thousand million units, a day's calls in a currency
 * of small units pass. */
struct money_sum {
	__int128 nano;
};

void money_sum_add(struct money_sum *sum, struct money m);

/* money_sum_format - as money_format; the sum is one of at most 10^9 amounts */
char *money_sum_format(struct money_sum sum, int places, char out[static MONEY_SUM_TEXT_MAX]);

enum money_rounding { MONEY_HALF_UP, MONEY_UP, MONEY_DOWN };

/* money_divide - numerator/denominator units of 10^-9, rounded once to `places` decimals (0..9).
 *   half_up rounds ties away from zero, up away from zero, down towards zero.
 *   denominator > 0. returns 0 or -ERANGE */
int money_divide(__int128 numerator, int64_t denominator, enum money_rounding mode, int places,
		 struct money *out) must_check;

#endif
