/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/forward.h"

#include <errno.h>
#include <stdio.h>

#include "lib/buf.h"
#include "switch/dns.h"
#include "switch/session.h"
#include "switch/way.h"
#include "switch/worker.h"

#include <sofia-sip/msg_header.h>
#include <sofia-sip/url.h>

enum { HOPS_USUAL = 70, HOPS_MAX = 255 };

static void as_proxy(struct worker *w, bool proxy)
{
	nta_agent_set_params(w->agent, NTATAG_UA(!proxy), TAG_END());
}

/* ---- requests ---- */

char *forward_branch(const struct worker *w, enum forward_kind kind, char *out)
{
	return worker_kind_branch(w, (char)kind, out);
}

bool forward_seen(const struct worker *w, const sip_t *sip)
{
	for (const sip_via_t *v = sip->sip_via; v; v = v->v_next)
		if (worker_branch_is_ours(w, v->v_branch))
			return true;
	return false;
}

void forward_hops(msg_t *msg)
{
	sip_t *sip = sip_object(msg);
	unsigned long left = sip->sip_max_forwards ? sip->sip_max_forwards->mf_count : HOPS_USUAL + 1;
	sip_max_forwards_t *h = sip_max_forwards_format(msg_home(msg), "%lu", (left < HOPS_MAX ? left : HOPS_MAX) - 1);

	if (h)
		msg_header_replace(msg, NULL, (msg_header_t *)sip->sip_max_forwards, (msg_header_t *)h);
}

const struct worker_port *forward_port(const struct worker *w, const struct worker_port *usual,
				       const struct dns_target *hop)
{
	int family = hop->host[0] == '[' ? AF_INET6 : AF_INET;

	if (usual && usual->transport == hop->transport && usual->family == family)
		return usual;
	for (int i = 0; i < w->ports; i++)
		if (w->port[i].transport == hop->transport && w->port[i].family == family)
			return &w->port[i];
	return NULL;
}

bool forward_strict(msg_t *msg)
{
	sip_t *sip = sip_object(msg);
	sip_route_t *first = sip->sip_route, *rest = NULL, **last = &rest, target;

	if (!first || url_has_param(first->r_url, "lr"))
		return true;
	if (first->r_next)
		rest = sip_route_dup(msg_home(msg), first->r_next);
	while (*last)
		last = &(*last)->r_next;
	sip_route_init(&target);
	*target.r_url = *sip->sip_request->rq_url;
	*last = sip_route_dup(msg_home(msg), &target);
	return *last && way_request_uri(msg, first->r_url) == 0 &&
	       msg_header_remove_all(msg, NULL, (msg_header_t *)first) >= 0 &&
	       msg_header_insert(msg, NULL, (msg_header_t *)rest) >= 0;
}

nta_outgoing_t *forward_request(struct worker *w, const struct worker_port *port, const char *route, const char *branch,
				msg_t *msg, nta_response_f *done, void *magic)
{
	as_proxy(w, true);
	nta_outgoing_t *orq =
		nta_outgoing_mcreate(w->agent, done, magic, (url_string_t *)route, msg, TPTAG_IDENT(port->ident),
				     NTATAG_BRANCH_KEY(branch), NTATAG_PASS_100(1), TAG_END());
	as_proxy(w, false);
	if (!orq)
		msg_destroy(msg);
	return orq;
}

void forward_ack(struct worker *w, const struct worker_port *port, const char *route, msg_t *msg)
{
	char branch[WORKER_BRANCH_MAX];
	nta_outgoing_t *orq =
		nta_outgoing_mcreate(w->agent, NULL, NULL, (url_string_t *)route, msg, NTATAG_STATELESS(1),
				     TPTAG_IDENT(port->ident), NTATAG_BRANCH_KEY(worker_branch(w, branch)), TAG_END());
	if (orq)
		nta_outgoing_destroy(orq);
	else
		msg_destroy(msg);
}

/* Section 9.1: Request-URI, Call-ID, To, From, the number of CSeq, Route and the top Via are the INVITE's. The
 * library's own CANCEL would end an INVITE over TCP at once, with its answer still to come. */
void forward_cancel(struct worker *w, const struct worker_port *port, nta_outgoing_t *invite, const char *reason)
{
	msg_t *request = nta_outgoing_getrequest(invite);
	const sip_t *old = sip_object(request);
	msg_t *msg = nta_msg_create(w->agent, 0);
	nta_outgoing_t *orq = NULL;

	if (msg) {
		su_home_t *home = msg_home(msg);
		sip_via_t via = *old->sip_via;
		via.v_next = NULL;
		if (sip_add_tl(msg, sip_object(msg),
			       SIPTAG_REQUEST(sip_request_create(home, SIP_METHOD_CANCEL,
								 (url_string_t *)old->sip_request->rq_url, NULL)),
			       SIPTAG_VIA(&via), SIPTAG_TO(old->sip_to), SIPTAG_FROM(old->sip_from),
			       SIPTAG_CALL_ID(old->sip_call_id),
			       SIPTAG_CSEQ(sip_cseq_create(home, old->sip_cseq->cs_seq, SIP_METHOD_CANCEL)),
			       TAG_IF(old->sip_route, SIPTAG_ROUTE(old->sip_route)),
			       TAG_IF(reason, SIPTAG_REASON_STR(reason)), SIPTAG_MAX_FORWARDS(old->sip_max_forwards),
			       TAG_END()) >= 0)
			orq = nta_outgoing_mcreate(w->agent, NULL, NULL, (url_string_t *)nta_outgoing_route_uri(invite),
						   msg, NTATAG_USER_VIA(1), NTATAG_BRANCH_KEY(old->sip_via->v_branch),
						   TPTAG_IDENT(port->ident), TAG_END());
		if (!orq)
			msg_destroy(msg);
	}
	msg_destroy(request);
}

char *forward_reason(const sip_t *cancel)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};
	struct buf text = {0};

	su_home_init(home);
	for (const sip_reason_t *r = cancel ? cancel->sip_reason : NULL; r; r = r->re_next) {
		const char *one = sip_header_as_string(home, (const sip_header_t *)r);
		if (one)
			buf_printf(&text, "%s%s", text.len ? ", " : "", one);
	}
	su_home_deinit(home);
	return text.len ? buf_steal(&text) : NULL;
}

/* ---- answers ---- */

msg_t *forward_copy(msg_t *answer)
{
	msg_t *copy = msg_copy(answer);
	sip_t *sip = sip_object(copy);

	if (copy && (!sip_via_remove(copy, sip) || !sip->sip_via)) {
		msg_destroy(copy);
		copy = NULL;
	}
	return copy;
}

int forward_answer(struct worker *w, nta_incoming_t *to, msg_t *copy)
{
	int status = sip_object(copy)->sip_status->st_status; /* the library takes the message */

	as_proxy(w, true);
	int r = nta_incoming_mreply(to, copy);
	as_proxy(w, false);
	/* A final answer that could not be sent is no error to the library; the transaction then has none. */
	return r < 0 || (status >= 200 && nta_incoming_status(to) < 200) ? -EIO : 0;
}

void forward_stray(struct worker *w, const struct worker_port *port, msg_t *msg)
{
	const tp_name_t name = {
		.tpn_proto = "*", .tpn_canon = "*", .tpn_host = "*", .tpn_port = "*", .tpn_ident = port->ident};
	tport_t *tport = tport_by_name(nta_agent_tports(w->agent), &name);

	nta_msg_tsend(w->agent, msg, NULL, TAG_IF(tport, NTATAG_TPORT(tport)), TAG_END());
}

/* ---- session timers ---- */

bool forward_knows_timer(const sip_t *sip)
{
	return sip_has_feature(sip->sip_supported, "timer") ||
	       sip_has_feature((sip_supported_t *)sip->sip_require, "timer");
}

static int32_t seconds_of(unsigned long delta)
{
	return (int32_t)(delta < INT32_MAX ? delta : INT32_MAX);
}

int32_t forward_wish(msg_t *msg, int32_t wish_s)
{
	sip_t *sip = sip_object(msg);
	const sip_session_expires_t *x = sip->sip_session_expires;
	int32_t least_s = sip->sip_min_se ? seconds_of(sip->sip_min_se->min_delta) : SESSION_MIN_S;

	if (wish_s && wish_s < least_s)
		wish_s = least_s;
	if (!wish_s || (x && x->x_delta <= (unsigned long)wish_s))
		return x ? seconds_of(x->x_delta) : 0;
	sip_session_expires_t *mine =
		sip_session_expires_format(msg_home(msg), "%d%s%s", wish_s, x && x->x_refresher ? ";refresher=" : "",
					   x && x->x_refresher ? x->x_refresher : "");
	if (!mine || msg_header_replace(msg, NULL, (msg_header_t *)x, (msg_header_t *)mine) < 0)
		return x ? seconds_of(x->x_delta) : 0;
	return wish_s;
}

int32_t forward_agreed(msg_t *copy, bool asker_knows, int32_t asked_s)
{
	sip_t *sip = sip_object(copy);

	if (sip->sip_session_expires)
		return seconds_of(sip->sip_session_expires->x_delta);
	if (asker_knows && asked_s) {
		sip_session_expires_t *x = sip_session_expires_format(msg_home(copy), "%d;refresher=uac", asked_s);
		sip_require_t *r = sip_require_make(msg_home(copy), "timer");
		if (x && r && msg_header_insert(copy, NULL, (msg_header_t *)x) == 0)
			(void)msg_header_insert(copy, NULL, (msg_header_t *)r); /* a wish: without it nothing is lost */
	}
	return 0; /* the asker refreshes for its own sake: the other side talks on without, and bills */
}
