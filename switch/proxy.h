/* SPDX-License-Identifier: Apache-2.0 */
/* proxy.h - the legs of a call whose ingress trunk has mode proxy: one dialog from end to end, which we only route.
 *
 * Who, may it, where to, the hunt, the record and the live list are the call's as ever. What differs: each vendor gets
 * the caller's own INVITE (another Request-URI, our Via and Record-Route), its answers go back as they are, and after
 * the 2xx the ends talk to each other. Requests inside the dialog come by passage.c, on any worker, which tells this
 * one of what ends or refreshes the call.
 *
 * Where we differ from RFC 3261 section 16.7: a 2xx of a vendor that was given up is acknowledged and hung up by us, as
 * in mode b2bua, for the caller has been told something else or is being told by another vendor.
 */
#ifndef SWITCH_PROXY_H
#define SWITCH_PROXY_H

#include "switch/dialogs.h"
#include "switch/leg.h"

struct call;
struct call_attempt;
struct proxy;

/* ---- of the call; c->proxy is NULL for one that is no proxied call ---- */

/* proxy_begin - a call's beginning, in place of leg_accept: its INVITE is irq, from that trunk, by that port */
void proxy_begin(struct call *c, const struct trunk *trunk, const struct worker_port *port, nta_incoming_t *irq);
void proxy_over(struct call *c); /* its record is being written: nothing that its ends do changes it any more */
void proxy_drop(struct call *c); /* it is being freed */

/* proxy_call - the next vendor, in place of leg_call. 0, or -EIO: it could not be sent */
int proxy_call(struct leg *leg, struct call *c, const struct worker_port *port, const struct leg_target *to) must_check;
/* proxy_progress - the vendor's 18x to the caller */
void proxy_progress(struct call *c, const struct call_attempt *t);
/* proxy_answer - its 2xx; false: the caller could not be told */
bool proxy_answer(struct call *c, struct call_attempt *t);
/* proxy_refuse - the caller's final answer: the last vendor's own, if that has this code, else one of ours */
void proxy_refuse(struct call *c, int code);
/* proxy_cancel - the caller gave up: so do we, and its final answer is waited for. False: there is nothing to wait for.
 */
bool proxy_cancel(struct call *c, const sip_t *cancel);

/* ---- of a leg of such a call; called by leg.c ---- */
void proxy_give_up(struct leg *leg); /* leg_give_up */
void proxy_leg_end(struct leg *leg); /* leg_hang_up: the call is over; an answer that was not passed on is hung up */

/* ---- news of the dialog, from any worker ---- */

struct proxy_news {
	struct uuid call;
	bool ended;		/* by a BYE; else a refresh was answered 2xx */
	int64_t left_us;	/* when that BYE came, monotonic */
	enum dialogs_side from; /* who sent it */
	int q850;		/* of the BYE's Reason; 0 none */
	int32_t session_s;	/* of the refresh; 0: no session timer any more */
};
/* proxy_tell - owner: index of the worker whose call it is */
void proxy_tell(struct worker *w, int owner, const struct proxy_news *news);

#endif
