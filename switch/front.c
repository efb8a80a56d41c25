/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/front.h"

#include <string.h>

#include "lib/clock.h"
#include "routing/ingress.h"
#include "switch/call.h"
#include "switch/cause.h"
#include "switch/digest.h"
#include "switch/node.h"
#include "switch/parser.h"
#include "switch/passage.h"
#include "switch/peer.h"
#include "switch/registrar.h"
#include "switch/shed.h"
#include "switch/stray.h"
#include "switch/worker.h"

static const char allow_text[] = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, PRACK";

/* ---- requests ---- */

static void reply(nta_agent_t *agent, msg_t *msg, int status)
{
	nta_msg_treply(agent, msg, status, cause_phrase(status),
		       TAG_IF(status == 405 || status == 501 || status == 200, SIPTAG_ALLOW_STR(allow_text)),
		       TAG_IF(status == 200, SIPTAG_ACCEPT_STR(LEG_ACCEPT)),
		       TAG_IF(status == 200, SIPTAG_SUPPORTED_STR(LEG_SUPPORTED)), TAG_END());
}

static void reply_challenge(struct worker *w, msg_t *msg, const struct peer *peer, bool stale)
{
	struct digest_challenge c;

	digest_challenge(w->node->guard, peer->text, stale, clock_wall_us(), &c);
	nta_msg_treply(w->agent, msg, SIP_401_UNAUTHORIZED, SIPTAG_WWW_AUTHENTICATE_STR(c.md5),
		       TAG_IF(!digest_md5_alone(sip_object(msg)), SIPTAG_WWW_AUTHENTICATE_STR(c.sha256)), TAG_END());
}

/* Of requests other than INVITE, which has a record: what asks for an extension that we do not have (420). */
static bool reply_unsupported(struct worker *w, msg_t *msg, const sip_t *sip)
{
	sip_unsupported_t *unsupported = peer_unsupported(msg_home(msg), sip, false);

	if (!unsupported || sip->sip_request->rq_method == sip_method_invite)
		return false;
	nta_msg_treply(w->agent, msg, SIP_420_BAD_EXTENSION, SIPTAG_UNSUPPORTED(unsupported), TAG_END());
	return true;
}

static struct ingress_from ingress_from(const struct peer *peer)
{
	return (struct ingress_from){.source = (const struct sockaddr *)&peer->address,
				     .transport = peer->transport,
				     .listener = peer->listener};
}

static void sender(struct worker *w, msg_t *msg, struct peer *peer)
{
	peer_of_message(peer, msg);
	peer->listener = worker_port_of(w, NULL, msg)->listener;
}

enum caller {
	CALLER_KNOWN,	   /* *trunk */
	CALLER_UNKNOWN,	   /* 403 or silence */
	CALLER_CHALLENGED, /* may be a digest trunk: 401 */
	CALLER_STALE,	   /* 401, stale */
	CALLER_DENIED,	   /* wrong credentials: 403; *trunk is whom it claimed to be, or NULL */
};

/* An unknown user costs the same work, and has the same answer, as a wrong password. */
static enum caller identify_by_digest(struct worker *w, const sip_t *sip, const struct peer *peer, const char *called,
				      const struct trunk **trunk)
{
	const struct ingress_from from = ingress_from(peer);
	char username[128];

	digest_username(sip, username, sizeof username);
	*trunk = ingress_by_user(w->snap, &from, username, called);
	switch (digest_check(w->node->guard, sip, peer->text, *trunk ? (*trunk)->password : NULL, clock_wall_us())) {
	case DIGEST_GOOD:
		return CALLER_KNOWN;
	case DIGEST_BAD:
		return CALLER_DENIED;
	case DIGEST_STALE:
		return CALLER_STALE;
	case DIGEST_NONE:
		break;
	}
	return CALLER_CHALLENGED;
}

static enum caller identify(struct worker *w, const sip_t *sip, const struct peer *peer, const struct trunk **trunk)
{
	const struct ingress_from from = ingress_from(peer);
	char called[NUMBER_MAX];

	peer_called(sip, called);
	switch (ingress_match(w->snap, &from, called, trunk)) {
	case INGRESS_FOUND:
		return CALLER_KNOWN;
	case INGRESS_CHALLENGE:
		return identify_by_digest(w, sip, peer, called, trunk);
	case INGRESS_UNKNOWN:
		break;
	}
	return CALLER_UNKNOWN;
}

/* An address that some trunk has, as a customer's source or a vendor's host. */
static bool source_known(struct worker *w, const sip_t *sip, const struct peer *peer)
{
	const struct ingress_from from = ingress_from(peer);
	const struct trunk *trunk;
	char called[NUMBER_MAX];

	peer_called(sip, called);
	if (ingress_match(w->snap, &from, called, &trunk) != INGRESS_UNKNOWN)
		return true;
	for (size_t i = 0; i < snapshot_trunks(w->snap); i++) {
		trunk = snapshot_trunk_at(w->snap, i);
		if (trunk->direction == TRUNK_EGRESS && strcmp(trunk->host, peer->text) == 0)
			return true;
	}
	return false;
}

/* Who registers proves who it is, from whatever address. Where no digest trunk admits it, there is nothing to register
 * as. */
static void registration(struct worker *w, msg_t *msg, sip_t *sip, const struct peer *peer)
{
	const struct ingress_from from = ingress_from(peer);
	const struct trunk *trunk = NULL;

	if (!ingress_challenges(w->snap, &from)) {
		reply(w->agent, msg, source_known(w, sip, peer) ? 405 : 403);
		return;
	}
	if (reply_unsupported(w, msg, sip))
		return;
	enum caller caller = identify_by_digest(w, sip, peer, NULL, &trunk);
	if (caller == CALLER_KNOWN)
		registrar_take(w, msg, sip, peer, trunk);
	else if (caller == CALLER_DENIED)
		reply(w->agent, msg, 403);
	else
		reply_challenge(w, msg, peer, caller == CALLER_STALE);
}

static void invite(struct worker *w, msg_t *msg, sip_t *sip, const struct peer *peer, const struct trunk *trunk,
		   bool denied)
{
	nta_incoming_t *irq = nta_incoming_create(w->agent, NULL, msg, sip, TAG_END());
	if (irq)
		call_begin(w, irq, sip, peer, trunk, denied);
}

/* Refused for overload, or the repeat of one that was? */
static bool is_shed(struct worker *w, const sip_t *sip)
{
	const char *branch = sip->sip_via ? sip->sip_via->v_branch : NULL;
	uint64_t key = shed_key(w->node->secret, branch, sip->sip_call_id ? sip->sip_call_id->i_id : NULL);
	int64_t now_us = clock_mono_us();

	if (shed_knows(w->shed, key, now_us))
		return true;
	if (!worker_overloaded(w))
		return false;
	atomic_fetch_add_explicit(&w->count.shed, 1, memory_order_relaxed);
	shed_note(&w->shed, key, now_us);
	return true;
}

static void request_out_of_dialog(struct worker *w, nta_agent_t *agent, msg_t *msg, sip_t *sip)
{
	sip_method_t method = sip->sip_request->rq_method;
	const struct trunk *trunk = NULL;
	struct peer peer;

	if (method == sip_method_invite && is_shed(w, sip)) {
		reply(agent, msg, 503);
		return;
	}
	sender(w, msg, &peer);
	if (method == sip_method_register) {
		registration(w, msg, sip, &peer);
		return;
	}
	enum caller caller = identify(w, sip, &peer, &trunk);

	if (caller == CALLER_UNKNOWN)
		reply(agent, msg, 403);
	else if (reply_unsupported(w, msg, sip))
		return;
	else if (method == sip_method_options)
		reply(agent, msg, 200);
	else if (method != sip_method_invite)
		reply(agent, msg, method == sip_method_unknown ? 501 : 405);
	else if (caller == CALLER_CHALLENGED || caller == CALLER_STALE)
		reply_challenge(w, msg, &peer, caller == CALLER_STALE);
	else if (!trunk)
		reply(agent, msg, 403);
	else
		invite(w, msg, sip, &peer, trunk, caller == CALLER_DENIED);
}

static void request(struct worker *w, nta_agent_t *agent, msg_t *msg, sip_t *sip)
{
	sip_method_t method = sip->sip_request->rq_method;
	enum url_type_e scheme = (enum url_type_e)sip->sip_request->rq_url->url_type;
	bool ready = w->snap && snapshot_has_routes(w->snap);
	struct peer peer;

	if (passage_take(w, msg, sip))
		return; /* inside a proxied call */
	sender(w, msg, &peer);
	/* Who is not known may be met with silence, whatever it sends. */
	if (ready && atomic_load_explicit(&w->node->unknown_source, memory_order_relaxed) == UNKNOWN_DROP &&
	    !source_known(w, sip, &peer))
		nta_msg_discard(agent, msg);
	else if (method == sip_method_ack)
		nta_msg_discard(agent, msg);
	else if (parser_bad_uri(sip->sip_request) ||
		 sip->sip_request->rq_url->url_headers) /* RFC 3261 section 19.1.1: none there */
		reply(agent, msg, 400);
	else if (method == sip_method_cancel || sip->sip_to->a_tag)
		reply(agent, msg, 481);
	else if (scheme != url_sip && scheme != url_sips && scheme != url_tel)
		reply(agent, msg, 416);
	else if (!ready)
		reply(agent, msg, 503);
	else
		request_out_of_dialog(w, agent, msg, sip);
}

int front_message(struct worker *w, nta_agent_t *agent, msg_t *msg, sip_t *sip)
{
	if (sip->sip_request)
		request(w, agent, msg, sip);
	else if (sip->sip_status)
		stray_response(w, msg, sip);
	else
		nta_msg_discard(agent, msg);
	return 0;
}
