/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/relay.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "switch/body.h"
#include "switch/call.h"
#include "switch/cause.h"
#include "switch/leg_priv.h"
#include "switch/worker.h"

struct relay {
	struct relay *next;
	struct leg *from, *to; /* from is NULL once that side is over */
	nta_incoming_t *in;
	nta_outgoing_t *out;
	uint32_t cseq; /* of out */
	bool invite;
	bool target;		   /* it may move the dialog's target and refreshes the session: INVITE, UPDATE */
	const struct prack *prack; /* what a PRACK confirms; NULL: another request */
	bool offered;		   /* the request has SDP: a 2xx answers it, else it offers */
	bool answered;		   /* its 2xx was passed back and waits for the ACK */
	bool cancelled;		   /* it was answered 487; the other side may still answer 2xx */
	/* of a relayed call: what waits for rtpengine */
	struct media *media; /* of the call; NULL: bypass */
	struct rtpengine_question *question;
	msg_t *held; /* the request, or the answer to it, whose SDP is being rewritten */
	int status;  /* of the answer; 0: the request */
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
	rtpengine_drop(r->question);
	if (r->held)
		msg_destroy(r->held);
	free(r);
}

/* Whoever takes a call over, if that is what it is for, hears how it went. */
static struct call *taker_of(const struct relay *r)
{
	return r->from && r->from->call->takes && r->from == &r->from->call->a ? r->from->call : NULL;
}

static void relay_refuse(struct relay *r, int status)
{
	struct call *taker = taker_of(r);

	if (r->prack) /* the 18x is confirmed all the same */
		(void)prack_send(r->prack, NULL, NULL, NULL);
	leg_refuse(r->from, r->in, status);
	r->in = NULL;
	relay_free(r);
	if (taker)
		replaces_decided(taker, status);
}

bool relay_busy(const struct leg *leg)
{
	const nta_outgoing_t *refresh = leg->session.refresh;

	if (leg->call->taker) /* another phone's INVITE, which is not on our lists yet */
		return true;
	if (leg->invite_in || leg->invite_out || (refresh && nta_outgoing_method(refresh) == sip_method_invite))
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

/* One side has agreed to what the other was not told: the call ends. */
static void torn(struct relay *r)
{
	struct leg *leg = r->from;
	struct call *taker = taker_of(r);

	relay_free(r);
	if (taker) /* both calls: the one that was to be taken over sees what its caller does not */
		call_end(taker->takes, CDR_NORMAL, 500);
	else
		call_on_leg(leg->call, leg, &(struct leg_event){.kind = LEG_TORN});
}

static void on_ack_made(void *arg, const json_t *answer, int instance)
{
	struct relay *r = arg;
	const char *sdp = media_sdp(answer);
	su_home_t home[1] = {SU_HOME_INIT(home)};
	sip_t sip = {0};

	r->question = NULL;
	if (!sdp) {
		media_lost(r->from->worker, answer);
		ack_pass(r, NULL);
		torn(r);
		return;
	}
	su_home_init(home);
	body_set(&sip, home, sdp, strlen(sdp));
	sip.sip_content_type = sip_content_type_make(home, "application/sdp");
	ack_pass(r, &sip);
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
		ack_pass(r, NULL);
		torn(r);
	}
	return true;
}

static int on_relay_ack_cancel(void *magic, nta_incoming_t *irq, sip_t const *sip)
{
	struct relay *r = magic;

	if (sip && sip->sip_request->rq_method == sip_method_cancel) {
		if (r->out && !r->answered && !r->status)
			nta_outgoing_tcancel(r->out, NULL, NULL, TAG_END());
		if (!r->answered) {
			r->cancelled = true;
			nta_incoming_treply(irq, SIP_487_REQUEST_CANCELLED, TAG_END());
			if (taker_of(r))
				replaces_decided(taker_of(r), 487);
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
		ack_pass(r, sip); /* without one in time, too: the other side's 2xx needs it in any case */
	relay_free(r);
	return 0;
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
	ack_pass(r, NULL);
	torn(r);
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
	if (status < 300 &&
	    !to->over) /* whoever asked was to take the call over, and the other side has agreed to it */
		call_on_leg(to->call, to, &(struct leg_event){.kind = LEG_TORN});
	else
		leg_settle(to);
}

/* sip: whose body goes along; NULL: none. May free r. */
static void answer_pass(struct relay *r, int status, const sip_t *sip)
{
	bool good = status >= 200 && status < 300;
	struct call *taker = taker_of(r);
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
			ack_pass(r, NULL);
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

static int on_relay_response(void *magic, nta_outgoing_t *orq, sip_t const *sip)
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
	if (good && !internal && !r->prack)
		target_refresh(r->to, nta_outgoing_getresponse(orq), sip);
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
		r->out = prack_send(r->prack, sip, on_relay_response, r);
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
		to->dialog, on_relay_response, r, leg_next_hop(to), method, sip->sip_request->rq_method_name, NULL,
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
	struct relay *r = xcalloc(1, sizeof *r);

	*r = (struct relay){.next = from->relays,
			    .from = from,
			    .to = to,
			    .in = request,
			    .invite = method == sip_method_invite,
			    .target = target,
			    .offered = target && body_has_sdp(sip),
			    .media = target ? media : NULL};
	from->relays = r;
	if (target)
		target_refresh(from, nta_incoming_getrequest(request), sip);
	if (r->invite) {
		nta_incoming_bind(request, on_relay_ack_cancel, r);
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

bool relay_agreed(const struct leg *leg)
{
	for (const struct relay *r = leg->relays; r; r = r->next)
		if (r->invite && r->status && !r->answered)
			return true;
	return false;
}

void relay_aimed(struct leg *sender, const struct leg *was, struct leg *now)
{
	for (struct relay *r = sender->relays; r; r = r->next)
		if (r->to == was)
			r->to = now;
}

void relay_moved(struct leg *leg)
{
	for (struct relay *r = leg->relays; r; r = r->next)
		r->from = leg;
	for (struct relay *r = leg->orphans; r; r = r->next)
		r->to = leg;
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
	struct relay *r = xcalloc(1, sizeof *r);
	*r = (struct relay){.next = from->relays,
			    .from = from,
			    .to = to,
			    .in = request,
			    .prack = gone ? NULL : later,
			    .offered = offers,
			    .media = gone ? NULL : media_of(from->call)};
	from->relays = r;
	if (refused)
		relay_refuse(r, refused);
	else
		request_begin(r, request, &copy);
	su_home_deinit(home);
}

void relay_end(struct leg *leg)
{
	while (leg->relays) {
		struct relay *r = leg->relays;
		bool agreed = r->answered || r->status; /* the other side has */
		if (r->invite && agreed)
			ack_pass(r, NULL); /* the caller's will not come any more */
		if (!r->answered && r->in && !r->cancelled)
			nta_incoming_treply(r->in, r->invite ? 487 : 481, cause_phrase(r->invite ? 487 : 481),
					    TAG_END());
		if (!r->invite || agreed || !r->out) {
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
