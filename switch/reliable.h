/* SPDX-License-Identifier: Apache-2.0 */
/* reliable.h - reliable provisional answers (RFC 3262): who asks for them, on which leg, and what a PRACK carries.
 *
 * Each leg has them by its own terms. A caller that requires 100rel gets every 18x reliably; a vendor is offered 100rel
 * if the caller knows it or the vendor insists (421), and what it sends reliably is confirmed at once. Only where an
 * offer or answer may have to cross in the PRACK - the caller requires 100rel, or knows it and sent no offer - does an
 * 18x with SDP wait for the caller's own PRACK, which then goes on to the vendor with its body (relay.h).
 *
 * The vendor is not offered them for an INVITE without SDP if the caller does not know them: its 18x would bring an
 * offer whose answer nobody could send.
 */
#ifndef SWITCH_RELIABLE_H
#define SWITCH_RELIABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "switch/stack.h"

struct leg;

enum { RELIABLE_FORKS_MAX = 4 }; /* early dialogs of one INVITE whose numbers are remembered; the oldest makes room */

struct reliable_fork {
	uint64_t tag; /* a hash of it */
	uint32_t seq; /* the RSeq that came last in it */
};

struct reliable {
	/* of our INVITE */
	bool offered; /* it has SDP */
	bool wanted;  /* ... and "100rel" in Supported, if somebody can answer what the 18x offers */
	bool carried; /* the caller confirms each 18x with SDP by itself, and its PRACK is passed on */
	struct reliable_fork fork[RELIABLE_FORKS_MAX];
	int forks;
	/* of an INVITE to us */
	bool known, required; /* 100rel in Supported or Require; in Require */
	bool offerless;	      /* it had no SDP */
	int unconfirmed; /* our 18x with a body that wait for their PRACK: no 2xx before it (section 3); the library
			    asks for any body, not for SDP */
};

/* prack - how the 18x of a vendor is confirmed; of the leg's arena */
struct prack {
	struct leg *leg;
	const char *hop, *uri, *to, *route, *rack; /* route: NULL for none */
};

/* reliable_asked - what an INVITE that came in says of it */
struct reliable reliable_asked(const sip_t *invite);
/* reliable_carries - may its sender's PRACKs bring an offer or an answer? */
bool reliable_carries(const struct reliable *r);

/* reliable_supported - the Supported of our INVITE */
const char *reliable_supported(const struct leg *leg);

/* reliable_demanded - a vendor's 421 that 100rel answers, not seen before. Then it is wanted from now on. */
bool reliable_demanded(struct leg *leg, const sip_t *sip);

/* reliable_anew - our INVITE is sent once more: RSeq belongs to one transaction (section 3) */
void reliable_anew(struct leg *leg);

/* reliable_confirm - PRACK, if the 18x asks for it; later, and *later is set, if the caller's PRACK is to confirm it.
 * False: it is a repeat or out of order, and means nothing (section 4). */
bool reliable_confirm(struct leg *leg, nta_outgoing_t *invite, const sip_t *sip, struct prack **later);

/* prack_send - body: a message whose body goes along, or NULL. done: its answer; NULL: nobody waits for it, and the
 * result is not to be kept. NULL: it could not be sent */
nta_outgoing_t *prack_send(const struct prack *p, const sip_t *body, nta_response_f *done, void *arg);

/* reliable_send - an 18x to the caller, reliably, with these tags; later: the vendor's 18x that its PRACK confirms.
 * False: not that way (the caller knows nothing of it, or need not), nothing was sent. */
bool reliable_send(struct leg *leg, int status, const tagi_t *tags, bool has_body, struct prack *later);
/* reliable_wanted - would it be? */
bool reliable_wanted(const struct leg *leg, int status, const struct prack *later);

#endif
