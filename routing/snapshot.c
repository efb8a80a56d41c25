/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "routing/snapshot_priv.h"

struct snapshot *snapshot_ref(struct snapshot *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void snapshot_unref(struct snapshot **sp)
{
	struct snapshot *s = *sp;
	*sp = NULL;
	if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < s->n_trunks; i++)
		for (int t = 0; t < s->trunk[i].n_translations; t++) {
			struct translation *one = s->trunk[i].translation[t];
			translation_free(&one);
		}
	for (size_t i = 0; i < s->n_decks; i++)
		deck_unref(&s->deck[i]);
	arena_free(&s->arena);
	free(s);
}

int64_t snapshot_version(const struct snapshot *s)
{
	return s->version;
}

bool snapshot_has_routes(const struct snapshot *s)
{
	return s != NULL && s->version > 0;
}

/* The item of that id in an array sorted by its first member, an int64_t id */
static const void *by_id(const void *items, size_t n, size_t size, int64_t id)
{
	size_t lo = 0, hi = n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const void *item = (const char *)items + mid * size;
		int64_t at = *(const int64_t *)item;
		if (at == id)
			return item;
		if (at < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct trunk *snapshot_trunk(const struct snapshot *s, int64_t id)
{
	return by_id(s->trunk, s->n_trunks, sizeof *s->trunk, id);
}

const struct carrier *snapshot_carrier(const struct snapshot *s, int64_t id)
{
	return by_id(s->carrier, s->n_carriers, sizeof *s->carrier, id);
}

const struct plan *snapshot_plan(const struct snapshot *s, int64_t id)
{
	return by_id(s->plan, s->n_plans, sizeof *s->plan, id);
}

size_t snapshot_trunks(const struct snapshot *s)
{
	return s->n_trunks;
}

const struct trunk *snapshot_trunk_at(const struct snapshot *s, size_t i)
{
	return i < s->n_trunks ? &s->trunk[i] : NULL;
}

bool snapshot_exchange(const struct snapshot *s, const char *from, const char *to, int64_t at_us, int64_t *rate)
{
	if (memcmp(from, to, 4) == 0) { /* three letters and a NUL */
		*rate = EXCHANGE_ONE;
		return true;
	}
	size_t lo = 0, hi = s->n_exchanges; /* the first that is not before (from, to, at_us) */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct exchange *e = &s->exchange[mid];
		int order = memcmp(e->from, from, 4);
		if (order == 0)
			order = memcmp(e->to, to, 4);
		if (order < 0 || (order == 0 && e->from_us > at_us))
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == s->n_exchanges)
		return false;
	const struct exchange *e = &s->exchange[lo];
	if (memcmp(e->from, from, 4) != 0 || memcmp(e->to, to, 4) != 0)
		return false;
	*rate = e->rate;
	return e->rate > 0;
}
