/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/call.h"

#include <assert.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "switch/node.h"
#include "switch/relay.h"

enum { ARENA_FIRST = 4096 };

static void add(_Atomic int64_t *counter, int64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* ---- memory and lists ----------------------------------------------------------------------------------------------
 */

static struct call **place_of(struct worker *w, const struct uuid *id)
{
	uint32_t drawn; /* the end of the id is random */

	memcpy(&drawn, id->byte + sizeof id->byte - sizeof drawn, sizeof drawn);
	return &w->call_by_id[drawn % WORKER_CALL_PLACES];
}

struct call *call_new(struct worker *w)
{
	struct arena *arena = arena_new(ARENA_FIRST);
	struct call *c = arena_alloc(arena, sizeof *c);

	c->arena = arena;
	c->worker = w;
	c->begun_mono_us = clock_mono_us();
	c->cdr = cdr_new();
	c->cdr->started_us = clock_wall_us();
	c->cdr->pdd_ms = -1;
	c->cdr->node = cdr_text(c->cdr, w->node->settings->node_id);
	uuid_make(&c->id, c->cdr->started_us);
	c->cdr->id = c->id;
	c->snap = snapshot_ref(w->snap);
	c->timer = su_timer_create(su_root_task(w->root), 0);
	c->next = w->calls;
	c->prev = &w->calls;
	if (c->next)
		c->next->prev = &c->next;
	w->calls = c;
	c->same = *place_of(w, &c->id);
	*place_of(w, &c->id) = c;
	add(&w->count.live, 1);
	add(&w->count.held, 1);
	return c;
}

static void call_free(struct call *c)
{
	atomic_fetch_add(&c->worker->count.steps, 1);
	shared_drop(c->question);
	dns_drop(c->name_question);
	spend_drop(c);
	proxy_drop(c);
	replaces_free(c);
	leg_close(&c->a);
	for (int i = 0; i < c->attempts; i++) {
		media_end(c->attempt[i]);
		leg_close(&c->attempt[i]->leg);
	}
	if (c->timer)
		su_timer_destroy(c->timer);
	if (c->snap)
		snapshot_unref(&c->snap);
	if (c->invite)
		msg_destroy(c->invite);
	if (c->kept_msg)
		msg_destroy(c->kept_msg);
	cdr_free(&c->cdr);
	add(&c->worker->count.held, -1);
	struct arena *arena = c->arena;
	arena_free(&arena);
}

static void call_unlink(struct call *c)
{
	struct call **at = place_of(c->worker, &c->id);

	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	while (*at != c)
		at = &(*at)->same;
	*at = c->same;
}

/* Over, and no leg has a transaction that could call back: to the grave, which the next tick empties, because a
 * callback of the library may still be on the stack. */
static void call_settle(struct call *c)
{
	if (c->state != CALL_OVER || c->buried || !c->a.gone || !replaces_gone(c))
		return;
	for (int i = 0; i < c->attempts; i++)
		if (!c->attempt[i]->leg.gone)
			return;
	c->buried = true;
	call_unlink(c);
	c->next = c->worker->dead;
	c->worker->dead = c;
}

void call_bury(struct worker *w)
{
	while (w->dead) {
		struct call *c = w->dead;
		w->dead = c->next;
		call_free(c);
	}
}

void call_discard(struct call *c)
{
	call_unlink(c);
	call_free(c);
}

struct call *call_find(struct worker *w, const struct uuid *id)
{
	for (struct call *c = *place_of(w, id); c; c = c->same)
		if (c->state != CALL_OVER && memcmp(&c->id, id, sizeof *id) == 0)
			return c;
	return NULL;
}

/* ---- events ---- */

void call_handle(struct call *c, enum call_event event, const struct leg_event *ev, struct call_attempt *attempt)
{
	call_table[c->state][event](c, ev, attempt);
	call_settle(c);
}

void call_ignore(struct call *c, const struct leg_event *ev, struct call_attempt *attempt)
{
}

static struct call_attempt *attempt_of(struct call *c, struct leg *leg)
{
	for (int i = 0; i < c->attempts; i++)
		if (&c->attempt[i]->leg == leg)
			return c->attempt[i];
	return NULL;
}

/* The 2xx that had to wait for the caller's PRACK. */
static void answer_kept(struct call *c)
{
	msg_t *msg = c->kept_msg;

	c->kept_msg = NULL;
	call_handle(c, CALL_ON_MEDIA, &c->kept, c->b);
	msg_destroy(msg);
}

void call_on_leg(struct call *c, struct leg *leg, const struct leg_event *ev)
{
	struct call_attempt *t = leg == &c->a ? NULL : attempt_of(c, leg);
	bool present = t && t == c->b && t->open;

	switch (ev->kind) {
	case LEG_TRYING:
		if (present)
			call_handle(c, CALL_ON_TRYING, ev, t);
		break;
	case LEG_PROGRESS:
		if (present && !media_hold(c, t, ev))
			call_handle(c, CALL_ON_PROGRESS, ev, t);
		break;
	case LEG_ANSWER:
		if (!present || !media_hold(c, t, ev))
			call_handle(c, present ? CALL_ON_ANSWER : CALL_ON_LATE_ANSWER, ev, t);
		break;
	case LEG_FAIL:
		call_handle(c, present ? CALL_ON_FAIL : CALL_ON_LATE_FAIL, ev, t);
		break;
	case LEG_CANCELLED:
		call_handle(c, CALL_ON_CANCEL, ev, NULL);
		break;
	case LEG_ACKED:
		if (!c->b || !media_hold(c, c->b, ev))
			call_handle(c, CALL_ON_ACK, ev, NULL);
		break;
	case LEG_CONFIRMED:
		if (c->kept_msg && !c->a.reliable.unconfirmed)
			answer_kept(c);
		break;
	case LEG_UNACKED:
		call_handle(c, CALL_ON_UNACKED, ev, NULL);
		break;
	case LEG_BYE:
		call_handle(c, t ? CALL_ON_BYE_B : CALL_ON_BYE_A, ev, t);
		break;
	case LEG_REQUEST:
		call_pass(c, leg, t, ev);
		break;
	case LEG_EXPIRED:
		call_end(c, CDR_SESSION_EXPIRED, 408);
		break;
	case LEG_TORN:
		call_end(c, CDR_NORMAL, 500);
		break;
	case LEG_GONE:
		call_handle(c, CALL_ON_GONE, ev, t);
		break;
	}
}

void call_pass(struct call *c, struct leg *from, struct call_attempt *t, const struct leg_event *ev)
{
	if (!c->b || (t && t != c->b) || c->state == CALL_OVER)
		leg_refuse(from, ev->request, 481);
	else
		relay_pass(from, t ? &c->a : &c->b->leg, ev->request, ev->sip);
}

/* ---- waiting for a place ---- */

static void on_place(void *arg, bool granted)
{
	struct call *c = arg;

	c->question = NULL;
	call_handle(c, granted ? CALL_ON_GRANT : CALL_ON_REFUSAL, NULL, NULL);
}

bool call_park(struct call *c, enum call_state state, const struct trunk *trunk)
{
	struct shared *shared = c->worker->shared;
	const struct shared_limit limit[SHARED_LIMITS_MAX] = {
		{.kind = 't', .id = trunk->id, .gauge = trunk->gauge, .limit = trunk->max_channels},
		{.kind = 'c',
		 .id = trunk->carrier->id,
		 .gauge = trunk->carrier->gauge,
		 .limit = trunk->carrier->max_channels},
	};

	if (!shared_needed(shared, limit, SHARED_LIMITS_MAX))
		return false;
	c->question = shared_ask(shared, limit, SHARED_LIMITS_MAX, on_place, c);
	if (!c->question)
		return false;
	c->state = state;
	return true;
}

/* ---- time ---- */

static void on_timer(struct worker *w, su_timer_t *timer, void *arg)
{
	call_handle(arg, CALL_ON_TIMER, NULL, NULL);
}

void call_set_timer(struct call *c, enum call_timer kind, int64_t ms)
{
	c->timer_kind = kind;
	if (kind == CALL_TIMER_NONE)
		su_timer_reset(c->timer);
	else
		su_timer_set_interval(c->timer, on_timer, c, (su_duration_t)(ms > 0 ? ms : 1));
}

int64_t call_wall_us(const struct call *c)
{
	return c->cdr->started_us + (clock_mono_us() - c->begun_mono_us);
}

int64_t call_end_mono_us(const struct call *c)
{
	if (!c->left_mono_us)
		return clock_mono_us();
	return c->left_mono_us > c->answered_mono_us ? c->left_mono_us : c->answered_mono_us;
}

int64_t call_end_wall_us(const struct call *c)
{
	return c->cdr->started_us + (call_end_mono_us(c) - c->begun_mono_us);
}

/* ---- what is seen from outside ---- */

static void text_copy(char *out, const char *text, size_t size)
{
	size_t n = text ? strnlen(text, size - 1) : 0;
	memcpy(out, text ? text : "", n);
	out[n] = '\0';
}

void call_show(const struct call *c)
{
	const struct cdr *cdr = c->cdr;
	struct callboard_call p = {
		.id = c->id,
		.state = c->state == CALL_OVER	     ? CALLBOARD_ENDED
			 : c->state >= CALL_ANSWERED ? CALLBOARD_ANSWERED
			 : c->state == CALL_RINGING  ? CALLBOARD_RINGING
						     : CALLBOARD_ROUTING,
		.proxied = c->proxy != NULL,
		.started_us = cdr->started_us,
		.answered_us = cdr->answered_us,
		.ingress_trunk_id = cdr->ingress_trunk_id,
		.ingress_carrier_id = cdr->ingress_carrier_id,
		.egress_trunk_id = cdr->egress_trunk_id,
		.egress_carrier_id = cdr->egress_carrier_id,
		.buy = cdr->buy.terms,
	};
	text_copy(p.calling, c->number.calling, sizeof p.calling);
	text_copy(p.called, c->number.called, sizeof p.called);
	text_copy(p.destination, cdr->destination, sizeof p.destination);
	text_copy(p.currency, cdr->buy.currency, sizeof p.currency);
	presence_show(c->worker->node->presence, &p);
}

/* ---- the end ---- */

static void limits_give_back(struct call *c)
{
	atomic_fetch_add(&c->worker->count.steps, 2);
	if (c->trunk_gauge)
		gauge_drop(c->trunk_gauge);
	if (c->carrier_gauge)
		gauge_drop(c->carrier_gauge);
	c->trunk_gauge = c->carrier_gauge = NULL;
}

static void cdr_write(struct call *c, int code, enum cdr_reason reason, enum cdr_party party)
{
	struct spool *spool = c->worker->node->spool;
	struct cdr *cdr = c->cdr;
	int64_t mono_us = call_end_mono_us(c);

	if (c->answered_mono_us) {
		cdr->duration_ms = (mono_us - c->answered_mono_us) / 1000;
		cdr->ended_us = cdr->answered_us + cdr->duration_ms * 1000;
	} else {
		cdr->ended_us = cdr->started_us + (mono_us - c->begun_mono_us);
		if (cdr->pdd_ms < 0)
			cdr->pdd_ms = (mono_us - c->begun_mono_us) / 1000;
	}
	cdr->sip_code = code;
	cdr->reason = reason;
	cdr->party = party;
	if (!cdr->q850_cause)
		cdr->q850_cause = cause_q850(code);
	if (!c->reserved)
		return; /* shed: over its CPS, counted only */
	c->reserved = false;
	if (cdr_rate(cdr)) /* an amount past 9 * 10^9: that side is billed 0 */
		log_event(LOG_LEVEL_ERROR, "call not rated: amount out of range", "b_call_id=%s",
			  cdr->b_call_id ? cdr->b_call_id : "");
	struct cdr *record = cdr_copy(cdr); /* ours is still read by call_show and late answers */
	spool_close(spool, record);
}

void call_finish(struct call *c, struct cause cause, enum cdr_party party)
{
	assert(c->state != CALL_OVER);
	atomic_fetch_add(&c->worker->count.steps, 1);
	bool answered = c->answered_mono_us != 0;
	int code = answered ? 200 : cause.code;
	struct reason none = {0};

	replaces_over(c);
	call_set_timer(c, CALL_TIMER_NONE, 0);
	c->a.reason = party == CDR_CALLER ? none : c->reason;
	if (c->b)
		c->b->leg.reason = party == CDR_CALLER ? c->reason : none;
	shared_drop(c->question);
	dns_drop(c->name_question);
	c->question = NULL;
	c->name_question = NULL;
	if (!answered) {
		if (cause.reason != CDR_CANCELLED)
			code = cause_mapped(code, c->ingress);
		if (c->proxy)
			proxy_refuse(c, code);
		else
			leg_answer(&c->a, code, NULL);
	}
	if (c->proxy)
		proxy_over(c);
	for (int i = 0; i < c->attempts; i++) {
		struct call_attempt *t = c->attempt[i];
		if (t->open)
			hunt_attempt_close(t, answered ? 200 : 0, answered ? "answered" : "cancelled");
		if (!t->leg.dialog && !t->leg.invite_out)
			t->leg.gone = true; /* never called */
		else if (!t->leg.confirmed)
			leg_give_up(&t->leg);
		else if (!answered) /* its 2xx waited for its SDP, and the caller did not */
			leg_hang_up(&t->leg, cause_q850_of_reason(cause.reason));
	}
	c->state = CALL_OVER;
	c->over_mono_us = clock_mono_us();
	cdr_write(c, code, cause.reason, party);
	spend_end(c);
	limits_give_back(c);
	add(&c->worker->count.live, -1);
	if (c->shown)
		call_show(c);
	if (c->snap)
		snapshot_unref(&c->snap);
	c->ingress = NULL;
	/* Legs last: what they tell finds the call over. */
	if (answered) {
		leg_hang_up(&c->a, cause_q850_of_reason(cause.reason));
		leg_hang_up(&c->b->leg, cause_q850_of_reason(cause.reason));
	}
	call_settle(c);
}

void call_end(struct call *c, enum cdr_reason reason, int code)
{
	c->hangup_reason = reason;
	c->hangup_code = code;
	call_handle(c, CALL_ON_HANGUP, NULL, NULL);
}
