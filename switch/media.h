/* SPDX-License-Identifier: Apache-2.0 */
/* media.h - a call's media through rtpengine, where either leg's trunk asks for it.
 *
 * Each attempt has a session of its own at rtpengine, deleted when the attempt ends. Every SDP of a relayed call goes
 * through rtpengine on its way: what carries it waits meanwhile, at most RTPENGINE_LIMIT_MS an instance. The INVITE to
 * a vendor waits in CALL_OFFERING, its 2xx in CALL_ANSWERING; an 18x and the caller's ACK wait beside the call's state,
 * as its time limits go on; requests inside the call wait with their relay (relay_priv.h).
 */
#ifndef SWITCH_MEDIA_H
#define SWITCH_MEDIA_H

#include "switch/leg.h"
#include "switch/rtpengine.h"

struct call;
struct call_attempt;

enum { MEDIA_LIMIT_MS = RTPENGINE_LIMIT_MS * (RTPENGINE_MAX + 1) }; /* rtpengine.h has its own, nearer one */

enum media_kind { MEDIA_OFFER, MEDIA_ANSWER };

struct media { /* of an attempt; all zero: bypass */
	bool relayed;
	bool open;   /* rtpengine may know of it */
	bool paired; /* ... and has had an answer: both sides have a tag there */
	int instance;
	char id[48];
	int64_t query_us;		     /* when rtpengine is next asked whether it still has it */
	struct rtpengine_question *question; /* of what is held, or of the INVITE that is to go out */
	struct rtpengine_question *query;
	struct leg_event held; /* what waits for its SDP; its sip is a copy in the call's arena */
	msg_t *held_msg;       /* whose memory that uses; NULL: the INVITE's */
};

/* media_of - the session of the present attempt; NULL: media go past the switch */
struct media *media_of(struct call *c);

/* media_ask - have rtpengine rewrite the SDP of sip, which came from that leg. As rtpengine_ask. */
struct rtpengine_question *media_ask(struct media *m, struct leg *from, enum media_kind kind, const sip_t *sip,
				     rtpengine_done *done, void *arg);
/* media_sdp - the SDP that an answer of rtpengine's brings; NULL: none */
const char *media_sdp(const json_t *answer);
/* media_lost - count and log (no more often than every 10 s) that an SDP could not be passed. answer: as in done. */
void media_lost(struct worker *w, const json_t *answer);

/* media_begin - the present attempt is about to be called: make its body, from the caller's. 0: it may go out at once;
 * 1: later, by CALL_ON_MEDIA or CALL_ON_MEDIA_LOST (status: as the following);
 * else the code of its refusal: 488 no codec that the trunks list, 415 a body in which SDP could hide, 503 no rtpengine
 */
int media_begin(struct call *c);

/* media_hold - an 18x, 2xx or ACK with SDP: keep it until that is rewritten; then CALL_ON_MEDIA brings it back, or
 * CALL_ON_MEDIA_LOST, without its body. False: there is nothing to wait for. */
bool media_hold(struct call *c, struct call_attempt *t, const struct leg_event *ev);

/* media_end - the attempt is over, or the call is being freed: nothing waits any more, rtpengine forgets it */
void media_end(struct call_attempt *t);

/* media_tick - ten times a second: has rtpengine still the sessions of answered calls? One that it gave up, for no
 * media came (its own time limit), ends with media_timeout. */
void media_tick(struct worker *w);

#endif
