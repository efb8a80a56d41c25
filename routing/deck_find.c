/* SPDX-License-Identifier: Apache-2.0 */
/* deck_find.c - the look-up in compiled decks: in one, and in many whose cache misses overlap. */
#include <string.h>

#include "routing/deck_priv.h"

#define US_PER_S 1000000
#define SCAN_MAX 32 /* keys that are compared one by one: halving costs a misguessed branch a step */
#define AHEAD 6	    /* decks between asking the memory for something and using it (4..20 were measured) */
#define STAGES 4
#define RING 32 /* cursors; a power of 2 past AHEAD * (STAGES - 1) */

struct number_key { /* a number, prepared for decks of any index width */
	const char *calling;
	int64_t at_us;
	unsigned __int128 key; /* nibbles, digit + 1, from the left */
	unsigned int digits;
	uint32_t head[INDEX_DIGITS_MAX + 1]; /* value of the first i digits */
	uint32_t tail[INDEX_DIGITS_MAX + 1]; /* the TAIL_DIGITS nibbles behind them */
};

struct cursor {				/* the prefixes of one number in one deck, longest first */
	const uint32_t *key;		/* of its bucket */
	const struct image_rate *keyed; /* the bucket's rates */
	uint32_t n;			/* keys still to be searched */
	uint32_t tail;			/* what is searched for there */
	uint32_t long_hi;
	uint32_t shorter;	   /* what is said of the next short prefix (SHORT_RATE); 0: to be looked for */
	unsigned int short_digits; /* that it has at most */
	unsigned __int128 long_key;
	/* the prefix that was found: its rates, the one to prefer first; NULL: none */
	const struct image_rate *rate;
	unsigned int digits;
};

static void number_key_make(struct number_key *k, const char *called, const char *calling, int64_t at_us)
{
	unsigned int n = 0;
	uint32_t value = 0;

	k->calling = calling;
	k->at_us = at_us;
	k->key = 0;
	k->head[0] = 0;
	for (; n < DIGITS_MAX && called[n] >= '0' && called[n] <= '9'; n++) {
		unsigned int digit = (unsigned int)(called[n] - '0');
		k->key |= (unsigned __int128)(digit + 1) << (4 * (DIGITS_MAX - 1 - n));
		if (n < INDEX_DIGITS_MAX) {
			value = value * 10 + digit;
			k->head[n + 1] = value;
		}
	}
	k->digits = n;
	for (unsigned int i = INDEX_DIGITS_MIN; i <= INDEX_DIGITS_MAX; i++)
		k->tail[i] = (uint32_t)(k->key >> (4 * (DIGITS_MAX - TAIL_DIGITS - i)));
}

/* What is said of the longest short prefix of at most `digits` digits. */
static uint32_t shorter_than(const struct deck *d, const struct number_key *k, unsigned int digits)
{
	for (; digits > 0; digits--) {
		uint32_t said = d->shorts[image_short_slot(digits, k->head[digits])];
		if (said != 0)
			return said;
	}
	return 0;
}

static void cursor_start(struct cursor *c, const struct deck *d, const struct number_key *k)
{
	c->long_hi = d->n_long;
	if (c->long_hi > 0)
		c->long_key = k->key;
	if (k->digits < d->index_digits) {
		c->n = 0;
		c->shorter = 0;
		c->short_digits = k->digits;
		return;
	}
	const struct image_bucket *bucket = &d->index[k->head[d->index_digits]];
	c->n = bucket[1].first - bucket[0].first;
	c->key = image_block(d->block, bucket[0].first);
	c->keyed = image_block_rates(c->key, c->n);
	c->tail = k->tail[d->index_digits];
	c->shorter = bucket->shorter;
	c->short_digits = c->shorter == 0 ? 0 : d->index_digits - 1;
}

/* The place of a key's lowest digit, in bits from the right; 32 for a key without any. */
static unsigned int key_below(uint32_t key)
{
	return (unsigned int)__builtin_ctzll(key | UINT64_C(1) << 32) & ~3U;
}

static unsigned int key_digits(uint32_t key)
{
	return TAIL_DIGITS - key_below(key) / 4;
}

/* The first `digits` nibbles */
static uint32_t tail_cut(uint32_t tail, unsigned int digits)
{
	return digits == 0 ? 0 : tail & (UINT32_MAX << (4 * (TAIL_DIGITS - digits)));
}

/* Does the key begin the tail? A key without digits begins all. */
static bool key_begins(uint32_t key, uint32_t tail)
{
	return (uint64_t)(key ^ tail) >> key_below(key) == 0;
}

/* Few keys: the last that begins the tail is the longest. returns its place + 1, or 0. No branch depends on the keys.
 */
static uint32_t bucket_scan(const uint32_t *key, uint32_t n, uint32_t tail)
{
	uint32_t best = 0;
	for (uint32_t i = 0; i < n; i++)
		best = key_begins(key[i], tail) ? i + 1 : best;
	return best;
}

/* Many keys: the one that sorts last before the number either begins it or shares only its first digits with it; then
 * what is left to look for is no longer than those. Few are left soon. */
static uint32_t bucket_search(struct cursor *c)
{
	while (c->n > SCAN_MAX) {
		const uint32_t *last = c->key;
		if (*last > c->tail)
			return 0;
		for (uint32_t n = c->n; n > 1;) { /* *last <= tail; halving without a branch */
			uint32_t half = n / 2;
			last += last[half] <= c->tail ? half : 0;
			n -= half;
		}
		c->n = (uint32_t)(last - c->key) + 1;
		if (key_begins(*last, c->tail))
			return c->n;
		c->n--;
		c->tail = tail_cut(c->tail, (unsigned int)__builtin_clz(*last ^ c->tail) / 4);
	}
	return bucket_scan(c->key, c->n, c->tail);
}

/* The longest key of the bucket that begins the number. */
static bool cursor_bucket(struct cursor *c, const struct deck *d)
{
	uint32_t at = bucket_search(c);
	if (at == 0) {
		c->n = 0;
		return false;
	}
	uint32_t key = c->key[--at];
	while (at > 0 && c->key[at - 1] == key)
		at--;
	unsigned int digits = key_digits(key);
	c->n = at; /* what is shorter stands before it */
	c->rate = c->keyed + at;
	c->digits = d->index_digits + digits;
	return true;
}

static unsigned __int128 long_key(const struct deck *d, uint32_t i)
{
	return (unsigned __int128)d->longs[i].high << 64 | d->longs[i].low;
}

/* How many nibbles from the left there are before the first that is 0 */
static unsigned int nibbles_to_zero(unsigned __int128 key)
{
	unsigned int n = 0;
	while (n < DIGITS_MAX && (key << (4 * n)) >> 124 != 0)
		n++;
	return n;
}

/* The same over the few prefixes that are too long for a bucket. */
static bool cursor_long(struct cursor *c, const struct deck *d)
{
	while (c->long_hi > 0) {
		uint32_t lo = 0, hi = c->long_hi; /* the first key past long_key */
		while (lo < hi) {
			uint32_t mid = lo + (hi - lo) / 2;
			if (long_key(d, mid) <= c->long_key)
				lo = mid + 1;
			else
				hi = mid;
		}
		c->long_hi = lo;
		if (lo == 0)
			return false;
		unsigned __int128 key = long_key(d, lo - 1);
		while (c->long_hi > 0 && long_key(d, c->long_hi - 1) == key)
			c->long_hi--;
		unsigned int digits = nibbles_to_zero(key), common = 0;
		while (common < digits && (key ^ c->long_key) << (4 * common) >> 124 == 0)
			common++;
		unsigned int keep = common == digits ? digits - 1 : common;
		c->long_key = keep == 0 ? 0 : c->long_key & (~(unsigned __int128)0 << (4 * (DIGITS_MAX - keep)));
		if (common == digits) {
			c->rate = d->rate + d->n_short + c->long_hi;
			c->digits = digits;
			return true;
		}
	}
	return false;
}

static bool cursor_short(struct cursor *c, const struct deck *d, const struct number_key *k)
{
	uint32_t said = c->shorter != 0 ? c->shorter : shorter_than(d, k, c->short_digits);
	c->shorter = 0;
	c->short_digits = 0;
	if (said == 0)
		return false;
	c->rate = d->rate + (said & SHORT_RATE) - 1;
	c->digits = said >> SHORT_DIGITS_AT;
	c->short_digits = c->digits - 1;
	return true;
}

static bool cursor_next(struct cursor *c, const struct deck *d, const struct number_key *k)
{
	if (c->long_hi > 0 && cursor_long(c, d))
		return true;
	if (c->n > 0 && cursor_bucket(c, d))
		return true;
	return cursor_short(c, d, k);
}

static int32_t zone_offset_s(const struct deck *d, uint16_t zone, int64_t at_s)
{
	const struct image_zone *z = &d->zone[zone];
	uint32_t lo = 0, hi = z->count; /* the last transition that is not after at_s */
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (d->transition[z->first + mid].at_s <= at_s)
			lo = mid;
		else
			hi = mid;
	}
	return d->transition[z->first + lo].offset_s;
}

static bool schedule_holds(const struct deck *d, uint32_t schedule, int64_t at_us)
{
	const struct image_schedule *s = &d->schedule[schedule];
	int64_t at_s = at_us / US_PER_S - (at_us % US_PER_S < 0);

	for (uint32_t i = s->first; i < s->first + s->count; i++) {
		const struct image_window *w = &d->window[i];
		int64_t local_s = at_s + zone_offset_s(d, w->zone, at_s);
		int64_t day = local_s / 86400 - (local_s % 86400 < 0);
		int32_t minute = (int32_t)((local_s - day * 86400) / 60);
		int weekday = (int)(((day + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday; 0 is Monday */
		bool today = w->days >> weekday & 1, yesterday = w->days >> ((weekday + 6) % 7) & 1;
		if (w->from_min < w->to_min) {
			if (today && minute >= w->from_min && minute < w->to_min)
				return true;
		} else if ((today && minute >= w->from_min) || (yesterday && minute < w->to_min)) {
			return true;
		}
	}
	return false;
}

static bool kind_holds(const struct deck *d, const struct image_kind *kind, const struct number_key *k)
{
	if ((kind->from_us != 0 && k->at_us < kind->from_us) || (kind->to_us != 0 && k->at_us >= kind->to_us))
		return false;
	if (kind->origin_length > 0 && strncmp(k->calling, d->text + kind->origin, kind->origin_length) != 0)
		return false;
	return kind->schedule == 0 || schedule_holds(d, kind->schedule - 1, k->at_us);
}

static void hit_fill(struct deck_hit *out, const struct deck *d, const struct image_rate *rate, unsigned int digits)
{
	const struct image_kind *kind = &d->kind[rate->kind & RATE_KIND];
	int64_t price_n = kind->price_base + rate->price_low;

	out->terms.price_n = price_n;
	out->terms.initial_price_n = kind->initial_price_n == RATE_SAME ? price_n : kind->initial_price_n;
	out->terms.connect_fee_n = kind->connect_fee_n;
	out->terms.initial_s = kind->initial_s;
	out->terms.increment_s = kind->increment_s;
	out->terms.grace_s = kind->grace_s;
	out->terms.rounding = (uint8_t)d->words.rounding;
	out->terms.places = (uint8_t)d->words.places;
	out->terms.duration_rounding = (uint8_t)d->words.duration_rounding;
	out->rate = rate;
	out->kind = kind;
	memcpy(out->currency, d->words.currency, sizeof out->currency);
	out->digits = (uint8_t)digits;
	out->blocked = kind->blocked != 0;
}

void deck_hit_open(const struct deck *d, const struct deck_hit *h, const char *called, struct deck_found *out)
{
	memcpy(out->prefix, called, h->digits);
	out->prefix[h->digits] = '\0';
	out->destination = d->text + h->rate->destination;
	out->origin = d->text + h->kind->origin;
	out->terms = h->terms;
	out->effective_from_us = h->kind->from_us;
	out->effective_to_us = h->kind->to_us;
	out->blocked = h->blocked;
}

/* From the prefix at which the cursor stands to ever shorter ones, until one has a rate that holds. */
static bool find_from(struct cursor *c, const struct deck *d, const struct number_key *k, struct deck_hit *out)
{
	do {
		const struct image_rate *rate = c->rate;
		for (bool more = true; more; more = rate++->kind & RATE_MORE) {
			if (kind_holds(d, &d->kind[rate->kind & RATE_KIND], k)) {
				hit_fill(out, d, rate, c->digits);
				return true;
			}
		}
	} while (cursor_next(c, d, k));
	return false;
}

bool deck_find(const struct deck *d, const char *called, const char *calling, int64_t at_us, struct deck_found *out)
{
	struct number_key k;
	struct deck_hit hit;
	struct cursor c;

	number_key_make(&k, called, calling, at_us);
	cursor_start(&c, d, &k);
	if (!cursor_next(&c, d, &k) || !find_from(&c, d, &k, &hit))
		return false;
	deck_hit_open(d, &hit, called, out);
	return true;
}

/* ---- many decks, in stages: each touches what the stage before it asked the memory for ---- */

static void ask_index(const struct deck *d, const struct number_key *k)
{
	if (k->digits >= d->index_digits)
		__builtin_prefetch(&d->index[k->head[d->index_digits]]);
}

static void ask_keys(struct cursor *c, const struct deck *d, const struct number_key *k)
{
	cursor_start(c, d, k);
	if (c->n == 0)
		return;
	const uint32_t *last = c->key + (c->n <= SCAN_MAX ? c->n - 1 : c->n / 2);
	__builtin_prefetch(c->key);
	__builtin_prefetch(last); /* most often the same line */
}

static void ask_rate(struct cursor *c, const struct deck *d, const struct number_key *k)
{
	if (!cursor_next(c, d, k))
		c->rate = NULL;
	else
		__builtin_prefetch(c->rate);
}

void deck_find_many(const struct deck *const *decks, size_t n, const char *called, const char *calling, int64_t at_us,
		    struct deck_hit *hit)
{
	struct cursor ring[RING];
	struct number_key k;

	number_key_make(&k, called, calling, at_us);
	for (size_t i = 0; i < n + (STAGES - 1) * AHEAD; i++) {
		size_t keys = i - AHEAD, rate = keys - AHEAD, fill = rate - AHEAD; /* before 0: past n */
		if (i < n)
			ask_index(decks[i], &k);
		if (keys < n)
			ask_keys(&ring[keys % RING], decks[keys], &k);
		if (rate < n)
			ask_rate(&ring[rate % RING], decks[rate], &k);
		if (fill < n) {
			struct cursor *c = &ring[fill % RING];
			if (c->rate == NULL || !find_from(c, decks[fill], &k, &hit[fill]))
				hit[fill].rate = NULL;
		}
	}
}
