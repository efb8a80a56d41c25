/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/register.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/random.h"
#include "switch/bindings.h"
#include "switch/digest.h"
#include "switch/dns.h"
#include "switch/node.h"
#include "switch/worker.h"

enum {
	CALL_ID_CHARS = 24,
	TAG_CHARS = 12,
	WANTED_S = 3600,
	LONGEST_S = 86400,
	SPARE_S = 60, /* before it expires; of a short one, half its life */
	RETRY_FIRST_S = 2,
	RETRY_MOST_S = 300,
};

struct account { /* of the trunk, as it was when we last looked */
	char host[256], username[128], password[160], listen[96];
	int port;
	enum trunk_transport transport;
	int64_t limit_us; /* for an answer */
};

struct registration {
	struct registration *next;
	struct worker *worker;
	int64_t trunk_id;
	struct account account;
	bool wanted;	     /* by the present snapshot */
	bool up, said_down;  /* the vendor knows us; the log knows that it does not */
	bool leaving, over;  /* it is to know us no more; and that is done */
	bool proven, longer; /* this time credentials were sent, a longer life was asked for */
	int failures;
	long asked_s;
	int64_t next_us, deadline_us; /* monotonic */
	nta_leg_t *leg;		      /* keeps Call-ID and CSeq from one REGISTER to the next */
	nta_outgoing_t *out;	      /* the one that is out */
	struct dns_question *question;
	struct dns_target at;
};

struct registers {
	struct worker *worker;
	struct registration *list;
};

static bool is_busy(const struct registration *r)
{
	return r->out || r->question;
}

static void round_end(struct registration *r)
{
	if (r->question)
		dns_drop(r->question);
	if (r->out)
		nta_outgoing_destroy(r->out);
	r->question = NULL;
	r->out = NULL;
}

static void forget(struct registration *r)
{
	round_end(r);
	if (r->leg)
		nta_leg_destroy(r->leg);
	r->leg = NULL;
	r->up = r->said_down = r->leaving = r->over = false;
	r->failures = 0;
	r->next_us = 0;
}

/* ---- how it went ---- */

static void failed(struct registration *r, const char *why)
{
	char quoted[120];
	long wait_s = RETRY_MOST_S;

	round_end(r);
	if (r->leaving) {
		r->over = true;
		return;
	}
	if (r->failures < 8 && (RETRY_FIRST_S << r->failures) < RETRY_MOST_S)
		wait_s = RETRY_FIRST_S << r->failures;
	r->failures++;
	/* vendors that come back are not to be met by all at once */
	r->next_us = clock_mono_us() + wait_s * 1000000 - (int64_t)(random_u64() % (uint64_t)(wait_s * 250000));
	if (r->up || !r->said_down)
		log_event(LOG_LEVEL_WARN, "registration with vendor failed", "trunk=%" PRId64 " reason=%s retry_s=%ld",
			  r->trunk_id, log_quote(why, quoted, sizeof quoted), wait_s);
	r->up = false;
	r->said_down = true;
	bindings_tell_vendor(r->worker->node->bindings, r->trunk_id, BINDINGS_FAILED, why, 0);
}

/* What the answer grants to our Contact (RFC 3261 section 10.2.4). */
static long granted_s(const struct registration *r, const sip_t *sip, const sip_contact_t *ours)
{
	for (const sip_contact_t *m = sip->sip_contact; m; m = m->m_next)
		if (url_cmp(m->m_url, ours->m_url) == 0 && m->m_expires)
			return strtol(m->m_expires, NULL, 10);
	return sip->sip_expires ? (long)sip->sip_expires->ex_delta : r->asked_s;
}

static void accepted(struct registration *r, const sip_t *sip)
{
	msg_t *msg = nta_outgoing_getrequest(r->out);
	const sip_t *request = sip_object(msg);
	long s = granted_s(r, sip, request->sip_contact);

	msg_destroy(msg);
	if (r->leaving) {
		round_end(r);
		r->over = true;
		return;
	}
	if (s <= 0) {
		failed(r, "it was granted no time");
		return;
	}
	round_end(r);
	s = s < LONGEST_S ? s : LONGEST_S;
	r->next_us = clock_mono_us() + (s > 2 * SPARE_S ? s - SPARE_S : (s + 1) / 2) * 1000000;
	r->failures = 0;
	if (!r->up)
		log_event(LOG_LEVEL_INFO, "registered with vendor", "trunk=%" PRId64 " expires_s=%ld", r->trunk_id, s);
	r->up = true;
	r->said_down = false;
	bindings_tell_vendor(r->worker->node->bindings, r->trunk_id, BINDINGS_REGISTERED, "",
			     clock_wall_us() + s * 1000000);
}

static void send_again(struct registration *r, const msg_auth_t *www, const msg_auth_t *proxy);

static int on_answer(void *magic, nta_outgoing_t *out, sip_t const *sip)
{
	struct registration *r = magic;
	int status = nta_outgoing_status(out);
	char why[80];

	if (status < 200)
		return 0;
	if (!sip || nta_sip_is_internal(sip)) {
		failed(r, status == 408 ? "no answer" : "transport error");
	} else if (status < 300) {
		accepted(r, sip);
	} else if ((status == 401 || status == 407) && !r->proven) {
		r->proven = true;
		send_again(r, status == 401 ? sip->sip_www_authenticate : NULL,
			   status == 407 ? sip->sip_proxy_authenticate : NULL);
	} else if (status == 423 && !r->longer && sip->sip_min_expires && !r->leaving &&
		   (long)sip->sip_min_expires->me_delta > r->asked_s && sip->sip_min_expires->me_delta <= LONGEST_S) {
		r->longer = true;
		r->proven = false;
		r->asked_s = (long)sip->sip_min_expires->me_delta;
		send_again(r, NULL, NULL);
	} else {
		const char *phrase = sip_status_phrase(status); /* never the vendor's own words */
		snprintf(why, sizeof why, "%d %s", status, phrase ? phrase : "");
		failed(r, why);
	}
	return 0;
}

/* ---- sending ---- */

/* Nobody has business inside the dialog that a REGISTER does not make. */
static int on_request(nta_leg_magic_t *magic, nta_leg_t *leg, nta_incoming_t *irq, sip_t const *sip)
{
	return 481;
}

static char *escaped(su_home_t *home, const char *user, size_t len)
{
	char *plain = su_strndup(home, user, (isize_t)len);
	char *out = plain ? su_alloc(home, url_esclen(plain, "&=+$,;?/") + 1) : NULL;
	return out ? url_escape(out, plain, "&=+$,;?/") : NULL;
}

struct words { /* what a REGISTER of this account says */
	char *uri, *record, *contact, *hop;
};

/* A user name may name its domain: "4930123@vendor.example"; else the trunk's host is the domain. */
static bool words_make(const struct registration *r, su_home_t *home, const struct worker_port *port, struct words *w)
{
	static const char *const parameter[] = {"", ";transport=tcp", ";transport=tls"};
	const struct account *a = &r->account;
	const char *at = strrchr(a->username, '@');
	bool bare_v6 = strchr(a->host, ':') && a->host[0] != '[';
	char *host = su_sprintf(home, bare_v6 ? "[%s]" : "%s", a->host);
	char *user = escaped(home, a->username, at ? (size_t)(at - a->username) : strlen(a->username));
	char number[8] = "";

	if (a->port)
		snprintf(number, sizeof number, ":%d", a->port);
	if (!host || !user)
		return false;
	w->uri = su_sprintf(home, "sip:%s%s%s", host, number, parameter[port->transport]);
	w->record = su_sprintf(home, "<sip:%s@%s>", user, at ? at + 1 : host);
	w->contact = su_sprintf(home, "<sip:%s@%s:%d%s>", user, port->host, port->port, parameter[port->transport]);
	w->hop = su_sprintf(home, "sip:%s:%d%s", r->at.host, r->at.port, parameter[port->transport]);
	return w->uri && w->record && w->contact && w->hop;
}

static bool leg_make(struct registration *r, su_home_t *home, const char *record)
{
	char call_id[CALL_ID_CHARS + 1], tag[TAG_CHARS + 1];
	sip_from_t *from = sip_from_make(home, record);
	sip_to_t *to = sip_to_make(home, record);

	if (r->leg)
		return true;
	if (!from || !to)
		return false;
	random_token(call_id, CALL_ID_CHARS);
	random_token(tag, TAG_CHARS);
	r->leg = nta_leg_tcreate(r->worker->agent, on_request, NULL, SIPTAG_FROM(from), SIPTAG_TO(to),
				 SIPTAG_CALL_ID_STR(call_id), TAG_END());
	return r->leg && nta_leg_tag(r->leg, tag);
}

static bool register_send(struct registration *r, su_home_t *home, const msg_auth_t *www, const msg_auth_t *proxy)
{
	const struct trunk like = {.listen = r->account.listen};
	const struct worker_port *port =
		worker_port_for(r->worker, &like, r->at.transport, r->at.host[0] == '[' ? AF_INET6 : AF_INET);
	char branch[WORKER_BRANCH_MAX], expires[16], *proof = NULL;
	const msg_auth_t *asked = www ? www : proxy;
	struct words w;

	if (!port || !words_make(r, home, port, &w) || !leg_make(r, home, w.record))
		return false;
	if (asked)
		proof = digest_answer(home, asked, r->account.username, r->account.password, "REGISTER", w.uri);
	if (asked && !proof)
		return false;
	snprintf(expires, sizeof expires, "%ld", r->leaving ? 0 : r->asked_s);
	nta_outgoing_t *out = nta_outgoing_tcreate(
		r->leg, on_answer, r, (url_string_t *)w.hop, SIP_METHOD_REGISTER, (url_string_t *)w.uri,
		SIPTAG_CONTACT_STR(w.contact), SIPTAG_EXPIRES_STR(expires), SIPTAG_MAX_FORWARDS_STR("70"),
		TPTAG_IDENT(port->ident), NTATAG_BRANCH_KEY(worker_branch(r->worker, branch)),
		TAG_IF(www, SIPTAG_AUTHORIZATION_STR(proof)), TAG_IF(proxy, SIPTAG_PROXY_AUTHORIZATION_STR(proof)),
		TAG_END());
	if (!out)
		return false;
	if (r->out) /* only now: what asked for this one stands in its answer */
		nta_outgoing_destroy(r->out);
	r->out = out;
	return true;
}

static void send_again(struct registration *r, const msg_auth_t *www, const msg_auth_t *proxy)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};

	su_home_init(home);
	bool sent = register_send(r, home, www, proxy);
	su_home_deinit(home);
	if (!sent)
		failed(r, www || proxy ? "its challenge cannot be answered" : "it could not be sent");
}

static void on_resolved(void *arg, const struct dns_answer *answer)
{
	struct registration *r = arg;

	r->question = NULL;
	if (answer->n == 0) {
		failed(r, "its name leads nowhere");
		return;
	}
	r->at = answer->target[r->failures % answer->n];
	send_again(r, NULL, NULL);
}

static void round_begin(struct registration *r, int64_t now_us)
{
	const struct account *a = &r->account;

	r->proven = r->longer = false;
	r->deadline_us = now_us + a->limit_us;
	if (!r->up && !r->said_down && !r->leaving)
		bindings_tell_vendor(r->worker->node->bindings, r->trunk_id, BINDINGS_TRYING, "", 0);
	if (!dns_is_numeric(a->host)) {
		struct dns_question *q = dns_ask(r->worker->dns, a->host, a->port, a->transport, on_resolved, r);
		if (q)
			r->question = q; /* else it is answered already */
		return;
	}
	r->at.transport = a->transport == TRUNK_ANY ? TRUNK_UDP : a->transport;
	r->at.port = a->port ? a->port : r->at.transport == TRUNK_TLS ? 5061 : 5060;
	snprintf(r->at.host, sizeof r->at.host, strchr(a->host, ':') && a->host[0] != '[' ? "[%.60s]" : "%.62s",
		 a->host);
	send_again(r, NULL, NULL);
}

/* ---- which, and when ---- */

static void account_of(const struct trunk *t, struct account *a)
{
	memset(a, 0, sizeof *a); /* they are compared as a whole */
	snprintf(a->host, sizeof a->host, "%s", t->host);
	snprintf(a->username, sizeof a->username, "%s", t->username);
	snprintf(a->password, sizeof a->password, "%s", t->password);
	snprintf(a->listen, sizeof a->listen, "%s", t->listen);
	a->port = t->port;
	a->transport = t->transport;
	a->limit_us = t->no_response_timeout_ms * 1000;
}

static struct registration *registration_get(struct registers *all, int64_t trunk_id)
{
	for (struct registration *r = all->list; r; r = r->next)
		if (r->trunk_id == trunk_id)
			return r;
	struct registration *r = xcalloc(1, sizeof *r);
	*r = (struct registration){.worker = all->worker, .trunk_id = trunk_id, .asked_s = WANTED_S, .next = all->list};
	all->list = r;
	return r;
}

static void want(struct registers *all, const struct trunk *t, int64_t now_us)
{
	struct registration *r = registration_get(all, t->id);
	struct account account;

	r->wanted = true;
	if (!bindings_is_mine(all->worker->node->bindings, t->id)) {
		forget(r); /* another node keeps it */
		return;
	}
	account_of(t, &account);
	if (r->leaving || memcmp(&account, &r->account, sizeof account) != 0) {
		forget(r);
		r->account = account;
		r->asked_s = WANTED_S;
	}
	if (is_busy(r) && now_us >= r->deadline_us)
		failed(r, "no answer");
	if (!is_busy(r) && now_us >= r->next_us)
		round_begin(r, now_us);
}

/* The trunk wants no registration any more, or is gone. returns whether there is nothing left to do */
static bool leave(struct registration *r, int64_t now_us)
{
	if (r->leaving && is_busy(r) && now_us >= r->deadline_us)
		failed(r, "no answer");
	if (r->over || (!r->up && !r->leaving))
		return true;
	if (!r->leaving) {
		round_end(r);
		r->leaving = true;
		log_event(LOG_LEVEL_INFO, "registration with vendor ended", "trunk=%" PRId64, r->trunk_id);
		round_begin(r, now_us);
	}
	return r->over;
}

static void drop(struct registration **at)
{
	struct registration *r = *at;
	*at = r->next;
	forget(r);
	free(r);
}

void registers_tick(struct registers *all)
{
	/* A node that takes no more calls wants none from vendors either. */
	bool draining = atomic_load_explicit(&all->worker->node->draining, memory_order_relaxed);
	const struct snapshot *s = draining ? NULL : all->worker->snap;
	int64_t now_us = clock_mono_us(), kept = 0;

	for (struct registration *r = all->list; r; r = r->next)
		r->wanted = false;
	for (size_t i = 0; s && i < snapshot_trunks(s); i++) {
		const struct trunk *t = snapshot_trunk_at(s, i);
		if (t->direction == TRUNK_EGRESS && t->enabled && t->registers && t->host[0])
			want(all, t, now_us);
	}
	for (struct registration **at = &all->list; *at;) {
		if (!(*at)->wanted && leave(*at, now_us)) {
			drop(at);
		} else {
			at = &(*at)->next;
			kept++;
		}
	}
	atomic_store(&all->worker->count.registrations, kept);
}

struct registers *registers_new(struct worker *w)
{
	struct registers *all = xcalloc(1, sizeof *all);
	all->worker = w;
	return all;
}

void registers_free(struct registers **pr)
{
	struct registers *all = *pr;

	*pr = NULL;
	if (!all)
		return;
	while (all->list)
		drop(&all->list);
	free(all);
}
