/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/leg_priv.h"

#include <stdio.h>

#include "switch/cause.h"
#include "switch/node.h"
#include "switch/proxy.h"
#include "switch/relay.h"
#include "switch/worker.h"

void leg_tell(struct leg *leg, enum leg_event_kind kind, int status, bool internal, const sip_t *sip,
	      nta_incoming_t *request)
{
	call_on_leg(leg->call, leg,
		    &(struct leg_event){
			    .kind = kind, .status = status, .internal = internal, .sip = sip, .request = request});
}

/* No transaction is left that could call back. */
void leg_gone(struct leg *leg)
{
	leg->over = true;
	if (!leg->gone) {
		leg->gone = true;
		leg_tell(leg, LEG_GONE, 0, false, NULL, NULL);
	}
}

bool leg_quiet(const struct leg *leg)
{
	return !leg->invite_in && !leg->invite_out && !leg->bye_out && !leg->orphans;
}

void leg_settle(struct leg *leg)
{
	if (leg->over && leg_quiet(leg))
		leg_gone(leg);
}

/* ---- requests inside the dialog ---- */

static int on_bye(struct leg *leg, nta_incoming_t *irq, const sip_t *sip)
{
	if (!leg->inbound && !leg->confirmed)
		return 481; /* a callee may not end an early dialog so (RFC 3261 section 15) */
	nta_incoming_treply(irq, SIP_200_OK, TAG_END());
	nta_incoming_destroy(irq);
	bool first = !leg->over;
	leg->over = true;
	session_stop(leg);
	relay_end(leg);
	if (leg->confirmed && leg->invite_in) { /* before the ACK of our 2xx: the library goes on to absorb that one */
		nta_incoming_destroy(leg->invite_in);
		leg->invite_in = NULL;
	}
	if (leg->confirmed && leg->invite_out) /* before our ACK, which waits for the other side's */
		leg_ack(leg, NULL);
	if (first)
		leg_tell(leg, LEG_BYE, 0, false, sip, NULL);
	if (leg_quiet(leg))
		leg_gone(leg);
	return 0;
}

/* The library would repeat our 2xx until an ACK with the first To tag comes, and has no call to stop it: it gets such
 * an ACK, from ourselves. */
static void ack_ourselves(struct leg *leg, const sip_t *sip)
{
	msg_t *msg = leg->port->transport == TRUNK_UDP ? nta_msg_create(leg->worker->agent, 0) : NULL;
	su_home_t *home = msg_home(msg);
	char branch[WORKER_BRANCH_MAX];

	if (!msg)
		return;
	sip_to_t *to = sip_to_dup(home, leg->to_base);
	sip_to_tag(home, to, leg->first_tag);
	char *route = su_sprintf(home, "sip:%s:%d", leg->port->bind, leg->port->port);
	if (sip_add_tl(msg, sip_object(msg),
		       SIPTAG_REQUEST(sip_request_create(home, SIP_METHOD_ACK,
							 (url_string_t *)leg->port->contact->m_url, NULL)),
		       SIPTAG_TO(to), SIPTAG_FROM(sip->sip_from), SIPTAG_CALL_ID(sip->sip_call_id),
		       SIPTAG_CSEQ(sip_cseq_create(home, sip->sip_cseq->cs_seq, SIP_METHOD_ACK)),
		       SIPTAG_MAX_FORWARDS_STR("1"), TAG_END()) < 0) {
		msg_destroy(msg);
		return;
	}
	worker_branch(leg->worker, branch);
	nta_outgoing_t *orq = nta_outgoing_mcreate(leg->worker->agent, NULL, NULL, (url_string_t *)route, msg,
						   NTATAG_STATELESS(1), NTATAG_BRANCH_KEY(branch),
						   NTATAG_ACK_BRANCH(branch), TPTAG_IDENT(leg->port->ident), TAG_END());
	if (orq)
		nta_outgoing_destroy(orq);
}

/* The library knows the INVITE's transaction by the first To tag only: with another one its ACK comes here. */
static void on_stray_ack(struct leg *leg, nta_incoming_t *irq, const sip_t *sip)
{
	nta_incoming_destroy(irq); /* else it is never freed */
	if (leg->reforked)
		ack_ourselves(leg, sip);
	if (leg->invite_in && leg->confirmed)
		leg_acknowledged(leg, sip);
}

int leg_on_request(struct leg *leg, nta_leg_t *dialog, nta_incoming_t *irq, sip_t const *sip)
{
	switch (sip->sip_request->rq_method) {
	case sip_method_ack:
		on_stray_ack(leg, irq, sip);
		return 0;
	case sip_method_bye:
		return on_bye(leg, irq, sip);
	case sip_method_cancel:
		return 481;
	case sip_method_options:
		if (leg->over)
			return 481;
		nta_incoming_treply(irq, SIP_200_OK, SIPTAG_ALLOW_STR(refer_allow(&leg->refer)),
				    SIPTAG_ACCEPT_STR(LEG_ACCEPT), SIPTAG_SUPPORTED_STR(refer_supported(&leg->refer)),
				    TAG_END());
		nta_incoming_destroy(irq);
		return 0;
	case sip_method_invite:
		if (!sip->sip_to->a_tag)
			return 482; /* a new call with the Call-ID and From tag of one that goes on */
				    /* fall through */
	default:
		if (leg->over)
			return 481;
		leg_tell(leg, LEG_REQUEST, 0, false, sip, irq);
		return 0;
	}
}

void leg_refuse(struct leg *leg, nta_incoming_t *request, int status)
{
	nta_incoming_treply(request, status, cause_phrase(status),
			    TAG_IF(status == 405 || status == 501, SIPTAG_ALLOW_STR(refer_allow(&leg->refer))),
			    TAG_IF(status == 415, SIPTAG_ACCEPT_STR(LEG_ACCEPT)),
			    TAG_IF(status == 422, SIPTAG_MIN_SE_STR(LEG_MIN_SE)), TAG_END());
	nta_incoming_destroy(request);
}

/* ---- an INVITE of ours that was cancelled ---- */

void leg_patience_begin(struct leg *leg, su_timer_f over)
{
	leg->patience = su_timer_create(su_root_task(leg->worker->root), 0);
	if (leg->patience)
		su_timer_set_interval(leg->patience, over, leg,
				      (su_duration_t)(64 * leg->worker->node->settings->t1_ms));
}

void leg_patience_end(struct leg *leg)
{
	if (leg->patience)
		su_timer_destroy(leg->patience);
	leg->patience = NULL;
}

/* ---- the end ------------------------------------------------------------------------------------------------------
 */

static int on_bye_response(void *magic, nta_outgoing_t *orq, sip_t const *sip)
{
	struct leg *leg = magic;
	if (nta_outgoing_status(orq) < 200)
		return 0;
	nta_outgoing_destroy(orq);
	leg->bye_out = NULL;
	if (leg_quiet(leg))
		leg_gone(leg);
	return 0;
}

void leg_bye_send(struct leg *leg, int cause)
{
	char branch[WORKER_BRANCH_MAX], reason[REASON_MAX];
	struct reason why = leg->reason;

	if (!why.q850)
		why.q850 = cause;
	reason_write(why, reason);
	leg->bye_out = nta_outgoing_tcreate(leg->dialog, on_bye_response, leg, leg_next_hop(leg), SIP_METHOD_BYE, NULL,
					    TPTAG_IDENT(leg->port->ident),
					    NTATAG_BRANCH_KEY(worker_branch(leg->worker, branch)),
					    TAG_IF(reason[0], SIPTAG_REASON_STR(reason)), TAG_END());
	leg->bye_cause = -1;
	if (leg_quiet(leg))
		leg_gone(leg);
}

void leg_hang_up(struct leg *leg, int cause)
{
	if (leg->proxied) {
		proxy_leg_end(leg);
		return;
	}
	if (leg->over || !leg->confirmed)
		return;
	leg->over = true;
	session_stop(leg);
	relay_end(leg);
	if (leg->invite_out)
		leg_ack(leg, NULL); /* a 2xx must be acknowledged even if it is only to be hung up */
	if (leg->inbound && leg->invite_in)
		leg->bye_cause = cause; /* once its ACK is here, or overdue */
	else
		leg_bye_send(leg, cause);
}

void leg_close(struct leg *leg)
{
	session_stop(leg);
	relay_close(leg);
	leg_patience_end(leg);
	if (leg->invite_in)
		nta_incoming_destroy(leg->invite_in);
	if (leg->invite_out)
		nta_outgoing_destroy(leg->invite_out);
	if (leg->bye_out)
		nta_outgoing_destroy(leg->bye_out);
	if (leg->dialog)
		nta_leg_destroy(leg->dialog);
	leg->invite_in = NULL;
	leg->invite_out = leg->bye_out = NULL;
	leg->dialog = NULL;
	leg->gone = true;
}
