/* SPDX-License-Identifier: Apache-2.0 */
/* lease.h - how much money a running call holds, and until when that carries it.
 * Pure, any thread. All by the one rating function, so a lease and the record cannot disagree.
 *
 * Leases are counted in millionths of the currency, rounded up: what is held is never less than what will be charged.
 * A step covers whole intervals of the rate: up to and including covered_s billed seconds.
 */
#ifndef BILLING_LEASE_H
#define BILLING_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/status.h"
#include "tariff/rate.h"

#define LEASE_BEGIN_S 10
#define LEASE_AHEAD_S 45 /* no lease reaches further ahead, unless one increment alone does */

struct lease_step {
	int64_t covered_s; /* billed seconds that it pays */
	int64_t micro;	   /* the whole call's amount so far, 0 or more */
};

/* lease_micro - nano-units in millionths, rounded up, at least 0 */
int64_t lease_micro(struct money amount);

/* lease_first - the first interval and the fee: what must fit before the call is admitted. 0 or -ERANGE */
int lease_first(const struct rate_terms *t, struct lease_step *first) must_check;

/* lease_begin - the two steps that a call may begin with: the first interval, and LEASE_BEGIN_S of talk, for a carrier
 *   that has plenty: what it holds then outlasts a short call, or a busy moment. 0 or -ERANGE */
int lease_begin(const struct rate_terms *t, struct lease_step *first, struct lease_step *wanted) must_check;

/* lease_next - the two steps that may follow: one increment more, and twice the seconds of the last step, not more
 *   than LEASE_AHEAD_S ahead of elapsed_ms. covered_s is of an earlier step. 0 or -ERANGE */
int lease_next(const struct rate_terms *t, int64_t covered_s, int64_t last_s, int64_t elapsed_ms,
	       struct lease_step *least, struct lease_step *wanted) must_check;

/* lease_kept - the step that carries elapsed_ms of talk and no more: what a call keeps when its lease is recalled. 0 or
 *   -ERANGE */
int lease_kept(const struct rate_terms *t, int64_t elapsed_ms, struct lease_step *kept) must_check;

/* lease_end_ms - the last millisecond of talk that covered_s pays; INT64_MAX if more talk costs no more */
int64_t lease_end_ms(const struct rate_terms *t, int64_t covered_s);

#endif
