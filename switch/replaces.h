/* SPDX-License-Identifier: Apache-2.0 */
/* replaces.h - INVITE with Replaces (RFC 3891): a customer's other phone takes the caller's place in a call that talks.
 *
 * The call goes on: the vendor is told by a re-INVITE where the media now come from, the new leg becomes the call's
 * caller, and the replaced one gets BYE. It stays one call with one record, from its first answer to its last BYE,
 * because the vendor sees one; the INVITE that took over has a record of its own with nothing to pay. Until the vendor
 * has agreed both calls stand: the new one `takes` the other, which has it as its `taker`. Worker's thread.
 */
#ifndef SWITCH_REPLACES_H
#define SWITCH_REPLACES_H

#include "switch/stack.h"

struct call;
struct leg;
struct trunk;

struct replaced { /* a leg that was taken over and waits for the end of its BYE */
	struct replaced *next;
	struct leg *leg;
};

/* replaces_allowed - do this trunk's callers take over calls? */
bool replaces_allowed(const struct trunk *ingress);

/* replaces_refusal - the call that the INVITE of c takes over, or the status that says why not:
 *   400 no tags; 481 no such call of the same carrier, or not answered yet (section 3: an early dialog that was not
 *   ours to open); 486 early-only, and it is answered; 491 another INVITE is under way in it; 603 it is over */
int replaces_refusal(const struct call *c, const sip_t *sip, struct call **taken);

/* replaces_begin - the vendor of that call is asked. What comes of it is told by replaces_decided (relay.h) */
void replaces_begin(struct call *c, struct call *taken, const sip_t *sip);
void replaces_decided(struct call *c, int status);

/* replaces_over - the call ends: what it takes stays as it is, or ends if its vendor has agreed already; whoever was
 * taking it is refused */
void replaces_over(struct call *c);
/* replaces_gone - have the replaced legs of c no transaction left? replaces_free - c is being freed */
bool replaces_gone(const struct call *c);
void replaces_free(struct call *c);

#endif
