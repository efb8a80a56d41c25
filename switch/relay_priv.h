/* SPDX-License-Identifier: Apache-2.0 */
/* relay_priv.h - what the files of a relay share: relay.c (its life, and what is asked of a leg's relays),
 * relay_request.c (the way there) and relay_answer.c (the way back, with the ACK that follows). All on the worker's
 * thread.
 */
#ifndef SWITCH_RELAY_PRIV_H
#define SWITCH_RELAY_PRIV_H

#include "switch/leg.h"

struct call;
struct media;
struct prack;
struct rtpengine_question;

struct relay {
	struct relay *next;
	struct leg *from, *to; /* from is NULL once that side is over */
	nta_incoming_t *in;
	nta_outgoing_t *out;
	uint32_t cseq; /* of out */
	bool invite;
	bool target;		   /* it may move the dialog's target and refreshes the session: INVITE, UPDATE */
	const struct prack *prack; /* what a PRACK confirms; NULL: another request */
	bool offered;		   /* the request has SDP: a 2xx answers it, else it offers */
	bool answered;		   /* its 2xx was passed back and waits for the ACK */
	bool cancelled;		   /* it was answered 487; the other side may still answer 2xx */
	su_timer_t *patience;	   /* how long that is waited for; NULL: who asked still waits, too */
	/* of a relayed call: what waits for rtpengine */
	struct media *media; /* of the call; NULL: bypass */
	struct rtpengine_question *question;
	msg_t *held; /* the request, or the answer to it, whose SDP is being rewritten */
	int status;  /* of the answer; 0: the request */
};

/* relay_new - a copy of that, on from's list, which owns it: relay_free ends it, or the end of the leg */
struct relay *relay_new(const struct relay *with);
void relay_free(struct relay *r);

/* relay_refuse - answer the request with that status, and free r */
void relay_refuse(struct relay *r, int status);
/* relay_patience - nobody waits for the other side's answer any more but us, and we do for 64*T1: a side that has said
 * 100 to an INVITE may say nothing more, and the library would wait for ever */
void relay_patience(struct relay *r);
/* relay_ack - acknowledge the 2xx of an INVITE; sip: whose body goes along, NULL: none */
void relay_ack(struct relay *r, const sip_t *sip);
/* relay_taker - the call that takes another over, if that is what r is for (replaces.h); else NULL */
struct call *relay_taker(const struct relay *r);

/* What the library calls with a struct relay: for the ACK and CANCEL of an INVITE, and for answers */
int relay_on_ack_cancel(void *magic, nta_incoming_t *irq, sip_t const *sip);
int relay_on_response(void *magic, nta_outgoing_t *orq, sip_t const *sip);

#endif
