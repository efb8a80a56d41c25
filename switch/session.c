/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/session.h"

#include <strings.h>

#include "lib/clock.h"
#include "switch/leg.h"
#include "switch/node.h"
#include "switch/relay.h"
#include "switch/worker.h"

#include <sofia-sip/msg_header.h>

enum { RETRY_MS = 5000, TIMER_MAX_MS = 2000000000 };

static const char uac[] = "uac", uas[] = "uas";

static bool allows_update(const sip_t *sip)
{
	return sip->sip_allow && sip_is_allowed(sip->sip_allow, SIP_METHOD_UPDATE);
}

static bool knows_timer(const sip_t *sip)
{
	return sip_has_feature(sip->sip_supported, "timer") ||
	       sip_has_feature((sip_supported_t *)sip->sip_require, "timer");
}

static int32_t seconds(unsigned long delta)
{
	return delta < INT32_MAX ? (int32_t)delta : INT32_MAX;
}

static void min_note(struct session *s, const sip_t *sip)
{
	if (sip->sip_min_se && seconds(sip->sip_min_se->min_delta) > s->min_s)
		s->min_s = seconds(sip->sip_min_se->min_delta);
}

bool session_offered(struct leg *leg, const sip_t *sip, int32_t wish_s)
{
	struct session *s = &leg->session;
	const sip_session_expires_t *x = sip->sip_session_expires;

	s->peer_knows = knows_timer(sip);
	s->update_allowed = allows_update(sip);
	if (session_too_small(sip))
		return false;
	min_note(s, sip);
	s->expires_s = x ? seconds(x->x_delta) : wish_s;
	if (x && wish_s && wish_s < s->expires_s) /* the shorter one, but never below its Min-SE (section 9) */
		s->expires_s = wish_s;
	if (s->expires_s && s->expires_s < s->min_s)
		s->expires_s = s->min_s;
	if (x && x->x_refresher)
		s->we_refresh = strcasecmp(x->x_refresher, uas) == 0;
	else
		s->we_refresh = !s->peer_knows;
	return true;
}

void session_answered(struct leg *leg, const sip_t *sip, int32_t wish_s)
{
	struct session *s = &leg->session;
	const sip_session_expires_t *x = sip->sip_session_expires;

	s->update_allowed = allows_update(sip);
	s->peer_knows = x != NULL;
	s->expires_s = !x || x->x_delta < SESSION_MIN_S ? wish_s : seconds(x->x_delta);
	s->we_refresh = !x || !x->x_refresher || strcasecmp(x->x_refresher, uas) != 0;
}

sip_session_expires_t *session_header(su_home_t *home, const struct leg *leg)
{
	const struct session *s = &leg->session;

	if (!s->expires_s || (!s->peer_knows && s->we_refresh))
		return NULL; /* a peer that knows nothing of it is not bothered with it */
	return sip_session_expires_format(home, "%d;refresher=%s", s->expires_s, s->we_refresh ? uas : uac);
}

bool session_too_small(const sip_t *sip)
{
	return sip->sip_session_expires && sip->sip_session_expires->x_delta < SESSION_MIN_S;
}

void session_asked(struct leg *leg, const sip_t *sip)
{
	struct session *s = &leg->session;
	const sip_session_expires_t *x = sip->sip_session_expires;

	min_note(s, sip);
	if (!x)
		return;
	s->expires_s = seconds(x->x_delta);
	s->peer_knows = true;
	if (x->x_refresher)
		s->we_refresh = strcasecmp(x->x_refresher, uas) == 0;
}

void session_renewed(struct leg *leg, const sip_t *sip)
{
	struct session *s = &leg->session;
	const sip_session_expires_t *x = sip->sip_session_expires;

	if (!s->expires_s || !s->peer_knows)
		return; /* we asked for nothing */
	if (x && x->x_delta >= SESSION_MIN_S)
		s->expires_s = seconds(x->x_delta);
	s->peer_knows = x != NULL; /* without one its timer is off (section 7.2): OPTIONS has to do */
	s->we_refresh = !x || !x->x_refresher || strcasecmp(x->x_refresher, uas) != 0;
}

bool session_grown(struct leg *leg, const sip_t *sip)
{
	struct session *s = &leg->session;

	min_note(s, sip);
	if (s->min_s <= s->expires_s)
		return false;
	s->expires_s = s->min_s;
	return true;
}

sip_session_expires_t *session_request(su_home_t *home, const struct leg *leg)
{
	const struct session *s = &leg->session;

	if (!s->expires_s || !s->peer_knows)
		return NULL;
	return sip_session_expires_format(home, "%d;refresher=%s", s->expires_s, s->we_refresh ? uac : uas);
}

sip_min_se_t *session_min(su_home_t *home, const struct leg *leg)
{
	return leg->session.min_s ? sip_min_se_format(home, "%d", leg->session.min_s) : NULL;
}

sip_session_expires_t *session_wish(su_home_t *home, int32_t wish_s)
{
	return wish_s ? sip_session_expires_format(home, "%d", wish_s) : NULL;
}

/* ---- refreshing ---- */

static void timer_set(struct leg *leg, int64_t ms);
static void refresh_send(struct leg *leg);

/* RFC 4028 section 10: given up a third, but at most 32 s, before its end. */
static int32_t life_s(const struct session *s)
{
	return s->expires_s - (s->expires_s / 3 < 32 ? s->expires_s / 3 : 32);
}

/* A peer without session timers holds us to none: OPTIONS shows whether it is there. */
static void end_set(struct session *s)
{
	s->end_us =
		s->expires_s && (s->peer_knows || !s->we_refresh) ? clock_mono_us() + life_s(s) * 1000000LL : INT64_MAX;
}

/* It refused, but it is there: once more, soon. */
static void retry(struct leg *leg)
{
	end_set(&leg->session);
	timer_set(leg, RETRY_MS);
}

/* Its final answer; NULL: there is none. */
static void refreshed(struct leg *leg, nta_outgoing_t *orq, const sip_t *sip)
{
	struct session *s = &leg->session;
	int status = nta_outgoing_status(orq);
	bool internal = !sip || nta_sip_is_internal(sip);

	if (status < 300 && !internal && nta_outgoing_method(orq) != sip_method_options)
		session_renewed(leg, sip);
	if (status == 422 && !internal && session_grown(leg, sip))
		refresh_send(leg);
	else if (status == 408 || status == 481 || internal) /* nobody, or nobody that knows the call */
		call_on_leg(leg->call, leg, &(struct leg_event){.kind = LEG_EXPIRED});
	else if (status < 300 || !s->peer_knows || !s->expires_s) /* any answer at all shows that it is there */
		session_start(leg);
	else
		retry(leg); /* 491 and the like */
}

static int on_refreshed(void *magic, nta_outgoing_t *orq, sip_t const *sip)
{
	struct leg *leg = magic;
	sip_method_t method = nta_outgoing_method(orq);
	int status = nta_outgoing_status(orq);
	char branch[WORKER_BRANCH_MAX];

	if (status < 200)
		return 0;
	if (status < 300 && method != sip_method_options && sip && !nta_sip_is_internal(sip))
		leg_retarget(leg, nta_outgoing_getresponse(orq), sip);
	if (status < 300 && method == sip_method_invite)
		leg_ack_send(leg, nta_outgoing_cseq(orq), NULL, worker_branch(leg->worker, branch));
	leg->session.refresh = NULL;
	if (!leg->over)
		refreshed(leg, orq, sip);
	nta_outgoing_destroy(orq); /* the last: over TCP its answer goes with it at once */
	return 0;
}

static void refresh_send(struct leg *leg)
{
	struct session *s = &leg->session;
	char branch[WORKER_BRANCH_MAX];
	su_home_t home[1] = {SU_HOME_INIT(home)};
	const char *key = worker_branch(leg->worker, branch);

	su_home_init(home);
	sip_session_expires_t *x = session_request(home, leg);
	sip_min_se_t *least = session_min(home, leg);
	if (s->expires_s && s->peer_knows && s->update_allowed)
		s->refresh = nta_outgoing_tcreate(leg->dialog, on_refreshed, leg, leg_next_hop(leg), SIP_METHOD_UPDATE,
						  NULL, SIPTAG_CONTACT(leg->port->contact), SIPTAG_SESSION_EXPIRES(x),
						  TAG_IF(least, SIPTAG_MIN_SE(least)), SIPTAG_SUPPORTED_STR("timer"),
						  TPTAG_IDENT(leg->port->ident), NTATAG_BRANCH_KEY(key), TAG_END());
	else if (s->expires_s && s->peer_knows && leg->sdp_sent)
		s->refresh = nta_outgoing_tcreate(leg->dialog, on_refreshed, leg, leg_next_hop(leg), SIP_METHOD_INVITE,
						  NULL, SIPTAG_CONTACT(leg->port->contact), SIPTAG_SESSION_EXPIRES(x),
						  TAG_IF(least, SIPTAG_MIN_SE(least)), SIPTAG_SUPPORTED_STR("timer"),
						  SIPTAG_CONTENT_TYPE_STR("application/sdp"),
						  SIPTAG_PAYLOAD_STR(leg->sdp_sent), TPTAG_IDENT(leg->port->ident),
						  NTATAG_BRANCH_KEY(key), TAG_END());
	else
		s->refresh = nta_outgoing_tcreate(leg->dialog, on_refreshed, leg, leg_next_hop(leg), SIP_METHOD_OPTIONS,
						  NULL, SIPTAG_CONTACT(leg->port->contact),
						  TPTAG_IDENT(leg->port->ident), NTATAG_BRANCH_KEY(key), TAG_END());
	su_home_deinit(home);
}

static void on_timer(struct worker *w, su_timer_t *timer, void *arg)
{
	struct leg *leg = arg;
	struct session *s = &leg->session;

	if (leg->over)
		return;
	if (clock_mono_us() >= s->end_us) {
		call_on_leg(leg->call, leg, &(struct leg_event){.kind = LEG_EXPIRED});
		return;
	}
	if (!s->refresh && !relay_busy(leg))
		refresh_send(leg);
	if (!s->refresh)
		timer_set(leg, RETRY_MS);
	else if (s->end_us != INT64_MAX) /* 100 may be all that it ever says to a re-INVITE */
		timer_set(leg, (s->end_us - clock_mono_us()) / 1000 + 1);
}

static void timer_set(struct leg *leg, int64_t ms)
{
	struct session *s = &leg->session;

	if (!s->timer)
		s->timer = su_timer_create(su_root_task(leg->worker->root), 0);
	if (s->timer)
		su_timer_set_interval(s->timer, on_timer, leg, (su_duration_t)(ms < TIMER_MAX_MS ? ms : TIMER_MAX_MS));
}

/* Refreshed at half the interval (RFC 4028 section 10). Without a session timer nobody would notice that a side has
 * gone without a word: it is asked now and then, and the call of a ghost ends. */
void session_start(struct leg *leg)
{
	struct session *s = &leg->session;
	int64_t check_ms = leg->worker->node->settings->dialog_check_ms;

	if (!leg->dialog)
		return;
	end_set(s);
	if (s->expires_s)
		timer_set(leg, 1000LL * (s->we_refresh ? s->expires_s / 2 : life_s(s)));
	else if (check_ms)
		timer_set(leg, check_ms);
}

void session_lives(struct leg *leg)
{
	if (!leg->session.expires_s)
		session_start(leg);
}

void session_stop(struct leg *leg)
{
	struct session *s = &leg->session;

	if (s->timer)
		su_timer_destroy(s->timer);
	s->timer = NULL;
	if (s->refresh)
		nta_outgoing_destroy(s->refresh);
	s->refresh = NULL;
}

void session_update(struct leg *leg, nta_incoming_t *request, const sip_t *sip)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};

	su_home_init(home);
	if (session_too_small(sip)) {
		nta_incoming_treply(request, SIP_422_SESSION_TIMER_TOO_SMALL,
				    SIPTAG_MIN_SE(sip_min_se_format(home, "%d", SESSION_MIN_S)), TAG_END());
	} else {
		leg_retarget(leg, nta_incoming_getrequest(request), sip);
		session_asked(leg, sip);
		sip_session_expires_t *answer = session_header(home, leg);
		nta_incoming_treply(request, SIP_200_OK, SIPTAG_CONTACT(leg->port->contact),
				    TAG_IF(answer, SIPTAG_SESSION_EXPIRES(answer)),
				    TAG_IF(answer && !leg->session.we_refresh, SIPTAG_REQUIRE_STR("timer")), TAG_END());
		if (leg->confirmed) /* an early dialog has no session yet (section 7.2) */
			session_start(leg);
	}
	nta_incoming_destroy(request);
	su_home_deinit(home);
}
