/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/leg_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/random.h"
#include "switch/body.h"
#include "switch/digest.h"
#include "switch/dns.h"
#include "switch/proxy.h"
#include "switch/uri.h"
#include "switch/worker.h"

#include <sofia-sip/msg_header.h>

enum { CALL_ID_CHARS = 24 };

/* ---- the side that we call ---- */

static int on_invite_response(void *magic, nta_outgoing_t *orq, sip_t const *sip);

/* The same INVITE once more, as the answer asks (RFC 3261 section 22.2, RFC 4028 section 7.4). */
static nta_outgoing_t *invite_repeat(struct leg *leg, su_home_t *home, const sip_t *first, const char *uri,
				     const char *www, const char *proxy)
{
	char branch[WORKER_BRANCH_MAX];
	sip_session_expires_t *x = session_wish(home, leg->session_wish_s);
	sip_min_se_t *least = session_min(home, leg);
	const char *supported = reliable_supported(leg);

	return nta_outgoing_tcreate(
		leg->dialog, on_invite_response, leg, (url_string_t *)nta_outgoing_route_uri(leg->invite_out),
		SIP_METHOD_INVITE, (url_string_t *)uri, SIPTAG_CONTACT(leg->port->contact),
		SIPTAG_MAX_FORWARDS(first->sip_max_forwards), SIPTAG_ALLOW(first->sip_allow),
		TPTAG_IDENT(leg->port->ident), NTATAG_BRANCH_KEY(worker_invite_branch(leg->worker, branch)),
		NTATAG_PASS_100(1), TAG_IF(www, SIPTAG_AUTHORIZATION_STR(www)),
		TAG_IF(proxy, SIPTAG_PROXY_AUTHORIZATION_STR(proxy)), TAG_IF(x, SIPTAG_SESSION_EXPIRES(x)),
		TAG_IF(least, SIPTAG_MIN_SE(least)), SIPTAG_SUPPORTED_STR(supported),
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
		leg->session_wish_s = leg->session.min_s = (int32_t)sip->sip_min_se->min_delta;
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
	reliable_anew(leg);
	return true;
}

static int on_invite_response(void *magic, nta_outgoing_t *orq, sip_t const *sip)
{
	struct leg *leg = magic;
	int status = nta_outgoing_status(orq);
	bool internal = !sip || nta_sip_is_internal(sip);
	struct prack *later = NULL;

	if (status > 699)
		status = 500; /* RFC 3261 section 8.1.3.2: as x00 of its class, and there is no such class */
	if (!internal)
		leg->responded = true;
	if (status < 200) {
		leg->provisional = true;
		if (status > 100 && !internal && !reliable_confirm(leg, orq, sip, &later))
			return 0;
		call_on_leg(leg->call, leg,
			    &(struct leg_event){.kind = status == 100 ? LEG_TRYING : LEG_PROGRESS,
						.status = status,
						.internal = internal,
						.sip = sip,
						.later = later});
	} else if (status < 300) {
		if (leg->confirmed)
			return 0; /* a repeat; forks with another tag are acknowledged and hung up by the library */
		nta_leg_rtag(leg->dialog, sip->sip_to->a_tag);
		nta_leg_client_route(leg->dialog, sip->sip_record_route,
				     leg_contact_usable(sip->sip_contact) ? sip->sip_contact : NULL);
		msg_t *msg = nta_outgoing_getresponse(orq);
		leg_route_learned(leg, msg);
		msg_destroy(msg);
		leg->confirmed = true;
		leg_patience_end(leg);
		session_answered(leg, sip, leg->session_wish_s);
		session_start(leg);
		leg_tell(leg, LEG_ANSWER, status, internal, sip, NULL);
	} else if (!internal && (status == 401 || status == 407 || status == 421 || status == 422) &&
		   !leg->cancel_sent && invite_again(leg, sip, status)) {
		return 0;
	} else {
		leg_patience_end(leg);
		nta_outgoing_destroy(orq);
		leg->invite_out = NULL;
		leg->over = true;
		leg_tell(leg, LEG_FAIL, status, internal, sip, NULL);
		leg_gone(leg);
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
	leg->dialog = nta_leg_tcreate(leg->worker->agent, leg_on_request, leg, SIPTAG_FROM(from), SIPTAG_TO(callee),
				      SIPTAG_CALL_ID_STR(call_id), TAG_END());
	if (!leg->dialog || !nta_leg_tag(leg->dialog, tag))
		return -EIO;
	leg->call_id = arena_strdup(leg->arena, call_id);
	snprintf(forwards, sizeof forwards, "%d", to->max_forwards);
	struct body b = body_for(home, leg, to->body);
	sip_session_expires_t *x = session_wish(home, to->session_s);

	leg->session_wish_s = leg->session.expires_s = to->session_s;
	leg->reliable = (struct reliable){
		.offered = b.payload != NULL, .wanted = to->asked.known, .carried = reliable_carries(&to->asked)};
	leg_sdp_keep(leg, &b);
	const char *supported = reliable_supported(leg);
	leg->invite_out = nta_outgoing_tcreate(
		leg->dialog, on_invite_response, leg, (url_string_t *)route, SIP_METHOD_INVITE, (url_string_t *)uri,
		SIPTAG_CONTACT(port->contact), SIPTAG_MAX_FORWARDS_STR(forwards),
		SIPTAG_ALLOW_STR(refer_allow(&leg->refer)), TPTAG_IDENT(port->ident),
		NTATAG_BRANCH_KEY(worker_invite_branch(leg->worker, branch)), NTATAG_PASS_100(1),
		TAG_IF(x, SIPTAG_SESSION_EXPIRES(x)), SIPTAG_SUPPORTED_STR(supported),
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

/* It agreed to the CANCEL, perhaps, but never ended the INVITE. */
static void on_patience_over(struct worker *w, su_timer_t *timer, void *arg)
{
	struct leg *leg = arg;

	leg_patience_end(leg);
	nta_outgoing_destroy(leg->invite_out);
	leg->invite_out = NULL;
	leg_gone(leg);
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
		if (leg->cancel_sent)
			return;
		leg->cancel_sent = true;
		reason_write(leg->reason, reason);
		nta_outgoing_tcancel(leg->invite_out, NULL, NULL, TAG_IF(reason[0], SIPTAG_REASON_STR(reason)),
				     TAG_END());
		leg_patience_begin(leg, on_patience_over);
		return;
	}
	/* Nothing came back: no CANCEL may be sent (RFC 3261 section 9.1), and repeats to a dead vendor would pile up.
	 * front.c takes care of what it may still answer. */
	nta_outgoing_destroy(leg->invite_out);
	leg->invite_out = NULL;
	leg_gone(leg);
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
