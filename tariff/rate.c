/* SPDX-License-Identifier: Apache-2.0 */
#include "tariff/rate.h"

#include <assert.h>

struct rate_terms rate_terms_plain(int64_t price_n)
{
	return (struct rate_terms){
		.price_n = price_n,
		.initial_price_n = price_n,
		.initial_s = 1,
		.increment_s = 1,
		.rounding = MONEY_HALF_UP,
		.places = 6,
		.duration_rounding = RATE_DURATION_UP,
	};
}

static int64_t whole_seconds(int64_t duration_ms, enum rate_duration rounding)
{
	int64_t seconds = duration_ms / 1000;
	int64_t rest_ms = duration_ms % 1000;

	switch (rounding) {
	case RATE_DURATION_UP:
		return seconds + (rest_ms > 0);
	case RATE_DURATION_HALF_UP:
		return seconds + (rest_ms >= 500);
	case RATE_DURATION_DOWN:
		break;
	}
	return seconds;
}

void rate_call_wide(const struct rate_terms *t, int64_t duration_ms, int64_t *billed_s, __int128 *numerator)
{
	assert(duration_ms >= 0 && t->initial_s >= 0 && t->increment_s >= 1 && t->grace_s >= 0);

	int64_t seconds = whole_seconds(duration_ms, (enum rate_duration)t->duration_rounding);

	if (seconds <= t->grace_s) {
		*billed_s = 0;
		*numerator = 0;
		return;
	}

	int64_t later_s = 0; /* what is billed after the first interval */
	if (seconds > t->initial_s) {
		int64_t rest_s = seconds - t->initial_s;

		later_s = (rest_s / t->increment_s + (rest_s % t->increment_s > 0)) * t->increment_s;
	}
	*billed_s = t->initial_s + later_s;
	*numerator = (__int128)t->connect_fee_n * RATE_DENOMINATOR + (__int128)t->initial_price_n * t->initial_s +
		     (__int128)t->price_n * later_s;
}

int rate_call(const struct rate_terms *t, int64_t duration_ms, int64_t *billed_s, struct money *amount)
{
	__int128 numerator;

	rate_call_wide(t, duration_ms, billed_s, &numerator);
	return money_divide(numerator, RATE_DENOMINATOR, (enum money_rounding)t->rounding, t->places, amount);
}
