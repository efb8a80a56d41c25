/* SPDX-License-Identifier: Apache-2.0 */
/* call.h - one call: its two legs, its attempts, its record. Lives on one worker, in one arena.
 *
 * The order of work is section 4 of the outside: who, may it and where (call_begin.c, by routing),
 * hunt (hunt.c), talk and end (call.c by the table in call_table.c).
 */
#ifndef SWITCH_CALL_H
#define SWITCH_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "billing/cdr.h"
#include "lib/arena.h"
#include "lib/uuid.h"
#include "routing/number.h"
#include "routing/route.h"
#include "switch/cause.h"
#include "switch/dns.h"
#include "switch/leg.h"
#include "switch/media.h"
#include "switch/peer.h"
#include "switch/proxy.h"
#include "switch/reason.h"
#include "switch/replaces.h"
#include "switch/shared.h"
#include "switch/spend.h"
#include "switch/worker.h"

enum call_state {
	CALL_ADMITTING,	 /* parked: Redis books its place under limits that hold over all nodes */
	CALL_RESERVING,	 /* parked: the same for the next vendor's limits */
	CALL_RESOLVING,	 /* parked: the host name of the vendor is being looked up */
	CALL_OFFERING,	 /* parked: rtpengine makes the SDP for the vendor */
	CALL_CALLING,	 /* an attempt is out, nothing came back yet */
	CALL_TRYING,	 /* 100 came */
	CALL_RINGING,	 /* 18x came */
	CALL_CANCELLING, /* a proxied call: the caller gave up, the vendor's last word is waited for */
	CALL_ANSWERING,	 /* parked: 200 came; rtpengine makes its SDP for the caller, or a PRACK of his is due */
	CALL_ANSWERED,	 /* 200 sent to the caller, its ACK not here yet */
	CALL_UP,
	CALL_OVER, /* the CDR is written; legs may still wait for transactions */
	CALL_STATES
};

enum call_event {
	CALL_ON_CANCEL, /* caller */
	CALL_ON_ACK,
	CALL_ON_UNACKED,
	CALL_ON_BYE_A, /* caller hangs up */
	CALL_ON_BYE_B,
	CALL_ON_TRYING, /* the present attempt */
	CALL_ON_PROGRESS,
	CALL_ON_ANSWER,
	CALL_ON_FAIL,
	CALL_ON_LATE_ANSWER, /* an attempt that was given up */
	CALL_ON_LATE_FAIL,
	CALL_ON_TIMER,
	CALL_ON_HANGUP,	 /* the operator, or the node that stops */
	CALL_ON_GRANT,	 /* the place that a parked call waits for */
	CALL_ON_REFUSAL, /* there is none */
	CALL_ON_RESOLVED,
	CALL_ON_MEDIA,	    /* what waited for rtpengine goes on, with its SDP */
	CALL_ON_MEDIA_LOST, /* ... without, for there is none */
	CALL_ON_GONE,	    /* a leg has no transaction left */
	CALL_EVENTS
};

enum call_timer {
	CALL_TIMER_NONE,
	CALL_TIMER_RESPONSE,
	CALL_TIMER_PROGRESS,
	CALL_TIMER_RING,
	CALL_TIMER_INVITE,
	CALL_TIMER_MEDIA,
	CALL_TIMER_DURATION
};

struct call_offer {		   /* a route as the hunt needs it */
	const struct trunk *trunk; /* borrowed from call->snap */
	struct deck_found rate;
	struct health *health; /* of its address; NULL: not asked. Lives as long as the node */
};

struct call_place { /* whom an attempt calls: the trunk's host, or where a 3xx sent us */
	const char *host;
	int port; /* 0: by DNS or the transport's default */
	enum trunk_transport transport;
	const char *called;	      /* NULL: the number */
	const char *params;	      /* of the URI besides its transport, each with its ';'; NULL: none */
	const struct dns_target *hop; /* where it is sent; NULL: where its host leads */
};

struct call_attempt {
	struct leg leg;
	struct call *call;
	int n;				/* index in call->attempt and cdr->attempt */
	int offer;			/* index in call->offer */
	struct call_place place;	/* where it goes */
	struct dns_answer where;	/* the addresses that this led to */
	int target;			/* the one of them that is tried */
	const struct call_place *other; /* further places of a redirect, in order */
	int others;
	int redirects; /* followed on the way here */
	bool open;     /* its gauges are held */
	struct media media;
	struct codecs codecs; /* that its trunk lists */
	sip_t *body;	      /* the caller's INVITE as it goes to this vendor; only its body is used */
	struct gauge *trunk_gauge, *carrier_gauge;
};

struct call {
	struct call *next, **prev; /* worker->calls */
	struct call *same;	   /* the next one of its place in worker->call_by_id */
	struct arena *arena;
	struct worker *worker;
	struct uuid id;
	enum call_state state;
	struct snapshot *snap; /* held until the call is answered or over */
	struct leg a;
	struct call *takes, *taker; /* replaces.h: what it takes over, who takes it over; NULL */
	struct replaced *replaced;  /* callers that were taken over, the youngest first */
	struct proxy *proxy;	    /* its trunk's mode is proxy; NULL: b2bua or redirect */
	struct call_attempt *attempt[CDR_ATTEMPTS_MAX];
	int attempts;
	struct call_attempt *b; /* the present attempt, or the one that answered */
	struct call_offer *offer;
	int offers, next_offer;
	const struct trunk *ingress; /* valid while snap is held */
	struct number_pair number;   /* as routed */
	const char *display;
	bool secret; /* the caller asks that vendors be not told who calls */
	int max_forwards;
	msg_t *invite; /* the caller's INVITE: its body goes to each vendor */
	bool invite_has_body;
	struct leg_event kept;		  /* a 2xx that waits for the caller's PRACK: it may not overtake it */
	msg_t *kept_msg;		  /* whose memory that uses; NULL: none waits */
	struct call_attempt *media_owner; /* whose 18x with a body has reached the caller */
	bool hunt_after_media;
	struct reason reason; /* why it ends, as the side said that ends or refused it; the other side is told */
	int last_code;	      /* the last vendor's final answer; 408 for silence */
	bool last_was_silence, last_rang;
	int untried_code; /* what the caller is told if no vendor could be tried at all; 0: 503 */
	su_timer_t *timer;
	enum call_timer timer_kind;
	int64_t begun_mono_us, answered_mono_us, over_mono_us, invite_deadline_us;
	int64_t left_mono_us;			   /* when a side hung up, if that was agreed to later; 0: now */
	int32_t max_duration_s;			   /* 0: none */
	struct gauge *trunk_gauge, *carrier_gauge; /* ingress; NULL once given back */
	struct dns_question *name_question;
	struct shared_question *question; /* what a parked call waits for */
	bool port_asked, port_waits;	  /* the number's portability: looked at; parked for the answer */
	struct spend *spend;		  /* NULL: its carrier may spend what it likes */
	int hangup_code;		  /* what an unanswered caller is told on CALL_ON_HANGUP */
	enum cdr_reason hangup_reason;
	struct cdr *cdr; /* given to the spool at the end */
	bool reserved;	 /* holds a place in the spool */
	bool shown;	 /* stands in the live calls */
	bool buried;
};

/* call_begin - a new INVITE of a known trunk. Takes irq; answers it in any case. denied: its credentials were wrong. */
void call_begin(struct worker *w, nta_incoming_t *irq, const sip_t *sip, const struct peer *peer,
		const struct trunk *trunk, bool denied);

/* call_find - by id, NULL if it is not here. call_end - hang up for that reason; code is what an unanswered caller is
 * told. */
struct call *call_find(struct worker *w, const struct uuid *id);
void call_end(struct call *c, enum cdr_reason reason, int code);

void call_bury(struct worker *w);  /* free the calls that are done with */
void call_discard(struct call *c); /* the worker ends: close its legs, unlink */

/* ---- within switch/: between call.c, call_table.c, hunt.c ---------------------------------------------------------
 */

void call_handle(struct call *c, enum call_event event, const struct leg_event *ev, struct call_attempt *attempt);
/* call_finish - the call is over: answer the caller if that is still due, write the CDR, let the limits go */
void call_finish(struct call *c, struct cause cause, enum cdr_party party);
void call_set_timer(struct call *c, enum call_timer kind, int64_t ms);
void call_show(const struct call *c);
int64_t call_wall_us(
	const struct call *c); /* now, on this call's own time line: start + what the monotonic clock measured */
/* call_end_mono_us, call_end_wall_us - the moment at which it ends, if it ends now: the BYE's, see left_mono_us */
int64_t call_end_mono_us(const struct call *c);
int64_t call_end_wall_us(const struct call *c);

/* call_park - ask for a place under limits that hold over all nodes; state is what the call waits in. False: no need
 * to. */
bool call_park(struct call *c, enum call_state state, const struct trunk *trunk);
/* call_ported - the answer that a parked call waits for: the number to route by, "" as dialled */
void call_ported(struct call *c, const char *lrn);
/* call_route - admitted: find the routes and begin the hunt */
void call_route(struct call *c);

struct call *call_new(struct worker *w);
/* call_pass - a request inside the call: to the other side */
void call_pass(struct call *c, struct leg *from, struct call_attempt *t, const struct leg_event *ev);

/* hunt_timer - start the present attempt's limit of that kind (or the whole call's, if that is nearer) */
void hunt_timer(struct call *c, enum call_timer kind);
/* hunt_next - try the next offer; with none left the call ends with the last vendor's fate */
void hunt_next(struct call *c);
/* hunt_send - the present attempt has its place: find the vendor's address, then hunt_dial; hunt_skip - it has none */
void hunt_send(struct call *c);
void hunt_dial(struct call *c);
/* hunt_invite - its body is made: out with the INVITE. hunt_no_media - it could not be: 415, 488, or 503 */
void hunt_invite(struct call *c);
void hunt_no_media(struct call *c, int code);
/* hunt_other_address - the same vendor at its next address, if the look-up gave several. False: no more, or it would be
 * more than the plan's max_attempts. */
bool hunt_other_address(struct call *c, const struct call_attempt *t);
/* hunt_follow - the vendor's 3xx, if its trunk and max_attempts allow. False: not followed. */
bool hunt_follow(struct call *c, const struct call_attempt *t, const sip_t *sip);
void hunt_skip(struct call *c);
/* hunt_attempt_close - the attempt is over: note it in the record, give its limits back */
void hunt_attempt_close(struct call_attempt *t, int code, const char *reason);

typedef void call_action(struct call *c, const struct leg_event *ev, struct call_attempt *attempt);
/* call_table - what is done in which state; call_ignore where nothing is to be done on purpose. No entry is NULL. */
extern call_action *const call_table[CALL_STATES][CALL_EVENTS];
void call_ignore(struct call *c, const struct leg_event *ev, struct call_attempt *attempt);

#endif
