/* SPDX-License-Identifier: Apache-2.0 */
/* What a call does: state x event -> action. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "switch/call.h"
#include "switch/node.h"
#include "switch/relay.h"

/* What a side said of why: for the record, and for the other side. */
static void reason_note(struct call *c, const sip_t *sip)
{
	c->reason = reason_of(sip);
	c->cdr->q850_cause = c->reason.q850;
}

static void on_trying(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	c->state = CALL_TRYING;
	hunt_timer(c, CALL_TIMER_PROGRESS);
}

/* The caller hears of whom he called. True: for the first time. */
static bool reached_note(struct call *c)
{
	if (c->cdr->pdd_ms >= 0)
		return false;
	c->cdr->pdd_ms = (clock_mono_us() - c->begun_mono_us) / 1000;
	figures_setup_add(&c->worker->count.setup, c->cdr->pdd_ms);
	return true;
}

/* An 18x goes to the caller; one with a body opens its media, and another vendor may then no longer share its To tag.
 */
static void progress_pass(struct call *c, const struct leg_event *ev)
{
	bool has_body = ev->sip && ev->sip->sip_payload;
	struct cdr *cdr = c->cdr;

	if (c->proxy) {
		proxy_progress(c, c->b);
	} else if (c->media_owner && c->media_owner != c->b && leg_refork(&c->a)) {
		return;
	} else {
		if (c->media_owner != c->b)
			c->media_owner = NULL;
		leg_progress(&c->a, ev);
	}
	if (has_body)
		c->media_owner = c->b;
	if (reached_note(c))
		cdr->progress_us = call_wall_us(c);
}

static void on_progress(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	struct cdr_attempt *r = &c->cdr->attempt[t->n];

	if (!r->progress_us)
		r->progress_us = call_wall_us(c);
	progress_pass(c, ev);
	if (c->state != CALL_RINGING) {
		c->state = CALL_RINGING;
		hunt_timer(c, CALL_TIMER_RING);
		call_show(c);
	}
}

static int32_t shorter(int32_t a, int32_t b)
{
	return a <= 0 ? b : b <= 0 || a < b ? a : b;
}

/* False: it did not reach the caller. */
static bool answer_pass(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	if (c->proxy)
		return proxy_answer(c, t);
	if (c->media_owner && c->media_owner != t && leg_refork(&c->a))
		log_event(LOG_LEVEL_WARN, "no memory for a new dialog, the answer keeps the earlier one", NULL);
	leg_answer(&c->a, ev->status, ev->sip);
	return c->a.confirmed;
}

/* Not before the caller has confirmed the SDP of an 18x (RFC 3262 section 3). If it never does, LEG_UNACKED comes. */
static void answer_keep(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	sip_t *copy = arena_alloc(c->arena, sizeof *copy);

	*copy = *ev->sip;
	c->kept = *ev;
	c->kept.sip = copy;
	c->kept_msg = ev->msg ? msg_ref_create(ev->msg) : nta_outgoing_getresponse(t->leg.invite_out);
	c->state = CALL_ANSWERING;
	call_set_timer(c, CALL_TIMER_NONE, 0);
}

static void on_answer(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	struct cdr *cdr = c->cdr;
	int32_t limit_s = shorter(c->ingress->max_duration_s, c->offer[t->offer].trunk->max_duration_s);

	if (c->a.reliable.unconfirmed) {
		answer_keep(c, ev, t);
		return;
	}
	if (!answer_pass(c, ev, t)) { /* the caller could not be told */
		leg_ack(&t->leg, NULL);
		hunt_attempt_close(t, ev->status, "caller_unreachable");
		leg_hang_up(&t->leg, cause_q850_of_reason(CDR_NO_ACK));
		call_finish(c, (struct cause){500, CDR_NO_ACK}, CDR_SWITCH);
		return;
	}
	c->answered_mono_us = clock_mono_us();
	cdr->answered_us = call_wall_us(c);
	(void)reached_note(c);
	cdr->attempt[t->n].answered_us = cdr->answered_us;
	cdr->attempt[t->n].sip_code = ev->status;
	cdr->attempt[t->n].reason = "answered";
	cdr->sip_code = 200;
	reason_note(c, NULL); /* an earlier vendor may have said something */
	c->state = CALL_ANSWERED;
	atomic_fetch_add_explicit(&c->worker->count.answered, 1, memory_order_relaxed);
	/* With the offer in our INVITE its answer is complete: no need to wait for the caller's ACK. Else that carries
	 * SDP. */
	if (c->invite_has_body)
		leg_ack(&t->leg, NULL);
	if (limit_s > 0)
		call_set_timer(c, CALL_TIMER_DURATION, (int64_t)limit_s * 1000);
	else
		call_set_timer(c, CALL_TIMER_NONE, 0);
	/* Nothing of the configuration is needed any more: a long call must not keep old decks in memory. */
	c->ingress = NULL;
	c->offer = NULL;
	snapshot_unref(&c->snap);
	spool_answered(c->worker->node->spool, cdr_copy(cdr));
	call_show(c);
	spend_answered(c);
}

static void on_ack(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	c->state = CALL_UP;
	leg_ack(&c->b->leg, ev->sip); /* does nothing where it was sent at once */
}

static const char *word_of(const struct leg_event *ev)
{
	if (ev->internal)
		return ev->status == 408 ? "no_response" : "transport_error";
	switch (ev->status) {
	case 486:
	case 600:
		return "busy";
	case 603:
	case 604:
	case 606:
	case 607:
	case 608:
		return "rejected";
	default:
		return "failed";
	}
}

static void on_fail(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	const struct trunk *trunk = c->offer[t->offer].trunk;

	hunt_attempt_close(t, ev->status, word_of(ev));
	c->last_code = ev->status;
	c->last_was_silence = ev->internal && ev->status == 408;
	c->last_rang = false;
	reason_note(c, ev->sip);
	bool stop = !ev->internal && cause_stops(ev->status, trunk->stop_code, trunk->n_stop_codes);
	if (c->media_owner && !c->hunt_after_media)
		stop = true;
	if (stop)
		c->next_offer = c->offers;
	else if (ev->status < 400 ? hunt_follow(c, t, ev->sip) : ev->internal && hunt_other_address(c, t))
		return;
	else if ((t->others || ev->status == 503) && hunt_other_address(c, t)) /* RFC 3263 section 4.3 */
		return;
	hunt_next(c);
}

static void give_up(struct call *c, const char *reason, bool rang)
{
	struct call_attempt *t = c->b;

	hunt_attempt_close(t, 408, reason);
	reason_note(c, NULL);
	c->last_code = 408;
	c->last_was_silence = true;
	c->last_rang = rang;
	leg_give_up(&t->leg);
}

static void on_timer(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	if (c->state == CALL_OFFERING) {
		hunt_no_media(c, 503);
		return;
	}
	if (c->state < CALL_CALLING) { /* only the whole call's limit can run then */
		call_finish(c, (struct cause){408, CDR_NO_ANSWER}, CDR_SWITCH);
		return;
	}
	switch (c->timer_kind) {
	case CALL_TIMER_RESPONSE:
		give_up(c, "no_response", false);
		if (hunt_other_address(c, c->b))
			return;
		break;
	case CALL_TIMER_PROGRESS:
		give_up(c, "no_progress", false);
		break;
	case CALL_TIMER_RING:
		give_up(c, "no_answer", true);
		if (c->media_owner && !c->hunt_after_media)
			c->next_offer = c->offers;
		break;
	case CALL_TIMER_INVITE:
		give_up(c, "no_answer", true);
		c->next_offer = c->offers;
		break;
	case CALL_TIMER_NONE:
	case CALL_TIMER_MEDIA:
	case CALL_TIMER_DURATION:
		return;
	}
	hunt_next(c);
}

static void on_duration(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	if (c->timer_kind == CALL_TIMER_DURATION)
		call_finish(c, (struct cause){200, CDR_MAX_DURATION}, CDR_SWITCH);
}

static void on_cancel(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	reason_note(c, ev->sip);
	if (proxy_cancel(c, ev->sip)) { /* the vendor has the last word: its answer may cross the CANCEL */
		call_set_timer(c, CALL_TIMER_NONE, 0);
		c->state = CALL_CANCELLING;
		return;
	}
	call_finish(c, (struct cause){487, CDR_CANCELLED}, CDR_CALLER);
}

static void on_cancelled(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	hunt_attempt_close(t, ev->internal ? 408 : ev->status, "cancelled");
	call_finish(c, (struct cause){487, CDR_CANCELLED}, CDR_CALLER);
}

static void on_unacked(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	call_finish(c, (struct cause){200, CDR_NO_ACK}, CDR_SWITCH);
}

/* The caller never confirmed an 18x; the library has refused its INVITE. */
static void on_unconfirmed(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	call_finish(c, (struct cause){503, CDR_NO_ACK}, CDR_SWITCH);
}

static void on_bye_a(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	reason_note(c, ev->sip);
	if (!ev->sip)
		c->cdr->q850_cause = ev->q850; /* of a proxied call */
	call_finish(c, (struct cause){200, CDR_NORMAL}, CDR_CALLER);
}

static void on_bye_b(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	if (t != c->b)
		return; /* a late answer that we hang up anyway */
	reason_note(c, ev->sip);
	if (!ev->sip)
		c->cdr->q850_cause = ev->q850; /* of a proxied call */
	call_finish(c, (struct cause){200, CDR_NORMAL}, CDR_CALLEE);
}

/* A caller may give up an early dialog by BYE (RFC 3261 section 15). Of a proxied call it went to the vendor, who
 * will refuse the INVITE. */
static void on_early_bye(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	if (c->proxy)
		return;
	call_finish(c, (struct cause){487, CDR_CANCELLED}, CDR_CALLER);
}

static void on_hangup(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	call_finish(c, (struct cause){c->hangup_code, c->hangup_reason}, CDR_SWITCH);
}

/* A vendor that was given up answers after all: acknowledge and hang up; the caller never hears of it, nobody is
 * charged. */
static void on_late_answer(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	if (c->state != CALL_OVER) { /* once the record is written it stands */
		struct cdr_attempt *r = &c->cdr->attempt[t->n];
		r->answered_us = call_wall_us(c);
		r->sip_code = ev->status;
		r->reason = "late_answer";
	}
	leg_hang_up(&t->leg, 31);
}

static void on_admitted(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	if (c->spend) /* it had its place before, and has its money now */
		hunt_next(c);
	else
		call_route(c);
}

static void on_not_admitted(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	call_finish(c, c->spend ? spend_refusal(c) : (struct cause){503, CDR_CAPACITY}, CDR_SWITCH);
}

static void on_reserved(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	hunt_send(c);
}

static void on_name_resolved(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	hunt_dial(c);
}

static void on_offered(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	call_set_timer(c, CALL_TIMER_NONE, 0);
	hunt_invite(c);
}

static void on_not_offered(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	call_set_timer(c, CALL_TIMER_NONE, 0);
	hunt_no_media(c, ev->status);
}

/* The vendor answered, but no media could be had for it: it is hung up, and another one would fare no better. */
static void on_answer_lost(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	struct call_attempt *b = c->b;

	hunt_attempt_close(b, 503, "no_media");
	leg_hang_up(&b->leg, cause_q850(503));
	call_finish(c, (struct cause){503, CDR_VENDOR_FAILED}, CDR_SWITCH);
}

/* ... or it hung up while its answer waited. */
static void on_answer_gone(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	if (t != c->b)
		return; /* a late answer that we hang up anyway */
	reason_note(c, ev->sip);
	hunt_attempt_close(t, 200, "failed");
	call_finish(c, (struct cause){480, CDR_VENDOR_FAILED}, CDR_CALLEE);
}

/* The caller's ACK brought the answer to the vendor's offer. */
static void on_ack_media(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	leg_ack(&t->leg, ev->sip);
}

static void on_ack_lost(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	call_finish(c, (struct cause){200, CDR_MEDIA_TIMEOUT}, CDR_SWITCH);
}

static void on_not_reserved(struct call *c, const struct leg_event *ev, struct call_attempt *t)
{
	hunt_skip(c);
}

#define IGNORE call_ignore

/* clang-format off */
call_action *const call_table[CALL_STATES][CALL_EVENTS] = {
	[CALL_ADMITTING] = {
		[CALL_ON_CANCEL] = on_cancel, [CALL_ON_BYE_A] = on_early_bye, [CALL_ON_LATE_ANSWER] = on_late_answer,
		[CALL_ON_TIMER] = on_timer, [CALL_ON_HANGUP] = on_hangup, [CALL_ON_GRANT] = on_admitted,
		[CALL_ON_REFUSAL] = on_not_admitted,
		[CALL_ON_ACK] = IGNORE, [CALL_ON_UNACKED] = IGNORE, [CALL_ON_BYE_B] = IGNORE, [CALL_ON_TRYING] = IGNORE,
		[CALL_ON_PROGRESS] = IGNORE, [CALL_ON_ANSWER] = IGNORE, [CALL_ON_FAIL] = IGNORE, [CALL_ON_LATE_FAIL] = IGNORE,
		[CALL_ON_RESOLVED] = IGNORE, [CALL_ON_GONE] = IGNORE,
		[CALL_ON_MEDIA] = IGNORE, [CALL_ON_MEDIA_LOST] = IGNORE,
	},
	[CALL_RESERVING] = {
		[CALL_ON_CANCEL] = on_cancel, [CALL_ON_BYE_A] = on_early_bye, [CALL_ON_LATE_ANSWER] = on_late_answer,
		[CALL_ON_TIMER] = on_timer, [CALL_ON_HANGUP] = on_hangup, [CALL_ON_GRANT] = on_reserved,
		[CALL_ON_REFUSAL] = on_not_reserved,
		[CALL_ON_ACK] = IGNORE, [CALL_ON_UNACKED] = on_unconfirmed, [CALL_ON_BYE_B] = IGNORE, [CALL_ON_TRYING] = IGNORE,
		[CALL_ON_PROGRESS] = IGNORE, [CALL_ON_ANSWER] = IGNORE, [CALL_ON_FAIL] = IGNORE, [CALL_ON_LATE_FAIL] = IGNORE,
		[CALL_ON_RESOLVED] = IGNORE, [CALL_ON_GONE] = IGNORE,
		[CALL_ON_MEDIA] = IGNORE, [CALL_ON_MEDIA_LOST] = IGNORE,
	},
	[CALL_RESOLVING] = {
		[CALL_ON_CANCEL] = on_cancel, [CALL_ON_BYE_A] = on_early_bye, [CALL_ON_LATE_ANSWER] = on_late_answer,
		[CALL_ON_TIMER] = on_timer, [CALL_ON_HANGUP] = on_hangup, [CALL_ON_RESOLVED] = on_name_resolved,
		[CALL_ON_ACK] = IGNORE, [CALL_ON_UNACKED] = on_unconfirmed, [CALL_ON_BYE_B] = IGNORE, [CALL_ON_TRYING] = IGNORE,
		[CALL_ON_PROGRESS] = IGNORE, [CALL_ON_ANSWER] = IGNORE, [CALL_ON_FAIL] = IGNORE, [CALL_ON_LATE_FAIL] = IGNORE,
		[CALL_ON_GRANT] = IGNORE, [CALL_ON_REFUSAL] = IGNORE, [CALL_ON_GONE] = IGNORE,
		[CALL_ON_MEDIA] = IGNORE, [CALL_ON_MEDIA_LOST] = IGNORE,
	},
	[CALL_OFFERING] = {
		[CALL_ON_CANCEL] = on_cancel, [CALL_ON_BYE_A] = on_early_bye, [CALL_ON_LATE_ANSWER] = on_late_answer,
		[CALL_ON_TIMER] = on_timer, [CALL_ON_HANGUP] = on_hangup,
		[CALL_ON_ACK] = IGNORE, [CALL_ON_UNACKED] = on_unconfirmed, [CALL_ON_BYE_B] = IGNORE, [CALL_ON_TRYING] = IGNORE,
		[CALL_ON_PROGRESS] = IGNORE, [CALL_ON_ANSWER] = IGNORE, [CALL_ON_FAIL] = IGNORE, [CALL_ON_LATE_FAIL] = IGNORE,
		[CALL_ON_GRANT] = IGNORE, [CALL_ON_REFUSAL] = IGNORE, [CALL_ON_RESOLVED] = IGNORE, [CALL_ON_GONE] = IGNORE,
		[CALL_ON_MEDIA] = on_offered, [CALL_ON_MEDIA_LOST] = on_not_offered,
	},
	[CALL_CALLING] = {
		[CALL_ON_CANCEL] = on_cancel, [CALL_ON_BYE_A] = on_early_bye, [CALL_ON_TRYING] = on_trying,
		[CALL_ON_PROGRESS] = on_progress, [CALL_ON_ANSWER] = on_answer, [CALL_ON_FAIL] = on_fail,
		[CALL_ON_LATE_ANSWER] = on_late_answer, [CALL_ON_TIMER] = on_timer, [CALL_ON_HANGUP] = on_hangup,
		[CALL_ON_ACK] = IGNORE, [CALL_ON_UNACKED] = on_unconfirmed, [CALL_ON_BYE_B] = IGNORE, [CALL_ON_LATE_FAIL] = IGNORE,
		[CALL_ON_GRANT] = IGNORE, [CALL_ON_RESOLVED] = IGNORE, [CALL_ON_REFUSAL] = IGNORE, [CALL_ON_GONE] = IGNORE,
		[CALL_ON_MEDIA] = on_progress, [CALL_ON_MEDIA_LOST] = on_progress,
	},
	[CALL_TRYING] = {
		[CALL_ON_CANCEL] = on_cancel, [CALL_ON_BYE_A] = on_early_bye, [CALL_ON_PROGRESS] = on_progress,
		[CALL_ON_ANSWER] = on_answer, [CALL_ON_FAIL] = on_fail, [CALL_ON_LATE_ANSWER] = on_late_answer,
		[CALL_ON_TIMER] = on_timer, [CALL_ON_HANGUP] = on_hangup,
		[CALL_ON_ACK] = IGNORE, [CALL_ON_UNACKED] = on_unconfirmed, [CALL_ON_BYE_B] = IGNORE, [CALL_ON_TRYING] = IGNORE,
		[CALL_ON_LATE_FAIL] = IGNORE, [CALL_ON_GRANT] = IGNORE, [CALL_ON_RESOLVED] = IGNORE, [CALL_ON_REFUSAL] = IGNORE,
		[CALL_ON_GONE] = IGNORE,
		[CALL_ON_MEDIA] = on_progress, [CALL_ON_MEDIA_LOST] = on_progress,
	},
	[CALL_RINGING] = {
		[CALL_ON_CANCEL] = on_cancel, [CALL_ON_BYE_A] = on_early_bye, [CALL_ON_PROGRESS] = on_progress,
		[CALL_ON_ANSWER] = on_answer, [CALL_ON_FAIL] = on_fail, [CALL_ON_LATE_ANSWER] = on_late_answer,
		[CALL_ON_TIMER] = on_timer, [CALL_ON_HANGUP] = on_hangup,
		[CALL_ON_ACK] = IGNORE, [CALL_ON_UNACKED] = on_unconfirmed, [CALL_ON_BYE_B] = IGNORE, [CALL_ON_TRYING] = IGNORE,
		[CALL_ON_LATE_FAIL] = IGNORE, [CALL_ON_GRANT] = IGNORE, [CALL_ON_RESOLVED] = IGNORE, [CALL_ON_REFUSAL] = IGNORE,
		[CALL_ON_GONE] = IGNORE,
		[CALL_ON_MEDIA] = on_progress, [CALL_ON_MEDIA_LOST] = on_progress,
	},
	[CALL_CANCELLING] = {
		[CALL_ON_BYE_A] = on_early_bye, [CALL_ON_ANSWER] = on_answer, [CALL_ON_FAIL] = on_cancelled,
		[CALL_ON_LATE_ANSWER] = on_late_answer, [CALL_ON_TIMER] = on_timer, [CALL_ON_HANGUP] = on_hangup,
		[CALL_ON_CANCEL] = IGNORE, [CALL_ON_ACK] = IGNORE, [CALL_ON_UNACKED] = IGNORE, [CALL_ON_BYE_B] = IGNORE,
		[CALL_ON_TRYING] = IGNORE, [CALL_ON_PROGRESS] = IGNORE, [CALL_ON_LATE_FAIL] = IGNORE, [CALL_ON_GRANT] = IGNORE,
		[CALL_ON_RESOLVED] = IGNORE, [CALL_ON_REFUSAL] = IGNORE, [CALL_ON_GONE] = IGNORE,
		[CALL_ON_MEDIA] = IGNORE, [CALL_ON_MEDIA_LOST] = IGNORE,
	},
	[CALL_ANSWERING] = {
		[CALL_ON_CANCEL] = on_cancel, [CALL_ON_BYE_A] = on_early_bye, [CALL_ON_BYE_B] = on_answer_gone,
		[CALL_ON_LATE_ANSWER] = on_late_answer, [CALL_ON_TIMER] = on_answer_lost, [CALL_ON_HANGUP] = on_hangup,
		[CALL_ON_ACK] = IGNORE, [CALL_ON_UNACKED] = on_unconfirmed, [CALL_ON_TRYING] = IGNORE, [CALL_ON_PROGRESS] = IGNORE,
		[CALL_ON_ANSWER] = IGNORE, [CALL_ON_FAIL] = IGNORE, [CALL_ON_LATE_FAIL] = IGNORE, [CALL_ON_GRANT] = IGNORE,
		[CALL_ON_REFUSAL] = IGNORE, [CALL_ON_RESOLVED] = IGNORE, [CALL_ON_GONE] = IGNORE,
		[CALL_ON_MEDIA] = on_answer, [CALL_ON_MEDIA_LOST] = on_answer_lost,
	},
	[CALL_ANSWERED] = {
		[CALL_ON_ACK] = on_ack, [CALL_ON_UNACKED] = on_unacked, [CALL_ON_BYE_A] = on_bye_a,
		[CALL_ON_BYE_B] = on_bye_b, [CALL_ON_LATE_ANSWER] = on_late_answer, [CALL_ON_TIMER] = on_duration,
		[CALL_ON_HANGUP] = on_hangup,
		[CALL_ON_CANCEL] = IGNORE, [CALL_ON_TRYING] = IGNORE, [CALL_ON_PROGRESS] = IGNORE, [CALL_ON_ANSWER] = IGNORE,
		[CALL_ON_FAIL] = IGNORE, [CALL_ON_LATE_FAIL] = IGNORE, [CALL_ON_GRANT] = IGNORE, [CALL_ON_RESOLVED] = IGNORE,
		[CALL_ON_REFUSAL] = IGNORE, [CALL_ON_GONE] = IGNORE,
		[CALL_ON_MEDIA] = IGNORE, [CALL_ON_MEDIA_LOST] = IGNORE,
	},
	[CALL_UP] = {
		[CALL_ON_BYE_A] = on_bye_a, [CALL_ON_BYE_B] = on_bye_b, [CALL_ON_LATE_ANSWER] = on_late_answer,
		[CALL_ON_TIMER] = on_duration, [CALL_ON_HANGUP] = on_hangup,
		[CALL_ON_CANCEL] = IGNORE, [CALL_ON_ACK] = IGNORE, [CALL_ON_UNACKED] = IGNORE, [CALL_ON_TRYING] = IGNORE,
		[CALL_ON_PROGRESS] = IGNORE, [CALL_ON_ANSWER] = IGNORE, [CALL_ON_FAIL] = IGNORE, [CALL_ON_LATE_FAIL] = IGNORE,
		[CALL_ON_GRANT] = IGNORE, [CALL_ON_RESOLVED] = IGNORE, [CALL_ON_REFUSAL] = IGNORE, [CALL_ON_GONE] = IGNORE,
		[CALL_ON_MEDIA] = on_ack_media, [CALL_ON_MEDIA_LOST] = on_ack_lost,
	},
	[CALL_OVER] = {
		[CALL_ON_LATE_ANSWER] = on_late_answer,
		[CALL_ON_CANCEL] = IGNORE, [CALL_ON_ACK] = IGNORE, [CALL_ON_UNACKED] = IGNORE, [CALL_ON_BYE_A] = IGNORE,
		[CALL_ON_BYE_B] = IGNORE, [CALL_ON_TRYING] = IGNORE, [CALL_ON_PROGRESS] = IGNORE, [CALL_ON_ANSWER] = IGNORE,
		[CALL_ON_FAIL] = IGNORE, [CALL_ON_LATE_FAIL] = IGNORE, [CALL_ON_TIMER] = IGNORE, [CALL_ON_HANGUP] = IGNORE,
		[CALL_ON_GRANT] = IGNORE, [CALL_ON_RESOLVED] = IGNORE, [CALL_ON_REFUSAL] = IGNORE, [CALL_ON_GONE] = IGNORE,
		[CALL_ON_MEDIA] = IGNORE, [CALL_ON_MEDIA_LOST] = IGNORE,
	},
};
/* clang-format on */
