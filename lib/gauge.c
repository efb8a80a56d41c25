/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/gauge.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "lib/buf.h"

#define US_A_SECOND 1000000LL

bool gauge_take(struct gauge *g, int32_t limit)
{
	if (limit < 0) {
		atomic_fetch_add(&g->in_use, 1);
		return true;
	}

	int32_t seen = atomic_load(&g->in_use);
	do {
		if ((int64_t)seen + atomic_load(&g->elsewhere) >= limit)
			return false;
	} while (!atomic_compare_exchange_weak(&g->in_use, &seen, seen + 1));
	return true;
}

void gauge_drop(struct gauge *g)
{
	int32_t before = atomic_fetch_sub(&g->in_use, 1);

	assert(before > 0);
	(void)before;
}

int32_t gauge_in_use(const struct gauge *g)
{
	return atomic_load(&g->in_use) + atomic_load(&g->elsewhere);
}

/* Generic cell rate algorithm: each start moves next_us on by one interval; a start fits while next_us is at most a
 * second, less one interval, ahead of now. So an idle gauge lets exactly per_second through at once. */
static bool cell_fits(int64_t next_us, int32_t per_second, int64_t mono_us)
{
	return next_us - mono_us <= US_A_SECOND - US_A_SECOND / per_second;
}

static bool cell_take(_Atomic int64_t *cell_us, int32_t per_second, int64_t mono_us)
{
	int64_t next_us = atomic_load(cell_us);
	int64_t after_us;

	if (per_second <= 0)
		return per_second < 0;
	do {
		if (!cell_fits(next_us, per_second, mono_us))
			return false;
		after_us = (next_us > mono_us ? next_us : mono_us) + US_A_SECOND / per_second;
	} while (!atomic_compare_exchange_weak(cell_us, &next_us, after_us));
	return true;
}

bool gauge_pass(struct gauge *g, int32_t per_second, int64_t mono_us)
{
	return cell_take(&g->next_us, per_second, mono_us);
}

bool gauge_note(struct gauge *g, int32_t per_second, int64_t mono_us)
{
	return cell_take(&g->note_us, per_second, mono_us);
}

bool gauge_would_pass(const struct gauge *g, int32_t per_second, int64_t mono_us)
{
	if (per_second <= 0)
		return per_second < 0;
	return cell_fits(atomic_load(&g->next_us), per_second, mono_us);
}

struct entry {
	struct entry *next;
	char kind;
	int64_t id;
	struct gauge gauge;
};

struct gauge_table {
	pthread_mutex_t lock;
	struct entry **bucket;
	size_t buckets, entries; /* buckets: a power of two */
};

struct gauge_table *gauge_table_new(void)
{
	struct gauge_table *t = xcalloc(1, sizeof(*t));

	pthread_mutex_init(&t->lock, NULL);
	t->buckets = 64;
	t->bucket = xcalloc(t->buckets, sizeof(struct entry *));
	return t;
}

void gauge_table_free(struct gauge_table **t)
{
	if (*t == NULL)
		return;
	for (size_t i = 0; i < (*t)->buckets; i++) {
		for (struct entry *e = (*t)->bucket[i]; e != NULL;) {
			struct entry *next = e->next;

			free(e);
			e = next;
		}
	}
	pthread_mutex_destroy(&(*t)->lock);
	free((*t)->bucket);
	free(*t);
	*t = NULL;
}

static struct entry **bucket_of(const struct gauge_table *t, char kind, int64_t id)
{
	uint64_t hash = ((uint64_t)id * 256 + (uint8_t)kind) * 0x9e3779b97f4a7c15u;

	return &t->bucket[(hash >> 32) & (t->buckets - 1)];
}

static void table_grow(struct gauge_table *t)
{
	struct entry **old = t->bucket;
	size_t n = t->buckets;

	t->buckets = n * 2;
	t->bucket = xcalloc(t->buckets, sizeof(struct entry *));
	for (size_t i = 0; i < n; i++) {
		for (struct entry *e = old[i]; e != NULL;) {
			struct entry *next = e->next;
			struct entry **b = bucket_of(t, e->kind, e->id);

			e->next = *b;
			*b = e;
			e = next;
		}
	}
	free(old);
}

struct gauge *gauge_get(struct gauge_table *t, char kind, int64_t id)
{
	struct entry *e;

	pthread_mutex_lock(&t->lock);
	for (e = *bucket_of(t, kind, id); e != NULL; e = e->next) {
		if (e->kind == kind && e->id == id)
			break;
	}
	if (e == NULL) {
		if (t->entries >= t->buckets)
			table_grow(t);

		struct entry **b = bucket_of(t, kind, id);
		e = xcalloc(1, sizeof(*e));
		e->kind = kind;
		e->id = id;
		e->next = *b;
		*b = e;
		t->entries++;
	}
	pthread_mutex_unlock(&t->lock);
	return &e->gauge;
}

void gauge_each(struct gauge_table *t, void (*fn)(void *arg, char kind, int64_t id, struct gauge *g), void *arg)
{
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->buckets; i++) {
		for (struct entry *e = t->bucket[i]; e != NULL; e = e->next)
			fn(arg, e->kind, e->id, &e->gauge);
	}
	pthread_mutex_unlock(&t->lock);
}
