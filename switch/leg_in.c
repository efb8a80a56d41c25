/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/leg_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/random.h"
#include "switch/body.h"
#include "switch/cause.h"
#include "switch/peer.h"
#include "switch/relay.h"
#include "switch/worker.h"

#include <sofia-sip/hostdomain.h>

enum { SDP_ROOM_LEAST = 512 };

/* ---- the side that called us ---- */

/* The INVITE's transaction is done with. A hang-up may have had to wait for that (RFC 3261 section 15: no BYE from the
 * callee before the ACK). */
static void invite_in_done(struct leg *leg)
{
	nta_incoming_destroy(leg->invite_in);
	leg->invite_in = NULL;
	if (leg->bye_cause >= 0 && !leg->bye_out)
		leg_bye_send(leg, leg->bye_cause);
}

void leg_acknowledged(struct leg *leg, const sip_t *sip)
{
	bool over = leg->over;

	invite_in_done(leg);
	if (!over)
		leg_tell(leg, LEG_ACKED, 0, false, sip, NULL);
}

static int on_ack_cancel(void *magic, nta_incoming_t *irq, sip_t const *sip)
{
	struct leg *leg = magic;

	if (!sip &&
	    !leg->confirmed) { /* an 18x without its PRACK: the library refuses the INVITE (RFC 3262 section 3) */
		leg_answered(leg);
		leg_tell(leg, LEG_UNACKED, 0, true, NULL, NULL);
	} else if (!sip) {
		bool over = leg->over;
		invite_in_done(leg);
		if (!over)
			leg_tell(leg, LEG_UNACKED, 0, true, NULL, NULL);
	} else if (sip->sip_request->rq_method == sip_method_ack) {
		leg_acknowledged(leg, sip);
	} else if (sip->sip_request->rq_method == sip_method_cancel) {
		leg_tell(leg, LEG_CANCELLED, 0, false, sip, NULL);
	}
	return 0;
}

/* A Contact that requests can be sent to. */
bool leg_contact_usable(const sip_contact_t *m)
{
	return m && m->m_url->url_host && m->m_url->url_host[0] &&
	       (m->m_url->url_type == url_sip || m->m_url->url_type == url_sips);
}

/* In-dialog requests go where the dialog says; but where that is a name they go to where its message came from, because
 * the library must never resolve one. */
void leg_route_learned(struct leg *leg, msg_t *msg)
{
	static const char *const transport[] = {"", ";transport=tcp", ";transport=tls"};
	const sip_route_t *route = NULL;
	const sip_contact_t *target = NULL;
	struct peer from;

	leg->next_hop[0] = '\0';
	if (nta_leg_get_route(leg->dialog, &route, &target) < 0)
		return;
	const url_t *url = route ? route->r_url : target ? target->m_url : NULL;
	if (url && url->url_host && host_is_ip_address(url->url_host))
		return;
	peer_of_message(&from, msg);
	snprintf(leg->next_hop, sizeof leg->next_hop, "sip:%s:%d%s", from.host, from.port,
		 transport[leg->port->transport]);
}

void leg_retarget(struct leg *leg, msg_t *msg, const sip_t *sip)
{
	if (leg_contact_usable(sip->sip_contact)) {
		nta_leg_client_reroute(leg->dialog, NULL, sip->sip_contact, 0);
		leg_route_learned(leg, msg);
	}
	msg_destroy(msg);
}

int leg_accept(struct leg *leg, struct call *call, struct worker *w, const struct worker_port *port,
	       nta_incoming_t *irq, const sip_t *sip)
{
	char tag[TAG_CHARS + 1];

	*leg = (struct leg){.worker = w,
			    .call = call,
			    .port = port,
			    .inbound = true,
			    .bye_cause = -1,
			    .invite_in = irq,
			    .sdp_id = (uint32_t)random_u64()};
	if (!leg_contact_usable(sip->sip_contact))
		return -EINVAL;
	leg->dialog = nta_leg_tcreate(w->agent, leg_on_request, leg, SIPTAG_CALL_ID(sip->sip_call_id),
				      SIPTAG_FROM(sip->sip_to), SIPTAG_TO(sip->sip_from), TAG_END());
	if (!leg->dialog)
		return -EINVAL;
	random_token(tag, TAG_CHARS);
	snprintf(leg->first_tag, sizeof leg->first_tag, "%s", tag);
	if (!nta_leg_tag(leg->dialog, tag) || !nta_incoming_tag(irq, tag) ||
	    nta_leg_server_route(leg->dialog, sip->sip_record_route, sip->sip_contact) < 0) {
		nta_leg_destroy(leg->dialog);
		leg->dialog = NULL;
		return -EINVAL;
	}
	msg_t *msg = nta_incoming_getrequest(irq);
	leg_route_learned(leg, msg);
	msg_destroy(msg);
	nta_incoming_bind(irq, on_ack_cancel, leg);
	return 0;
}

int leg_refork(struct leg *leg)
{
	char tag[TAG_CHARS + 1];
	msg_t *msg = nta_incoming_getrequest(leg->invite_in);
	const sip_t *sip = sip_object(msg);
	nta_leg_t *dialog = nta_leg_tcreate(leg->worker->agent, leg_on_request, leg, SIPTAG_CALL_ID(sip->sip_call_id),
					    SIPTAG_FROM(leg->to_base), SIPTAG_TO(sip->sip_from), TAG_END());
	int r = -ENOMEM;
	random_token(tag, TAG_CHARS);
	if (dialog && nta_leg_tag(dialog, tag) &&
	    nta_leg_server_route(dialog, sip->sip_record_route, sip->sip_contact) == 0) {
		nta_leg_destroy(leg->dialog);
		leg->dialog = dialog;
		leg->reforked = true;
		r = 0;
	} else if (dialog) {
		nta_leg_destroy(dialog);
	}
	msg_destroy(msg);
	return r;
}

/* Refused: the library repeats that and takes the ACK. */
void leg_answered(struct leg *leg)
{
	nta_incoming_destroy(leg->invite_in);
	leg->invite_in = NULL;
	leg->over = true;
	relay_end(leg);	 /* PRACKs that wait for the vendor's answer */
	if (leg->dialog) /* else the caller's next try, with the same Call-ID, would be taken for a request of this
			    dialog */
		nta_leg_destroy(leg->dialog);
	leg->dialog = NULL;
	if (leg_quiet(leg))
		leg->gone = true;
}

/* For a refresh by re-INVITE, which must offer what the session has. */
void leg_sdp_keep(struct leg *leg, const struct body *b)
{
	if (!leg->session.expires_s || !leg->arena || !b->payload)
		return;
	size_t len = b->payload->pl_len, room = leg->sdp_room ? leg->sdp_room : SDP_ROOM_LEAST;

	while (room <= len)
		room *= 2;
	if (room > leg->sdp_room) { /* the arena frees nothing before the call ends */
		leg->sdp_sent = arena_alloc(leg->arena, room);
		leg->sdp_room = room;
	}
	memcpy(leg->sdp_sent, b->payload->pl_data, len);
	leg->sdp_sent[len] = '\0';
}

/* later: of an 18x, the vendor's that the caller's PRACK confirms */
static void answer_send(struct leg *leg, int status, const sip_t *body, struct prack *later)
{
	nta_incoming_t *irq = leg->invite_in;
	if (!irq)
		return;
	bool dialog = status > 100 && status < 300;
	su_home_t home[1] = {SU_HOME_INIT(home)};
	sip_to_t *to = NULL;

	su_home_init(home);
	if (reliable_wanted(leg, status, later) && leg->reliable.offerless && !later)
		body = NULL; /* there it would be an offer, and its answer could not be carried on */
	struct body b = body_for(home, leg, body);
	if (leg->reforked && status > 100) {
		to = sip_to_dup(home, leg->to_base);
		sip_to_tag(home, to, nta_leg_get_tag(leg->dialog));
	}
	bool good = status >= 200 && status < 300;
	sip_session_expires_t *x = good ? session_header(home, leg) : NULL;
	char *passed = headers_text(&leg->passed, body, home), reason[REASON_MAX] = "";
	if (status >= 300)
		reason_write(leg->reason, reason);
	if (good) {
		leg->confirmed = true;
		leg_sdp_keep(leg, &b);
	}
	tagi_t *tags =
		tl_list(TAG_IF(to, SIPTAG_TO(to)), TAG_IF(dialog, SIPTAG_CONTACT(leg->port->contact)),
			TAG_IF(dialog || status == 405, SIPTAG_ALLOW_STR(refer_allow(&leg->refer))),
			TAG_IF(good, SIPTAG_SUPPORTED_STR(refer_supported(&leg->refer))),
			TAG_IF(status == 415, SIPTAG_ACCEPT_STR(LEG_ACCEPT)), TAG_IF(x, SIPTAG_SESSION_EXPIRES(x)),
			TAG_IF(x && !leg->session.we_refresh, SIPTAG_REQUIRE_STR("timer")),
			TAG_IF(reason[0], SIPTAG_REASON_STR(reason)), TAG_IF(passed, SIPTAG_HEADER_STR(passed)),
			BODY_TAGS(b), TAG_END());
	if (!reliable_send(leg, status, tags, b.payload != NULL, later)) {
		nta_incoming_treply(irq, status, cause_phrase(status), TAG_NEXT(tags));
		if (later)
			(void)prack_send(later, NULL, NULL, NULL); /* nobody else will */
	}
	tl_vfree(tags);
	su_home_deinit(home);
	if (status >= 200 && nta_incoming_status(irq) < 200) { /* it could not be sent: nobody was answered */
		leg->confirmed = false;
		leg_answered(leg);
	} else if (status >= 300) {
		leg_answered(leg);
	} else if (good) {
		session_start(leg);
	}
}

void leg_answer(struct leg *leg, int status, const sip_t *body)
{
	answer_send(leg, status, body, NULL);
}

void leg_progress(struct leg *leg, const struct leg_event *ev)
{
	answer_send(leg, ev->status, ev->sip, ev->later);
}

void leg_answer_unsupported(struct leg *leg, const sip_unsupported_t *unsupported)
{
	nta_incoming_treply(leg->invite_in, SIP_420_BAD_EXTENSION, SIPTAG_UNSUPPORTED(unsupported), TAG_END());
	leg_answered(leg);
}

void leg_answer_moved(struct leg *leg, const char *contacts)
{
	nta_incoming_treply(leg->invite_in, SIP_302_MOVED_TEMPORARILY, SIPTAG_CONTACT_STR(contacts), TAG_END());
	leg_answered(leg);
}

void leg_answer_too_small(struct leg *leg)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};

	su_home_init(home);
	nta_incoming_treply(leg->invite_in, SIP_422_SESSION_TIMER_TOO_SMALL,
			    SIPTAG_MIN_SE(sip_min_se_format(home, "%d", SESSION_MIN_S)), TAG_END());
	su_home_deinit(home);
	leg_answered(leg);
}
