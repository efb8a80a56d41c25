/* SPDX-License-Identifier: Apache-2.0 */
/* reliable.h - reliable provisional answers (RFC 3262) of vendors: who asks for them, and their PRACK.
 *
 * Each leg has them by its own terms. Towards a caller that requires 100rel the library sends them and takes the PRACK.
 * A vendor is offered them if the caller knows them or the vendor insists (421), and our INVITE has an offer: without
 * one a reliable 18x would bring the vendor's, and its PRACK would have to wait for the caller's answer.
 */
#ifndef SWITCH_RELIABLE_H
#define SWITCH_RELIABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "switch/stack.h"

struct leg;

struct reliable {
	bool offered;  /* our INVITE has SDP */
	bool wanted;   /* ... and "100rel" in Supported */
	uint64_t fork; /* the early dialog of the last one that was confirmed */
	uint32_t seq;  /* its RSeq; 0: none */
};

/* reliable_known - does whoever sent this know of them? */
bool reliable_known(const sip_t *sip);

/* reliable_supported - the Supported of our INVITE, with the session timer's; NULL: none */
const char *reliable_supported(const struct leg *leg);

/* reliable_demanded - a vendor's 421 that 100rel answers, not seen before. Then it is wanted from now on. */
bool reliable_demanded(struct leg *leg, const sip_t *sip);

/* reliable_confirm - PRACK, if the 18x asks for it. False: it is a repeat or out of order, and means nothing (section
 * 4). */
bool reliable_confirm(struct leg *leg, nta_outgoing_t *invite, const sip_t *sip);

#endif
