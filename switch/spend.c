/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/spend.h"

#include <stdlib.h>

#include "billing/lease.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "switch/call.h"
#include "switch/node.h"
#include "switch/purse.h"

enum {
	LEAD_MS = 2000, /* more is asked for when so much is left */
	AGAIN_MS = 250, /* after a refusal: money may come, or another call may end */
	CUT_MS = 500,	/* the call ends so long before what it holds does */
	KEEP_MS = 1000, /* what a recalled call keeps */
	MICRO = 1000,	/* nano-units in one */
};

struct spend {
	struct call *call;     /* NULL: freed, only the answer is still awaited */
	struct worker *worker; /* of the call */
	struct purse_ask ask;
	bool pending, ended;
	bool joining; /* it talks since before its carrier had a limit, and holds nothing yet */
	enum purse_word word;
	int64_t charged_micro; /* once ended */
	struct rate_terms terms;
	struct lease_step has, least, wanted;
	int64_t last_s, end_ms, limit_micro;
	int64_t again_us; /* after a refusal: not to be asked again before */
	su_timer_t *timer;
};

static void plan(struct spend *s);

/* ---- asking ---- */

static void finish(struct spend *s)
{
	purse_end(s->worker->node->purse, &s->ask.call, s->charged_micro);
}

static void take_step(struct spend *s)
{
	struct lease_step step = s->word == PURSE_WANTED ? s->wanted : s->least;

	s->last_s = step.covered_s - s->has.covered_s;
	s->has = step;
	s->end_ms = lease_end_ms(&s->terms, step.covered_s);
}

/* Away: it asks again, and talks on until it knows. */
static void joined(struct spend *s)
{
	if (s->word == PURSE_REFUSED) {
		call_end(s->call, CDR_BALANCE_EXHAUSTED, 402);
		return;
	}
	if (s->word != PURSE_AWAY) {
		s->joining = false;
		purse_talks(s->worker->node->purse, &s->ask.call, s->call->cdr->answered_us, &s->terms);
	}
	plan(s);
}

/* On the worker's thread. */
static void on_word(struct worker *w, void *arg)
{
	struct spend *s = arg;
	bool granted = s->ask.word == PURSE_LEAST || s->ask.word == PURSE_WANTED;

	s->pending = false;
	s->again_us = granted ? 0 : clock_mono_us() + AGAIN_MS * 1000;
	s->word = s->ask.word;
	if (s->ended)
		finish(s);
	if (!s->call) {
		free(s);
		return;
	}
	if (s->ended)
		return;
	if (granted)
		take_step(s);
	if (s->joining)
		joined(s);
	else if (s->ask.first)
		call_handle(s->call, granted ? CALL_ON_GRANT : CALL_ON_REFUSAL, NULL, NULL);
	else
		plan(s);
}

/* On the purse's thread. */
static void on_answer(struct purse_ask *ask)
{
	struct spend *s = ask->arg;

	if (worker_post(s->worker, on_word, s)) {
		log_event(LOG_LEVEL_ERROR, "no memory to tell a worker of a lease", NULL);
		abort(); /* the call could neither go on nor be cut off in time */
	}
}

static int ask(struct spend *s, bool first)
{
	s->ask.limit_micro = s->limit_micro;
	s->ask.least_micro = s->least.micro;
	s->ask.wanted_micro = s->wanted.micro;
	s->ask.first = first;
	int err = purse_ask(s->worker->node->purse, &s->ask);
	s->pending = !err;
	return err;
}

/* The limit as it now stands. False: the carrier has none (any more). */
static bool limit_of(const struct carrier *carrier, int64_t *micro)
{
	if (!carrier->prepaid && !carrier->has_credit_limit)
		return false;
	*micro = carrier->has_credit_limit ? carrier->credit_limit.nano / MICRO : 0;
	return true;
}

/* ---- while it talks ---- */

static int64_t elapsed_ms(const struct spend *s)
{
	return (clock_mono_us() - s->call->answered_mono_us) / 1000;
}

static void ask_more(struct spend *s)
{
	const struct snapshot *snap = s->worker->snap;
	const struct carrier *carrier = snap ? snapshot_carrier(snap, s->ask.carrier_id) : NULL;

	if (carrier && !limit_of(carrier, &s->limit_micro)) {
		s->end_ms = INT64_MAX;
		return;
	}
	if (lease_next(&s->terms, s->has.covered_s, s->last_s, elapsed_ms(s), &s->least, &s->wanted) || ask(s, false))
		s->pending = false; /* past what money holds, or too much waits: later, or cut off */
}

/* What it has spent so far, and the next seconds. */
static void join(struct spend *s)
{
	if (lease_kept(&s->terms, elapsed_ms(s) + LEAD_MS, &s->least) == 0) {
		s->wanted = s->least;
		(void)ask(s, true); /* too much waits: at the next timer */
	}
}

static void on_timer(struct worker *w, su_timer_t *timer, void *arg)
{
	plan(arg);
}

static void wake_in(struct spend *s, int64_t ms)
{
	if (ms > INT32_MAX)
		ms = INT32_MAX;
	su_timer_set_interval(s->timer, on_timer, s, (su_duration_t)(ms > 0 ? ms : 1));
}

static bool may_ask(const struct spend *s)
{
	return !s->pending && clock_mono_us() >= s->again_us;
}

/* What is to be done now: ask for more in good time, end the call before the money does. */
static void plan(struct spend *s)
{
	if (s->ended || !s->call->answered_mono_us)
		return;
	if (s->joining) {
		if (may_ask(s))
			join(s);
		wake_in(s, AGAIN_MS);
		return;
	}
	int64_t left_ms = s->end_ms - elapsed_ms(s);

	if (s->end_ms != INT64_MAX && left_ms <= CUT_MS) {
		call_end(s->call, CDR_BALANCE_EXHAUSTED, 402);
		return;
	}
	if (left_ms <= LEAD_MS && may_ask(s))
		ask_more(s);
	if (s->end_ms == INT64_MAX)
		return;
	int64_t next_ms = left_ms > LEAD_MS ? left_ms - LEAD_MS : left_ms - CUT_MS;
	if (left_ms <= LEAD_MS && next_ms > AGAIN_MS)
		next_ms = AGAIN_MS;
	wake_in(s, next_ms);
}

/* NULL: no timer. */
static struct spend *spend_new(struct call *c, int64_t carrier_id, int64_t limit_micro)
{
	struct spend *s = xcalloc(1, sizeof *s);

	*s = (struct spend){.call = c,
			    .worker = c->worker,
			    .terms = c->cdr->sell.terms,
			    .limit_micro = limit_micro,
			    .word = PURSE_AWAY};
	s->ask = (struct purse_ask){.call = c->id, .carrier_id = carrier_id, .answer = on_answer, .arg = s};
	s->timer = su_timer_create(su_root_task(c->worker->root), 0);
	c->spend = s;
	return s;
}

static void tell_limit(struct spend *s, int64_t limit_micro)
{
	if (s->limit_micro != limit_micro)
		purse_limit(s->worker->node->purse, s->ask.carrier_id, limit_micro);
	s->limit_micro = limit_micro;
}

/* The carrier's limit as it now stands: it may have been set, changed or taken away since the call began. Before the
 * answer only a change is told; what else is to be done is done at the answer.
 */
static void follow_limit(struct call *c)
{
	struct spend *s = c->spend;
	const struct snapshot *snap = c->worker->snap;
	const struct carrier *carrier = snap ? snapshot_carrier(snap, c->cdr->ingress_carrier_id) : NULL;
	int64_t limit_micro;

	if (!carrier || !c->cdr->sell.rated)
		return;
	if (!limit_of(carrier, &limit_micro)) {
		if (s && c->answered_mono_us)
			s->end_ms = INT64_MAX;
		return;
	}
	if (!c->answered_mono_us) {
		if (s)
			tell_limit(s, limit_micro);
		return;
	}
	if (!s)
		s = spend_new(c, carrier->id, limit_micro);
	else if (s->end_ms != INT64_MAX || s->terms.price_n <= 0) {
		tell_limit(s, limit_micro);
		return;
	}
	s->limit_micro = limit_micro;
	s->end_ms = INT64_MAX;
	s->joining = true;
	if (s->timer)
		plan(s);
	else
		call_end(c, CDR_BALANCE_EXHAUSTED, 402);
}

void spend_answered(struct call *c)
{
	if (c->spend)
		purse_talks(c->worker->node->purse, &c->id, c->cdr->answered_us, &c->spend->terms);
	follow_limit(c);
	if (c->spend && !c->spend->joining)
		plan(c->spend);
}

/* A call that is ended here takes none behind it out of the list: whoever takes it over is younger. */
void spend_limits_changed(struct worker *w)
{
	for (struct call *c = w->calls, *next; c; c = next) {
		next = c->next;
		if (c->state != CALL_OVER && !c->proxy) /* a proxy cannot cut off: the API allows it no limits */
			follow_limit(c);
	}
}

/* Before its answer a call keeps the first interval. */
static void give_back(struct spend *s)
{
	int64_t talk_ms = s->call->answered_mono_us ? elapsed_ms(s) + KEEP_MS : 0;
	struct lease_step kept;

	if (s->pending || s->ended || s->joining || s->end_ms == INT64_MAX || lease_kept(&s->terms, talk_ms, &kept) ||
	    kept.covered_s >= s->has.covered_s)
		return;
	s->has = kept;
	s->last_s = s->terms.increment_s;
	s->end_ms = lease_end_ms(&s->terms, kept.covered_s);
	purse_shrink(s->worker->node->purse, &s->ask.call, kept.micro);
	plan(s);
}

void spend_recalled(struct worker *w, int64_t carrier_id)
{
	for (struct call *c = w->calls, *next; c; c = next) {
		next = c->next;
		if (c->spend && c->state != CALL_OVER && c->spend->ask.carrier_id == carrier_id)
			give_back(c->spend);
	}
}

/* ---- begin and end ---- */

bool spend_wanted(const struct call *c)
{
	int64_t limit_micro;

	return limit_of(c->ingress->carrier, &limit_micro);
}

bool spend_begin(struct call *c)
{
	const struct carrier *carrier = c->ingress->carrier;
	int64_t limit_micro;

	if (!limit_of(carrier, &limit_micro))
		return false;
	struct spend *s = spend_new(c, carrier->id, limit_micro);
	if (!s->timer || lease_begin(&s->terms, &s->least, &s->wanted) || ask(s, true))
		call_finish(c, spend_refusal(c), CDR_SWITCH);
	else
		c->state = CALL_ADMITTING;
	return true;
}

struct cause spend_refusal(const struct call *c)
{
	if (c->spend->word == PURSE_REFUSED)
		return (struct cause){402, CDR_NO_BALANCE};
	return (struct cause){503, CDR_CAPACITY};
}

void spend_end(struct call *c)
{
	struct spend *s = c->spend;

	if (!s || s->ended)
		return;
	s->ended = true;
	s->charged_micro = lease_micro(c->cdr->sell.amount);
	if (s->timer)
		su_timer_reset(s->timer);
	if (!s->pending) /* else when it is known what it holds */
		finish(s);
}

void spend_drop(struct call *c)
{
	struct spend *s = c->spend;

	if (!s)
		return;
	spend_end(c);
	if (s->timer)
		su_timer_destroy(s->timer);
	s->timer = NULL;
	s->call = NULL;
	c->spend = NULL;
	if (!s->pending)
		free(s);
}
