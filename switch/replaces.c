/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/replaces.h"

#include <stdio.h>

#include "switch/call.h"
#include "switch/leg_priv.h"
#include "switch/relay.h"

enum { Q850_NORMAL = 16 };

bool replaces_allowed(const struct trunk *ingress)
{
	return ingress->allow_refer && ingress->mode == TRUNK_B2BUA;
}

/* ---- may it ---- */

static struct call *call_of(const struct worker *w, const nta_leg_t *dialog)
{
	for (struct call *c = w->calls; dialog && c; c = c->next)
		if (c->a.dialog == dialog)
			return c;
	return NULL;
}

int replaces_refusal(const struct call *c, const sip_t *sip, struct call **taken)
{
	const sip_replaces_t *r = sip->sip_replaces;

	if (!r->rp_from_tag || !r->rp_to_tag)
		return 400;
	struct call *o = call_of(c->worker, nta_leg_by_replaces(c->worker->agent, r));
	if (!o || o == c || o->proxy || o->cdr->ingress_carrier_id != c->cdr->ingress_carrier_id)
		return 481;
	if (o->state == CALL_OVER || o->a.over)
		return 603;
	if (!o->a.confirmed)
		return 481;
	if (r->rp_early_only)
		return 486;
	if (o->state != CALL_UP || o->taker || relay_busy(&o->a) || relay_busy(&o->b->leg))
		return 491;
	*taken = o;
	return 0;
}

/* ---- it may ---- */

void replaces_begin(struct call *c, struct call *taken, const sip_t *sip)
{
	nta_incoming_t *request = c->a.invite_in;

	c->takes = taken;
	taken->taker = c;
	c->a.invite_in = NULL;
	c->a.codecs = taken->a.codecs;
	relay_take(&c->a, &taken->b->leg, request, sip, media_of(taken));
}

/* The library's callbacks and our own lists point to a leg by its address. */
static void leg_settles_at(struct leg *leg)
{
	nta_leg_bind(leg->dialog, leg_on_request, leg);
	relay_moved(leg);
}

/* The caller's place is a member of the call: the old leg makes room, the new one moves in. What the call had agreed
 * for its caller's side stays; memory of the call that ends now must not. */
static struct leg *legs_exchange(struct call *c, struct call *o)
{
	struct leg *old = arena_alloc(o->arena, sizeof *old);
	struct replaced *r = arena_alloc(o->arena, sizeof *r);

	session_stop(&o->a);
	*old = o->a;
	leg_settles_at(old);
	relay_aimed(&o->b->leg, &o->a, old);
	*r = (struct replaced){.next = o->replaced, .leg = old};
	o->replaced = r;

	struct leg *leg = &o->a;
	*leg = c->a;
	leg->call = o;
	leg->arena = o->arena;
	leg->confirmed = true;
	leg->reliable = (struct reliable){0};
	leg->to_base = NULL;
	leg->codecs = old->codecs;
	leg->passed = old->passed;
	leg->refer = (struct refer){
		.allowed = old->refer.allowed, .replaces = old->refer.replaces, .prefix = old->refer.prefix};
	leg->sdp_sent = arena_strdup(o->arena, leg->sdp_sent);
	leg->sdp_room = 0; /* the next one finds room of its own */
	leg_settles_at(leg);
	c->a = (struct leg){.worker = c->worker, .call = c, .inbound = true, .over = true, .gone = true};
	return old;
}

static void trace_set(struct call *c, const struct call *o)
{
	char id[UUID_TEXT_MAX], text[160];

	uuid_format(&o->id, id);
	snprintf(text, sizeof text,
		 "{\"outcome\":\"taken_over\",\"reason\":\"in place of the caller of "
		 "%s\",\"routes\":[],\"excluded\":[]}",
		 id);
	c->cdr->trace = arena_strdup(c->cdr->arena, text);
}

void replaces_decided(struct call *c, int status)
{
	struct call *o = c->takes;

	if (status < 300) {
		struct leg *old = legs_exchange(c, o);
		o->taker = c->takes = NULL;
		trace_set(c, o);
		leg_hang_up(old, Q850_NORMAL);
	}
	call_finish(c, (struct cause){status < 300 ? 200 : status, status < 300 ? CDR_NORMAL : CDR_REJECTED},
		    CDR_SWITCH);
}

/* ---- the end ---- */

void replaces_over(struct call *c)
{
	struct call *taken = c->takes, *taker = c->taker;

	c->takes = c->taker = NULL;
	if (taken) {
		/* unless it is that one's end that takes us along */
		bool torn = taken->taker == c && relay_agreed(&c->a);
		taken->taker = NULL;
		leg_answered(&c->a); /* what it still waits for: 487 */
		if (torn)	     /* its vendor sees what its caller does not */
			call_end(taken, CDR_NORMAL, 500);
	}
	if (taker)
		call_finish(taker, (struct cause){487, CDR_REJECTED}, CDR_SWITCH);
}

bool replaces_gone(const struct call *c)
{
	for (const struct replaced *r = c->replaced; r; r = r->next)
		if (!r->leg->gone)
			return false;
	return true;
}

void replaces_free(struct call *c)
{
	if (c->taker) {
		relay_close(&c->taker->a);
		c->taker->takes = NULL;
	}
	if (c->takes)
		c->takes->taker = NULL;
	for (struct replaced *r = c->replaced; r; r = r->next)
		leg_close(r->leg);
}
