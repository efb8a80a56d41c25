/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/relay_priv.h"

#include <string.h>

#include "switch/body.h"
#include "switch/call.h"
#include "switch/cause.h"
#include "switch/leg_priv.h"
#include "switch/worker.h"

/* One side has agreed to what the other was not told: the call ends. */
static void torn(struct relay *r)
{
	struct leg *leg = r->from;
	struct call *taker = relay_taker(r);

	relay_free(r);
	if (taker) /* both calls: the one that was to be taken over sees what its caller does not */
		call_end(taker->takes, CDR_NORMAL, 500);
	else
		call_on_leg(leg->call, leg, &(struct leg_event){.kind = LEG_TORN});
}

/* Cancelled, but the other side had agreed already: it is acknowledged, and as the two sides now see different sessions
 * the call ends as one that lost its state. */
static void cancelled_answer(struct relay *r, int status)
{
	if (status < 200)
		return;
	if (status >= 300) {
		relay_free(r);
		return;
	}
	relay_ack(r, NULL);
	torn(r);
}

/* Whoever asked is gone, but a final answer must be acknowledged all the same: the library does it for refusals. */
static void orphan_answer(struct relay *r, int status)
{
	struct leg *to = r->to;

	if (status < 200)
		return;
	if (status < 300)
		relay_ack(r, NULL);
	relay_free(r);
	if (status < 300 &&
	    !to->over) /* whoever asked was to take the call over, and the other side has agreed to it */
		call_on_leg(to->call, to, &(struct leg_event){.kind = LEG_TORN});
	else
		leg_settle(to);
}

/* ---- from whoever asked: ACK, CANCEL ---- */

static void on_ack_made(void *arg, const json_t *answer, int instance)
{
	struct relay *r = arg;
	const char *sdp = media_sdp(answer);
	su_home_t home[1] = {SU_HOME_INIT(home)};
	sip_t sip = {0};

	r->question = NULL;
	if (!sdp) {
		media_lost(r->from->worker, answer);
		relay_ack(r, NULL);
		torn(r);
		return;
	}
	su_home_init(home);
	body_set(&sip, home, sdp, strlen(sdp));
	sip.sip_content_type = sip_content_type_make(home, "application/sdp");
	relay_ack(r, &sip);
	su_home_deinit(home);
	relay_free(r);
}

/* The ACK answers the offer that the 2xx was. */
static bool ack_held(struct relay *r, const sip_t *sip)
{
	if (!r->media || r->offered || !body_has_sdp(sip))
		return false;
	r->question = media_ask(r->media, r->from, MEDIA_ANSWER, sip, on_ack_made, r);
	if (!r->question) {
		media_lost(r->from->worker, NULL);
		relay_ack(r, NULL);
		torn(r);
	}
	return true;
}

int relay_on_ack_cancel(void *magic, nta_incoming_t *irq, sip_t const *sip)
{
	struct relay *r = magic;

	if (sip && sip->sip_request->rq_method == sip_method_cancel) {
		if (r->out && !r->answered && !r->status)
			nta_outgoing_tcancel(r->out, NULL, NULL, TAG_END());
		if (!r->answered) {
			r->cancelled = true;
			relay_patience(r);
			nta_incoming_treply(irq, SIP_487_REQUEST_CANCELLED, TAG_END());
			if (relay_taker(r))
				replaces_decided(relay_taker(r), 487);
		}
		return 0;
	}
	if (r->answered && r->question)
		return 0;	      /* its ACK is here already, and waits for its SDP */
	if (r->cancelled && r->out) { /* ACK of the 487: what the other side answers is still to come */
		nta_incoming_destroy(r->in);
		r->in = NULL;
		return 0;
	}
	if (r->answered && ack_held(r, sip))
		return 0;
	if (r->answered)
		relay_ack(r, sip); /* without one in time, too: the other side's 2xx needs it in any case */
	relay_free(r);
	return 0;
}

/* ---- from whoever answers ---- */

/* sip: whose body goes along; NULL: none. May free r. */
static void answer_pass(struct relay *r, int status, const sip_t *sip)
{
	bool good = status >= 200 && status < 300;
	struct call *taker = relay_taker(r);
	su_home_t home[1] = {SU_HOME_INIT(home)};

	su_home_init(home);
	struct body b = body_for(home, r->from, sip);
	char *passed = headers_text(&r->from->passed, sip, home);
	if (good && r->target) {
		msg_t *request = nta_incoming_getrequest(r->in);
		session_asked(r->from, sip_object(request));
		msg_destroy(request);
	}
	sip_session_expires_t *x = good && r->target ? session_header(home, r->from) : NULL;
	nta_incoming_treply(r->in, status, cause_phrase(status),
			    TAG_IF((good || status < 200) && !r->prack, SIPTAG_CONTACT(r->from->port->contact)),
			    TAG_IF(good && r->target, SIPTAG_ALLOW_STR(refer_allow(&r->from->refer))),
			    TAG_IF(good && r->target, SIPTAG_SUPPORTED_STR(refer_supported(&r->from->refer))),
			    TAG_IF(x, SIPTAG_SESSION_EXPIRES(x)),
			    TAG_IF(x && !r->from->session.we_refresh, SIPTAG_REQUIRE_STR("timer")),
			    TAG_IF(passed, SIPTAG_HEADER_STR(passed)), BODY_TAGS(b), TAG_END());
	if (good && r->target)
		leg_sdp_keep(r->from, &b);
	su_home_deinit(home);
	if (status < 200)
		return;
	if (good && taker)
		replaces_decided(taker, status); /* from here on r->from is that call's caller */
	if (good && r->target) {
		session_start(r->from);
		session_start(r->to);
	} else if (good && !r->prack) { /* both sides have shown that they live */
		session_lives(r->from);
		session_lives(r->to);
	}
	if (r->invite && good)
		r->answered = true; /* until the ACK */
	else
		relay_free(r);
	if (!good && taker)
		replaces_decided(taker, status);
}

static void on_answer_made(void *arg, const json_t *answer, int instance)
{
	struct relay *r = arg;
	const char *sdp = media_sdp(answer);
	msg_t *msg = r->held;
	int status = r->status;

	r->question = NULL;
	r->held = NULL;
	r->status = 0;
	if (!sdp)
		media_lost(r->from->worker, answer);
	if (r->cancelled) {
		cancelled_answer(r, status);
	} else if (sdp) {
		sip_t sip = *sip_object(msg);
		r->media->paired = true;
		body_set(&sip, msg_home(msg), sdp, strlen(sdp));
		answer_pass(r, status, &sip);
	} else {
		nta_incoming_treply(r->in, SIP_500_INTERNAL_SERVER_ERROR, TAG_END());
		if (r->invite)
			relay_ack(r, NULL);
		torn(r);
	}
	msg_destroy(msg);
}

/* It was agreed to: a refresh by re-INVITE offers that from now on. */
static void sdp_keep(struct leg *leg, msg_t *request)
{
	if (body_has_sdp(sip_object(request)))
		leg_sdp_keep(leg, &(struct body){.payload = sip_object(request)->sip_payload});
	msg_destroy(request);
}

int relay_on_response(void *magic, nta_outgoing_t *orq, sip_t const *sip)
{
	struct relay *r = magic;
	int status = nta_outgoing_status(orq);
	bool internal = !sip || nta_sip_is_internal(sip);
	bool good = status >= 200 && status < 300;

	if (status == 100 || r->answered || r->status)
		return 0;
	if (!r->from) {
		orphan_answer(r, status);
		return 0;
	}
	if (r->cancelled) {
		cancelled_answer(r, internal && status < 300 ? 500 : status);
		return 0;
	}
	if (status >= 300 && nta_outgoing_method(orq) == sip_method_refer)
		refer_declined(&r->to->refer, r->cseq);
	if (good && !internal && (r->target || nta_outgoing_method(orq) == sip_method_refer))
		leg_retarget(r->to, nta_outgoing_getresponse(orq), sip);
	if (good && !internal && r->target) {
		session_renewed(r->to, sip);
		sdp_keep(r->to, nta_outgoing_getrequest(orq));
	}
	if (status == 422 && !internal &&
	    r->target) { /* a matter between us and that side: whoever asked may ask again */
		(void)session_grown(r->to, sip);
		status = 500;
	}
	if (r->media && body_has_sdp(sip) && good) {
		r->held = nta_outgoing_getresponse(orq);
		r->status = status;
		r->question =
			media_ask(r->media, r->to, r->offered ? MEDIA_ANSWER : MEDIA_OFFER, sip, on_answer_made, r);
		if (!r->question)
			on_answer_made(r, NULL, RTPENGINE_ANY);
		return 0;
	}
	answer_pass(r, status, internal || (r->media && body_has_sdp(sip)) ? NULL : sip);
	return 0;
}
