/* SPDX-License-Identifier: Apache-2.0 */
/* spend.h - a call that may only spend what its carrier has: admission, leases ahead of the talk, cut-off in time.
 * On the call's worker; the purse (its own thread) holds the money.
 */
#ifndef SWITCH_SPEND_H
#define SWITCH_SPEND_H

#include <stdbool.h>
#include <stdint.h>

#include "switch/cause.h"

struct call;
struct spend;
struct worker;

/* spend_begin - routed, its sell rate known: if the carrier is prepaid or has a credit limit, ask for the first
 * interval and the fee, and park the call (CALL_ADMITTING) until CALL_ON_GRANT or CALL_ON_REFUSAL. False: nothing to be
 * asked. True also if the call was ended at once. */
bool spend_begin(struct call *c);
/* spend_wanted - would spend_begin ask? */
bool spend_wanted(const struct call *c);
struct cause spend_refusal(const struct call *c); /* why CALL_ON_REFUSAL came: 402, or 503 if nobody knows */
void spend_answered(struct call *c);		  /* from now on the money runs */
void spend_end(struct call *c);			  /* its record is rated: hold that, until it is posted */
void spend_drop(struct call *c);		  /* the call is freed */

/* For all calls of a worker: spend_limits_changed - a new snapshot is there; limits set, changed or taken away bind the
 * calls that talk. spend_recalled - that carrier's money is short: they give back what they hold for later. */
void spend_limits_changed(struct worker *w);
void spend_recalled(struct worker *w, int64_t carrier_id);

#endif
