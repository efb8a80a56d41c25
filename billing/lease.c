/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/lease.h"

#include <assert.h>

#define NANO_A_MICRO 1000

int64_t lease_micro(struct money amount)
{
	return amount.nano <= 0 ? 0 : amount.nano / NANO_A_MICRO + (amount.nano % NANO_A_MICRO > 0);
}

/* A grace is left out: whoever may talk past it must be able to pay from the first second on. */
static int step_at(const struct rate_terms *t, int64_t seconds, struct lease_step *step)
{
	struct rate_terms terms = *t;
	struct money amount;

	terms.grace_s = 0;
	int err = rate_call(&terms, seconds * 1000, &step->covered_s, &amount);
	step->micro = err == 0 ? lease_micro(amount) : 0;
	return err;
}

int lease_first(const struct rate_terms *t, struct lease_step *first)
{
	return step_at(t, t->initial_s > 0 ? t->initial_s : 1, first);
}

int lease_begin(const struct rate_terms *t, struct lease_step *first, struct lease_step *wanted)
{
	int err = lease_first(t, first);
	int64_t further_s = err ? 0 : LEASE_BEGIN_S - first->covered_s;

	if (err == 0 && further_s >= t->increment_s)
		err = step_at(t, first->covered_s + further_s - further_s % t->increment_s, wanted);
	else
		*wanted = *first;
	return err;
}

int lease_next(const struct rate_terms *t, int64_t covered_s, int64_t last_s, int64_t elapsed_ms,
	       struct lease_step *least, struct lease_step *wanted)
{
	assert(covered_s >= t->initial_s && elapsed_ms >= 0);

	int64_t further_s = 2 * last_s, ahead_s = elapsed_ms / 1000 + LEASE_AHEAD_S - covered_s;
	if (further_s > ahead_s)
		further_s = ahead_s;
	further_s -= further_s % t->increment_s; /* covered_s ends an interval, and so shall the next */
	int err = step_at(t, covered_s + 1, least);
	if (err == 0 && further_s > t->increment_s)
		err = step_at(t, covered_s + further_s, wanted);
	else
		*wanted = *least;
	return err;
}

int lease_kept(const struct rate_terms *t, int64_t elapsed_ms, struct lease_step *kept)
{
	int64_t seconds = elapsed_ms / 1000 + (elapsed_ms % 1000 > 0);

	return seconds <= t->initial_s ? lease_first(t, kept) : step_at(t, seconds, kept);
}

int64_t lease_end_ms(const struct rate_terms *t, int64_t covered_s)
{
	if (t->price_n <= 0)
		return INT64_MAX;
	int64_t end_s = covered_s > t->grace_s ? covered_s : t->grace_s;

	switch ((enum rate_duration)t->duration_rounding) {
	case RATE_DURATION_UP:
		break;
	case RATE_DURATION_HALF_UP:
		return end_s * 1000 + 499;
	case RATE_DURATION_DOWN:
		return end_s * 1000 + 999;
	}
	return end_s * 1000;
}
