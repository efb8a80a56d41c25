/* SPDX-License-Identifier: Apache-2.0 */
#include "api/limit.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/buf.h"

#define BUCKETS 4096 /* a power of two */
#define PROBES 8
#define DEPTH_S 2
#define SECOND_US 1000000LL

struct bucket {
	uint64_t who;	  /* 0: free */
	int64_t empty_us; /* monotonic: when all that was taken has come back */
};

struct limit {
	pthread_mutex_t lock;
	int64_t per_second;
	struct bucket bucket[BUCKETS];
};

struct limit *limit_new(int64_t per_second)
{
	struct limit *l = xcalloc(1, sizeof(*l));

	pthread_mutex_init(&l->lock, NULL);
	l->per_second = per_second;
	return l;
}

void limit_free(struct limit **l)
{
	if (*l == NULL)
		return;
	pthread_mutex_destroy(&(*l)->lock);
	free(*l);
	*l = NULL;
}

/* The bucket of who, or else the one near its place that has rested longest. */
static struct bucket *bucket_of(struct limit *l, uint64_t who)
{
	uint64_t place = who * 0x9e3779b97f4a7c15;
	struct bucket *oldest = NULL;

	for (uint64_t i = 0; i < PROBES; i++) {
		struct bucket *b = &l->bucket[((place >> 32) + i) % BUCKETS];
		if (b->who == who)
			return b;
		if (oldest == NULL || b->empty_us < oldest->empty_us)
			oldest = b;
	}
	return oldest;
}

static bool ask(struct limit *l, uint64_t who, int64_t now_us, bool take)
{
	if (l->per_second == 0)
		return true;
	pthread_mutex_lock(&l->lock);
	struct bucket *b = bucket_of(l, who);
	int64_t at_us = b->who == who && b->empty_us > now_us ? b->empty_us : now_us;
	bool good = at_us - now_us <= DEPTH_S * SECOND_US - SECOND_US / l->per_second;
	if (good && take)
		*b = (struct bucket){who, at_us + SECOND_US / l->per_second};
	pthread_mutex_unlock(&l->lock);
	return good;
}

bool limit_take(struct limit *l, uint64_t who, int64_t now_us)
{
	return ask(l, who, now_us, true);
}

bool limit_left(struct limit *l, uint64_t who, int64_t now_us)
{
	return ask(l, who, now_us, false);
}
