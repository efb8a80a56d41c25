/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/relay.h"

#include <stdlib.h>

#include "lib/buf.h"
#include "switch/body.h"
#include "switch/cause.h"
#include "switch/worker.h"

struct relay {
	struct relay *next;
	struct leg *from, *to; /* from is NULL once that side is over */
	nta_incoming_t *in;
	nta_outgoing_t *out;
	uint32_t cseq; /* of out */
	bool invite;
	bool answered;	/* its 2xx was passed back and waits for the ACK */
	bool cancelled; /* the library has answered it 487; the other side may still answer 2xx */
};

static void unlink_from(struct relay **list, const struct relay *r)
{
	while (*list && *list != r)
		list = &(*list)->next;
	if (*list)
		*list = r->next;
}

static void relay_free(struct relay *r)
{
	unlink_from(r->from ? &r->from->relays : &r->to->orphans, r);
	if (r->in)
		nta_incoming_destroy(r->in);
	if (r->out)
		nta_outgoing_destroy(r->out);
	free(r);
}

bool relay_busy(const struct leg *leg)
{
	if (leg->invite_in || leg->invite_out || leg->session.refresh)
		return true;
	for (const struct relay *r = leg->relays; r; r = r->next)
		if (r->invite)
			return true;
	return false;
}

/* The 2xx of a re-INVITE may move the target of either dialog (RFC 3261 section 12.2). */
static void target_refresh(struct leg *leg, msg_t *msg, const sip_t *sip)
{
	if (sip->sip_contact) {
		nta_leg_client_reroute(leg->dialog, NULL, sip->sip_contact, 0);
		leg_route_learned(leg, msg);
	}
	msg_destroy(msg);
}

static void ack_pass(struct relay *r, const sip_t *sip)
{
	char branch[WORKER_BRANCH_MAX];
	if (r->out && r->to->dialog)
		leg_ack_send(r->to, r->cseq, sip, worker_branch(r->to->worker, branch));
}

static int on_relay_ack_cancel(void *magic, nta_incoming_t *irq, sip_t const *sip)
{
	struct relay *r = magic;

	if (sip && sip->sip_request->rq_method == sip_method_cancel) {
		if (r->out && !r->answered) {
			nta_outgoing_tcancel(r->out, NULL, NULL, TAG_END());
			r->cancelled = true;
		}
		return 0;
	}
	if (r->cancelled) { /* ACK of the 487: what the other side answers is still to come */
		nta_incoming_destroy(r->in);
		r->in = NULL;
		return 0;
	}
	if (r->answered)
		ack_pass(r, sip); /* without one in time, too: the other side's 2xx needs it in any case */
	relay_free(r);
	return 0;
}

/* Cancelled, but the other side had agreed already: it is acknowledged, and as the two sides now see different sessions
 * the call ends as one that lost its state. */
static void cancelled_answer(struct relay *r, int status)
{
	struct leg *leg = r->from;

	if (status < 200)
		return;
	bool agreed = status < 300;
	if (agreed)
		ack_pass(r, NULL);
	relay_free(r);
	if (agreed)
		call_on_leg(leg->call, leg, &(struct leg_event){.kind = LEG_TORN});
}

/* Whoever asked is gone, but a final answer must be acknowledged all the same: the library does it for refusals. */
static void orphan_answer(struct relay *r, int status)
{
	struct leg *to = r->to;

	if (status < 200)
		return;
	if (status < 300)
		ack_pass(r, NULL);
	relay_free(r);
	leg_settle(to);
}

static int on_relay_response(void *magic, nta_outgoing_t *orq, sip_t const *sip)
{
	struct relay *r = magic;
	int status = nta_outgoing_status(orq);
	bool internal = !sip || nta_sip_is_internal(sip);
	bool good = status >= 200 && status < 300;

	if (status == 100 || r->answered)
		return 0;
	if (!r->from) {
		orphan_answer(r, status);
		return 0;
	}
	if (r->cancelled) {
		cancelled_answer(r, internal && status < 300 ? 500 : status);
		return 0;
	}
	if (good && !internal)
		target_refresh(r->to, nta_outgoing_getresponse(orq), sip);
	su_home_t home[1] = {SU_HOME_INIT(home)};
	su_home_init(home);
	struct body b = body_for(home, r->from, internal ? NULL : sip);
	sip_session_expires_t *x = good ? session_header(home, r->from) : NULL;
	nta_incoming_treply(r->in, status, cause_phrase(status),
			    TAG_IF(good || status < 200, SIPTAG_CONTACT(r->from->port->contact)),
			    TAG_IF(x, SIPTAG_SESSION_EXPIRES(x)),
			    TAG_IF(x && !r->from->session.we_refresh, SIPTAG_REQUIRE_STR("timer")), BODY_TAGS(b),
			    TAG_END());
	su_home_deinit(home);
	if (status < 200)
		return 0;
	if (good) { /* both sides have shown that they live */
		session_start(r->from);
		session_start(r->to);
	}
	if (r->invite && good)
		r->answered = true; /* until the ACK */
	else
		relay_free(r);
	return 0;
}

void relay_pass(struct leg *from, struct leg *to, nta_incoming_t *request, const sip_t *sip)
{
	sip_method_t method = sip->sip_request->rq_method;
	if (method == sip_method_update && !sip->sip_payload) {
		session_update(from, request, sip);
		return;
	}
	switch (method) {
	case sip_method_invite:
	case sip_method_update:
	case sip_method_info:
	case sip_method_message:
		break;
	case sip_method_refer:
		leg_refuse(from, request, 603);
		return;
	default:
		leg_refuse(from, request, method == sip_method_unknown ? 501 : 405);
		return;
	}
	if (to->over || !to->dialog) {
		leg_refuse(from, request, 481);
		return;
	}
	if (!to->confirmed) { /* before the answer: later, perhaps; 481 would end the sender's dialog */
		leg_refuse(from, request, method == sip_method_update ? 491 : 500);
		return;
	}
	if (method == sip_method_invite && (relay_busy(from) || relay_busy(to))) {
		leg_refuse(from, request, 491);
		return;
	}
	struct relay *r = xcalloc(1, sizeof *r);
	*r = (struct relay){.from = from, .to = to, .in = request, .invite = method == sip_method_invite};
	char branch[WORKER_BRANCH_MAX];
	bool target = method == sip_method_invite || method == sip_method_update;
	if (target)
		target_refresh(from, nta_incoming_getrequest(request), sip);
	su_home_t home[1] = {SU_HOME_INIT(home)};
	su_home_init(home);
	struct body b = body_for(home, to, sip);
	r->out = nta_outgoing_tcreate(to->dialog, on_relay_response, r, leg_next_hop(to), method,
				      sip->sip_request->rq_method_name, NULL,
				      TAG_IF(target, SIPTAG_CONTACT(to->port->contact)), TPTAG_IDENT(to->port->ident),
				      NTATAG_BRANCH_KEY(worker_branch(to->worker, branch)), BODY_TAGS(b), TAG_END());
	su_home_deinit(home);
	if (!r->out) {
		free(r);
		leg_refuse(from, request, 500);
		return;
	}
	r->cseq = nta_outgoing_cseq(r->out);
	r->next = from->relays;
	from->relays = r;
	if (r->invite) {
		nta_incoming_bind(request, on_relay_ack_cancel, r);
		nta_incoming_treply(request, SIP_100_TRYING, TAG_END());
	}
}

void relay_end(struct leg *leg)
{
	while (leg->relays) {
		struct relay *r = leg->relays;
		if (r->answered)
			ack_pass(r, NULL); /* the caller's will not come any more */
		else if (r->in && !r->cancelled)
			nta_incoming_treply(r->in, r->invite ? 487 : 481, cause_phrase(r->invite ? 487 : 481),
					    TAG_END());
		if (!r->invite || r->answered || !r->out) {
			relay_free(r);
			continue;
		}
		if (r->in)
			nta_incoming_destroy(r->in);
		r->in = NULL;
		leg->relays = r->next;
		r->from = NULL;
		r->next = r->to->orphans;
		r->to->orphans = r;
	}
}

void relay_close(struct leg *leg)
{
	relay_end(leg);
	while (leg->orphans)
		relay_free(leg->orphans);
}
