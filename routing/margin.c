/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/margin.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

#include "routing/snapshot_priv.h"

static const int64_t usual_ms[] = {6000, 20000, 45000, 61000, 90000, 180000};

static int64_t durations_sum(const struct route_durations *d)
{
	int64_t sum = 0;
	for (int i = 0; d != NULL && i < d->n; i++)
		sum += d->ms[i];
	return sum;
}

void margin_start(struct margin *m, const struct route_durations *durations)
{
	m->talk_ms =
		durations != NULL && durations->cache != NULL ? durations->cache->talk_ms : durations_sum(durations);
	if (m->talk_ms > 0) {
		m->talk = *durations;
	} else {
		m->talk = (struct route_durations){.ms = usual_ms, .n = sizeof usual_ms / sizeof *usual_ms};
		m->talk_ms = durations_sum(&m->talk);
	}
	for (int i = 0; i < MARGIN_SHAPES; i++)
		m->shape[i].known = false;
}

/* How often a unit price is counted over all durations. Seconds times calls: far below what 64 bits hold. */
static int64_t shape_ask(const struct margin *m, struct rate_terms t, int64_t price, int64_t initial_price, int64_t fee)
{
	__int128 sum = 0;
	t.price_n = price;
	t.initial_price_n = initial_price;
	t.connect_fee_n = fee;
	for (int i = 0; i < m->talk.n; i++) {
		int64_t billed_s;
		__int128 one;
		rate_call_wide(&t, m->talk.ms[i], &billed_s, &one);
		sum += one;
	}
	assert(sum >= 0 && sum <= INT64_MAX);
	return (int64_t)sum;
}

static bool shape_fits(const struct margin_shape *s, const struct rate_terms *t)
{
	return s->initial_s == t->initial_s && s->increment_s == t->increment_s && s->grace_s == t->grace_s &&
	       s->duration_rounding == t->duration_rounding;
}

static struct margin_shape shape_make(const struct margin *m, const struct rate_terms *t)
{
	return (struct margin_shape){.initial_s = t->initial_s,
				     .increment_s = t->increment_s,
				     .grace_s = t->grace_s,
				     .duration_rounding = t->duration_rounding,
				     .known = true,
				     .per_price = shape_ask(m, *t, 1, 0, 0),
				     .per_initial_price = shape_ask(m, *t, 0, 1, 0),
				     .per_fee = shape_ask(m, *t, 0, 0, 1)};
}

/* ---- what other calls have worked out ---- */

static const struct margin_shape *cache_find(const struct margin_cache *c, const struct rate_terms *t)
{
	for (int i = 0; c != NULL && i < MARGIN_SHAPES; i++)
		if (atomic_load_explicit(&c->slot[i].state, memory_order_acquire) == 2 &&
		    shape_fits(&c->slot[i].shape, t))
			return &c->slot[i].shape;
	return NULL;
}

static void cache_keep(struct margin_cache *c, const struct margin_shape *s)
{
	for (int i = 0; c != NULL && i < MARGIN_SHAPES; i++) {
		int is_free = 0;
		if (!atomic_compare_exchange_strong(&c->slot[i].state, &is_free, 1))
			continue;
		c->slot[i].shape = *s;
		atomic_store_explicit(&c->slot[i].state, 2, memory_order_release);
		return;
	}
}

void margin_cache_fill(const struct route_durations *d, const struct margin_cache *old)
{
	struct margin m;

	d->cache->talk_ms = durations_sum(d);
	if (d->cache->talk_ms == 0)
		return;
	margin_start(&m, d);
	for (int i = 0; old != NULL && i < MARGIN_SHAPES; i++) {
		const struct margin_shape *was = &old->slot[i].shape;
		if (atomic_load_explicit(&old->slot[i].state, memory_order_acquire) != 2)
			continue;
		const struct rate_terms t = {.initial_s = was->initial_s,
					     .increment_s = was->increment_s,
					     .grace_s = was->grace_s,
					     .duration_rounding = was->duration_rounding};
		const struct margin_shape s = shape_make(&m, &t);
		cache_keep(d->cache, &s);
	}
}

/* Where its intervals say, most often: a search among few would cost a misguessed branch for each vendor. */
static struct margin_shape *shape_place(struct margin *m, const struct rate_terms *t)
{
	uint64_t mix = (uint64_t)(uint32_t)t->initial_s << 32 | (uint32_t)t->increment_s;
	mix = (mix ^ (uint64_t)(uint32_t)t->grace_s << 16 ^ t->duration_rounding) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t home = (uint32_t)(mix >> 40);
	for (uint32_t i = 0; i < MARGIN_SHAPES; i++) {
		struct margin_shape *s = &m->shape[(home + i) % MARGIN_SHAPES];
		if (!s->known || shape_fits(s, t))
			return s;
	}
	return &m->shape[home % MARGIN_SHAPES]; /* more kinds than places: it gives way */
}

static const struct margin_shape *shape_get(struct margin *m, const struct rate_terms *t)
{
	struct margin_shape *s = shape_place(m, t);
	if (s->known && shape_fits(s, t))
		return s;
	const struct margin_shape *kept = cache_find(m->talk.cache, t);
	*s = kept != NULL ? *kept : shape_make(m, t);
	if (kept == NULL)
		cache_keep(m->talk.cache, s);
	return s;
}

__int128 margin_amount(struct margin *m, const struct rate_terms *t)
{
	const struct margin_shape *s = shape_get(m, t);
	return (__int128)s->per_price * t->price_n + (__int128)s->per_initial_price * t->initial_price_n +
	       (__int128)s->per_fee * t->connect_fee_n;
}

bool margin_of(__int128 earn, __int128 cost, int64_t rate, __int128 *margin)
{
	__int128 earned, costs;
	if (earn == (int64_t)earn && cost == (int64_t)cost) { /* the usual case: products of 64 bits */
		*margin = (__int128)(int64_t)earn * EXCHANGE_ONE - (__int128)(int64_t)cost * rate;
		return true;
	}
	return !__builtin_mul_overflow(earn, (__int128)EXCHANGE_ONE, &earned) &&
	       !__builtin_mul_overflow(cost, (__int128)rate, &costs) && !__builtin_sub_overflow(earned, costs, margin);
}

/* A product of 128 and 64 bits: sign, and a magnitude of 192 bits */
struct wide {
	int sign;
	unsigned __int128 high; /* of 2^64 */
	uint64_t low;
};

static struct wide wide_multiply(__int128 a, int64_t b)
{
	unsigned __int128 ma = a < 0 ? -(unsigned __int128)a : (unsigned __int128)a;
	uint64_t mb = b < 0 ? -(uint64_t)b : (uint64_t)b;
	unsigned __int128 low = (unsigned __int128)(uint64_t)ma * mb;
	unsigned __int128 high = (ma >> 64) * mb + (low >> 64);
	int sign = a == 0 || b == 0 ? 0 : (a < 0) == (b < 0) ? 1 : -1;
	return (struct wide){.sign = sign, .high = high, .low = (uint64_t)low};
}

int wide_compare(__int128 a, int64_t b, __int128 c, int64_t d)
{
	struct wide x = wide_multiply(a, b), y = wide_multiply(c, d);
	if (x.sign != y.sign)
		return x.sign < y.sign ? -1 : 1;
	int magnitude = x.high != y.high ? (x.high < y.high ? -1 : 1) : (x.low > y.low) - (x.low < y.low);
	return x.sign < 0 ? -magnitude : magnitude;
}

struct money wide_divide(__int128 a, __int128 b)
{
	unsigned __int128 magnitude = a < 0 ? -(unsigned __int128)a : (unsigned __int128)a;
	unsigned __int128 d = (unsigned __int128)b, quotient = magnitude / d, rest = magnitude % d;
	quotient += rest >= d - rest;
	if (quotient > INT64_MAX)
		quotient = INT64_MAX;
	return (struct money){.nano = a < 0 ? -(int64_t)quotient : (int64_t)quotient};
}

enum margin_verdict margin_judge(const struct margin *m, const struct margin_limits *l, __int128 earn, __int128 margin)
{
	const __int128 percent = (__int128)100 * MONEY_NANO; /* the whole, in nano-percent */

	if (!l->allow_loss && margin < 0)
		return MARGIN_LOSS;
	/* margin / (60 x 10^12) >= min x talk_ms / 60000 */
	if (l->has_min && wide_compare(margin, 1000, (__int128)l->min_n * EXCHANGE_ONE, m->talk_ms) < 0)
		return MARGIN_UNDER_MIN;
	/* margin / 10^12 >= earn x percent / 100 %; earn x 10^12 is held, or margin_of had said no */
	if (l->has_percent && wide_compare(margin, (int64_t)percent, earn * EXCHANGE_ONE, l->percent_n) < 0)
		return MARGIN_UNDER_PERCENT;
	return MARGIN_ENOUGH;
}

struct money margin_per_minute(const struct margin *m, __int128 margin)
{
	__int128 thousand, whole = (__int128)EXCHANGE_ONE * m->talk_ms;
	if (__builtin_mul_overflow(margin, (__int128)1000, &thousand))
		return wide_divide(margin, whole / 1000);
	return wide_divide(thousand, whole);
}
