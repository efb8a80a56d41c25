/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/passage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "switch/cause.h"
#include "switch/dns.h"
#include "switch/forward.h"
#include "switch/gate.h"
#include "switch/node.h"
#include "switch/parser.h"
#include "switch/peer.h"
#include "switch/proxy.h"
#include "switch/recordroute.h"
#include "switch/worker.h"

#include <sofia-sip/msg_header.h>
#include <sofia-sip/url.h>

struct passage {
	struct passage *next, **prev; /* worker->passages */
	struct worker *worker;
	struct uuid call;
	struct dialogs_found dialog;
	char *callee;	 /* that end's tag */
	int64_t came_us; /* monotonic */
	int q850;	 /* of a BYE's Reason; 0 none */
	const struct worker_port *came_by;
	const struct worker_port *port; /* by which it goes out; NULL: by its next hop */
	struct way_hop hop;
	sip_method_t method;
	nta_incoming_t *in; /* NULL: an ACK */
	nta_outgoing_t *out;
	msg_t *msg; /* as it goes out, until it does */
	struct dns_question *question;
	su_timer_t *timer; /* of an INVITE: timer C (section 16.8) */
	bool cancelled, cancel_sent;
	char *why;	  /* the Reason of the CANCEL; NULL: none */
	bool knows_timer; /* its sender */
	int32_t asked_s;  /* Session-Expires */
};

static void passage_free(struct passage *p)
{
	*p->prev = p->next;
	if (p->next)
		p->next->prev = p->prev;
	dns_drop(p->question);
	if (p->timer)
		su_timer_destroy(p->timer);
	if (p->msg)
		msg_destroy(p->msg);
	if (p->in)
		nta_incoming_destroy(p->in);
	if (p->out)
		nta_outgoing_destroy(p->out);
	dialogs_found_drop(&p->dialog);
	free(p->callee);
	free(p->why);
	free(p);
}

void passages_close(struct worker *w)
{
	while (w->passages)
		passage_free(w->passages);
}

/* An answer of ours. The transaction was made without its To tag (see passage_begin). */
static void answer(struct passage *p, int status)
{
	msg_t *msg = nta_incoming_getrequest(p->in);

	nta_incoming_treply(p->in, status, cause_phrase(status), SIPTAG_TO(sip_object(msg)->sip_to), TAG_END());
	msg_destroy(msg);
}

/* A BYE ends the record once the other end agrees, or is found not to know the call, or not to be there: then it is
 * over for its sender, too (RFC 3261 section 15.1.1). Any other answer leaves the call as it is. nobody: the answer is
 * ours, for the other end has said nothing. The call may have been answered since the BYE came. */
static void bye_settled(struct passage *p, int status, bool nobody)
{
	int owner;

	if (p->method != sip_method_bye || !(nobody || status < 300 || status == 481 || status == 408) ||
	    !dialogs_answered_by(p->worker->node->dialogs, &p->call, p->callee, &owner))
		return;
	const struct proxy_news news = {
		.call = p->call, .ended = true, .left_us = p->came_us, .from = p->dialog.side, .q850 = p->q850};
	proxy_tell(p->worker, owner, &news);
}

static void refuse(struct passage *p, int status)
{
	if (p->in)
		answer(p, status);
	passage_free(p);
}

/* ---- what comes back ---- */

static void timer_set(struct passage *p, int64_t ms);
static void cancel(struct passage *p);

static void on_timer(struct worker *w, su_timer_t *timer, void *arg)
{
	struct passage *p = arg;

	if (p->cancelled)
		refuse(p, 408);
	else
		cancel(p);
}

static void timer_set(struct passage *p, int64_t ms)
{
	if (!p->timer)
		p->timer = su_timer_create(su_root_task(p->worker->root), 0);
	if (p->timer)
		su_timer_set_interval(p->timer, on_timer, p, (su_duration_t)ms);
}

/* Not before the other side has said anything (section 9.1). */
static void cancel(struct passage *p)
{
	if (!p->cancelled)
		timer_set(p, 64 * p->worker->node->settings->t1_ms);
	p->cancelled = true;
	if (p->out && nta_outgoing_status(p->out) >= 100 && !p->cancel_sent) {
		forward_cancel(p->worker, p->port, p->out, p->why);
		p->cancel_sent = true;
	}
}

static void timer_c(struct passage *p)
{
	if (p->method == sip_method_invite && !p->cancelled)
		timer_set(p, atomic_load_explicit(&p->worker->node->invite_timeout_ms, memory_order_relaxed));
}

static void refreshed(struct passage *p, msg_t *copy)
{
	if (p->method != sip_method_invite && p->method != sip_method_update)
		return;
	const struct proxy_news news = {
		.call = p->call,
		.from = p->dialog.side,
		.session_s = forward_agreed(copy, p->knows_timer, p->asked_s),
	};
	if (p->dialog.answered)
		proxy_tell(p->worker, p->dialog.worker, &news);
}

/* A target refresh that was agreed to (section 12.2): either end may be somewhere else now. */
static void moved(const struct passage *p, const sip_t *answer)
{
	struct dialogs *dialogs = p->worker->node->dialogs;
	enum dialogs_side other = p->dialog.side == DIALOGS_CALLER ? DIALOGS_CALLEE : DIALOGS_CALLER;

	if ((p->method != sip_method_invite && p->method != sip_method_update) || !p->dialog.from || !p->dialog.to)
		return;
	msg_t *request = nta_outgoing_getrequest(p->out);
	struct way *from = way_moved(p->dialog.from, sip_object(request)->sip_contact);
	struct way *to = way_moved(p->dialog.to, answer->sip_contact);
	msg_destroy(request);
	if (from)
		dialogs_moved(dialogs, &p->call, p->callee, p->dialog.side, from);
	if (to)
		dialogs_moved(dialogs, &p->call, p->callee, other, to);
}

static int on_response(void *magic, nta_outgoing_t *orq, sip_t const *sip)
{
	struct passage *p = magic;
	int status = nta_outgoing_status(orq);

	if (status < 200 && p->cancelled)
		cancel(p);
	if (status == 100)
		return 0;
	if (!sip || nta_sip_is_internal(sip)) {
		bye_settled(p, status, true);
		refuse(p, status >= 300 && status != 503 ? status : 500);
		return 0;
	}
	if (status == 503) { /* it speaks of that hop, and would be taken to speak of us (section 16.7, point 6) */
		refuse(p, 500);
		return 0;
	}
	msg_t *msg = nta_outgoing_getresponse(orq);
	msg_t *copy = forward_copy(msg);
	msg_destroy(msg);
	if (copy && status >= 200 && status < 300) {
		moved(p, sip);
		refreshed(p, copy);
	}
	if (copy)
		(void)forward_answer(p->worker, p->in, copy); /* else its sender asks again, or gives up */
	if (status >= 200) {
		bye_settled(p, status, false);
		passage_free(p);
	} else {
		timer_c(p);
	}
	return 0;
}

static int on_cancel(void *magic, nta_incoming_t *irq, sip_t const *sip)
{
	struct passage *p = magic;

	if (sip && sip->sip_request->rq_method == sip_method_cancel) {
		if (!p->why)
			p->why = forward_reason(sip);
		cancel(p);
	}
	return 0;
}

/* ---- out ---- */

static int q850_of(const sip_t *sip)
{
	for (const sip_reason_t *r = sip->sip_reason; r; r = r->re_next)
		if (r->re_protocol && strcasecmp(r->re_protocol, "Q.850") == 0 && r->re_cause)
			return atoi(r->re_cause) & 0x7f;
	return 0;
}

/* There is no way to the other end: whoever sent this is told so. */
static void undeliverable(struct passage *p, int status)
{
	bye_settled(p, status, true);
	refuse(p, status);
}

static void passage_send(struct passage *p, const struct dns_target *hop)
{
	static const char *const transport[] = {
		[TRUNK_UDP] = "", [TRUNK_TCP] = ";transport=tcp", [TRUNK_TLS] = ";transport=tls"};
	char route[96], branch[WORKER_BRANCH_MAX];
	msg_t *msg = p->msg;

	p->port = forward_port(p->worker, p->port, hop);
	if (!p->port) {
		undeliverable(p, 500);
		return;
	}
	snprintf(route, sizeof route, "sip:%s:%d%s", hop->host, hop->port, transport[hop->transport]);
	p->msg = NULL;
	if (!p->in) {
		forward_ack(p->worker, p->port, route, msg);
		passage_free(p);
		return;
	}
	/* For ends that take their routes anew, though they should not (section 16.6, point 4). */
	if (p->method == sip_method_invite && recordroute_add(p->worker, msg, &p->call, p->came_by, p->port)) {
		msg_destroy(msg);
		refuse(p, 500);
		return;
	}
	p->out = forward_request(p->worker, p->port, route, forward_branch(p->worker, FORWARD_INSIDE, branch), msg,
				 on_response, p);
	if (p->out)
		timer_c(p);
	else
		undeliverable(p, 500);
}

static void on_resolved(void *arg, const struct dns_answer *found)
{
	struct passage *p = arg;

	p->question = NULL;
	if (found->n)
		passage_send(p, &found->target[0]);
	else
		undeliverable(p, 480);
}

/* The library gets numeric addresses only. */
static void passage_route(struct passage *p)
{
	const struct way_hop *hop = &p->hop;
	struct dns_target at = {.port = hop->port, .transport = hop->transport};

	if (dns_is_numeric(hop->host)) {
		snprintf(at.host, sizeof at.host, "%.62s", hop->host);
		passage_send(p, &at);
	} else {
		struct dns_question *q = dns_ask(p->worker->dns, hop->host, hop->port, hop->transport, on_resolved, p);
		if (q) /* else it was answered at once, and p may be gone */
			p->question = q;
	}
}

/* ---- in ---- */

static bool is_ours(const struct passage *p, const url_t *url, struct recordroute *ours)
{
	return recordroute_read(p->worker, url, sip_object(p->msg)->sip_call_id->i_id, ours) &&
	       memcmp(&ours->call, &p->call, sizeof p->call) == 0;
}

/* Our own entries for this call go from the top of the Routes; the last of them names the port of the side that it goes
 * to. A call that has come through us twice (a spiral) has entries for both, and is taken once for each. */
static void routes_pop(struct passage *p)
{
	sip_t *sip = sip_object(p->msg);
	struct recordroute ours;

	while (sip->sip_route && is_ours(p, sip->sip_route->r_url, &ours)) {
		p->port = ours.port;
		msg_header_remove(p->msg, NULL, (msg_header_t *)sip->sip_route);
	}
}

/* Section 16.4: a strict router put our own entry into the Request-URI, and what was there behind the last Route. */
static bool strict_undo(struct passage *p)
{
	sip_t *sip = sip_object(p->msg);
	struct recordroute ours;
	sip_route_t *last = sip->sip_route;

	if (!is_ours(p, sip->sip_request->rq_url, &ours))
		return true;
	p->port = ours.port;
	while (last && last->r_next)
		last = last->r_next;
	if (!last)
		return false;
	if (way_request_uri(p->msg, last->r_url))
		return false;
	msg_header_remove(p->msg, NULL, (msg_header_t *)last);
	return true;
}

/* Where it goes is what the dialog says; what its sender says has to agree with that. 0, or how to refuse it. */
static int passage_aim(struct passage *p, msg_t *request)
{
	const sip_t *sip = sip_object(p->msg);
	const url_t *url = sip->sip_route ? sip->sip_route->r_url : sip->sip_request->rq_url;

	if ((url->url_type != url_sip && url->url_type != url_sips) || !url->url_host)
		return 416;
	if (!gate_hop(p->worker, request, &p->call, &p->dialog, url, p->port ? p->port->transport : TRUNK_UDP, &p->hop))
		return 403;
	return p->dialog.side != DIALOGS_UNKNOWN && way_set(p->dialog.to, p->msg) ? 500 : 0;
}

static int passage_prepare(struct passage *p, msg_t *request)
{
	p->msg = msg_copy(request);
	if (!p->msg)
		return 500;
	if (!strict_undo(p))
		return 400;
	routes_pop(p);
	int refused = passage_aim(p, request);
	if (refused)
		return refused;
	forward_hops(p->msg);
	if (p->method == sip_method_invite || p->method == sip_method_update) {
		p->knows_timer = forward_knows_timer(sip_object(p->msg));
		p->asked_s = forward_wish(p->msg, p->dialog.session_s);
	}
	return forward_strict(p->msg) ? 0 : 500;
}

/* A server transaction with a To tag would take the ACK of its 2xx for itself: it is made as if there were none. */
static nta_incoming_t *transaction_new(struct worker *w, msg_t *msg, sip_t *sip)
{
	sip_to_t *to = sip->sip_to, bare = *to;

	bare.a_params = NULL;
	bare.a_tag = NULL;
	msg_fragment_clear(bare.a_common);
	sip->sip_to = &bare;
	nta_incoming_t *irq = nta_incoming_create(w->agent, NULL, msg, sip, TAG_END());
	if (irq)
		sip->sip_to = to;
	return irq;
}

static void passage_begin(struct worker *w, msg_t *msg, sip_t *sip, const struct uuid *call,
			  const struct dialogs_found *dialog)
{
	struct passage *p = xcalloc(1, sizeof *p);
	const char *callee = dialog->side == DIALOGS_CALLEE ? sip->sip_from->a_tag : sip->sip_to->a_tag;

	*p = (struct passage){.next = w->passages,
			      .prev = &w->passages,
			      .worker = w,
			      .call = *call,
			      .dialog = *dialog,
			      .callee = xstrdup(callee ? callee : ""),
			      .came_us = clock_mono_us(),
			      .q850 = q850_of(sip),
			      .method = sip->sip_request->rq_method};
	if (p->next)
		p->next->prev = &p->next;
	w->passages = p;
	int refused = passage_prepare(p, msg);
	if (p->method == sip_method_ack) {
		msg_destroy(msg);
	} else {
		p->in = transaction_new(w, msg, sip);
		if (!p->in) {
			passage_free(p);
			return;
		}
		nta_incoming_bind(p->in, on_cancel, p);
		p->came_by = worker_port_of(w, p->in, msg);
		if (p->method == sip_method_invite)
			answer(p, 100);
	}
	if (refused)
		refuse(p, refused);
	else
		passage_route(p);
}

/* Refused by us. An INVITE is so in a transaction: that takes the ACK, which else would be sent on. */
static void reply(struct worker *w, msg_t *msg, sip_t *sip, int status, const sip_unsupported_t *unsupported)
{
	sip_method_t method = sip->sip_request->rq_method;
	nta_incoming_t *irq =
		method == sip_method_invite ? nta_incoming_create(w->agent, NULL, msg, sip, TAG_END()) : NULL;

	if (irq) {
		nta_incoming_treply(irq, status, cause_phrase(status),
				    TAG_IF(unsupported, SIPTAG_UNSUPPORTED(unsupported)), TAG_END());
		nta_incoming_destroy(irq);
	} else if (method == sip_method_ack) {
		nta_msg_discard(w->agent, msg);
	} else if (method != sip_method_invite) {
		nta_msg_treply(w->agent, msg, status, cause_phrase(status),
			       TAG_IF(unsupported, SIPTAG_UNSUPPORTED(unsupported)), TAG_END());
	}
}

/* What is known of no live call may end one of a time before our start, but begin nothing. 0: it may pass */
static int refusal_of(struct worker *w, msg_t *msg, const sip_t *sip, const struct uuid *call,
		      const struct dialogs_found *dialog, sip_unsupported_t **unsupported)
{
	sip_method_t method = sip->sip_request->rq_method;
	bool ends = method == sip_method_bye || method == sip_method_ack;

	if (dialog->side == DIALOGS_STRANGER || (!ends && (dialog->side == DIALOGS_UNKNOWN || dialog->over)))
		return 481;
	if (!gate_source(w, msg, call, dialog))
		return 403;
	if (sip->sip_max_forwards && sip->sip_max_forwards->mf_count == 0)
		return 483;
	*unsupported = method == sip_method_ack ? NULL : peer_unsupported_by_proxy(msg_home(msg), sip);
	return *unsupported ? 420 : 0;
}

bool passage_take(struct worker *w, msg_t *msg, sip_t *sip)
{
	sip_method_t method = sip->sip_request->rq_method;
	const char *call_id = sip->sip_call_id->i_id;
	struct dialogs_found dialog;
	struct recordroute ours;

	if (!sip->sip_to->a_tag || method == sip_method_cancel || parser_bad_uri(sip->sip_request))
		return false;
	if (!(sip->sip_route && recordroute_read(w, sip->sip_route->r_url, call_id, &ours)) &&
	    !recordroute_read(w, sip->sip_request->rq_url, call_id, &ours))
		return false;
	dialogs_find(w->node->dialogs, &ours.call, sip->sip_from->a_tag, sip->sip_to->a_tag, &dialog);
	if (dialog.side == DIALOGS_UNKNOWN && !(w->snap && snapshot_has_routes(w->snap))) {
		nta_msg_discard(w->agent, msg); /* it cannot be judged yet: it will come again */
		return true;
	}
	sip_unsupported_t *unsupported = NULL;
	int status = refusal_of(w, msg, sip, &ours.call, &dialog, &unsupported);
	if (!status) {
		passage_begin(w, msg, sip, &ours.call, &dialog);
		return true;
	}
	reply(w, msg, sip, status, unsupported);
	dialogs_found_drop(&dialog);
	return true;
}
