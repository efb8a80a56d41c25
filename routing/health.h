/* SPDX-License-Identifier: Apache-2.0 */
/* health.h - is a vendor's address alive: a circuit breaker. No clock, no I/O.
 *
 * One thread tells it what happened (health_tell_*); any thread may ask health_may_try, and health_claim before a call.
 * A breaker opens when HEALTH_CALLS calls in a row, or HEALTH_PROBES probes in a row, had no answer of any kind. While
 * it is open the address gets no calls. After a pause one call may try it (half open): its answer closes the breaker,
 * its silence doubles the pause. Where OPTIONS probes run, their answer closes a breaker that probes opened, and for
 * one that calls opened it only brings the trial forward: a vendor may well answer probes and swallow calls.
 */
#ifndef ROUTING_HEALTH_H
#define ROUTING_HEALTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HEALTH_CALLS 5
#define HEALTH_PROBES 3
#define HEALTH_PAUSE_US (5 * 1000000LL) /* before the first trial */
#define HEALTH_PAUSE_MAX_US (120 * 1000000LL)
#define HEALTH_CLAIM_US (20 * 1000000LL) /* for that long a trial keeps others away */

struct health {
	_Atomic bool down;
	_Atomic int64_t trial_us; /* monotonic: from when on one call may try it; INT64_MAX: when a probe says so */

	/* of the telling thread */
	int calls_failed, probes_failed; /* in a row */
	bool by_probe;			 /* it was probes that opened it */
	int64_t pause_us, due_us;	 /* the pause, and when (monotonic) it ends */
	int64_t since_us;		 /* wall: of the last change; 0: none yet */
	char reason[96];		 /* of the last change; "" none yet */
};

/* health_may_try - it is up, or a trial is due. Times are clock_mono_us's */
bool health_may_try(const struct health *h, int64_t mono_us);
/* health_claim - may this call go there? Of the calls that find a trial due, one gets it. */
bool health_claim(struct health *h, int64_t mono_us);

enum health_change { HEALTH_SAME, HEALTH_OPENED, HEALTH_CLOSED };

/* health_tell_call, health_tell_probe - what became of a call, of a probe, and what that changed.
 *   alive   there was an answer of any kind; else why says in a word what was seen (copied)
 *   probed  OPTIONS probes run on this address */
enum health_change health_tell_call(struct health *h, bool alive, const char *why, bool probed, int64_t mono_us);
enum health_change health_tell_probe(struct health *h, bool alive, const char *why, int64_t mono_us);
/* health_unprobed - probes run no more: an open breaker that waits for one gets its trial by call */
void health_unprobed(struct health *h, int64_t mono_us);

#endif
