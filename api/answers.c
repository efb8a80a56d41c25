/* SPDX-License-Identifier: Apache-2.0 */
#include "api/answers.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/siphash.h"

#define BUCKETS 8192 /* a power of two */
#define LIFE_US (60 * 1000000LL)

struct entry {
	struct entry *chain;	     /* in its bucket */
	struct entry *newer, *older; /* by when it was asked for */
	struct answers_key key;
	int64_t made_us;
	char etag[ANSWERS_ETAG];
	size_t len;
	char text[];
};

struct answers {
	pthread_mutex_t lock;
	size_t bytes_max;
	struct answers_counts counts;
	struct entry *newest, *oldest;
	struct entry *bucket[BUCKETS];
};

struct answers *answers_new(size_t bytes_max)
{
	struct answers *a = xcalloc(1, sizeof(*a));

	pthread_mutex_init(&a->lock, NULL);
	a->bytes_max = bytes_max;
	return a;
}

static struct entry **place_of(struct answers *a, const struct answers_key *key)
{
	uint64_t tail;

	memcpy(&tail, key->cdr.byte + 8, sizeof(tail)); /* the random part */
	struct entry **e = &a->bucket[(tail ^ (tail >> 32) ^ (uint64_t)key->carrier_id) % BUCKETS];
	while (*e != NULL &&
	       ((*e)->key.carrier_id != key->carrier_id || memcmp(&(*e)->key.cdr, &key->cdr, sizeof(key->cdr)) != 0))
		e = &(*e)->chain;
	return e;
}

static void order_leave(struct answers *a, struct entry *e)
{
	*(e->newer != NULL ? &e->newer->older : &a->newest) = e->older;
	*(e->older != NULL ? &e->older->newer : &a->oldest) = e->newer;
}

static void order_enter(struct answers *a, struct entry *e)
{
	e->newer = NULL;
	e->older = a->newest;
	*(a->newest != NULL ? &a->newest->newer : &a->oldest) = e;
	a->newest = e;
}

static size_t size_of(size_t len)
{
	return sizeof(struct entry) + len;
}

static void drop(struct answers *a, struct entry **place)
{
	struct entry *e = *place;

	*place = e->chain;
	order_leave(a, e);
	a->counts.bytes -= size_of(e->len);
	free(e);
}

void answers_free(struct answers **a)
{
	if (*a == NULL)
		return;
	while ((*a)->oldest != NULL)
		drop(*a, place_of(*a, &(*a)->oldest->key));
	pthread_mutex_destroy(&(*a)->lock);
	free(*a);
	*a = NULL;
}

bool answers_find(struct answers *a, const struct answers_key *key, int64_t now_us, struct buf *out,
		  char etag[static ANSWERS_ETAG])
{
	pthread_mutex_lock(&a->lock);
	struct entry **place = place_of(a, key), *e = *place;
	if (e != NULL && now_us - e->made_us >= LIFE_US) {
		drop(a, place);
		e = NULL;
	}
	a->counts.asked++;
	if (e != NULL) {
		a->counts.found++;
		order_leave(a, e);
		order_enter(a, e);
		buf_reset(out);
		buf_append(out, e->text, e->len);
		memcpy(etag, e->etag, ANSWERS_ETAG);
	}
	pthread_mutex_unlock(&a->lock);
	return e != NULL;
}

void answers_etag(const struct buf *text, char etag[static ANSWERS_ETAG])
{
	static const uint8_t same_everywhere[16] = "tandem-apid ETag";

	snprintf(etag, ANSWERS_ETAG, "\"%016" PRIx64 "\"", siphash(same_everywhere, text->text, text->len));
}

void answers_keep(struct answers *a, const struct answers_key *key, int64_t now_us, const struct buf *text,
		  char etag[static ANSWERS_ETAG])
{
	answers_etag(text, etag);
	if (size_of(text->len) > a->bytes_max)
		return;
	struct entry *e = xcalloc(1, size_of(text->len));
	e->key = *key;
	e->made_us = now_us;
	e->len = text->len;
	memcpy(e->etag, etag, ANSWERS_ETAG);
	memcpy(e->text, text->text, text->len);
	pthread_mutex_lock(&a->lock);
	struct entry **place = place_of(a, key);
	if (*place != NULL)
		drop(a, place);
	a->counts.bytes += size_of(e->len);
	while (a->counts.bytes > a->bytes_max)
		drop(a, place_of(a, &a->oldest->key)); /* it is not this one, which is not in yet and fits */
	place = place_of(a, key);
	e->chain = *place;
	*place = e;
	order_enter(a, e);
	pthread_mutex_unlock(&a->lock);
}

void answers_counts(struct answers *a, struct answers_counts *out)
{
	pthread_mutex_lock(&a->lock);
	*out = a->counts;
	pthread_mutex_unlock(&a->lock);
}
