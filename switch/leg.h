/* SPDX-License-Identifier: Apache-2.0 */
/* leg.h - one dialog of a call and its transactions: the only code that touches the SIP library's transactions.
 *
 * A leg belongs to one call and tells it what happens by call_on_leg (declared here, defined by call.c). Once it has
 * told LEG_GONE, it has no transaction left that could call back.
 */
#ifndef SWITCH_LEG_H
#define SWITCH_LEG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/status.h"
#include "routing/snapshot.h"
#include "switch/codecs.h"
#include "switch/headers.h"
#include "switch/reason.h"
#include "switch/refer.h"
#include "switch/reliable.h"
#include "switch/session.h"
#include "switch/stack.h"

struct worker_port;

#define LEG_SUPPORTED "timer, 100rel"
#define LEG_ACCEPT "application/sdp"
#define LEG_MIN_SE "90" /* SESSION_MIN_S */

enum leg_event_kind {
	/* of the INVITE that we sent */
	LEG_TRYING,   /* 100 */
	LEG_PROGRESS, /* 101..199 */
	LEG_ANSWER,   /* 2xx */
	LEG_FAIL,     /* 300..699; internal: nobody said so (408 no answer in time, 503 transport error) */
	/* of the INVITE that we were sent */
	LEG_CANCELLED,
	LEG_CONFIRMED, /* a PRACK of ours came: its 18x need not be waited for any more */
	LEG_ACKED,
	LEG_UNACKED, /* our 2xx, or reliable 18x, was repeated for 64*T1 and never acknowledged */
	/* inside the dialog */
	LEG_BYE,     /* answered 200 already */
	LEG_REQUEST, /* any other; `request` waits for relay_pass or leg_refuse */
	LEG_EXPIRED, /* its session timer ran out (RFC 4028), or nobody is there any more */
	LEG_TORN,    /* the two sides no longer see the same session */
	LEG_GONE,
};

struct leg_event {
	enum leg_event_kind kind;
	int status;
	bool internal;
	const sip_t *sip; /* the message, NULL where there is none; valid during the call only */
	msg_t *msg;	  /* whose memory that uses; NULL: the transaction's last answer's */
	nta_incoming_t *request;
	struct prack *later; /* of a LEG_PROGRESS: what the caller's PRACK is to confirm */
	int q850;	     /* of a LEG_BYE without a message */
};

struct leg {
	struct worker *worker;
	struct call *call;
	const struct worker_port *port;
	nta_leg_t *dialog;
	nta_incoming_t *invite_in;
	nta_outgoing_t *invite_out, *bye_out;
	struct relay *orphans; /* re-INVITEs to this side whose sender is gone */
	struct relay *relays;  /* requests that came on this leg and wait for the other one's answer */
	struct session session;
	struct reliable reliable; /* 18x that are confirmed */
	int32_t session_wish_s;	  /* what our INVITE asks for; 0: no timer */
	char *sdp_sent;		  /* the SDP that this side has of us, kept where a refresh may need it */
	size_t sdp_room;	  /* bytes that sdp_sent has */
	struct codecs codecs;	  /* what its trunk lists; set by the call */
	uint32_t sdp_id;	  /* our id in the o= lines that this side sees */
	uint32_t invite_cseq;	  /* of the INVITE that we sent last: its ACK's */
	bool inbound;		  /* they called us */
	bool proxied;		  /* proxy.h: no dialog of ours, what is sent passes through */
	su_timer_t *patience;	  /* our INVITE was cancelled: how long its last word is waited for */
	bool responded;		  /* our INVITE had any answer */
	bool provisional;	  /* ... and may be cancelled */
	bool cancel_sent;
	bool confirmed; /* 2xx sent or received: ends with BYE */
	bool over;	/* BYE sent or received, or refused: only waits for transactions */
	bool gone;
	char first_tag[16];   /* To tag of the transaction that the INVITE is */
	bool reforked;	      /* answers name the dialog's own tag, not the transaction's */
	struct reason reason; /* the other side's: our refusal, CANCEL or BYE has it; set by the call */
	int bye_cause;	      /* >= 0: hang up with it as soon as the ACK is here */
	char next_hop[96]; /* where requests inside the dialog are sent instead of to a name; "": as the dialog says */
	const char *username, *password; /* ours at this vendor */
	int challenged;			 /* its challenges that were answered */
	const sip_to_t *to_base;	 /* the To of their INVITE without our tag, for leg_refork; set by the call */
	const char *headers;		 /* further lines of our INVITE, each with its CRLF; "" none */
	struct headers passed;		 /* what crosses to this side from the other; set by the call */
	struct refer refer;		 /* set by the call, kept by relay_*.c */
	struct arena *arena;
	const char *call_id;
};

/* call_on_leg - what the call does about it. May free neither the call nor the leg before it returns. */
void call_on_leg(struct call *call, struct leg *leg, const struct leg_event *event);

/* leg_accept - the dialog of an INVITE that came in. 0 or -EINVAL (no usable Contact: 400) */
int leg_accept(struct leg *leg, struct call *call, struct worker *w, const struct worker_port *port,
	       nta_incoming_t *irq, const sip_t *sip) must_check;
/* leg_answer - answer its INVITE. body: a message whose body is sent on, or NULL. A 1xx or 2xx carries our Contact. */
void leg_answer(struct leg *leg, int status, const sip_t *body);
/* leg_progress - an 18x of the other leg's goes to this one, reliably where that is called for */
void leg_progress(struct leg *leg, const struct leg_event *ev);
/* leg_answered - its INVITE has had its final refusal */
void leg_answered(struct leg *leg);
/* leg_answer_unsupported - 420 that names what is asked for and not done */
void leg_answer_unsupported(struct leg *leg, const sip_unsupported_t *unsupported);
/* leg_answer_moved - 302 with these Contacts */
void leg_answer_moved(struct leg *leg, const char *contacts);
/* leg_answer_too_small - 422 with the Min-SE that we want */
void leg_answer_too_small(struct leg *leg);
/* leg_refork - later answers open a new early dialog with a To tag of its own (the caller has media of another). 0 or
 * -ENOMEM */
int leg_refork(struct leg *leg) must_check;

struct leg_target {			   /* whom to call, all text borrowed */
	const char *called, *calling;	   /* users, unescaped */
	const char *display;		   /* of the caller, as on the wire; NULL: none */
	const char *host;		   /* as the URI names it; IPv6 in brackets */
	int port;			   /* in the URI; 0: none */
	const char *params;		   /* of the URI besides its transport, each with its ';'; NULL: none */
	const struct dns_target *next_hop; /* where it is sent */
	int max_forwards;
	int32_t session_s;		 /* Session-Expires to ask for; 0: no session timer */
	const char *username, *password; /* for a digest challenge; "" if none */
	const char *headers;		 /* further lines of the INVITE, each with its CRLF; "" none */
	bool refer;			 /* both trunks allow transfers */
	struct headers passed;		 /* what crosses later; its memory is the call's */
	const sip_t *body;		 /* its body goes along; NULL: none */
	struct reliable asked;		 /* what the caller knows of reliable 18x (RFC 3262) */
};
/* leg_target_uri - the Request-URI that calls it. leg_target_route - where that is sent. Memory of home; NULL: none */
char *leg_target_uri(su_home_t *home, const struct leg_target *to, enum trunk_transport transport);
char *leg_target_route(su_home_t *home, const struct dns_target *hop, enum trunk_transport transport);
/* leg_call - a new dialog: send an INVITE. arena keeps the Call-ID. 0, or -EINVAL / -EIO if it could not be sent */
int leg_call(struct leg *leg, struct call *call, struct worker *w, const struct worker_port *port, struct arena *arena,
	     const struct leg_target *to) must_check;
/* leg_give_up - end our INVITE: CANCEL it if it had an answer, else stop repeating it. A late 2xx is still told
 *               (after CANCEL) or acknowledged and hung up by itself. */
void leg_give_up(struct leg *leg);
void leg_ack(struct leg *leg, const sip_t *body);
/* leg_hang_up - BYE, if the dialog is confirmed. cause: Q.850 for a Reason header, 0 none. LEG_GONE comes later. */
void leg_hang_up(struct leg *leg, int cause);

/* leg_refuse - answer a request inside the dialog by ourselves. relay.h passes it to the other leg instead. */
void leg_refuse(struct leg *leg, nta_incoming_t *request, int status);

/* leg_ack_send - ACK a 2xx of the INVITE with that CSeq (a relay: of re-INVITEs) */
void leg_ack_send(struct leg *leg, uint32_t cseq, const sip_t *body, const char *branch);

/* leg_settle - one thing less that it waits for: is it gone now? */
void leg_settle(struct leg *leg);
/* leg_route_learned - msg has (re)set the dialog's routes */
void leg_route_learned(struct leg *leg, msg_t *msg);
/* leg_retarget - what comes with that Contact moves the target of the dialog: of INVITE, UPDATE and REFER, and of their
 * 2xx (RFC 3261 section 12.2, RFC 3311 section 5, RFC 3515 section 2.4.1). Takes msg */
void leg_retarget(struct leg *leg, msg_t *msg, const sip_t *sip);

static inline url_string_t *leg_next_hop(const struct leg *leg)
{
	return leg->next_hop[0] ? (url_string_t *)leg->next_hop : NULL;
}

/* leg_close - let go of everything at once, telling nobody (the call is being freed) */
void leg_close(struct leg *leg);

#endif
