/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/rank.h"

#include "lib/random.h"
#include "routing/margin.h"

static int by_rest(const struct candidate *a, const struct candidate *b)
{
	if (a->member->priority != b->member->priority)
		return a->member->priority < b->member->priority ? -1 : 1;
	if (a->member->weight != b->member->weight)
		return a->member->weight > b->member->weight ? -1 : 1;
	return a->member->trunk->id < b->member->trunk->id ? -1 : a->member->trunk->id > b->member->trunk->id;
}

static int by_price(const struct candidate *a, const struct candidate *b)
{
	if (a->price != b->price)
		return a->price < b->price ? -1 : 1;
	return by_rest(a, b);
}

static int by_priority(const struct candidate *a, const struct candidate *b)
{
	if (a->member->priority != b->member->priority)
		return a->member->priority < b->member->priority ? -1 : 1;
	return by_price(a, b);
}

static int by_quality(const struct candidate *a, const struct candidate *b)
{
	if (a->demoted != b->demoted)
		return a->demoted ? 1 : -1;
	if (a->score_ppm != b->score_ppm)
		return a->score_ppm > b->score_ppm ? -1 : 1;
	return by_price(a, b);
}

/* price over score, compared crosswise; a score of 0 comes last */
static int by_balance(const struct candidate *a, const struct candidate *b)
{
	if (a->demoted != b->demoted || a->score_ppm == 0 || b->score_ppm == 0)
		return by_quality(a, b);
	int order = wide_compare(a->price, b->score_ppm, b->price, a->score_ppm);
	return order != 0 ? order : by_price(a, b);
}

/* For the draw: priorities apart, weight 0 behind, the rest in an order that does not depend on how they came. */
static int by_urn(const struct candidate *a, const struct candidate *b)
{
	if (a->member->priority != b->member->priority)
		return a->member->priority < b->member->priority ? -1 : 1;
	if ((a->member->weight == 0) != (b->member->weight == 0))
		return a->member->weight == 0 ? 1 : -1;
	return by_price(a, b);
}

static void swap(struct candidate *a, struct candidate *b)
{
	struct candidate t = *a;
	*a = *b;
	*b = t;
}

/* The best `wanted` to the front: an insertion into a short sorted list, most candidates fail its first comparison. */
static void select_best(struct candidate *c, int n, int wanted,
			int (*before)(const struct candidate *a, const struct candidate *b))
{
	for (int i = 1; i < n; i++) {
		int at = i < wanted ? i : wanted;
		if (at == wanted) {
			if (before(&c[i], &c[at - 1]) >= 0)
				continue;
			swap(&c[i], &c[--at]);
		}
		for (; at > 0 && before(&c[at], &c[at - 1]) < 0; at--)
			swap(&c[at], &c[at - 1]);
	}
}

/* Each place is drawn from what is left of the first priority, by weight. */
static void draw(struct candidate *c, int n, int wanted, uint64_t seed)
{
	select_best(c, n, n, by_urn);
	for (int i = 0; i < wanted; i++) {
		uint64_t total = 0;
		int end = i;
		for (; end < n && c[end].member->priority == c[i].member->priority && c[end].member->weight > 0; end++)
			total += (uint64_t)c[end].member->weight;
		if (total == 0)
			continue; /* weight 0: in order already */
		uint64_t ticket = random_draw(&seed) % total;
		int at = i;
		while (ticket >= (uint64_t)c[at].member->weight)
			ticket -= (uint64_t)c[at++].member->weight;
		for (; at > i; at--) /* keep the others' order */
			swap(&c[at], &c[at - 1]);
	}
}

/* A vendor that is only tried again must not take the place of the one that would have had the call. */
static void spare_one(struct candidate *c, int n, int wanted)
{
	for (int i = 0; i < wanted; i++)
		if (!c[i].trial)
			return;
	for (int i = wanted; i < n; i++)
		if (!c[i].trial) {
			swap(&c[wanted - 1], &c[i]);
			return;
		}
}

int rank_best(struct candidate *c, int n, int wanted, enum plan_policy policy, uint64_t seed)
{
	static int (*const before[])(const struct candidate *a, const struct candidate *b) = {
		[PLAN_LCR] = by_price,
		[PLAN_PRIORITY] = by_priority,
		[PLAN_QUALITY] = by_quality,
		[PLAN_BALANCED] = by_balance,
	};
	if (wanted > n)
		wanted = n;
	if (wanted <= 0)
		return 0;
	bool trials = false;
	for (int i = 0; i < n; i++)
		trials |= c[i].trial;
	int ordered = trials ? n : wanted; /* then the one to be spared is the best of the rest */
	if (policy == PLAN_WEIGHTED)
		draw(c, n, ordered, seed);
	else
		select_best(c, n, ordered, before[policy]);
	if (trials)
		spare_one(c, n, wanted);
	return wanted;
}
