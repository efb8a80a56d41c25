/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/relay.h"

#include <string.h>

#include "switch/body.h"
#include "switch/call.h"
#include "switch/relay_priv.h"
#include "switch/worker.h"

/* sip: whose body goes along. May free r. */
static void request_send(struct relay *r, const sip_t *sip)
{
	sip_method_t method = sip->sip_request->rq_method;
	bool target = method == sip_method_invite || method == sip_method_update;
	bool transfer = method == sip_method_refer || method == sip_method_notify; /* has a Contact, too */
	char branch[WORKER_BRANCH_MAX];
	struct leg *to = r->to;
	su_home_t home[1] = {SU_HOME_INIT(home)};

	if (r->prack) {
		r->out = prack_send(r->prack, sip, relay_on_response, r);
		if (r->out)
			return;
		r->prack = NULL;
		relay_refuse(r, 500);
		return;
	}
	su_home_init(home);
	struct body b = body_for(home, to, sip);
	char *passed = headers_text(&to->passed, sip, home), *lines = refer_lines(home, r->from, to, sip);
	sip_session_expires_t *x = target ? session_request(home, to) : NULL;
	sip_min_se_t *least = session_min(home, to);
	r->out = nta_outgoing_tcreate(
		to->dialog, relay_on_response, r, leg_next_hop(to), method, sip->sip_request->rq_method_name, NULL,
		TAG_IF(target || transfer, SIPTAG_CONTACT(to->port->contact)),
		TAG_IF(target, SIPTAG_ALLOW_STR(refer_allow(&to->refer))),
		TAG_IF(target, SIPTAG_SUPPORTED_STR("timer")), TAG_IF(x, SIPTAG_SESSION_EXPIRES(x)),
		TAG_IF(x && least, SIPTAG_MIN_SE(least)), TPTAG_IDENT(to->port->ident),
		NTATAG_BRANCH_KEY(worker_branch(to->worker, branch)), TAG_IF(passed, SIPTAG_HEADER_STR(passed)),
		TAG_IF(lines, SIPTAG_HEADER_STR(lines)), BODY_TAGS(b), TAG_END());
	su_home_deinit(home);
	if (!r->out) {
		relay_refuse(r, 500);
		return;
	}
	r->cseq = nta_outgoing_cseq(r->out);
	if (method == sip_method_refer)
		refer_sent(&to->refer, sip->sip_cseq->cs_seq, r->cseq);
	else if (method == sip_method_notify)
		refer_notified(&r->from->refer, sip);
}

static void on_request_made(void *arg, const json_t *answer, int instance)
{
	struct relay *r = arg;
	const char *sdp = media_sdp(answer);
	msg_t *msg = r->held;
	sip_t sip = *sip_object(msg);

	r->question = NULL;
	r->held = NULL;
	if (!sdp)
		media_lost(r->from->worker, answer);
	if (r->cancelled) {
		/* answered 487: its ACK is still to come */
	} else if (!sdp) {
		relay_refuse(r, answer ? 488 : 500);
	} else if (r->to->over || !r->to->dialog) {
		relay_refuse(r, 481);
	} else {
		r->media->paired = r->media->paired || !r->offered; /* a PRACK's answer */
		body_set(&sip, msg_home(msg), sdp, strlen(sdp));
		request_send(r, &sip);
	}
	msg_destroy(msg);
}

/* An offer of a relayed call, and an answer in a PRACK, waits for rtpengine, anything else goes out at once. sip: with
 * the codecs that may pass.
 */
static void request_begin(struct relay *r, nta_incoming_t *request, const sip_t *sip)
{
	if (!r->media || (!r->offered && !r->prack)) {
		request_send(r, sip);
		return;
	}
	r->question = media_ask(r->media, r->from, r->offered ? MEDIA_OFFER : MEDIA_ANSWER, sip, on_request_made, r);
	if (r->question) {
		r->held = nta_incoming_getrequest(request);
	} else {
		media_lost(r->from->worker, NULL);
		relay_refuse(r, 500);
	}
}

static void relay_begin(struct leg *from, struct leg *to, nta_incoming_t *request, const sip_t *sip,
			struct media *media)
{
	sip_method_t method = sip->sip_request->rq_method;
	bool target = method == sip_method_invite || method == sip_method_update;
	struct relay *r = relay_new(&(struct relay){.from = from,
						    .to = to,
						    .in = request,
						    .invite = method == sip_method_invite,
						    .target = target,
						    .offered = target && body_has_sdp(sip),
						    .media = target ? media : NULL});

	if (target)
		leg_retarget(from, nta_incoming_getrequest(request), sip);
	if (r->invite) {
		nta_incoming_bind(request, relay_on_ack_cancel, r);
		nta_incoming_treply(request, SIP_100_TRYING, TAG_END());
	}
	request_begin(r, request, sip);
}

/* What this side may not send at all: the status that says so; 0: it may. */
static int refusal(const struct leg *from, const sip_t *sip)
{
	sip_method_t method = sip->sip_request->rq_method;
	int refused = 0;

	switch (method) {
	case sip_method_invite:
	case sip_method_update:
	case sip_method_info:
	case sip_method_message:
		break;
	case sip_method_refer:
	case sip_method_notify:
		refused = refer_refusal(&from->refer, sip);
		break;
	default:
		refused = method == sip_method_unknown ? 501 : 405;
	}
	if (!refused && session_too_small(sip) && (method == sip_method_invite || method == sip_method_update))
		refused = 422;
	if (!refused && body_unreadable(sip))
		refused = 400;
	return refused;
}

void relay_pass(struct leg *from, struct leg *to, nta_incoming_t *request, const sip_t *sip)
{
	sip_method_t method = sip->sip_request->rq_method;
	if (method == sip_method_update && !sip->sip_payload) {
		session_update(from, request, sip);
		return;
	}
	int refused = refusal(from, sip);
	if (refused) {
		leg_refuse(from, request, refused);
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
	struct media *media = media_of(from->call);
	bool target = method == sip_method_invite || method == sip_method_update;
	su_home_t home[1] = {SU_HOME_INIT(home)};
	sip_t copy;
	su_home_init(home);
	refused = target && media && body_hides_sdp(sip)		     ? 415
		  : body_offer(&copy, home, sip, &from->codecs, &to->codecs) ? 488
									     : 0;
	if (refused) {
		leg_refuse(from, request, refused);
	} else {
		refer_body(&copy, home);
		relay_begin(from, to, request, &copy, media);
	}
	su_home_deinit(home);
}

void relay_take(struct leg *from, struct leg *to, nta_incoming_t *request, const sip_t *sip, struct media *media)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};
	sip_t copy;

	su_home_init(home);
	int refused = media && body_hides_sdp(sip)				 ? 415
		      : body_offer(&copy, home, sip, &from->codecs, &to->codecs) ? 488
										 : 0;
	if (refused) {
		leg_refuse(from, request, refused);
		replaces_decided(from->call, refused);
	} else {
		relay_begin(from, to, request, &copy, media);
	}
	su_home_deinit(home);
}

void relay_prack(struct leg *from, struct prack *later, nta_incoming_t *request, const sip_t *sip)
{
	bool offers = !from->reliable.offerless;
	struct leg *to = later ? later->leg : NULL;
	bool gone = !to || to->over || !to->dialog;
	su_home_t home[1] = {SU_HOME_INIT(home)};
	sip_t copy;

	su_home_init(home);
	int refused = body_unreadable(sip)						   ? 400
		      : !body_has_sdp(sip)						   ? 415
		      : gone								   ? 488
		      : offers && body_offer(&copy, home, sip, &from->codecs, &to->codecs) ? 488
											   : 0;
	if (!offers)
		copy = *sip;
	struct relay *r = relay_new(&(struct relay){.from = from,
						    .to = to,
						    .in = request,
						    .prack = gone ? NULL : later,
						    .offered = offers,
						    .media = gone ? NULL : media_of(from->call)});
	if (refused)
		relay_refuse(r, refused);
	else
		request_begin(r, request, &copy);
	su_home_deinit(home);
}
