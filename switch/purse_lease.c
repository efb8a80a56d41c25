/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/lease.h"
#include "lib/buf.h"
#include "switch/purse_priv.h"

struct lease **purse_lease_slot(struct purse *p, const struct uuid *call)
{
	uint64_t tail;

	memcpy(&tail, call->byte + 8, sizeof(tail)); /* the random half */
	struct lease **l = &p->lease[tail % PURSE_BUCKETS];
	while (*l && memcmp(&(*l)->call, call, sizeof(*call)) != 0)
		l = &(*l)->next;
	return l;
}

struct account *purse_account(struct purse *p, int64_t carrier_id)
{
	struct account **a = &p->account[(uint64_t)carrier_id % PURSE_CARRIER_BUCKETS];

	while (*a && (*a)->carrier_id != carrier_id)
		a = &(*a)->next;
	if (!*a) {
		*a = xcalloc(1, sizeof(**a));
		**a = (struct account){.carrier_id = carrier_id, .version = -1, .ahead = -1};
	}
	return *a;
}

struct lease *purse_lease_add(struct purse *p, const struct purse_ask *ask)
{
	struct lease **slot = purse_lease_slot(p, &ask->call);

	if (!*slot) {
		*slot = xcalloc(1, sizeof(**slot));
		**slot = (struct lease){.call = ask->call, .carrier_id = ask->carrier_id};
		atomic_fetch_add(&p->leases, 1);
	}
	return *slot;
}

void purse_lease_remove(struct purse *p, struct lease **slot)
{
	struct lease *gone = *slot;

	purse_account(p, gone->carrier_id)->held_micro -= gone->micro;
	*slot = gone->next;
	free(gone);
	atomic_fetch_sub(&p->leases, 1);
}

void purse_lease_set(struct purse *p, struct lease *l, int64_t micro)
{
	struct account *a = purse_account(p, l->carrier_id);

	a->held_micro += micro - l->micro;
	a->touched = true;
	l->micro = micro;
}

const char *purse_lease_known(const struct lease *l, char out[static PURSE_KNOWN_MAX])
{
	const struct rate_terms *t = &l->terms;

	if (l->ended || !l->answered_us)
		snprintf(out, PURSE_KNOWN_MAX, "%s", l->ended ? "E" : "R");
	else
		snprintf(out, PURSE_KNOWN_MAX, "T %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %d %d %d %d %d %d",
			 l->answered_us, t->price_n, t->initial_price_n, t->connect_fee_n, t->initial_s, t->increment_s,
			 t->grace_s, t->rounding, t->places, t->duration_rounding);
	return out;
}

int64_t purse_lease_spent(const char *text, int64_t wall_us, int64_t *carrier_id)
{
	struct rate_terms t = {0};
	int64_t micro, answered_us, billed_s;
	int rounding, places, duration;
	struct money amount;
	char kind;

	if (sscanf(text, "%" SCNd64 " %" SCNd64 " %c", carrier_id, &micro, &kind) != 3 || kind == 'R')
		return 0;
	if (kind == 'E')
		return micro;
	if (sscanf(text, "%*d %*d T %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %d %d %d %d %d %d", &answered_us,
		   &t.price_n, &t.initial_price_n, &t.connect_fee_n, &t.initial_s, &t.increment_s, &t.grace_s,
		   &rounding, &places, &duration) != 10 ||
	    t.initial_s < 0 || t.increment_s < 1 || t.grace_s < 0)
		return micro; /* not understood: all that it held */
	t.rounding = (uint8_t)rounding;
	t.places = (uint8_t)places;
	t.duration_rounding = (uint8_t)duration;
	if (rate_call(&t, wall_us > answered_us ? (wall_us - answered_us) / 1000 : 0, &billed_s, &amount))
		return micro;
	int64_t spent = lease_micro(amount);
	return spent < micro ? spent : micro;
}
