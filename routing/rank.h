/* SPDX-License-Identifier: Apache-2.0 */
/* rank.h - order the vendors that may have a call. Pure; no allocation. */
#ifndef ROUTING_RANK_H
#define ROUTING_RANK_H

#include <stdbool.h>
#include <stdint.h>

#include "routing/snapshot.h"

struct candidate { /* a member of the plan that passed every test */
	const struct plan_member *member;
	int found;	   /* the hit that is its rate */
	__int128 price;	   /* a minute in the sell currency, unrounded: nano-units of 10^-12 */
	__int128 margin;   /* as margin_of */
	int64_t rate;	   /* exchange rate, of 10^-12 */
	int32_t score_ppm; /* quality, 0..1000000 */
	bool demoted;	   /* quality and balanced: behind all that are not */
	bool trial;	   /* its address is down, and one call may try it */
	bool weighed;	   /* price, margin, rate and score are known */
	struct health *health;
};

/* rank_best - permute candidates so that the best `wanted` of them come first, in order.
 *   lcr       price, priority, higher weight, lower id
 *   priority  priority, then as lcr
 *   weighted  priority, then a draw by weight without repetition; weight 0 after all others of its priority, as lcr
 *   quality   not demoted, score, then as lcr
 *   balanced  not demoted, price over score, then as lcr
 *   seed      drives the draw only; same seed, same order whatever order they came in
 *   A trial never takes the last place: of those in order one at least is none, if there is any.
 *   returns how many are in order: the smaller of n and wanted */
int rank_best(struct candidate *c, int n, int wanted, enum plan_policy policy, uint64_t seed);

#endif
