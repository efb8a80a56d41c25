/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/reliable.h"

#include <string.h>

#include "lib/log.h"
#include "lib/siphash.h"
#include "switch/body.h"
#include "switch/cause.h"
#include "switch/leg.h"
#include "switch/node.h"
#include "switch/peer.h"
#include "switch/relay.h"
#include "switch/worker.h"

#include <sofia-sip/hostdomain.h>

static const char tag_text[] = "100rel";

struct reliable_sent { /* an 18x of ours that waits for its PRACK; of the call's arena */
	struct leg *leg;
	struct prack *later;
	bool has_body;
};

/* ---- who knows it ---- */

static bool requires(const sip_t *sip)
{
	return sip_has_feature((sip_supported_t *)sip->sip_require, tag_text);
}

struct reliable reliable_asked(const sip_t *invite)
{
	bool required = requires(invite);

	return (struct reliable){.required = required,
				 .known = required || sip_has_feature(invite->sip_supported, tag_text),
				 .offerless = invite->sip_payload == NULL};
}

bool reliable_carries(const struct reliable *r)
{
	return r->required || (r->known && r->offerless);
}

const char *reliable_supported(const struct leg *leg)
{
	const struct reliable *r = &leg->reliable;

	return r->wanted && (r->offered || r->carried) ? "timer, 100rel" : "timer";
}

bool reliable_demanded(struct leg *leg, const sip_t *sip)
{
	struct reliable *r = &leg->reliable;

	if (r->wanted || !r->offered || !requires(sip))
		return false;
	return r->wanted = true;
}

void reliable_anew(struct leg *leg)
{
	leg->reliable.forks = 0;
}

/* ---- of our INVITE ---- */

/* Where the early dialog leads; but if that is a name, which the library must not look up, where the 18x came from. */
static const char *hop_of(su_home_t *home, const struct leg *leg, nta_outgoing_t *invite, const sip_t *sip,
			  const sip_route_t *route)
{
	static const char *const transport[] = {"", ";transport=tcp", ";transport=tls"};
	const url_t *url = route ? route->r_url : sip->sip_contact->m_url;
	struct peer from;

	if (url->url_host && host_is_ip_address(url->url_host))
		return url_as_string(home, url);
	msg_t *msg = nta_outgoing_getresponse(invite);
	peer_of_message(&from, msg);
	msg_destroy(msg);
	return su_sprintf(home, "sip:%s:%d%s", from.host, from.port, transport[leg->port->transport]);
}

/* The early dialog of that 18x is not (yet) the leg's: its tag, routes and target are named one by one. */
static struct prack *prack_of(struct leg *leg, nta_outgoing_t *invite, const sip_t *sip)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};
	struct prack *p = arena_alloc(leg->arena, sizeof *p);

	su_home_init(home);
	sip_route_t *route = sip_route_reverse(home, sip->sip_record_route);
	*p = (struct prack){
		.leg = leg,
		.hop = arena_strdup(leg->arena, hop_of(home, leg, invite, sip, route)),
		.uri = arena_strdup(leg->arena, url_as_string(home, sip->sip_contact->m_url)),
		.to = arena_strdup(leg->arena, sip_header_as_string(home, (const sip_header_t *)sip->sip_to)),
		.route = route ? arena_strdup(leg->arena, sip_header_as_string(home, (const sip_header_t *)route))
			       : NULL,
		.rack = arena_strdup(leg->arena, su_sprintf(home, "%u %u INVITE", (unsigned)sip->sip_rseq->rs_response,
							    (unsigned)sip->sip_cseq->cs_seq)),
	};
	su_home_deinit(home);
	return p;
}

nta_outgoing_t *prack_send(const struct prack *p, const sip_t *body, nta_response_f *done, void *arg)
{
	struct leg *leg = p->leg;
	char branch[WORKER_BRANCH_MAX];
	su_home_t home[1] = {SU_HOME_INIT(home)};

	if (leg->over || !leg->dialog)
		return NULL;
	su_home_init(home);
	struct body b = body_for(home, leg, body);
	nta_outgoing_t *prack =
		nta_outgoing_tcreate(leg->dialog, done, arg, (url_string_t *)p->hop, SIP_METHOD_PRACK,
				     (url_string_t *)p->uri, SIPTAG_TO_STR(p->to), SIPTAG_RACK_STR(p->rack),
				     TAG_IF(p->route, SIPTAG_ROUTE_STR(p->route)), TPTAG_IDENT(leg->port->ident),
				     NTATAG_BRANCH_KEY(worker_branch(leg->worker, branch)), BODY_TAGS(b), TAG_END());
	su_home_deinit(home);
	if (!prack)
		log_event(LOG_LEVEL_WARN, "a reliable 18x could not be confirmed", "b_call_id=%s", leg->call_id);
	else if (!done)
		nta_outgoing_destroy(prack); /* it goes on by itself until it is answered */
	return prack;
}

/* Is it the next one of its early dialog? */
static bool in_order(struct leg *leg, const char *tag, uint32_t seq)
{
	struct reliable *r = &leg->reliable;
	uint64_t hash = siphash(leg->worker->node->secret, tag, strlen(tag));
	int i = 0;

	while (i < r->forks && r->fork[i].tag != hash)
		i++;
	if (i < r->forks && seq != r->fork[i].seq + 1)
		return false;
	if (i == r->forks) {
		if (r->forks == RELIABLE_FORKS_MAX)
			memmove(r->fork, r->fork + 1, sizeof r->fork[0] * (size_t)--r->forks);
		i = r->forks++;
	}
	r->fork[i] = (struct reliable_fork){.tag = hash, .seq = seq};
	return true;
}

bool reliable_confirm(struct leg *leg, nta_outgoing_t *invite, const sip_t *sip, struct prack **later)
{
	const struct reliable *r = &leg->reliable;
	const char *tag = sip->sip_to->a_tag;

	*later = NULL;
	if (!sip->sip_rseq || !requires(sip) || !(r->offered || r->carried) || !tag || !sip->sip_contact)
		return true;
	if (!in_order(leg, tag, sip->sip_rseq->rs_response))
		return false;
	struct prack *p = prack_of(leg, invite, sip);
	if (r->carried && body_has_sdp(sip))
		*later = p;
	else
		(void)prack_send(p, NULL, NULL, NULL); /* its failure is logged; the vendor repeats the 18x */
	return true;
}

/* ---- of an INVITE to us ---- */

/* irq is NULL where a final refusal or 64*T1 without a PRACK ends the wait. */
static int on_prack(struct reliable_sent *sent, nta_reliable_t *rel, nta_incoming_t *irq, const sip_t *sip)
{
	struct leg *leg = sent->leg;

	nta_reliable_destroy(rel);
	if (sent->has_body)
		leg->reliable.unconfirmed--;
	if (!irq)
		return 200;
	if (sip->sip_payload && sip->sip_payload->pl_len) {
		relay_prack(leg, sent->later, irq, sip);
	} else {
		nta_incoming_treply(irq, SIP_200_OK, TAG_END());
		nta_incoming_destroy(irq);
		if (sent->later)
			(void)prack_send(sent->later, NULL, NULL, NULL);
	}
	call_on_leg(leg->call, leg, &(struct leg_event){.kind = LEG_CONFIRMED});
	return 0;
}

bool reliable_wanted(const struct leg *leg, int status, const struct prack *later)
{
	return status > 100 && status < 200 && (leg->reliable.required || later);
}

bool reliable_send(struct leg *leg, int status, const tagi_t *tags, bool has_body, struct prack *later)
{
	if (!reliable_wanted(leg, status, later))
		return false;
	struct reliable_sent *sent = arena_alloc(leg->arena, sizeof *sent);
	*sent = (struct reliable_sent){.leg = leg, .later = later, .has_body = has_body};
	if (!nta_reliable_treply(leg->invite_in, on_prack, sent, status, cause_phrase(status), TAG_NEXT(tags)))
		return false;
	if (has_body)
		leg->reliable.unconfirmed++;
	return true;
}
