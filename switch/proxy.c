/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/log.h"
#include "switch/call.h"
#include "switch/enquiry.h"
#include "switch/forward.h"
#include "switch/leg_priv.h"
#include "switch/node.h"
#include "switch/recordroute.h"
#include "switch/stray.h"

#include <sofia-sip/msg_header.h>

struct proxy {
	bool knows_timer;    /* the caller does */
	msg_t *refusal;	     /* of the vendor that was tried last; NULL: it said nothing */
	su_timer_t *session; /* ends the call when nobody has refreshed it in time */
	su_duration_t session_ms;
	struct enquiry *enquiry; /* where nobody has to; NULL: not answered yet, or over */
};

/* ---- begin and end ---- */

static int on_cancel(void *magic, nta_incoming_t *irq, sip_t const *sip)
{
	struct leg *leg = magic;

	if (sip && sip->sip_request->rq_method == sip_method_cancel)
		call_on_leg(leg->call, leg, &(struct leg_event){.kind = LEG_CANCELLED, .sip = sip});
	return 0;
}

void proxy_begin(struct call *c, const struct trunk *trunk, const struct worker_port *port, nta_incoming_t *irq)
{
	struct worker *w = c->worker;
	const sip_t *sip = sip_object(c->invite);

	c->proxy = xcalloc(1, sizeof *c->proxy);
	c->proxy->knows_timer = forward_knows_timer(sip);
	c->a = (struct leg){
		.worker = w,
		.call = c,
		.port = port,
		.inbound = true,
		.proxied = true,
		.bye_cause = -1,
		.invite_in = irq,
	};
	struct peer from;
	peer_of_message(&from, c->invite);
	dialogs_begin(w->node->dialogs, &(struct dialogs_call){.id = c->id,
							       .worker = w->index,
							       .call = c,
							       .tag = sip->sip_from->a_tag ? sip->sip_from->a_tag : "",
							       .trunk_id = trunk->id,
							       .way = way_of_invite(sip, &from)});
	nta_incoming_bind(irq, on_cancel, &c->a);
}

void proxy_over(struct call *c)
{
	dialogs_end(c->worker->node->dialogs, &c->id);
	if (c->proxy->session)
		su_timer_reset(c->proxy->session);
	enquiry_free(&c->proxy->enquiry);
}

void proxy_drop(struct call *c)
{
	struct proxy *p = c->proxy;

	if (!p)
		return;
	dialogs_end(c->worker->node->dialogs, &c->id);
	if (p->session)
		su_timer_destroy(p->session);
	enquiry_free(&p->enquiry);
	if (p->refusal)
		msg_destroy(p->refusal);
	free(p);
	c->proxy = NULL;
}

/* ---- a BYE that never came: the session timer, or the ends are asked ---- */

/* Its ends should have hung up by now (RFC 4028 section 10). If they have not, nobody is to talk on without a record.
 */
static void on_session_over(struct worker *w, su_timer_t *timer, void *arg)
{
	struct call *c = arg;
	struct proxy *p = c->proxy;

	su_timer_set_interval(p->session, on_session_over, c, p->session_ms); /* for a callee that refuses the BYE */
	if (!p->enquiry || !enquiry_end(p->enquiry))
		call_end(c, CDR_SESSION_EXPIRED, 408);
}

static void session_set(struct call *c, int32_t seconds)
{
	struct proxy *p = c->proxy;

	if (seconds)
		enquiry_rest(p->enquiry);
	else
		enquiry_begin(p->enquiry);
	if (!p->session)
		p->session = su_timer_create(su_root_task(c->worker->root), 0);
	if (!p->session)
		return;
	p->session_ms = seconds < 2000000 ? seconds * 1000 : 2000000000;
	if (seconds)
		su_timer_set_interval(p->session, on_session_over, c, p->session_ms);
	else
		su_timer_reset(p->session);
}

/* ---- the INVITE on its way to a vendor ---- */

static void remove_all(msg_t *msg, msg_header_t *h)
{
	if (h)
		msg_header_remove_all(msg, NULL, h);
}

static void remove_unknown(msg_t *msg, const char *name)
{
	for (sip_unknown_t *h = sip_object(msg)->sip_unknown, *next; h; h = next) {
		next = h->un_next;
		if (strcasecmp(h->un_name, name) == 0)
			msg_header_remove(msg, NULL, (msg_header_t *)h);
	}
}

/* A caller who asks for privacy is not told of by us (RFC 3325 section 7); its From is its own affair. What proves the
 * caller to us is nobody else's. A Route that was loaded before would lead past our routing. */
static void headers_strip(const struct call *c, msg_t *msg)
{
	sip_t *sip = sip_object(msg);

	remove_all(msg, (msg_header_t *)sip->sip_route);
	if (c->ingress->username[0]) {
		remove_all(msg, (msg_header_t *)sip->sip_authorization);
		remove_all(msg, (msg_header_t *)sip->sip_proxy_authorization);
	}
	if (c->secret) {
		remove_unknown(msg, "P-Asserted-Identity");
		remove_unknown(msg, "P-Preferred-Identity");
		remove_unknown(msg, "Remote-Party-ID");
	}
}

static int32_t shorter(int32_t a, int32_t b)
{
	return a <= 0 ? b : b <= 0 || a < b ? a : b;
}

/* RFC 3261 section 16.6. */
static msg_t *invite_copy(struct leg *leg, struct call *c, const struct leg_target *to)
{
	msg_t *msg = msg_copy(c->invite);
	sip_t *sip = sip_object(msg);
	int32_t wish_s = shorter(c->ingress->session_expires_s, to->session_s);

	if (!msg)
		return NULL;
	sip_request_t *rq =
		sip_request_create(msg_home(msg), SIP_METHOD_INVITE,
				   (url_string_t *)leg_target_uri(msg_home(msg), to, leg->port->transport), NULL);
	if (!rq || msg_header_replace(msg, NULL, (msg_header_t *)sip->sip_request, (msg_header_t *)rq) < 0 ||
	    recordroute_add(leg->worker, msg, &c->id, c->a.port, leg->port)) {
		msg_destroy(msg);
		return NULL;
	}
	headers_strip(c, msg);
	forward_hops(msg);
	leg->session.expires_s = forward_wish(msg, wish_s);
	dialogs_wish(leg->worker->node->dialogs, &c->id, wish_s);
	return msg;
}

static void settled(struct leg *leg)
{
	leg_patience_end(leg);
	nta_outgoing_destroy(leg->invite_out);
	leg->invite_out = NULL;
}

static void tell(struct leg *leg, enum leg_event_kind kind, int status, bool internal, const sip_t *sip)
{
	call_on_leg(leg->call, leg,
		    &(struct leg_event){.kind = kind, .status = status, .internal = internal, .sip = sip});
}

/* Its last word, or that there was none. */
static void refused(struct leg *leg, int status, bool internal, msg_t *answer)
{
	struct proxy *p = leg->call->proxy;

	if (p->refusal)
		msg_destroy(p->refusal);
	p->refusal = internal ? NULL : msg_ref(answer);
	settled(leg);
	leg->over = true;
	tell(leg, LEG_FAIL, status, internal, internal ? NULL : sip_object(p->refusal));
	leg_settle(leg);
}

static int on_invite_response(void *magic, nta_outgoing_t *orq, sip_t const *sip)
{
	struct leg *leg = magic;
	int status = nta_outgoing_status(orq);
	bool internal = !sip || nta_sip_is_internal(sip);

	if (status > 699)
		status = 500;
	if (!internal)
		leg->responded = true;
	if (status < 200) {
		leg->provisional = true;
		tell(leg, status == 100 ? LEG_TRYING : LEG_PROGRESS, status, internal, sip);
	} else if (status < 300) {
		leg->confirmed = true;
		tell(leg, LEG_ANSWER, status, internal, sip);
	} else {
		msg_t *answer = nta_outgoing_getresponse(orq);
		refused(leg, status, internal, answer);
		if (answer)
			msg_destroy(answer);
	}
	return 0;
}

int proxy_call(struct leg *leg, struct call *c, const struct worker_port *port, const struct leg_target *to)
{
	char branch[WORKER_BRANCH_MAX];

	*leg = (struct leg){
		.worker = c->worker, .call = c, .port = port, .arena = c->arena, .proxied = true, .bye_cause = -1};
	msg_t *msg = invite_copy(leg, c, to);
	if (msg) {
		leg->call_id = arena_strdup(c->arena, sip_object(msg)->sip_call_id->i_id);
		const char *route = leg_target_route(msg_home(c->invite), to->next_hop, port->transport);
		const char *uri = url_as_string(msg_home(msg), sip_object(msg)->sip_request->rq_url);
		forward_branch(c->worker, FORWARD_INITIAL, branch);
		if (uri)
			dialogs_sent(c->worker->node->dialogs, &c->id, branch, uri);
		leg->invite_out = forward_request(c->worker, port, route, branch, msg, on_invite_response, leg);
	}
	if (leg->invite_out)
		return 0;
	leg->over = leg->gone = true;
	return -EIO;
}

/* ---- its answers on their way to the caller ---- */

static void callee_learn(struct call *c, const struct call_attempt *t, msg_t *answer)
{
	dialogs_learn(c->worker->node->dialogs, &c->id, sip_object(answer)->sip_to->a_tag,
		      way_of_answer(c->worker, &c->id, answer, t->where.target[t->target].host));
}

void proxy_progress(struct call *c, const struct call_attempt *t)
{
	msg_t *answer = nta_outgoing_getresponse(t->leg.invite_out);
	msg_t *copy = forward_copy(answer);
	const sip_t *sip = sip_object(answer);

	callee_learn(c, t, answer);
	/* What the caller would have to acknowledge, and cannot, would be made so by the library (RFC 3262 section 3).
	 */
	bool owed = !sip->sip_rseq && sip_has_feature((sip_supported_t *)sip_object(c->invite)->sip_require, "100rel");
	if (copy && owed)
		msg_destroy(copy);
	else if (copy && forward_answer(c->worker, c->a.invite_in, copy))
		log_event(LOG_LEVEL_DEBUG, "an 18x could not be sent to the caller", NULL);
	msg_destroy(answer);
}

bool proxy_answer(struct call *c, struct call_attempt *t)
{
	struct dialogs *dialogs = c->worker->node->dialogs;
	msg_t *answer = nta_outgoing_getresponse(t->leg.invite_out);
	const sip_t *sip = sip_object(answer);
	msg_t *copy = forward_copy(answer);

	callee_learn(c, t, answer);
	dialogs_answered(dialogs, &c->id, sip->sip_to->a_tag, nta_outgoing_branch(t->leg.invite_out));
	int32_t session_s = copy ? forward_agreed(copy, c->proxy->knows_timer, t->leg.session.expires_s) : 0;
	bool told = copy && forward_answer(c->worker, c->a.invite_in, copy) == 0;
	if (told) {
		nta_incoming_destroy(c->a.invite_in);
		c->a.invite_in = NULL;
		c->a.confirmed = true;
		settled(&t->leg);
		const char *tag = sip->sip_to->a_tag;
		c->proxy->enquiry = enquiry_new(c, arena_strdup(c->arena, tag ? tag : ""));
		session_set(c, session_s);
	}
	msg_destroy(answer);
	return told;
}

/* What the caller may not know of it: whom else to call, whom to prove itself to, when to come back. */
static msg_t *refusal_copy(msg_t *refusal)
{
	msg_t *copy = forward_copy(refusal);
	sip_t *sip = sip_object(copy);

	if (!copy)
		return NULL;
	remove_all(copy, (msg_header_t *)sip->sip_contact);
	remove_all(copy, (msg_header_t *)sip->sip_www_authenticate);
	remove_all(copy, (msg_header_t *)sip->sip_proxy_authenticate);
	remove_all(copy, (msg_header_t *)sip->sip_warning);
	remove_all(copy, (msg_header_t *)sip->sip_retry_after);
	return copy;
}

void proxy_refuse(struct call *c, int code)
{
	msg_t *refusal = c->proxy->refusal, *copy = NULL;

	if (refusal && c->a.invite_in && sip_object(refusal)->sip_status->st_status == code)
		copy = refusal_copy(refusal);
	if (copy && forward_answer(c->worker, c->a.invite_in, copy) == 0)
		leg_answered(&c->a);
	else
		leg_answer(&c->a, code, NULL);
}

/* ---- giving up ---- */

static void on_patience_over(struct worker *w, su_timer_t *timer, void *arg)
{
	refused(arg, 408, true, NULL);
}

/* why: the CANCEL that asks for it; NULL: we do */
static void invite_cancel(struct leg *leg, const sip_t *why)
{
	if (leg->cancel_sent)
		return;
	leg->cancel_sent = true;
	char *reason = forward_reason(why);
	forward_cancel(leg->worker, leg->port, leg->invite_out, reason);
	free(reason);
	leg_patience_begin(leg, on_patience_over);
}

void proxy_give_up(struct leg *leg)
{
	if (!leg->invite_out || leg->confirmed)
		return;
	if (leg->provisional) {
		invite_cancel(leg, NULL);
		return;
	}
	settled(leg); /* nothing came back: see leg_give_up */
	leg->over = true;
	leg_settle(leg);
}

bool proxy_cancel(struct call *c, const sip_t *cancel)
{
	struct call_attempt *t = c->b;

	if (!c->proxy || !t || !t->open || !t->leg.provisional || !t->leg.invite_out)
		return false;
	invite_cancel(&t->leg, cancel);
	return true;
}

void proxy_leg_end(struct leg *leg)
{
	if (leg->over)
		return;
	leg->over = true;
	if (leg->invite_out && leg->confirmed) {
		msg_t *answer = nta_outgoing_getresponse(leg->invite_out);
		stray_hang_up(leg->worker, answer, sip_object(answer));
		msg_destroy(answer);
		settled(leg);
	}
	leg_settle(leg);
}

/* ---- news ---- */

static void news_take(struct worker *w, const struct proxy_news *n)
{
	struct call *c = dialogs_call(w->node->dialogs, &n->call);

	if (!c || !c->proxy)
		return;
	if (!n->ended) {
		if (c->proxy->enquiry)
			session_set(c, n->session_s);
		return;
	}
	const struct leg_event ev = {.kind = LEG_BYE, .q850 = n->q850};
	c->left_mono_us = n->left_us;
	call_handle(c, n->from == DIALOGS_CALLEE ? CALL_ON_BYE_B : CALL_ON_BYE_A, &ev, c->b);
}

static void on_news(struct worker *w, void *arg)
{
	news_take(w, arg);
	free(arg);
}

void proxy_tell(struct worker *w, int owner, const struct proxy_news *news)
{
	if (owner == w->index) {
		news_take(w, news);
		return;
	}
	struct proxy_news *copy = xcalloc(1, sizeof *copy);
	*copy = *news;
	if (worker_post(w->node->worker[owner], on_news, copy)) {
		log_event(LOG_LEVEL_ERROR, "no memory to tell a worker of its call's end", "worker=%d", owner);
		free(copy);
	}
}
