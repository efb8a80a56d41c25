/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/reliable.h"

#include <string.h>

#include "lib/log.h"
#include "lib/siphash.h"
#include "switch/leg.h"
#include "switch/node.h"
#include "switch/peer.h"
#include "switch/worker.h"

#include <sofia-sip/hostdomain.h>

static const char tag_text[] = "100rel";

bool reliable_known(const sip_t *sip)
{
	return sip_has_feature(sip->sip_supported, tag_text) ||
	       sip_has_feature((sip_supported_t *)sip->sip_require, tag_text);
}

const char *reliable_supported(const struct leg *leg)
{
	if (leg->reliable.wanted && leg->reliable.offered)
		return leg->session_wish_s ? "timer, 100rel" : tag_text;
	return leg->session_wish_s ? "timer" : NULL;
}

bool reliable_demanded(struct leg *leg, const sip_t *sip)
{
	struct reliable *r = &leg->reliable;

	if (r->wanted || !r->offered || !sip_has_feature((sip_supported_t *)sip->sip_require, tag_text))
		return false;
	return r->wanted = true;
}

/* Where the early dialog leads; but if that is a name, which the library must not look up, where the 18x came from. */
static url_string_t *hop_of(su_home_t *home, const struct leg *leg, nta_outgoing_t *invite, const sip_t *sip,
			    const sip_route_t *route)
{
	static const char *const transport[] = {"", ";transport=tcp", ";transport=tls"};
	const url_t *url = route ? route->r_url : sip->sip_contact->m_url;
	struct peer from;

	if (url->url_host && host_is_ip_address(url->url_host))
		return (url_string_t *)url_as_string(home, url);
	msg_t *msg = nta_outgoing_getresponse(invite);
	peer_of_message(&from, msg);
	msg_destroy(msg);
	return (url_string_t *)su_sprintf(home, "sip:%s:%d%s", from.host, from.port, transport[leg->port->transport]);
}

/* In the early dialog of that 18x, which is not (yet) the leg's: its tag, routes and target are named one by one. */
static bool prack_send(struct leg *leg, nta_outgoing_t *invite, const sip_t *sip)
{
	char branch[WORKER_BRANCH_MAX];
	su_home_t home[1] = {SU_HOME_INIT(home)};

	su_home_init(home);
	sip_route_t *route = sip_route_reverse(home, sip->sip_record_route);
	const char *rack =
		su_sprintf(home, "%u %u INVITE", (unsigned)sip->sip_rseq->rs_response, (unsigned)sip->sip_cseq->cs_seq);
	nta_outgoing_t *prack = nta_outgoing_tcreate(leg->dialog, NULL, NULL, hop_of(home, leg, invite, sip, route),
						     SIP_METHOD_PRACK, (url_string_t *)sip->sip_contact->m_url,
						     SIPTAG_TO(sip->sip_to), SIPTAG_RACK_STR(rack),
						     TAG_IF(route, SIPTAG_ROUTE(route)), TPTAG_IDENT(leg->port->ident),
						     NTATAG_BRANCH_KEY(worker_branch(leg->worker, branch)), TAG_END());
	su_home_deinit(home);
	if (prack)
		nta_outgoing_destroy(prack); /* it goes on by itself until it is answered */
	return prack != NULL;
}

bool reliable_confirm(struct leg *leg, nta_outgoing_t *invite, const sip_t *sip)
{
	struct reliable *r = &leg->reliable;
	const char *tag = sip->sip_to->a_tag;

	if (!sip->sip_rseq || !sip_has_feature((sip_supported_t *)sip->sip_require, tag_text) || !r->offered || !tag ||
	    !sip->sip_contact)
		return true;
	uint64_t fork = siphash(leg->worker->node->secret, tag, strlen(tag));
	uint32_t seq = sip->sip_rseq->rs_response;
	if (r->seq && fork == r->fork && seq != r->seq + 1)
		return false;
	if (prack_send(leg, invite, sip)) {
		r->fork = fork;
		r->seq = seq;
	} else {
		log_event(LOG_LEVEL_WARN, "a reliable 18x could not be confirmed", "b_call_id=%s", leg->call_id);
	}
	return true;
}
