/* SPDX-License-Identifier: Apache-2.0 */
/* The way in: who calls, may it, where to. Section 4 of the outside, points 1 to 3, in that order. */
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/random.h"
#include "routing/portability.h"
#include "switch/bindings.h"
#include "switch/body.h"
#include "switch/call.h"
#include "switch/forward.h"
#include "switch/lrn.h"
#include "switch/node.h"
#include "switch/peer.h"
#include "switch/uri.h"

enum {
	DENIED_NOTED_A_SECOND = 10,
	HOPS_MAX = 70,
	BODY_MAX = 32 * 1024, /* our answer must fit into a datagram, too */
};

static void refuse(nta_incoming_t *irq, int status)
{
	nta_incoming_treply(irq, status, cause_phrase(status), TAG_END());
	nta_incoming_destroy(irq);
}

static void reject(struct call *c, int code, enum cdr_reason reason)
{
	call_finish(c, (struct cause){.code = code, .reason = reason}, CDR_SWITCH);
}

/* What the record says of the call from its first moment on. */
static void record_begin(struct call *c, const struct trunk *trunk, const struct peer *peer, const char *called,
			 const char *calling, const sip_t *sip)
{
	struct cdr *cdr = c->cdr;

	c->ingress = trunk;
	c->hunt_after_media = trunk->hunt_after_media;
	cdr->ingress_trunk_id = trunk->id;
	cdr->ingress_carrier_id = trunk->carrier->id;
	cdr->called_in = cdr_text(cdr, called);
	cdr->calling_in = cdr_text(cdr, calling);
	cdr->source_ip = cdr_text(cdr, peer->text);
	cdr->a_call_id = cdr_text(cdr, sip->sip_call_id->i_id);
}

/* An INVITE of ours that came back with its number unchanged. With another one it is a spiral (RFC 3261 section 16.3):
 * somebody forwards the call through us. */
static bool comes_back(const struct worker *w, const sip_t *sip)
{
	const char *called = sip->sip_request->rq_url->url_user, *at_first = sip->sip_to->a_url->url_user;

	if (!called || !at_first || strcmp(called, at_first) != 0)
		return false;
	for (const sip_via_t *via = sip->sip_via; via; via = via->v_next)
		if (worker_branch_is_ours(w, via->v_branch))
			return true;
	return false;
}

/* Message-level conditions that end a call before its number matters (RFC 3261 sections 8.2.2.3 and 16.3). */
static int check_message(const struct call *c, const sip_t *sip)
{
	if (!c->a.dialog && !c->proxy)
		return 400;
	if (c->proxy && forward_seen(c->worker, sip))
		return 482;
	if (sip->sip_payload && sip->sip_payload->pl_len > BODY_MAX)
		return 413;
	if (sip->sip_max_forwards && sip->sip_max_forwards->mf_count == 0)
		return 483;
	if (body_unreadable(sip))
		return 400;
	return !c->proxy && comes_back(c->worker, sip) ? 482 : 0;
}

/* Of those that are refused by the second, only so many have a record; the others are counted. */
static void record_spare(struct call *c, int32_t per_second)
{
	if (per_second < 0 || gauge_note(c->ingress->gauge, per_second, c->begun_mono_us))
		return;
	spool_unreserve(c->worker->node->spool);
	c->reserved = false;
	atomic_fetch_add_explicit(&c->worker->count.shed, 1, memory_order_relaxed);
}

static bool capacity_taken(struct call *c)
{
	struct node *node = c->worker->node;
	const struct trunk *t = c->ingress;
	int64_t now = c->begun_mono_us;

	const struct {
		struct gauge *gauge;
		int32_t max_cps;
	} rate[] = {
		{node->calls, atomic_load_explicit(&node->max_cps, memory_order_relaxed)},
		{t->carrier->gauge, t->carrier->max_cps},
		{t->gauge, t->max_cps},
	};

	for (size_t i = 0; i < sizeof rate / sizeof rate[0]; i++)
		if (!gauge_pass(rate[i].gauge, rate[i].max_cps, now)) {
			record_spare(c, rate[i].max_cps); /* a flood must not become a flood of records */
			return false;
		}
	atomic_fetch_add(&c->worker->count.steps, 2);
	if (!gauge_take(t->gauge, t->max_channels))
		return false;
	c->trunk_gauge = t->gauge;
	if (!gauge_take(t->carrier->gauge, t->carrier->max_channels))
		return false;
	c->carrier_gauge = t->carrier->gauge;
	return true;
}

/* Guessing passwords must not fill the disk. */
static void deny(struct call *c)
{
	record_spare(c, c->ingress->max_cps >= 0 ? c->ingress->max_cps : DENIED_NOTED_A_SECOND);
	reject(c, 403, CDR_AUTH_FAILED);
}

/* The routes are copied: the scratch they stand in serves the next call. */
static void offers_keep(struct call *c, const struct route *r, const struct route_query *q)
{
	struct cdr *cdr = c->cdr;

	if (r->has_sell) {
		cdr->rated_called = cdr_text(cdr, q->called);
		cdr->rated_calling = q->calling[0] ? cdr_text(cdr, q->calling) : NULL;
		cdr->sell.rated = true;
		cdr->sell.prefix = cdr_text(cdr, r->sell.prefix);
		cdr->sell.terms = r->sell.terms;
		cdr->sell.currency = cdr_text(cdr, r->sell_currency);
		cdr->destination = cdr_text(cdr, r->sell.destination);
	}
	c->offers = r->n_offers;
	c->offer = arena_alloc(c->arena, sizeof *c->offer * (size_t)(r->n_offers > 0 ? r->n_offers : 1));
	for (int i = 0; i < r->n_offers; i++)
		c->offer[i] = (struct call_offer){
			.trunk = r->offer[i].trunk, .rate = r->offer[i].rate, .health = r->offer[i].health};
}

static void trace_keep(struct cdr *cdr, const struct route *r)
{
	struct buf text = {0};

	route_write(r, &text);
	cdr->trace = arena_strndup(cdr->arena, text.text, text.len);
	buf_free(&text);
}

static struct route_query query_of(const struct call *c)
{
	return (struct route_query){
		.snap = c->snap,
		.ingress = c->ingress,
		.called = c->cdr->lrn ? c->cdr->lrn : c->number.called,
		.calling = c->number.calling,
		.at_us = c->cdr->started_us,
		.mono_us = c->begun_mono_us,
		.now = true,
		.standing = c->worker->standing,
		.seed = random_u64(),
	};
}

/* A redirect server's whole answer: the ranked routes, best first, each with its q (RFC 3261 section 20.10). */
static void redirect(struct call *c)
{
	static const char *const transport[] = {";transport=udp", ";transport=tcp", ";transport=tls", ""};
	struct buf list = {0};
	struct number_pair out;

	for (int i = 0; i < c->offers; i++) {
		const struct trunk *t = c->offer[i].trunk;
		struct bindings_contact bound[BINDINGS_MAX];
		const char *host = t->host;
		int number = t->port;
		char port[8] = "";

		if (t->registered_as) {
			if (!bindings_read(c->worker->node->bindings, t->registered_as, clock_wall_us(), bound))
				continue;
			host = bound[0].uri_host;
			number = bound[0].uri_port;
		}
		bool bare_v6 = strchr(host, ':') && host[0] != '[';
		if (number_out(t, &c->number, &out))
			continue;
		if (number)
			snprintf(port, sizeof port, ":%d", number);
		buf_printf(&list, "%s<sip:%s@%s%s%s%s%s>;q=%.3f", list.len ? ", " : "",
			   uri_user_escape(msg_home(c->invite), out.called), bare_v6 ? "[" : "", host,
			   bare_v6 ? "]" : "", port, transport[t->transport], 1.0 - (double)i / (c->offers + 1));
	}
	struct cause cause = {302, CDR_NORMAL};
	if (list.len)
		leg_answer_moved(&c->a, list.text);
	else
		cause = (struct cause){503, CDR_NO_ROUTE};
	buf_free(&list);
	call_finish(c, cause, CDR_SWITCH);
}

static void port_set(struct call *c, const char *lrn)
{
	if (lrn[0] && strcmp(lrn, c->number.called) != 0)
		c->cdr->lrn = cdr_text(c->cdr, lrn);
}

/* By which number? The caller may have said so (RFC 4694); else an outside look-up is asked. True: parked for it. */
static bool port_park(struct call *c)
{
	const struct node *node = c->worker->node;
	char rn[NUMBER_MAX];

	c->port_asked = true;
	if (peer_ported(sip_object(c->invite), rn)) {
		port_set(c, rn);
		return false;
	}
	if (!portability_wants(node->settings->portability_prefixes, c->number.called) ||
	    !lrn_ask(node->lrn, c->worker->index, &c->id, c->number.called))
		return false;
	c->port_waits = true;
	c->state = CALL_ADMITTING;
	return true;
}

void call_ported(struct call *c, const char *lrn)
{
	if (!c->port_waits)
		return; /* given up meanwhile */
	c->port_waits = false;
	port_set(c, lrn);
	call_handle(c, CALL_ON_GRANT, NULL, NULL);
}

void call_route(struct call *c)
{
	if (!c->port_asked && port_park(c))
		return;
	struct route *r = c->worker->route;
	const struct route_query q = query_of(c);
	enum route_outcome outcome = route_decide(r, &q);

	offers_keep(c, r, &q);
	trace_keep(c->cdr, r);
	if (outcome != ROUTE_OK) {
		call_finish(c, cause_of_outcome(outcome), CDR_SWITCH);
		return;
	}
	if (c->ingress->mode == TRUNK_REDIRECT) {
		redirect(c);
		return;
	}
	c->shown = true;
	call_show(c);
	if (c->proxy && spend_wanted(c)) { /* the API allows no such trunk */
		call_finish(c, (struct cause){402, CDR_NO_BALANCE}, CDR_SWITCH);
		return;
	}
	if (!spend_begin(c))
		hunt_next(c);
}

/* Neither number nor route are asked for: it gets those of the call that it takes over. */
static void take_over(struct call *c, const sip_t *sip)
{
	struct call *taken = NULL;
	int refused = !c->ingress->carrier->active || !c->ingress->enabled ? 403 : replaces_refusal(c, sip, &taken);

	if (refused)
		reject(c, refused, CDR_REJECTED);
	else if (!capacity_taken(c))
		reject(c, 503, CDR_CAPACITY);
	else
		replaces_begin(c, taken, sip);
}

static void admit(struct call *c, const char *called, const char *calling, const sip_t *sip)
{
	int refused = check_message(c, sip);
	sip_unsupported_t *unsupported =
		c->proxy ? peer_unsupported_by_proxy(msg_home(c->invite), sip)
			 : peer_unsupported(msg_home(c->invite), sip, replaces_allowed(c->ingress));

	if (!refused && unsupported) {
		leg_answer_unsupported(&c->a, unsupported);
		refused = 420;
	}
	if (!refused && sip->sip_replaces && !replaces_allowed(c->ingress))
		refused = 501;
	if (!refused && !session_offered(&c->a, sip, c->ingress->session_expires_s)) {
		leg_answer_too_small(&c->a);
		refused = 422;
	}
	if (refused) {
		reject(c, refused, CDR_REJECTED);
		return;
	}
	if (atomic_load_explicit(&c->worker->node->draining, memory_order_relaxed)) {
		reject(c, 503, CDR_CAPACITY);
		return;
	}
	if (sip->sip_replaces) {
		take_over(c, sip);
		return;
	}
	if (number_in(c->ingress, called, calling, &c->number)) {
		reject(c, 484, CDR_REJECTED);
		return;
	}
	const struct route_query q = query_of(c);
	enum route_outcome outcome = route_permit(c->worker->route, &q);
	if (outcome != ROUTE_OK) {
		trace_keep(c->cdr, c->worker->route);
		call_finish(c, cause_of_outcome(outcome), CDR_SWITCH);
		return;
	}
	if (!capacity_taken(c)) {
		reject(c, 503, CDR_CAPACITY);
		return;
	}
	leg_answer(&c->a, 100, NULL);
	if (!call_park(c, CALL_ADMITTING, c->ingress))
		call_route(c);
}

static struct call *call_of_invite(struct worker *w, nta_incoming_t *irq, const sip_t *sip, const struct peer *peer,
				   const struct trunk *trunk)
{
	struct call *c = call_new(w);

	c->reserved = true;
	c->invite = nta_incoming_getrequest(irq);
	c->invite_has_body = sip->sip_payload != NULL;
	c->max_forwards = sip->sip_max_forwards && sip->sip_max_forwards->mf_count <= HOPS_MAX
				  ? (int)sip->sip_max_forwards->mf_count - 1
				  : HOPS_MAX - 1;
	c->secret = trunk->identity[IDENTITY_PRIVACY] != IDENTITY_DROP && peer_private(sip);
	c->display = sip->sip_from->a_display && sip->sip_from->a_display[0]
			     ? arena_strdup(c->arena, sip->sip_from->a_display)
			     : NULL;
	if (trunk->mode == TRUNK_PROXY)
		proxy_begin(c, trunk, worker_port_of(w, irq, c->invite), irq);
	else if (leg_accept(&c->a, c, w, worker_port_of(w, irq, c->invite), irq,
			    sip)) /* without a dialog: check_message refuses it */
		log_event(LOG_LEVEL_DEBUG, "INVITE without a usable Contact", "source=%s", peer->text);
	c->a.arena = c->arena;
	c->a.reliable = reliable_asked(sip_object(c->invite));
	c->a.refer.replaces = replaces_allowed(trunk);
	if (trunk->allow_refer)
		c->a.refer.prefix = arena_strdup(c->arena, trunk->tech_prefix);
	c->a.to_base = sip_object(c->invite)->sip_to;
	return c;
}

void call_begin(struct worker *w, nta_incoming_t *irq, const sip_t *sip, const struct peer *peer,
		const struct trunk *trunk, bool denied)
{
	char called[NUMBER_MAX], calling[NUMBER_MAX];

	atomic_fetch_add_explicit(&w->count.calls, 1, memory_order_relaxed);
	atomic_fetch_add(&w->count.steps, 1);
	if (!spool_reserve(w->node->spool)) { /* no room for its record: no call */
		refuse(irq, 503);
		return;
	}
	peer_called(sip, called);
	peer_calling(sip, trunk->trust_pai, calling);
	struct call *c = call_of_invite(w, irq, sip, peer, trunk);
	record_begin(c, trunk, peer, called, calling, sip);
	if (denied)
		deny(c);
	else
		admit(c, called, calling, sip);
}
