/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/media.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/random.h"
#include "switch/body.h"
#include "switch/call.h"
#include "switch/node.h"

enum {
	LOOK_US = 1000 * 1000,
	QUERY_US = 10 * 1000 * 1000,
	LOST_LOG_US = 10 * 1000 * 1000,
};

struct media *media_of(struct call *c)
{
	return c->b && c->b->media.relayed ? &c->b->media : NULL;
}

const char *media_sdp(const json_t *answer)
{
	return answer ? json_string_value(json_object_get(answer, "sdp")) : NULL;
}

void media_lost(struct worker *w, const json_t *answer)
{
	static struct log_limit every = {.interval_us = LOST_LOG_US};
	const char *why = answer ? json_string_value(json_object_get(answer, "error-reason")) : "no rtpengine answers";
	uint64_t skipped;
	char quoted[200];

	atomic_fetch_add_explicit(&w->node->rtpengine.lost, 1, memory_order_relaxed);
	if (log_limit(&every, clock_mono_us(), &skipped))
		log_event(LOG_LEVEL_WARN, "media not relayed", "reason=%s more=%llu",
			  log_quote(why ? why : "no reason given", quoted, sizeof quoted), (unsigned long long)skipped);
}

/* ---- commands ---- */

static const char *tag_of(const struct leg *leg, bool other)
{
	return leg->inbound != other ? "a" : "b";
}

static bool offers_ice(const sip_payload_t *sdp)
{
	return memmem(sdp->pl_data, sdp->pl_len, "a=ice-ufrag:", 12) != NULL;
}

struct rtpengine_question *media_ask(struct media *m, struct leg *from, enum media_kind kind, const sip_t *sip,
				     rtpengine_done *done, void *arg)
{
	const sip_payload_t *sdp = sip->sip_payload;
	bool offer = kind == MEDIA_OFFER;
	json_t *command = json_pack("{ss ss ss s[ss]}", "command", offer ? "offer" : "answer", "call-id", m->id,
				    "from-tag", tag_of(from, !offer), "replace", "origin", "session-connection");
	json_t *text = json_stringn(sdp->pl_data, sdp->pl_len);

	if (!command || !text) { /* no UTF-8, which rtpengine could not be told */
		json_decref(command);
		json_decref(text);
		return NULL;
	}
	json_object_set_new(command, "sdp", text);
	if (!offer || m->paired)
		json_object_set_new(command, "to-tag", json_string(tag_of(from, offer)));
	if (!offers_ice(sdp))
		json_object_set_new(command, "ICE", json_string("remove"));
	struct rtpengine_question *q =
		rtpengine_ask(from->worker->rtpengine, m->open ? m->instance : RTPENGINE_ANY, command, done, arg);
	if (q && !m->open) {
		m->open = true;
		m->instance = rtpengine_asked(q);
	}
	return q;
}

static void session_delete(struct worker *w, const struct media *m, int instance)
{
	json_t *command =
		json_pack("{ss ss ss si}", "command", "delete", "call-id", m->id, "from-tag", "a", "delete delay", 0);
	if (command)
		rtpengine_ask(w->rtpengine, instance, command, NULL, NULL);
}

void media_end(struct call_attempt *t)
{
	struct media *m = &t->media;

	if (m->open)
		session_delete(t->call->worker, m, m->question ? rtpengine_asked(m->question) : m->instance);
	rtpengine_drop(m->question);
	rtpengine_drop(m->query);
	if (m->held_msg)
		msg_destroy(m->held_msg);
	m->question = m->query = NULL;
	m->held_msg = NULL;
	m->open = false;
}

/* ---- the offer to a vendor ---- */

/* A copy: the configuration is let go of when the call is answered. */
static struct codecs codecs_kept(struct call *c, const struct trunk *trunk)
{
	const char **name = arena_alloc(c->arena, sizeof *name * (size_t)(trunk->n_codecs + 1));

	for (int i = 0; i < trunk->n_codecs; i++)
		name[i] = arena_strdup(c->arena, trunk->codec[i]);
	return (struct codecs){.name = name, .n = trunk->n_codecs};
}

static void on_offered(void *arg, const json_t *answer, int instance)
{
	struct call_attempt *t = arg;
	struct call *c = t->call;
	const char *sdp = media_sdp(answer);

	t->media.question = NULL;
	t->media.instance = instance;
	if (sdp)
		body_set(t->body, msg_home(c->invite), sdp, strlen(sdp));
	else
		media_lost(c->worker, answer);
	call_handle(c, sdp ? CALL_ON_MEDIA : CALL_ON_MEDIA_LOST, &(struct leg_event){.status = answer ? 488 : 503}, t);
}

int media_begin(struct call *c)
{
	struct call_attempt *t = c->b;
	const struct trunk *trunk = c->offer[t->offer].trunk;
	const sip_t *invite = sip_object(c->invite);
	struct media *m = &t->media;
	char token[25];

	*m = (struct media){.relayed = c->ingress->relay_media || trunk->relay_media};
	t->body = arena_alloc(c->arena, sizeof *t->body);
	t->codecs = codecs_kept(c, trunk);
	if (!c->a.codecs.name)
		c->a.codecs = codecs_kept(c, c->ingress);
	if (body_offer(t->body, msg_home(c->invite), invite, &c->a.codecs, &t->codecs))
		return 488;
	if (m->relayed && body_hides_sdp(invite))
		return 415;
	if (!m->relayed)
		return 0;
	snprintf(m->id, sizeof m->id, "tandem-%s", random_token(token, sizeof token - 1));
	if (!body_has_sdp(invite))
		return 0; /* the vendor makes the offer */
	m->question = media_ask(m, &c->a, MEDIA_OFFER, t->body, on_offered, t);
	if (!m->question)
		media_lost(c->worker, NULL);
	return m->question ? 1 : 503;
}

/* ---- what comes back ---- */

static void held_deliver(struct call_attempt *t, const char *sdp)
{
	struct call *c = t->call;
	struct media *m = &t->media;
	struct leg_event ev = m->held;
	msg_t *msg = m->held_msg;
	sip_t sip = *ev.sip;

	m->held_msg = NULL; /* the call may end on the way, and with it the session */
	if (sdp)
		body_set(&sip, msg ? msg_home(msg) : msg_home(c->invite), sdp, strlen(sdp));
	else
		sip.sip_payload = NULL;
	ev.sip = &sip;
	ev.msg = msg;
	call_handle(c, sdp ? CALL_ON_MEDIA : CALL_ON_MEDIA_LOST, &ev, t);
	if (msg)
		msg_destroy(msg);
}

static void on_held(void *arg, const json_t *answer, int instance)
{
	struct call_attempt *t = arg;
	struct media *m = &t->media;
	const char *sdp = media_sdp(answer);

	m->question = NULL;
	m->instance = instance;
	m->query_us = clock_mono_us() + QUERY_US;
	if (sdp)
		m->paired = true;
	else
		media_lost(t->call->worker, answer);
	held_deliver(t, sdp);
}

/* The body of an ACK: its message is gone when the library's callback returns. */
static const sip_t *body_keep(struct call *c, const sip_t *sip)
{
	su_home_t *home = msg_home(c->invite);
	sip_t *kept = arena_alloc(c->arena, sizeof *kept);

	kept->sip_payload = sip_payload_dup(home, sip->sip_payload);
	kept->sip_content_type = sip_content_type_dup(home, sip->sip_content_type);
	return kept;
}

static void state_park(struct call *c, enum leg_event_kind kind)
{
	if (kind == LEG_ANSWER) {
		c->state = CALL_ANSWERING;
		call_set_timer(c, CALL_TIMER_MEDIA, MEDIA_LIMIT_MS);
	} else if (kind == LEG_ACKED) {
		c->state = CALL_UP;
	}
}

bool media_hold(struct call *c, struct call_attempt *t, const struct leg_event *ev)
{
	struct media *m = &t->media;
	bool ack = ev->kind == LEG_ACKED;

	if (!m->relayed || c->state == CALL_OVER || (ack && !t->leg.invite_out))
		return false;
	if (!body_has_sdp(ev->sip)) {
		if (ev->kind != LEG_ANSWER || !m->question)
			return false;
		m->held.kind = LEG_ANSWER; /* its SDP is that of the 18x which waits still */
		m->held.status = ev->status;
		state_park(c, LEG_ANSWER);
		return true;
	}
	rtpengine_drop(m->question);
	if (m->held_msg) { /* an 18x that this one outdates: the caller will not confirm it */
		if (m->held.later)
			(void)prack_send(m->held.later, NULL, NULL, NULL);
		msg_destroy(m->held_msg);
	}
	m->held = *ev;
	m->held_msg = NULL;
	if (ack) {
		m->held.sip = body_keep(c, ev->sip);
	} else {
		sip_t *copy = arena_alloc(c->arena, sizeof *copy);
		m->held_msg = nta_outgoing_getresponse(t->leg.invite_out);
		*copy = *ev->sip;
		m->held.sip = copy;
	}
	m->question = media_ask(m, ack ? &c->a : &t->leg,
				ack || body_has_sdp(sip_object(c->invite)) ? MEDIA_ANSWER : MEDIA_OFFER, m->held.sip,
				on_held, t);
	state_park(c, ev->kind);
	if (!m->question) {
		media_lost(c->worker, NULL);
		held_deliver(t, NULL);
	}
	return true;
}

/* ---- sessions that rtpengine gave up ---- */

static void on_query(void *arg, const json_t *answer, int instance)
{
	struct call_attempt *t = arg;
	const char *result = answer ? json_string_value(json_object_get(answer, "result")) : NULL;

	t->media.query = NULL;
	t->media.query_us = clock_mono_us() + QUERY_US;
	if (result && strcmp(result, "error") == 0) {
		t->media.open = false;
		call_end(t->call, CDR_MEDIA_TIMEOUT, 480);
	}
}

static void session_query(struct call *c, struct call_attempt *t)
{
	struct media *m = &t->media;
	json_t *command = json_pack("{ss ss}", "command", "query", "call-id", m->id);

	m->query_us = clock_mono_us() + QUERY_US;
	if (command)
		m->query = rtpengine_ask(c->worker->rtpengine, m->instance, command, on_query, t);
}

void media_tick(struct worker *w)
{
	int64_t now_us = clock_mono_us();

	if (!w->node->settings->rtpengine[0] || now_us < w->media_us)
		return;
	w->media_us = now_us + LOOK_US;
	for (struct call *c = w->calls; c; c = c->next) {
		struct media *m = c->state == CALL_UP ? media_of(c) : NULL;
		if (m && m->open && !m->query && now_us >= m->query_us)
			session_query(c, c->b);
	}
}
