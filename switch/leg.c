/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/leg.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/random.h"
#include "switch/body.h"
#include "switch/cause.h"
#include "switch/digest.h"
#include "switch/dns.h"
#include "switch/peer.h"
#include "switch/proxy.h"
#include "switch/relay.h"
#include "switch/uri.h"
#include "switch/worker.h"

#include <sofia-sip/hostdomain.h>
#include <sofia-sip/msg_header.h>

enum { TAG_CHARS = 12, CALL_ID_CHARS = 24 };

static void tell(struct leg *leg, enum leg_event_kind kind, int status, bool internal, const sip_t *sip,
		 nta_incoming_t *request)
{
	call_on_leg(leg->call, leg,
		    &(struct leg_event){
			    .kind = kind, .status = status, .internal = internal, .sip = sip, .request = request});
}

/* No transaction is left that could call back. */
static void gone(struct leg *leg)
{
	leg->over = true;
	if (!leg->gone) {
		leg->gone = true;
		tell(leg, LEG_GONE, 0, false, NULL, NULL);
	}
}

static bool quiet(const struct leg *leg)
{
	return !leg->invite_in && !leg->invite_out && !leg->bye_out && !leg->orphans;
}

void leg_settle(struct leg *leg)
{
	if (leg->over && quiet(leg))
		gone(leg);
}

/* ---- requests inside the dialog ---- */

static void acknowledged(struct leg *leg, const sip_t *sip);

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
		tell(leg, LEG_BYE, 0, false, sip, NULL);
	if (quiet(leg))
		gone(leg);
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
		acknowledged(leg, sip);
}

static int on_dialog_request(struct leg *leg, nta_leg_t *dialog, nta_incoming_t *irq, sip_t const *sip)
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
		return leg->over ? 481 : 200;
	case sip_method_invite:
		if (!sip->sip_to->a_tag)
			return 482; /* a new call with the Call-ID and From tag of one that goes on */
				    /* fall through */
	default:
		if (leg->over)
			return 481;
		tell(leg, LEG_REQUEST, 0, false, sip, irq);
		return 0;
	}
}

void leg_refuse(struct leg *leg, nta_incoming_t *request, int status)
{
	nta_incoming_treply(request, status, cause_phrase(status),
			    TAG_IF(status == 405 || status == 501, SIPTAG_ALLOW_STR(refer_allow(&leg->refer))),
			    TAG_END());
	nta_incoming_destroy(request);
}

/* ---- the side that called us ---- */

static void bye_send(struct leg *leg, int cause);

/* The INVITE's transaction is done with. A hang-up may have had to wait for that (RFC 3261 section 15: no BYE from the
 * callee before the ACK). */
static void invite_in_done(struct leg *leg)
{
	nta_incoming_destroy(leg->invite_in);
	leg->invite_in = NULL;
	if (leg->bye_cause >= 0 && !leg->bye_out)
		bye_send(leg, leg->bye_cause);
}

static void acknowledged(struct leg *leg, const sip_t *sip)
{
	bool over = leg->over;

	invite_in_done(leg);
	if (!over)
		tell(leg, LEG_ACKED, 0, false, sip, NULL);
}

static int on_ack_cancel(void *magic, nta_incoming_t *irq, sip_t const *sip)
{
	struct leg *leg = magic;

	if (!sip) {
		bool over = leg->over;
		invite_in_done(leg);
		if (!over)
			tell(leg, LEG_UNACKED, 0, true, NULL, NULL);
	} else if (sip->sip_request->rq_method == sip_method_ack) {
		acknowledged(leg, sip);
	} else if (sip->sip_request->rq_method == sip_method_cancel) {
		tell(leg, LEG_CANCELLED, 0, false, sip, NULL);
	}
	return 0;
}

/* A Contact that requests can be sent to. */
static bool contact_usable(const sip_contact_t *m)
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
	if (!contact_usable(sip->sip_contact))
		return -EINVAL;
	leg->dialog = nta_leg_tcreate(w->agent, on_dialog_request, leg, SIPTAG_CALL_ID(sip->sip_call_id),
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
	nta_leg_t *dialog =
		nta_leg_tcreate(leg->worker->agent, on_dialog_request, leg, SIPTAG_CALL_ID(sip->sip_call_id),
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
	if (leg->dialog) /* else the caller's next try, with the same Call-ID, would be taken for a request of this
			    dialog */
		nta_leg_destroy(leg->dialog);
	leg->dialog = NULL;
	if (quiet(leg))
		leg->gone = true;
}

/* For a refresh by re-INVITE, which must offer what the session has. */
static void sdp_keep(struct leg *leg, const struct body *b)
{
	if (leg->session.expires_s && leg->arena && b->payload)
		leg->sdp_sent = arena_strndup(leg->arena, b->payload->pl_data, b->payload->pl_len);
}

void leg_answer(struct leg *leg, int status, const sip_t *body)
{
	nta_incoming_t *irq = leg->invite_in;
	if (!irq)
		return;
	bool dialog = status > 100 && status < 300;
	su_home_t home[1] = {SU_HOME_INIT(home)};
	sip_to_t *to = NULL;

	su_home_init(home);
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
		sdp_keep(leg, &b);
	}
	nta_incoming_treply(irq, status, cause_phrase(status), TAG_IF(to, SIPTAG_TO(to)),
			    TAG_IF(dialog, SIPTAG_CONTACT(leg->port->contact)),
			    TAG_IF(good, SIPTAG_ALLOW_STR(refer_allow(&leg->refer))),
			    TAG_IF(x, SIPTAG_SESSION_EXPIRES(x)),
			    TAG_IF(x && !leg->session.we_refresh, SIPTAG_REQUIRE_STR("timer")),
			    TAG_IF(reason[0], SIPTAG_REASON_STR(reason)), TAG_IF(passed, SIPTAG_HEADER_STR(passed)),
			    BODY_TAGS(b), TAG_END());
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

/* ---- the side that we call ---- */

static int on_invite_response(void *magic, nta_outgoing_t *orq, sip_t const *sip);

/* The same INVITE once more, as the answer asks (RFC 3261 section 22.2, RFC 4028 section 7.4). */
static nta_outgoing_t *invite_repeat(struct leg *leg, su_home_t *home, const sip_t *first, const char *uri,
				     const char *www, const char *proxy)
{
	char branch[WORKER_BRANCH_MAX];
	sip_session_expires_t *x = session_wish(home, leg->session_wish_s);
	const char *supported = reliable_supported(leg);

	return nta_outgoing_tcreate(
		leg->dialog, on_invite_response, leg, (url_string_t *)nta_outgoing_route_uri(leg->invite_out),
		SIP_METHOD_INVITE, (url_string_t *)uri, SIPTAG_CONTACT(leg->port->contact),
		SIPTAG_MAX_FORWARDS(first->sip_max_forwards), SIPTAG_ALLOW(first->sip_allow),
		TPTAG_IDENT(leg->port->ident), NTATAG_BRANCH_KEY(worker_invite_branch(leg->worker, branch)),
		NTATAG_PASS_100(1), TAG_IF(www, SIPTAG_AUTHORIZATION_STR(www)),
		TAG_IF(proxy, SIPTAG_PROXY_AUTHORIZATION_STR(proxy)), TAG_IF(x, SIPTAG_SESSION_EXPIRES(x)),
		TAG_IF(supported, SIPTAG_SUPPORTED_STR(supported)),
		TAG_IF(leg->headers[0], SIPTAG_HEADER_STR(leg->headers)),
		TAG_IF(first->sip_content_type, SIPTAG_CONTENT_TYPE(first->sip_content_type)),
		TAG_IF(first->sip_payload, SIPTAG_PAYLOAD(first->sip_payload)), TAG_END());
}

/* Once; and once more if only the nonce was too old (RFC 7616 section 3.3). */
static bool may_answer(const struct leg *leg, const msg_auth_t *challenge)
{
	const char *stale = challenge ? msg_header_find_param((msg_common_t const *)challenge, "stale") : NULL;

	return leg->password && leg->password[0] &&
	       (leg->challenged == 0 || (leg->challenged == 1 && stale && strcasestr(stale, "true")));
}

/* The vendor wants credentials, or a longer session. False: we have none, or it was asked before. */
static bool invite_again(struct leg *leg, const sip_t *sip, int status)
{
	char *www = NULL, *proxy = NULL;
	msg_t *msg = nta_outgoing_getrequest(leg->invite_out);
	const sip_t *first = sip_object(msg);
	su_home_t home[1] = {SU_HOME_INIT(home)};
	nta_outgoing_t *orq = NULL;

	su_home_init(home);
	char *uri = url_as_string(home, first->sip_request->rq_url);
	if (status == 422 && leg->session_wish_s && sip->sip_min_se &&
	    sip->sip_min_se->min_delta > (unsigned)leg->session_wish_s && sip->sip_min_se->min_delta < INT32_MAX) {
		leg->session_wish_s = (int32_t)sip->sip_min_se->min_delta;
		orq = invite_repeat(leg, home, first, uri, NULL, NULL);
	} else if (status == 421 && reliable_demanded(leg, sip)) {
		orq = invite_repeat(leg, home, first, uri, NULL, NULL);
	} else if (status == 401 && may_answer(leg, sip->sip_www_authenticate)) {
		www = digest_answer(home, sip->sip_www_authenticate, leg->username, leg->password, "INVITE", uri);
	} else if (status == 407 && may_answer(leg, sip->sip_proxy_authenticate)) {
		proxy = digest_answer(home, sip->sip_proxy_authenticate, leg->username, leg->password, "INVITE", uri);
	}
	if (www || proxy) {
		leg->challenged++;
		orq = invite_repeat(leg, home, first, uri, www, proxy);
	}
	su_home_deinit(home);
	msg_destroy(msg);
	if (!orq)
		return false;
	nta_outgoing_destroy(leg->invite_out);
	leg->invite_out = orq;
	leg->invite_cseq = nta_outgoing_cseq(orq);
	leg->provisional = false;
	return true;
}

static int on_invite_response(void *magic, nta_outgoing_t *orq, sip_t const *sip)
{
	struct leg *leg = magic;
	int status = nta_outgoing_status(orq);
	bool internal = !sip || nta_sip_is_internal(sip);

	if (status > 699)
		status = 500; /* RFC 3261 section 8.1.3.2: as x00 of its class, and there is no such class */
	if (!internal)
		leg->responded = true;
	if (status < 200) {
		leg->provisional = true;
		if (status > 100 && !internal && !reliable_confirm(leg, orq, sip))
			return 0;
		tell(leg, status == 100 ? LEG_TRYING : LEG_PROGRESS, status, internal, sip, NULL);
	} else if (status < 300) {
		if (leg->confirmed)
			return 0; /* a repeat; forks with another tag are acknowledged and hung up by the library */
		nta_leg_rtag(leg->dialog, sip->sip_to->a_tag);
		nta_leg_client_route(leg->dialog, sip->sip_record_route,
				     contact_usable(sip->sip_contact) ? sip->sip_contact : NULL);
		msg_t *msg = nta_outgoing_getresponse(orq);
		leg_route_learned(leg, msg);
		msg_destroy(msg);
		leg->confirmed = true;
		session_answered(leg, sip, leg->session_wish_s);
		session_start(leg);
		tell(leg, LEG_ANSWER, status, internal, sip, NULL);
	} else if (!internal && (status == 401 || status == 407 || status == 421 || status == 422) &&
		   !leg->cancel_sent && invite_again(leg, sip, status)) {
		return 0;
	} else {
		nta_outgoing_destroy(orq);
		leg->invite_out = NULL;
		leg->over = true;
		tell(leg, LEG_FAIL, status, internal, sip, NULL);
		gone(leg);
	}
	return 0;
}

static const char *const transport_param[] = {
	[TRUNK_UDP] = "", [TRUNK_TCP] = ";transport=tcp", [TRUNK_TLS] = ";transport=tls"};

char *leg_target_uri(su_home_t *home, const struct leg_target *to, enum trunk_transport transport)
{
	char port_text[8] = "";

	if (to->port)
		snprintf(port_text, sizeof port_text, ":%d", to->port);
	return su_sprintf(home, "sip:%s@%s%s%s%s", uri_user_escape(home, to->called), to->host, port_text,
			  to->params ? to->params : "", transport_param[transport]);
}

char *leg_target_route(su_home_t *home, const struct dns_target *hop, enum trunk_transport transport)
{
	return su_sprintf(home, "sip:%s:%d%s", hop->host, hop->port, transport_param[transport]);
}

static int invite_send(struct leg *leg, su_home_t *home, const struct leg_target *to)
{
	const struct worker_port *port = leg->port;
	char call_id[CALL_ID_CHARS + 1], tag[TAG_CHARS + 1], branch[WORKER_BRANCH_MAX], forwards[12], port_text[8] = "";

	if (to->port)
		snprintf(port_text, sizeof port_text, ":%d", to->port);
	char *uri = leg_target_uri(home, to, port->transport);
	char *route = leg_target_route(home, to->next_hop, port->transport);
	char *remote = su_sprintf(home, "<sip:%s@%s%s>", uri_user_escape(home, to->called), to->host, port_text);
	char *local = su_sprintf(home, "%s<sip:%s@%s>", to->display ? to->display : "",
				 to->calling[0] ? uri_user_escape(home, to->calling) : "anonymous", port->host);
	sip_from_t *from = sip_from_make(home, local);
	sip_to_t *callee = sip_to_make(home, remote);
	if (!uri || !route || !from || !callee)
		return -EINVAL;
	random_token(call_id, CALL_ID_CHARS);
	random_token(tag, TAG_CHARS);
	leg->dialog = nta_leg_tcreate(leg->worker->agent, on_dialog_request, leg, SIPTAG_FROM(from), SIPTAG_TO(callee),
				      SIPTAG_CALL_ID_STR(call_id), TAG_END());
	if (!leg->dialog || !nta_leg_tag(leg->dialog, tag))
		return -EIO;
	leg->call_id = arena_strdup(leg->arena, call_id);
	snprintf(forwards, sizeof forwards, "%d", to->max_forwards);
	struct body b = body_for(home, leg, to->body);
	sip_session_expires_t *x = session_wish(home, to->session_s);

	leg->session_wish_s = leg->session.expires_s = to->session_s;
	leg->reliable = (struct reliable){.offered = b.payload != NULL, .wanted = to->reliable};
	sdp_keep(leg, &b);
	const char *supported = reliable_supported(leg);
	leg->invite_out = nta_outgoing_tcreate(
		leg->dialog, on_invite_response, leg, (url_string_t *)route, SIP_METHOD_INVITE, (url_string_t *)uri,
		SIPTAG_CONTACT(port->contact), SIPTAG_MAX_FORWARDS_STR(forwards),
		SIPTAG_ALLOW_STR(refer_allow(&leg->refer)), TPTAG_IDENT(port->ident),
		NTATAG_BRANCH_KEY(worker_invite_branch(leg->worker, branch)), NTATAG_PASS_100(1),
		TAG_IF(x, SIPTAG_SESSION_EXPIRES(x)), TAG_IF(supported, SIPTAG_SUPPORTED_STR(supported)),
		TAG_IF(leg->headers[0], SIPTAG_HEADER_STR(leg->headers)), BODY_TAGS(b), TAG_END());
	if (!leg->invite_out)
		return -EIO;
	leg->invite_cseq = nta_outgoing_cseq(leg->invite_out);
	return 0;
}

int leg_call(struct leg *leg, struct call *call, struct worker *w, const struct worker_port *port, struct arena *arena,
	     const struct leg_target *to)
{
	*leg = (struct leg){
		.worker = w,
		.call = call,
		.port = port,
		.arena = arena,
		.bye_cause = -1,
		.sdp_id = (uint32_t)random_u64(),
		.username = arena_strdup(arena, to->username),
		.password = arena_strdup(arena, to->password),
		.headers = arena_strdup(arena, to->headers),
		.passed = to->passed,
		.refer = {.allowed = to->refer},
	};
	su_home_t home[1] = {SU_HOME_INIT(home)};
	su_home_init(home);
	int r = invite_send(leg, home, to);
	su_home_deinit(home);
	if (r) {
		if (leg->dialog)
			nta_leg_destroy(leg->dialog);
		leg->dialog = NULL;
		leg->over = leg->gone = true;
	}
	return r;
}

void leg_give_up(struct leg *leg)
{
	if (leg->proxied) {
		proxy_give_up(leg);
		return;
	}
	if (!leg->invite_out || leg->confirmed)
		return;
	char reason[REASON_MAX];

	if (leg->provisional) {
		reason_write(leg->reason, reason);
		if (!leg->cancel_sent)
			nta_outgoing_tcancel(leg->invite_out, NULL, NULL, TAG_IF(reason[0], SIPTAG_REASON_STR(reason)),
					     TAG_END());
		leg->cancel_sent = true;
		return;
	}
	/* Nothing came back: no CANCEL may be sent (RFC 3261 section 9.1), and repeats to a dead vendor would pile up.
	 * front.c takes care of what it may still answer. */
	nta_outgoing_destroy(leg->invite_out);
	leg->invite_out = NULL;
	gone(leg);
}

void leg_ack(struct leg *leg, const sip_t *body)
{
	if (!leg->invite_out || leg->proxied)
		return;
	char branch[WORKER_BRANCH_MAX];
	leg_ack_send(leg, leg->invite_cseq, body, worker_branch(leg->worker, branch));
	nta_outgoing_destroy(leg->invite_out); /* only after the ACK, which looks it up */
	leg->invite_out = NULL;
}

void leg_ack_send(struct leg *leg, uint32_t cseq, const sip_t *body, const char *branch)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};
	su_home_init(home);
	struct body b = body_for(home, leg, body);
	nta_outgoing_t *ack =
		nta_outgoing_tcreate(leg->dialog, NULL, NULL, leg_next_hop(leg), SIP_METHOD_ACK, NULL,
				     SIPTAG_CSEQ(sip_cseq_create(home, cseq, SIP_METHOD_ACK)),
				     TPTAG_IDENT(leg->port->ident), NTATAG_BRANCH_KEY(branch), BODY_TAGS(b), TAG_END());
	if (ack)
		nta_outgoing_destroy(ack); /* else it is never freed; it still answers repeated 2xx */
	su_home_deinit(home);
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
	if (quiet(leg))
		gone(leg);
	return 0;
}

static void bye_send(struct leg *leg, int cause)
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
	if (quiet(leg))
		gone(leg);
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
		bye_send(leg, cause);
}

void leg_close(struct leg *leg)
{
	session_stop(leg);
	relay_close(leg);
	proxy_leg_free(leg);
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
