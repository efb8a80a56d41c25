/* SPDX-License-Identifier: Apache-2.0 */
/* margin.h - what calls are expected to earn and to cost, and whether the difference is enough.
 * Pure, exact: nothing is rounded before it is compared. One thread a struct margin.
 *
 * The amount of a call is linear in the three prices of its rate; how much of each is counted depends on the intervals
 * alone. So the rating function is asked once for each set of intervals, over all durations, and a vendor then costs
 * three multiplications.
 */
#ifndef ROUTING_MARGIN_H
#define ROUTING_MARGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/money.h"
#include "lib/status.h"
#include "routing/route.h"
#include "tariff/rate.h"

#define MARGIN_SHAPES 32 /* a power of 2 */

struct margin_shape { /* intervals, and what they charge over all durations: of RATE_DENOMINATOR parts */
	int32_t initial_s, increment_s, grace_s;
	uint8_t duration_rounding;
	bool known;
	int64_t per_price, per_initial_price, per_fee;
};

/* struct margin_cache - shapes worked out over the same durations, shared by threads: each slot is written once. */
struct margin_cache {
	int64_t talk_ms; /* the sum of the durations */
	struct {
		_Atomic int state; /* 0 free, 1 being written, 2 to be read */
		struct margin_shape shape;
	} slot[MARGIN_SHAPES];
};

/* margin_cache_fill - d->cache (zeroed) over d, with the shapes that were asked for before (old may be NULL) */
void margin_cache_fill(const struct route_durations *d, const struct margin_cache *old);

struct margin {
	struct route_durations talk;
	int64_t talk_ms;			  /* their sum */
	struct margin_shape shape[MARGIN_SHAPES]; /* each at the place that its intervals say, or soon behind it */
};

/* margin_start - over these durations (NULL, or none of any length: calls of 6, 20, 45, 61, 90 and 180 s); borrowed */
void margin_start(struct margin *m, const struct route_durations *durations);

/* margin_amount - all of them under those terms: nano-units, a numerator over RATE_DENOMINATOR */
__int128 margin_amount(struct margin *m, const struct rate_terms *t);

struct margin_limits {
	bool has_min, has_percent, allow_loss;
	int64_t min_n;	   /* nano-units of the sell currency a minute of talk */
	int64_t percent_n; /* nano-percent of what is earned */
};

enum margin_verdict { MARGIN_ENOUGH, MARGIN_UNDER_MIN, MARGIN_UNDER_PERCENT, MARGIN_LOSS };

/* margin_of - earn less cost x rate/10^12, as a numerator over RATE_DENOMINATOR x 10^12. false: past what can be held
 */
bool margin_of(__int128 earn, __int128 cost, int64_t rate, __int128 *margin) must_check;
/* margin_judge - equal is enough */
enum margin_verdict margin_judge(const struct margin *m, const struct margin_limits *l, __int128 earn, __int128 margin);
/* margin_per_minute - to show: a minute of talk, rounded half up to 9 places (cut at what money holds) */
struct money margin_per_minute(const struct margin *m, __int128 margin);

/* wide_compare - the sign of a x b - c x d, exactly */
int wide_compare(__int128 a, int64_t b, __int128 c, int64_t d);
/* wide_divide - a/b half away from zero, b > 0, cut at what money holds */
struct money wide_divide(__int128 a, __int128 b);

#endif
