/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/enquiry.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/buf.h"
#include "lib/log.h"
#include "switch/call.h"
#include "switch/dialogs.h"
#include "switch/dns.h"
#include "switch/forward.h"
#include "switch/node.h"

enum { TIMER_MAX_MS = 2000000000 };

#define CSEQ_LAST 0x7fffffffu /* section 8.1.1.5 */

struct question { /* to one end, one at a time */
	struct enquiry *enquiry;
	enum dialogs_side end;
	sip_method_t method;
	msg_t *msg; /* until it is sent: its next hop is being looked up */
	struct dns_question *lookup;
	nta_outgoing_t *out;
};

struct enquiry {
	struct call *call;
	const char *callee_tag;
	su_timer_t *timer;
	bool ends; /* a session timer ran out: neither end is to talk on */
	struct question caller, callee;
};

static void question_drop(struct question *q)
{
	dns_drop(q->lookup);
	q->lookup = NULL;
	if (q->msg)
		msg_destroy(q->msg);
	q->msg = NULL;
	if (q->out)
		nta_outgoing_destroy(q->out);
	q->out = NULL;
}

static bool question_open(const struct question *q)
{
	return q->lookup || q->out;
}

static bool hangs_up(const struct question *q)
{
	return question_open(q) && q->method == sip_method_bye;
}

struct enquiry *enquiry_new(struct call *c, const char *callee_tag)
{
	struct enquiry *e = xcalloc(1, sizeof *e);

	e->call = c;
	e->callee_tag = callee_tag;
	e->caller = (struct question){.enquiry = e, .end = DIALOGS_CALLER};
	e->callee = (struct question){.enquiry = e, .end = DIALOGS_CALLEE};
	return e;
}

void enquiry_free(struct enquiry **pe)
{
	struct enquiry *e = *pe;

	if (!e)
		return;
	enquiry_rest(e);
	if (e->timer)
		su_timer_destroy(e->timer);
	free(e);
	*pe = NULL;
}

/* ---- a request and what becomes of it ---- */

static void question_ask(struct question *q, sip_method_t method, const char *name);

static void settled(struct question *q, int status, bool nobody)
{
	struct enquiry *e = q->enquiry;
	struct question *other = q->end == DIALOGS_CALLER ? &e->callee : &e->caller;
	bool gone = nobody || status == 481 || status == 408;

	if (q->method == sip_method_bye && (gone || status < 300)) {
		if (e->ends) /* it goes on by itself when e is gone */
			question_ask(other, SIP_METHOD_BYE);
		call_end(e->call, CDR_SESSION_EXPIRED, 408); /* e is gone */
	} else if (q->method == sip_method_bye) {
		e->ends = false;
	} else if (gone && !hangs_up(other)) {
		question_drop(other);
		question_ask(other, SIP_METHOD_BYE);
	}
}

static int on_response(void *magic, nta_outgoing_t *orq, sip_t const *sip)
{
	struct question *q = magic;
	int status = nta_outgoing_status(orq);
	bool nobody = !sip || nta_sip_is_internal(sip);

	if (status < 200)
		return 0;
	question_drop(q);
	settled(q, status, nobody);
	return 0;
}

/* What can't be sent is tried again at the next check: it proves nothing of the end. */
static void question_send(struct question *q, const struct dns_target *hop)
{
	static const char *const transport[] = {
		[TRUNK_UDP] = "", [TRUNK_TCP] = ";transport=tcp", [TRUNK_TLS] = ";transport=tls"};
	const struct call *c = q->enquiry->call;
	const struct leg *leg = q->end == DIALOGS_CALLER || !c->b ? &c->a : &c->b->leg;
	const struct worker_port *port = forward_port(c->worker, leg->port, hop);
	char route[96], branch[WORKER_BRANCH_MAX];
	msg_t *msg = q->msg;

	q->msg = NULL;
	snprintf(route, sizeof route, "sip:%s:%d%s", hop->host, hop->port, transport[hop->transport]);
	if (port)
		q->out = forward_request(c->worker, port, route, worker_branch(c->worker, branch), msg, on_response, q);
	else
		msg_destroy(msg);
	if (!q->out)
		log_event(LOG_LEVEL_WARN, "an end of a proxied call could not be asked whether it is there",
			  "next_hop=%s", hop->host);
}

static void on_resolved(void *arg, const struct dns_answer *found)
{
	struct question *q = arg;

	q->lookup = NULL;
	if (found->n)
		question_send(q, &found->target[0]);
	else
		question_drop(q);
}

/* As the other end would write it. NULL: no memory */
static msg_t *request_new(const struct question *q, const struct way *way, sip_method_t method, const char *name)
{
	const struct call *c = q->enquiry->call;
	const sip_t *invite = sip_object(c->invite);
	msg_t *msg = nta_msg_create(c->worker->agent, 0);
	su_home_t *home = msg_home(msg);
	uint32_t seq = q->end == DIALOGS_CALLEE ? invite->sip_cseq->cs_seq : 0;

	if (!msg)
		return NULL;
	sip_to_t *caller = sip_to_dup(home, invite->sip_from), *callee = sip_to_dup(home, invite->sip_to);
	if (method == sip_method_bye)
		seq = CSEQ_LAST;
	if (caller && callee && sip_to_tag(home, callee, q->enquiry->callee_tag) == 0 &&
	    sip_add_tl(msg, sip_object(msg),
		       SIPTAG_REQUEST(sip_request_create(home, method, name, (url_string_t *)callee->a_url, NULL)),
		       SIPTAG_FROM(q->end == DIALOGS_CALLEE ? caller : callee),
		       SIPTAG_TO(q->end == DIALOGS_CALLEE ? callee : caller), SIPTAG_CALL_ID(invite->sip_call_id),
		       SIPTAG_CSEQ(sip_cseq_create(home, seq, method, name)), SIPTAG_MAX_FORWARDS_STR("70"),
		       TAG_END()) >= 0 &&
	    way_set(way, msg) == 0 && forward_strict(msg))
		return msg;
	msg_destroy(msg);
	return NULL;
}

static void question_ask(struct question *q, sip_method_t method, const char *name)
{
	struct call *c = q->enquiry->call;
	const char *tag = sip_object(c->invite)->sip_from->a_tag;
	struct dialogs_found found;
	struct dns_target at;

	dialogs_find(c->worker->node->dialogs, &c->id, tag ? tag : "", q->enquiry->callee_tag, &found);
	const struct way *way = q->end == DIALOGS_CALLEE ? found.to : found.from;
	const struct way_hop *hop = way ? way_hop(way) : NULL;
	q->method = method;
	q->msg = hop ? request_new(q, way, method, name) : NULL;
	if (q->msg && dns_is_numeric(hop->host)) {
		at = (struct dns_target){.port = hop->port, .transport = hop->transport};
		snprintf(at.host, sizeof at.host, "%.62s", hop->host);
		question_send(q, &at);
	} else if (q->msg) {
		struct dns_question *lookup =
			dns_ask(c->worker->dns, hop->host, hop->port, hop->transport, on_resolved, q);
		if (lookup) /* else it was answered at once */
			q->lookup = lookup;
	}
	dialogs_found_drop(&found);
}

/* ---- when ---- */

static void on_check(struct worker *w, su_timer_t *timer, void *arg)
{
	struct enquiry *e = arg;
	struct question *both[] = {&e->caller, &e->callee};

	enquiry_begin(e);
	if (hangs_up(&e->caller) || hangs_up(&e->callee))
		return;
	for (size_t i = 0; i < 2; i++)
		if (!question_open(both[i]))
			question_ask(both[i], SIP_METHOD_OPTIONS);
}

void enquiry_begin(struct enquiry *e)
{
	const struct worker *w = e->call->worker;
	int64_t check_ms = w->node->settings->dialog_check_ms;

	if (!check_ms)
		return;
	if (!e->timer)
		e->timer = su_timer_create(su_root_task(w->root), 0);
	if (e->timer)
		su_timer_set_interval(e->timer, on_check, e,
				      (su_duration_t)(check_ms < TIMER_MAX_MS ? check_ms : TIMER_MAX_MS));
}

bool enquiry_end(struct enquiry *e)
{
	if (e->ends && hangs_up(&e->callee))
		return true;
	enquiry_rest(e);
	e->ends = true;
	question_ask(&e->callee, SIP_METHOD_BYE);
	return question_open(&e->callee);
}

void enquiry_rest(struct enquiry *e)
{
	e->ends = false;
	if (e->timer)
		su_timer_reset(e->timer);
	question_drop(&e->caller);
	question_drop(&e->callee);
}
