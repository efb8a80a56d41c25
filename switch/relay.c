/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/relay.h"

#include <stdlib.h>

#include "lib/buf.h"
#include "switch/call.h"
#include "switch/cause.h"
#include "switch/node.h"
#include "switch/relay_priv.h"
#include "switch/worker.h"

struct relay *relay_new(const struct relay *with)
{
	struct relay *r = xcalloc(1, sizeof *r);

	*r = *with;
	r->next = r->from->relays;
	r->from->relays = r;
	return r;
}

static void unlink_from(struct relay **list, const struct relay *r)
{
	while (*list && *list != r)
		list = &(*list)->next;
	if (*list)
		*list = r->next;
}

void relay_free(struct relay *r)
{
	unlink_from(r->from ? &r->from->relays : &r->to->orphans, r);
	if (r->in)
		nta_incoming_destroy(r->in);
	if (r->out)
		nta_outgoing_destroy(r->out);
	if (r->patience)
		su_timer_destroy(r->patience);
	rtpengine_drop(r->question);
	if (r->held)
		msg_destroy(r->held);
	free(r);
}

static void on_patience_over(struct worker *w, su_timer_t *timer, void *arg)
{
	struct relay *r = arg;
	struct leg *to = r->to;
	bool orphan = !r->from;

	relay_free(r);
	if (orphan)
		leg_settle(to);
}

void relay_patience(struct relay *r)
{
	const struct worker *w = r->to->worker;

	if (r->patience)
		return;
	r->patience = su_timer_create(su_root_task(w->root), 0);
	if (r->patience)
		su_timer_set_interval(r->patience, on_patience_over, r, (su_duration_t)(64 * w->node->settings->t1_ms));
}

/* Whoever takes a call over, if that is what it is for, hears how it went. */
struct call *relay_taker(const struct relay *r)
{
	return r->from && r->from->call->takes && r->from == &r->from->call->a ? r->from->call : NULL;
}

void relay_refuse(struct relay *r, int status)
{
	struct call *taker = relay_taker(r);

	if (r->prack) /* the 18x is confirmed all the same */
		(void)prack_send(r->prack, NULL, NULL, NULL);
	leg_refuse(r->from, r->in, status);
	r->in = NULL;
	relay_free(r);
	if (taker)
		replaces_decided(taker, status);
}

void relay_ack(struct relay *r, const sip_t *sip)
{
	char branch[WORKER_BRANCH_MAX];
	if (r->out && r->to->dialog)
		leg_ack_send(r->to, r->cseq, sip, worker_branch(r->to->worker, branch));
}

/* ---- what others ask of a leg's relays ---- */

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

/* ---- the end ---- */

void relay_end(struct leg *leg)
{
	while (leg->relays) {
		struct relay *r = leg->relays;
		bool agreed = r->answered || r->status; /* the other side has */
		if (r->invite && agreed)
			relay_ack(r, NULL); /* the caller's will not come any more */
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
		relay_patience(r);
	}
}

void relay_close(struct leg *leg)
{
	relay_end(leg);
	while (leg->orphans)
		relay_free(leg->orphans);
}
