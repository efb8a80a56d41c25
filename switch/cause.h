/* SPDX-License-Identifier: Apache-2.0 */
/* cause.h - a call's fate as data: what the caller is answered, and what the CDR calls it. Pure.
 * The table of conditions and answers is section 4 of the outside.
 */
#ifndef SWITCH_CAUSE_H
#define SWITCH_CAUSE_H

#include <stdbool.h>

#include "billing/cdr.h"
#include "routing/route.h"

struct cause {
	int code; /* to the caller */
	enum cdr_reason reason;
};

/* cause_of_outcome - why routing offers nothing; outcome is not ROUTE_OK */
struct cause cause_of_outcome(enum route_outcome outcome);

/* cause_of_vendor - the hunt is over and `code` was the last vendor's final answer (408 for silence, 503 for a
 * transport error). What speaks of our relation to the vendor (3xx, 401-403, 407, 482, 483) becomes 503. */
struct cause cause_of_vendor(int code);

/* cause_stops - does this final answer of a vendor end the hunt? stop: the trunk's own list, or NULL for the default
 * one */
bool cause_stops(int code, const int *stop, int n_stop);

/* cause_mapped - the code that the ingress trunk's code_map makes of it */
int cause_mapped(int code, const struct trunk *ingress);

/* cause_q850 - ITU-T Q.850 cause for a SIP code, after RFC 3398 section 8.2.6.1; 16 for an answered call's normal end
 */
int cause_q850(int code);

/* cause_q850_of_reason - what the Reason header of our BYE says */
int cause_q850_of_reason(enum cdr_reason reason);

const char *cause_phrase(int code); /* never NULL */

#endif
