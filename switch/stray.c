/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/stray.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "switch/dialogs.h"
#include "switch/forward.h"
#include "switch/node.h"
#include "switch/peer.h"
#include "switch/recordroute.h"
#include "switch/worker.h"

#include <sofia-sip/msg_header.h>

static const struct worker_port *port_of_via(const struct worker *w, const sip_via_t *v)
{
	static const char *const name[] = {[TRUNK_UDP] = "/UDP", [TRUNK_TCP] = "/TCP", [TRUNK_TLS] = "/TLS"};
	const char *transport = strrchr(v->v_protocol, '/');
	const struct worker_port *like = NULL;

	for (int i = w->ports - 1; i >= 0; i--) {
		const struct worker_port *p = &w->port[i];
		if (!transport || strcasecmp(transport, name[p->transport]) != 0 || strcmp(p->host, v->v_host) != 0)
			continue;
		like = p;
		if (v->v_port && atoi(v->v_port) == p->port)
			break;
	}
	return like ? like : w->ports ? &w->port[0] : NULL;
}

static char *route_back(su_home_t *home, msg_t *msg)
{
	static const char *const transport[] = {"", ";transport=tcp", ";transport=tls"};
	struct peer from;

	peer_of_message(&from, msg);
	return su_sprintf(home, "sip:%s:%d%s", from.host, from.port, transport[from.transport]);
}

/* Where the INVITE with that branch went. That of a proxied call is written down; ours of mode b2bua have the To URI as
 * Request-URI, and so may one of a proxied call that is long over. Memory of home. */
static const url_t *invite_uri(struct worker *w, su_home_t *home, const sip_t *sip)
{
	struct dialogs_invite invite;
	const url_t *uri = NULL;

	if (dialogs_branch(w->node->dialogs, sip->sip_via->v_branch, &invite)) {
		uri = url_make(home, invite.uri);
		free(invite.uri);
	}
	return uri ? uri : sip->sip_to->a_url;
}

/* An ACK or a CANCEL for an INVITE that we no longer know, made from its answer: same branch, From, Call-ID, CSeq
 * number and Request-URI (RFC 3261 sections 9.1 and 17.1.1.3). */
static void stray_request(struct worker *w, msg_t *answer, const sip_t *sip, sip_method_t method, const char *name)
{
	const struct worker_port *port = port_of_via(w, sip->sip_via);
	msg_t *msg = port ? nta_msg_create(w->agent, 0) : NULL;
	if (!msg)
		return;
	su_home_t *home = msg_home(msg);
	sip_to_t *to = sip_to_dup(home, sip->sip_to);
	if (to && method == sip_method_cancel)
		msg_header_remove_param(to->a_common, "tag");
	char *via = su_sprintf(home, "%s %s:%d;branch=%s", sip->sip_via->v_protocol, port->host, port->port,
			       sip->sip_via->v_branch);
	char *route = route_back(home, answer);
	int r = sip_add_tl(
		msg, sip_object(msg),
		SIPTAG_REQUEST(sip_request_create(home, method, name, (url_string_t *)invite_uri(w, home, sip), NULL)),
		SIPTAG_VIA_STR(via), SIPTAG_TO(to), SIPTAG_FROM(sip->sip_from), SIPTAG_CALL_ID(sip->sip_call_id),
		SIPTAG_CSEQ(sip_cseq_create(home, sip->sip_cseq->cs_seq, method, name)), SIPTAG_MAX_FORWARDS_STR("70"),
		TAG_END());
	if (r < 0) {
		msg_destroy(msg);
		return;
	}
	nta_outgoing_t *orq =
		nta_outgoing_mcreate(w->agent, NULL, NULL, (url_string_t *)route, msg, NTATAG_STATELESS(1),
				     NTATAG_USER_VIA(1), NTATAG_BRANCH_KEY(sip->sip_via->v_branch),
				     NTATAG_ACK_BRANCH(sip->sip_via->v_branch), TPTAG_IDENT(port->ident), TAG_END());
	if (orq)
		nta_outgoing_destroy(orq);
	else
		msg_destroy(msg);
}

/* The route set of the one who called, as he would have it were we not in it: of a proxied call's Record-Routes those
 * that its vendor's side put on top of ours. */
static sip_record_route_t *routes_beyond(const struct worker *w, su_home_t *home, const sip_t *sip)
{
	sip_record_route_t *first = NULL, **last = &first;
	struct recordroute ours;

	for (const sip_record_route_t *r = sip->sip_record_route; r; r = r->r_next) {
		if (recordroute_read(w, r->r_url, sip->sip_call_id->i_id, &ours))
			break;
		sip_record_route_t one = *r;
		one.r_next = NULL;
		*last = sip_record_route_dup(home, &one);
		if (!*last)
			break;
		last = &(*last)->r_next;
	}
	return first;
}

/* The dialog lives for this alone. */
void stray_hang_up(struct worker *w, msg_t *answer, const sip_t *sip)
{
	const struct worker_port *port = port_of_via(w, sip->sip_via);
	nta_leg_t *dialog = port ? nta_leg_tcreate(w->agent, NULL, NULL, SIPTAG_CALL_ID(sip->sip_call_id),
						   SIPTAG_FROM(sip->sip_from), SIPTAG_TO(sip->sip_to), TAG_END())
				 : NULL;
	su_home_t *home = msg_home(answer);
	char branch[WORKER_BRANCH_MAX], *route = route_back(home, answer);

	if (!dialog)
		return;
	nta_leg_client_route(dialog, routes_beyond(w, home, sip), sip->sip_contact);
	nta_outgoing_t *ack = nta_outgoing_tcreate(
		dialog, NULL, NULL, (url_string_t *)route, SIP_METHOD_ACK, NULL,
		SIPTAG_CSEQ(sip_cseq_create(home, sip->sip_cseq->cs_seq, SIP_METHOD_ACK)), TPTAG_IDENT(port->ident),
		NTATAG_ACK_BRANCH(sip->sip_via->v_branch), NTATAG_BRANCH_KEY(worker_branch(w, branch)), TAG_END());
	nta_outgoing_t *bye =
		nta_outgoing_tcreate(dialog, NULL, NULL, (url_string_t *)route, SIP_METHOD_BYE, NULL,
				     SIPTAG_CSEQ(sip_cseq_create(home, sip->sip_cseq->cs_seq + 1, SIP_METHOD_BYE)),
				     TPTAG_IDENT(port->ident), NTATAG_BRANCH_KEY(worker_branch(w, branch)), TAG_END());
	if (ack)
		nta_outgoing_destroy(ack);
	if (bye)
		nta_outgoing_destroy(bye);
	nta_leg_destroy(dialog);
}

/* Its next Via is what its sender says: nobody but an end of the call is sent anything by it. */
static bool leads_to_end(struct worker *w, const struct uuid *call, const sip_via_t *via)
{
	const char *host = via->v_received ? via->v_received : via->v_host;
	char address[64];

	snprintf(address, sizeof address, "%.*s", (int)strcspn(host + (host[0] == '['), "]"), host + (host[0] == '['));
	return dialogs_has_end(w->node->dialogs, call, address);
}

static void proxied_pass(struct worker *w, msg_t *msg, const sip_t *sip)
{
	const struct worker_port *port = NULL;
	struct recordroute ours;
	struct uuid call = {0};

	for (const sip_record_route_t *r = sip->sip_record_route; r; r = r->r_next)
		if (recordroute_read(w, r->r_url, sip->sip_call_id->i_id, &ours)) {
			call = ours.call;
			if (ours.port)
				port = ours.port; /* the last one is what the caller's side sees */
		}
	if (leads_to_end(w, &call, sip->sip_via->v_next))
		forward_stray(w, port ? port : &w->port[0], msg);
	else
		nta_msg_discard(w->agent, msg);
}

/* The 2xx of a proxied INVITE: its repeats, and what other branches answer further on, are the caller's business (RFC
 * 3261 section 16.7), if this INVITE is the one that was answered. True: it was taken care of. */
static bool proxied_answer(struct worker *w, msg_t *msg, const sip_t *sip)
{
	const sip_via_t *via = sip->sip_via;
	struct dialogs_invite invite;

	if (!via->v_next || sip->sip_status->st_status < 200 || sip->sip_status->st_status >= 300)
		return false;
	if (worker_branch_kind(via->v_branch) == FORWARD_INITIAL) {
		if (!dialogs_branch(w->node->dialogs, via->v_branch, &invite))
			return false;
		free(invite.uri);
		if (!invite.answered)
			return false;
		dialogs_learn(w->node->dialogs, &invite.call, sip->sip_to->a_tag,
			      way_of_answer(w, &invite.call, msg, NULL));
	}
	proxied_pass(w, msg, sip);
	return true;
}

void stray_response(struct worker *w, msg_t *msg, sip_t *sip)
{
	int status = sip->sip_status->st_status;
	const sip_via_t *via = sip->sip_via;
	bool invite = sip->sip_cseq && sip->sip_cseq->cs_method == sip_method_invite;
	bool ours = invite && via && worker_branch_is_ours(w, via->v_branch);

	atomic_fetch_add_explicit(&w->count.strays, 1, memory_order_relaxed);
	if (ours && proxied_answer(w, msg, sip))
		return;
	if (ours && !(via->v_next && worker_branch_kind(via->v_branch) == FORWARD_INSIDE)) {
		if (status < 200)
			stray_request(w, msg, sip, SIP_METHOD_CANCEL);
		else if (status < 300)
			stray_hang_up(w, msg, sip);
		else
			stray_request(w, msg, sip, SIP_METHOD_ACK);
	}
	nta_msg_discard(w->agent, msg);
}
