/* SPDX-License-Identifier: Apache-2.0 */
/* The hunt: one vendor after the other, until one answers, one says a word that stops, or none is left. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "routing/health.h"
#include "switch/bindings.h"
#include "switch/call.h"
#include "switch/identity.h"
#include "switch/node.h"
#include "switch/vendors.h"

static struct cdr_attempt *record_of(struct call_attempt *t)
{
	return &t->call->cdr->attempt[t->n];
}

static void limits_give_back(struct call_attempt *t)
{
	atomic_fetch_add(&t->call->worker->count.steps, 2);
	if (t->trunk_gauge)
		gauge_drop(t->trunk_gauge);
	if (t->carrier_gauge)
		gauge_drop(t->carrier_gauge);
	t->trunk_gauge = t->carrier_gauge = NULL;
}

/* E.425: the network did its part where the callee was reached, whatever he made of it. */
static bool is_effective(const struct cdr_attempt *r)
{
	switch (r->sip_code) {
	case 486:
	case 600:
	case 603:
	case 607:
	case 608:
		return true;
	default:
		return r->answered_us != 0 || (r->progress_us != 0 && (r->sip_code == 480 || r->sip_code == 408 ||
								       strcmp(r->reason, "cancelled") == 0));
	}
}

/* What this attempt shows of its vendor. One that the caller gave up before it rang shows nothing of quality. */
static void vendor_tell(const struct call_attempt *t, const struct cdr_attempt *r)
{
	const struct cdr *cdr = t->call->cdr;
	bool gave_up = strcmp(r->reason, "cancelled") == 0;
	int64_t heard_us = r->progress_us ? r->progress_us : r->answered_us;
	struct vendors_attempt a = {
		.trunk_id = r->trunk_id,
		.code = r->sip_code,
		.life = t->leg.responded ? VENDORS_ALIVE
			: gave_up	 ? VENDORS_UNSURE
					 : VENDORS_DEAD,
		.why = strcmp(r->reason, "no_response") == 0 ? "no response" : "transport error",
		.counts = {.attempts = 1, .answered = r->answered_us != 0, .effective = is_effective(r)},
	};

	if (r->answered_us) {
		a.counts.talk_ms = (uint64_t)(call_end_mono_us(t->call) - t->call->answered_mono_us) / 1000;
		a.counts.short_calls = a.counts.talk_ms < QUALITY_SHORT_MS;
	}
	if (heard_us) {
		a.counts.pdds = 1;
		a.counts.pdd_ms = (uint64_t)(heard_us - r->started_us) / 1000;
	}
	if (cdr->sell.prefix && (!gave_up || heard_us))
		quality_key(cdr->destination ? cdr->destination : "", cdr->sell.prefix, a.key);
	vendors_tell_attempt(t->call->worker->node->vendors, &a);
}

void hunt_attempt_close(struct call_attempt *t, int code, const char *reason)
{
	t->open = false;
	media_end(t);
	limits_give_back(t);
	call_set_timer(t->call, CALL_TIMER_NONE, 0); /* its limits end with it */
	if (t->call->cdr->attempts <= t->n)
		return; /* it was still waiting for its place: nobody was called */
	struct cdr_attempt *r = record_of(t);
	r->ended_us = call_end_wall_us(t->call);
	r->sip_code = code;
	r->reason = reason;
	vendor_tell(t, r);
}

/* One more start of the trunk and of its carrier: both or neither, but for what another worker takes in between. */
static bool rates_pass(const struct trunk *trunk)
{
	int64_t now = clock_mono_us();

	return gauge_would_pass(trunk->gauge, trunk->max_cps, now) &&
	       gauge_pass(trunk->carrier->gauge, trunk->carrier->max_cps, now) &&
	       gauge_pass(trunk->gauge, trunk->max_cps, now);
}

/* Capacity may have gone since the routes were ranked: then it is as if it had never been offered. */
static bool capacity_taken(struct call_attempt *t, const struct trunk *trunk)
{
	atomic_fetch_add(&t->call->worker->count.steps, 2);
	if (!gauge_take(trunk->gauge, trunk->max_channels))
		return false;
	t->trunk_gauge = trunk->gauge;
	if (gauge_take(trunk->carrier->gauge, trunk->carrier->max_channels)) {
		t->carrier_gauge = trunk->carrier->gauge;
		if (rates_pass(trunk))
			return true;
		gauge_drop(t->carrier_gauge);
	}
	gauge_drop(t->trunk_gauge);
	t->trunk_gauge = t->carrier_gauge = NULL;
	return false;
}

static void record_begin(struct call_attempt *t, const struct call_offer *o, const struct number_pair *out)
{
	struct call *c = t->call;
	struct cdr *cdr = c->cdr;
	struct cdr_attempt *r = record_of(t);

	*r = (struct cdr_attempt){
		.trunk_id = o->trunk->id,
		.carrier_id = o->trunk->carrier->id,
		.started_us = call_wall_us(c),
		.reason = "failed",
		.buy_prefix = cdr_text(cdr, o->rate.prefix),
		.buy_price_n = o->rate.terms.price_n,
	};
	cdr->attempts = t->n + 1;
	cdr->egress_trunk_id = o->trunk->id;
	cdr->egress_carrier_id = o->trunk->carrier->id;
	cdr->called_out = cdr_text(cdr, out->called);
	cdr->calling_out = cdr_text(cdr, c->secret && !c->proxy ? "anonymous" : out->calling);
	cdr->buy = (struct cdr_side){
		.rated = true,
		.prefix = r->buy_prefix,
		.terms = o->rate.terms,
		.currency = cdr_text(cdr, o->trunk->carrier->currency),
	};
}

/* Who calls, as this vendor may know it. */
static void caller_tell(struct call *c, const struct trunk *trunk, const char *host, struct number_pair *out,
			struct leg_target *to, struct buf *lines)
{
	const sip_t *sip = sip_object(c->invite);
	const struct identity id = {
		.from = c->ingress,
		.to = trunk,
		.number = out->calling,
		.display = c->display,
		.host = host,
		.secret = c->secret,
	};

	identity_write(&id, sip, lines);
	to->passed = c->a.passed = headers_common(c->arena, c->ingress, trunk);
	headers_write(&to->passed, sip, lines);
	to->refer = c->a.refer.allowed = c->ingress->allow_refer && trunk->allow_refer;
	to->headers = lines->text ? lines->text : "";
	to->display = c->secret ? NULL : c->display;
	if (c->secret) /* RFC 3323 section 4.1: in From in any case */
		snprintf(out->calling, sizeof out->calling, "anonymous");
	to->calling = out->calling;
}

static int attempt_send(struct call_attempt *t, const struct trunk *trunk, struct number_pair *out)
{
	struct call *c = t->call;
	const struct dns_target *at = &t->where.target[t->target];
	int family = at->host[0] == '[' ? AF_INET6 : AF_INET;
	const struct worker_port *port = worker_port_for(c->worker, trunk, at->transport, family);
	bool bare_v6 = strchr(t->place.host, ':') && t->place.host[0] != '[';
	char host[280];

	if (!port)
		return -EAFNOSUPPORT;
	snprintf(host, sizeof host, bare_v6 ? "[%s]" : "%s", t->place.host);
	struct leg_target to = {
		.called = t->place.called ? t->place.called : out->called,
		.host = host,
		.port = t->place.port,
		.params = t->place.params,
		.next_hop = at,
		.max_forwards = c->max_forwards,
		.session_s = trunk->session_expires_s,
		.username = trunk->username,
		.password = trunk->password,
		.body = t->body,
		.asked = c->a.reliable,
	};
	struct buf lines = {0};
	if (!c->proxy)
		caller_tell(c, trunk, port->host, out, &to, &lines);
	int r = c->proxy ? proxy_call(&t->leg, c, port, &to) : leg_call(&t->leg, c, c->worker, port, c->arena, &to);
	buf_free(&lines);
	t->leg.codecs = t->codecs;
	return r;
}

/* The nearer of the attempt's own limit and the whole call's. */
static void timer_set(struct call *c, enum call_timer kind, int64_t ms)
{
	int64_t left_ms = (c->invite_deadline_us - clock_mono_us()) / 1000;
	if (left_ms <= ms)
		call_set_timer(c, CALL_TIMER_INVITE, left_ms);
	else
		call_set_timer(c, kind, ms);
}

void hunt_timer(struct call *c, enum call_timer kind)
{
	const struct trunk *trunk = c->offer[c->b->offer].trunk;
	timer_set(c, kind,
		  kind == CALL_TIMER_RESPONSE	? trunk->no_response_timeout_ms
		  : kind == CALL_TIMER_PROGRESS ? trunk->progress_timeout_ms
						: trunk->ring_timeout_ms);
}

static void on_resolved(void *arg, const struct dns_answer *answer)
{
	struct call *c = arg;

	c->name_question = NULL;
	c->b->where = *answer;
	call_handle(c, CALL_ON_RESOLVED, NULL, NULL);
}

void hunt_send(struct call *c)
{
	struct call_attempt *t = c->b;
	const struct call_place *p = &t->place;

	if (t->where.n) { /* the next address of a name that was looked up for an earlier attempt */
		hunt_dial(c);
		return;
	}
	if (p->hop) {
		t->where.target[0] = *p->hop;
		t->where.n = 1;
		hunt_dial(c);
		return;
	}
	if (dns_is_numeric(p->host)) {
		struct dns_target *at = &t->where.target[0];
		t->where.n = 1;
		at->transport = p->transport == TRUNK_ANY ? TRUNK_UDP : p->transport;
		at->port = p->port ? p->port : at->transport == TRUNK_TLS ? 5061 : 5060;
		snprintf(at->host, sizeof at->host, strchr(p->host, ':') && p->host[0] != '[' ? "[%.60s]" : "%.62s",
			 p->host);
		hunt_dial(c);
		return;
	}
	c->state = CALL_RESOLVING;
	/* A name that is known answers at once, and where that leads to the next vendor its question stands already. */
	struct dns_question *q = dns_ask(c->worker->dns, p->host, p->port, p->transport, on_resolved, c);
	if (q)
		c->name_question = q;
}

void hunt_dial(struct call *c)
{
	/* Where no address was found hunt_invite says so; a proxy has no part in the media. */
	int refused = c->b->where.n && !c->proxy ? media_begin(c) : 0;

	if (refused == 1) {
		c->state = CALL_OFFERING;
		call_set_timer(c, CALL_TIMER_MEDIA, MEDIA_LIMIT_MS);
	} else if (refused) {
		hunt_no_media(c, refused);
	} else {
		hunt_invite(c);
	}
}

/* Nobody was called. The next vendor helps unless the caller's own trunk is what asks for the relay. */
void hunt_no_media(struct call *c, int code)
{
	c->untried_code = code;
	if (c->ingress->relay_media && code != 488)
		c->next_offer = c->offers;
	hunt_skip(c);
}

void hunt_invite(struct call *c)
{
	struct call_attempt *t = c->b;
	const struct call_offer *o = &c->offer[t->offer];
	struct number_pair out;
	int r = number_out(o->trunk, &c->number, &out);
	if (c->proxy) /* a proxy leaves the From as it is (RFC 3261 section 16.6) */
		snprintf(out.calling, sizeof out.calling, "%s", c->cdr->calling_in);

	if (r == 0)
		record_begin(t, o, &out);
	if (r || t->where.n == 0 || attempt_send(t, o->trunk, &out)) {
		hunt_skip(c);
		return;
	}
	c->cdr->b_call_id = record_of(t)->b_call_id = cdr_text(c->cdr, t->leg.call_id);
	c->state = CALL_CALLING;
	if (!c->invite_deadline_us)
		c->invite_deadline_us =
			clock_mono_us() +
			1000 * atomic_load_explicit(&c->worker->node->invite_timeout_ms, memory_order_relaxed);
	hunt_timer(c, CALL_TIMER_RESPONSE);
	call_show(c);
}

/* An attempt that sent nothing: one that has a record says why, one without (no place, no number) never was. */
void hunt_skip(struct call *c)
{
	struct call_attempt *t = c->b;

	if (c->cdr->attempts > t->n) {
		c->last_code = 503;
		c->last_was_silence = false;
		hunt_attempt_close(t, 503, t->where.n ? "transport_error" : "unresolved");
	} else {
		limits_give_back(t);
		media_end(t);
		t->open = false;
		c->attempts--;
		c->b = NULL;
	}
	hunt_next(c);
}

/* What its Contact says besides user, host and transport: a proxy in between may know its way back by that alone. */
static const char *contact_params(struct arena *arena, const char *uri)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};
	const char *params = NULL;

	su_home_init(home);
	url_t *url = url_make(home, uri);
	char *rest = url && url->url_params ? url_strip_param_string((char *)url->url_params, "transport") : NULL;
	if (rest && rest[0])
		params = arena_strdup(arena, su_sprintf(home, ";%s", rest));
	su_home_deinit(home);
	return params;
}

/* Where the trunk has registered: the newest contact first, the others after it. False: nowhere. */
static bool places_of_binding(struct call_attempt *t, struct call *c, const struct trunk *trunk)
{
	struct bindings_contact contact[BINDINGS_MAX];
	int n = bindings_read(c->worker->node->bindings, trunk->registered_as, clock_wall_us(), contact);
	struct call_place *place = arena_alloc(c->arena, BINDINGS_MAX * sizeof *place);

	for (int i = 0; i < n; i++) {
		struct dns_target *hop = arena_alloc(c->arena, sizeof *hop);
		snprintf(hop->host, sizeof hop->host, "%s", contact[i].host);
		hop->port = contact[i].port;
		hop->transport = contact[i].transport;
		place[i] = (struct call_place){.host = arena_strdup(c->arena, contact[i].uri_host),
					       .port = contact[i].uri_port,
					       .params = contact_params(c->arena, contact[i].uri),
					       .transport = hop->transport,
					       .hop = hop};
	}
	t->place = place[0];
	t->other = place + 1;
	t->others = n - 1;
	return n > 0;
}

/* Each B leg is an attempt: another address of a vendor's name, contact or place of a redirect no less than another
 * vendor. */
static bool attempts_used_up(const struct call *c)
{
	return c->attempts >= c->ingress->plan->max_attempts || c->attempts == CDR_ATTEMPTS_MAX;
}

/* A new attempt over that offer; `like` tells where to, or is NULL: the trunk's own host. */
static bool attempt_start(struct call *c, int offer, const struct call_attempt *like)
{
	const struct trunk *trunk = c->offer[offer].trunk;

	if (attempts_used_up(c))
		return false;
	struct call_attempt *t = arena_alloc(c->arena, sizeof *t);
	if (like)
		*t = *like;
	else if (trunk->registered_as == 0)
		t->place = (struct call_place){.host = trunk->host, .port = trunk->port, .transport = trunk->transport};
	t->call = c;
	t->n = c->attempts;
	t->offer = offer;
	t->leg = (struct leg){.gone = true}; /* until it is called */
	t->media = (struct media){0};
	t->trunk_gauge = t->carrier_gauge = NULL;
	if (!like && trunk->registered_as != 0 && !places_of_binding(t, c, trunk))
		return false; /* it went meanwhile */
	if (!like && c->offer[offer].health && !health_claim(c->offer[offer].health, clock_mono_us()))
		return false; /* it went down meanwhile, or another call tries it */
	if (!capacity_taken(t, trunk))
		return false;
	c->attempt[c->attempts++] = t;
	c->b = t;
	t->open = true;
	if (!call_park(c, CALL_RESERVING, trunk))
		hunt_send(c);
	return true;
}

bool hunt_other_address(struct call *c, const struct call_attempt *t)
{
	struct call_attempt like = *t;

	if (++like.target < like.where.n)
		return attempt_start(c, t->offer, &like);
	if (!like.others)
		return false;
	like.place = *like.other++;
	like.others--;
	like.target = like.where.n = 0;
	return attempt_start(c, t->offer, &like);
}

enum { PLACES_MAX = 5 };

static int place_of(struct call *c, const sip_contact_t *m, struct call_place *p)
{
	const url_t *url = m->m_url;
	char transport[8] = "", user[NUMBER_MAX];

	if ((url->url_type != url_sip && url->url_type != url_sips) || !url->url_host)
		return -EINVAL;
	url_param(url->url_params, "transport", transport, sizeof transport);
	*p = (struct call_place){
		.host = arena_strdup(c->arena, url->url_host),
		.port = url->url_port ? atoi(url->url_port) : 0,
		.transport = url->url_type == url_sips || strcasecmp(transport, "tls") == 0 ? TRUNK_TLS
			     : strcasecmp(transport, "tcp") == 0			    ? TRUNK_TCP
			     : strcasecmp(transport, "udp") == 0			    ? TRUNK_UDP
											    : TRUNK_ANY,
	};
	peer_user(url, user);
	p->called = user[0] ? arena_strdup(c->arena, user) : NULL;
	return p->port >= 0 && p->port < 65536 ? 0 : -EINVAL;
}

/* RFC 3261 section 8.1.3.4: the Contacts by their q, each once. */
bool hunt_follow(struct call *c, const struct call_attempt *t, const sip_t *sip)
{
	const struct trunk *trunk = c->offer[t->offer].trunk;
	struct call_place *place = arena_alloc(c->arena, PLACES_MAX * sizeof *place);
	double q[PLACES_MAX];
	int n = 0;

	if (!sip || t->redirects >= trunk->max_redirects)
		return false;
	for (const sip_contact_t *m = sip->sip_contact; m && n < PLACES_MAX; m = m->m_next) {
		double weight = m->m_q ? strtod(m->m_q, NULL) : 1.0;
		struct call_place p;
		if (place_of(c, m, &p))
			continue;
		int at = n++;
		for (; at > 0 && q[at - 1] < weight; at--) {
			q[at] = q[at - 1];
			place[at] = place[at - 1];
		}
		q[at] = weight;
		place[at] = p;
	}
	if (n == 0)
		return false;
	const struct call_attempt like = {
		.place = place[0], .other = place + 1, .others = n - 1, .redirects = t->redirects + 1};
	return attempt_start(c, t->offer, &like);
}

static void hunt_over(struct call *c)
{
	struct cause cause = {503, CDR_NO_ROUTE}; /* none could be tried at all */

	if (c->attempts && c->last_was_silence)
		cause = (struct cause){408, c->last_rang ? CDR_NO_ANSWER : CDR_VENDOR_FAILED};
	else if (c->attempts)
		cause = cause_of_vendor(c->last_code);
	else if (c->untried_code && c->untried_code != 503)
		cause = cause_of_vendor(c->untried_code);
	call_finish(c, cause,
		    cause.reason == CDR_BUSY || cause.reason == CDR_CALLEE_REJECTED ? CDR_CALLEE : CDR_SWITCH);
}

void hunt_next(struct call *c)
{
	while (c->next_offer < c->offers && !attempts_used_up(c))
		if (attempt_start(c, c->next_offer++, NULL))
			return;
	hunt_over(c);
}
