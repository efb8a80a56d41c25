/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/standing.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "routing/margin.h"

struct owed {
	int64_t carrier_id;
	struct money owed;
};

struct standing {
	_Atomic uint32_t refs;
	struct standing_trunk *trunk;		   /* by id */
	struct owed *owed;			   /* by carrier */
	struct standing_destination **destination; /* by key */
	size_t trunks, owing, destinations;
};

/* ---- a destination ---- */

static int id_compare(const void *a, const void *b) /* of structs that begin with their id */
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static struct standing_vendor *vendor_get(struct standing_destination *d, int64_t trunk_id)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->vendor[i].trunk_id == trunk_id)
			return &d->vendor[i];
	d->vendor = xrealloc(d->vendor, (d->n + 1) * sizeof *d->vendor);
	d->vendor[d->n] = (struct standing_vendor){.trunk_id = trunk_id};
	return &d->vendor[d->n++];
}

struct standing_destination *standing_destination_new(const char *key, const struct quality_book *const *books,
						      size_t n_books, int64_t now_slot)
{
	struct standing_destination *d = xcalloc(1, sizeof *d);
	struct quality_counts all = {0};

	atomic_init(&d->refs, 1);
	d->key = xstrdup(key);
	for (size_t b = 0; b < n_books; b++)
		for (size_t i = 0; i < books[b]->n; i++) {
			const struct quality_page *p = &books[b]->page[i];
			const struct quality_counts sum = quality_sum(&p->window, now_slot);
			quality_add(&vendor_get(d, p->trunk_id)->counts, &sum);
			quality_add(&all, &sum);
		}
	for (size_t i = 0; i < d->n; i++)
		d->vendor[i].verdict = quality_judge(&d->vendor[i].counts, &all);
	if (d->n > 0)
		qsort(d->vendor, d->n, sizeof *d->vendor, id_compare);
	return d;
}

void standing_destination_talk(struct standing_destination *d, const int64_t *ms, int n,
			       const struct standing_destination *old)
{
	if (n <= 0)
		return;
	int64_t *copy = xcalloc((size_t)n, sizeof *copy);
	memcpy(copy, ms, (size_t)n * sizeof *copy);
	d->durations = (struct route_durations){.ms = copy, .n = n, .cache = xcalloc(1, sizeof(struct margin_cache))};
	margin_cache_fill(&d->durations, old != NULL ? old->durations.cache : NULL);
}

struct standing_destination *standing_destination_ref(struct standing_destination *d)
{
	atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
	return d;
}

void standing_destination_unref(struct standing_destination **dp)
{
	struct standing_destination *d = *dp;
	*dp = NULL;
	if (d == NULL || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
		return;
	free((void *)d->durations.ms);
	free(d->durations.cache);
	free(d->vendor);
	free((void *)d->key);
	free(d);
}

const struct standing_vendor *standing_vendor(const struct standing_destination *d, int64_t trunk_id)
{
	return d->n > 0 ? bsearch(&trunk_id, d->vendor, d->n, sizeof *d->vendor, id_compare) : NULL;
}

/* ---- all ---- */

struct standing *standing_new(void)
{
	struct standing *s = xcalloc(1, sizeof *s);
	atomic_init(&s->refs, 1);
	return s;
}

void standing_put_trunk(struct standing *s, const struct standing_trunk *t)
{
	s->trunk = xrealloc(s->trunk, (s->trunks + 1) * sizeof *s->trunk);
	s->trunk[s->trunks++] = *t;
}

void standing_put_owed(struct standing *s, int64_t carrier_id, struct money owed)
{
	s->owed = xrealloc(s->owed, (s->owing + 1) * sizeof *s->owed);
	s->owed[s->owing++] = (struct owed){carrier_id, owed};
}

void standing_put_destination(struct standing *s, struct standing_destination *d)
{
	s->destination = xrealloc(s->destination, (s->destinations + 1) * sizeof(struct standing_destination *));
	s->destination[s->destinations++] = d;
}

static int key_compare(const void *a, const void *b)
{
	const struct standing_destination *const *x = a, *const *y = b;
	return strcmp((*x)->key, (*y)->key);
}

void standing_finish(struct standing *s)
{
	if (s->trunks > 0)
		qsort(s->trunk, s->trunks, sizeof *s->trunk, id_compare);
	if (s->owing > 0)
		qsort(s->owed, s->owing, sizeof *s->owed, id_compare);
	if (s->destinations > 0)
		qsort(s->destination, s->destinations, sizeof(struct standing_destination *), key_compare);
}

struct standing *standing_ref(struct standing *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void standing_unref(struct standing **sp)
{
	struct standing *s = *sp;
	*sp = NULL;
	if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < s->destinations; i++)
		standing_destination_unref(&s->destination[i]);
	free(s->destination);
	free(s->owed);
	free(s->trunk);
	free(s);
}

const struct standing_trunk *standing_trunk(const struct standing *s, int64_t id)
{
	return s != NULL && s->trunks > 0 ? bsearch(&id, s->trunk, s->trunks, sizeof *s->trunk, id_compare) : NULL;
}

bool standing_owed(const struct standing *s, int64_t carrier_id, struct money *owed)
{
	const struct owed *o =
		s != NULL && s->owing > 0 ? bsearch(&carrier_id, s->owed, s->owing, sizeof *s->owed, id_compare) : NULL;
	if (o != NULL)
		*owed = o->owed;
	return o != NULL;
}

const struct standing_destination *standing_destination(const struct standing *s, const char *key)
{
	size_t lo = 0, hi = s != NULL ? s->destinations : 0;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = strcmp(s->destination[mid]->key, key);
		if (order == 0)
			return s->destination[mid];
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}
