/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/deck.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "routing/deck_priv.h"

#define STEP 16 /* decks that are walked together: as many loads as a core keeps in flight (8..64 were measured) */
#define US_PER_S 1000000

const size_t image_part_size[IMAGE_PARTS] = {
	[PART_SHORT] = sizeof(uint32_t),
	[PART_INDEX] = sizeof(uint32_t),
	[PART_KEY] = sizeof(uint32_t),
	[PART_ENTRY] = sizeof(struct image_entry),
	[PART_LONG] = sizeof(struct image_long),
	[PART_KIND] = sizeof(struct image_kind),
	[PART_SCHEDULE] = sizeof(struct image_schedule),
	[PART_WINDOW] = sizeof(struct image_window),
	[PART_ZONE] = sizeof(struct image_zone),
	[PART_TRANSITION] = sizeof(struct image_transition),
	[PART_TEXT] = 1,
};

/* ---- the image ---- */

void *image_alloc(size_t len)
{
	size_t rounded = (len + IMAGE_ALIGN - 1) & ~(size_t)(IMAGE_ALIGN - 1);
	void *p = aligned_alloc(IMAGE_ALIGN, rounded);
	if (p == NULL)
		abort(); /* as xcalloc: nothing here can go on without memory */
	return memset(p, 0, rounded);
}

int image_digest(const void *image, size_t len, uint8_t out[static 32])
{
	static const uint8_t zero[32];
	const uint8_t *bytes = image;
	const size_t at = offsetof(struct image_header, sha256), after = at + sizeof zero;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
		 EVP_DigestUpdate(ctx, bytes, at) == 1 && EVP_DigestUpdate(ctx, zero, sizeof zero) == 1 &&
		 EVP_DigestUpdate(ctx, bytes + after, len - after) == 1 && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

static bool parts_fit(const struct image_header *h)
{
	for (int i = 0; i < IMAGE_PARTS; i++) {
		const struct image_part *p = &h->part[i];
		if (p->offset % 8 != 0 || p->offset > h->length || p->count > UINT32_MAX ||
		    p->count * image_part_size[i] > h->length - p->offset)
			return false;
	}
	if (h->index_digits < INDEX_DIGITS_MIN || h->index_digits > INDEX_DIGITS_MAX)
		return false;
	return h->part[PART_INDEX].count == image_power10(h->index_digits) + 1 &&
	       h->part[PART_SHORT].count == image_short_slot(h->index_digits, 0);
}

static bool words_fit(const struct image_header *h)
{
	return h->side <= DECK_BUY && h->rounding <= MONEY_DOWN && h->places <= 8 &&
	       h->duration_rounding <= RATE_DURATION_DOWN && h->currency[3] == '\0';
}

/* Every number in the image that is used as an index: a right digest does not say that whoever wrote it was sound. */
static bool prefixes_fit(const struct deck *d)
{
	uint32_t buckets = image_power10(d->index_digits);
	if (d->index[0] != 0 || d->index[buckets] != d->n_keyed)
		return false;
	for (uint32_t i = 0; i < buckets; i++)
		if (d->index[i] > d->index[i + 1])
			return false;
	for (uint32_t i = 0; i < image_short_slot(d->index_digits, 0); i++)
		if (d->shorts[i] > d->n_short)
			return false;
	for (uint32_t i = 0; i < d->n_long; i++)
		if (d->longs[i].high >> 60 == 0)
			return false;
	return true;
}

static bool rates_fit(const struct deck *d, const struct image_part *part)
{
	uint64_t texts = part[PART_TEXT].count;
	if (texts == 0 || d->text[0] != '\0' || d->text[texts - 1] != '\0')
		return false;
	for (uint64_t i = 0; i < part[PART_ENTRY].count; i++)
		if (d->entry[i].destination >= texts || d->entry[i].kind >= part[PART_KIND].count)
			return false;
	for (uint64_t i = 0; i < part[PART_KIND].count; i++) {
		const struct image_kind *k = &d->kind[i];
		if (k->initial_s < 0 || k->increment_s < 1 || k->grace_s < 0 || k->origin >= texts ||
		    k->schedule > part[PART_SCHEDULE].count || strlen(d->text + k->origin) != k->origin_length)
			return false;
	}
	return true;
}

static bool schedules_fit(const struct deck *d, const struct image_part *part)
{
	for (uint64_t i = 0; i < part[PART_SCHEDULE].count; i++)
		if (d->schedule[i].first > part[PART_WINDOW].count ||
		    d->schedule[i].count > part[PART_WINDOW].count - d->schedule[i].first)
			return false;
	for (uint64_t i = 0; i < part[PART_WINDOW].count; i++)
		if (d->window[i].zone >= part[PART_ZONE].count)
			return false;
	for (uint64_t i = 0; i < part[PART_ZONE].count; i++) {
		const struct image_zone *z = &d->zone[i];
		if (z->count == 0 || z->first > part[PART_TRANSITION].count ||
		    z->count > part[PART_TRANSITION].count - z->first)
			return false;
	}
	return true;
}

int deck_adopt(uint8_t *image, size_t len, struct deck **out, struct status *st)
{
	const struct image_header *h = (const struct image_header *)(void *)image;
	struct deck *d = NULL;

	if (!parts_fit(h) || !words_fit(h))
		goto bad;
	d = xcalloc(1, sizeof *d);
	atomic_init(&d->refs, 1);
	d->words = (struct deck_words){.id = h->id,
				       .version = h->version,
				       .source = h->source,
				       .side = h->side,
				       .rounding = h->rounding,
				       .places = h->places,
				       .duration_rounding = h->duration_rounding};
	memcpy(d->words.currency, h->currency, sizeof d->words.currency);
	d->index_digits = h->index_digits;
	d->n_short = h->n_short;
	d->n_long = (uint32_t)h->part[PART_LONG].count;
#define PART(p) ((const void *)(image + h->part[p].offset))
	d->shorts = PART(PART_SHORT);
	d->index = PART(PART_INDEX);
	d->key = PART(PART_KEY);
	d->entry = PART(PART_ENTRY);
	d->longs = PART(PART_LONG);
	d->kind = PART(PART_KIND);
	d->schedule = PART(PART_SCHEDULE);
	d->window = PART(PART_WINDOW);
	d->zone = PART(PART_ZONE);
	d->transition = PART(PART_TRANSITION);
	d->text = PART(PART_TEXT);
#undef PART
	uint64_t entries = h->part[PART_ENTRY].count, apart = (uint64_t)d->n_short + d->n_long;
	if (entries >= UINT32_MAX || apart > entries || h->part[PART_KEY].count != entries)
		goto bad;
	d->n_keyed = (uint32_t)(entries - apart);
	d->keyed = d->key + d->n_short;
	if (!prefixes_fit(d) || !rates_fit(d, h->part) || !schedules_fit(d, h->part))
		goto bad;
	d->image = image;
	d->length = len;
	*out = d;
	return 0;
bad:
	free(d);
	free(image);
	return status_set(st, -EBADMSG, "deck image is inconsistent; it will be built again");
}

int deck_open(const void *image, size_t len, struct deck **out, struct status *st)
{
	struct image_header h;
	uint8_t digest[32];

	if (len < sizeof h)
		return status_set(st, -EBADMSG, "deck image is cut: %zu bytes", len);
	memcpy(&h, image, sizeof h);
	if (h.magic != IMAGE_MAGIC)
		return status_set(st, -EBADMSG, "not a deck image");
	if (h.format != IMAGE_FORMAT || h.header_size != sizeof h)
		return status_set(st, -EBADMSG, "deck image has format %u, this program reads %d", h.format,
				  IMAGE_FORMAT);
	if (h.length != len)
		return status_set(st, -EBADMSG, "deck image is cut: %zu of %llu bytes", len,
				  (unsigned long long)h.length);
	if (image_digest(image, len, digest) != 0 || memcmp(digest, h.sha256, sizeof digest) != 0)
		return status_set(st, -EBADMSG, "deck image is damaged: its SHA-256 is wrong");
	uint8_t *copy = image_alloc(len);
	memcpy(copy, image, len);
	return deck_adopt(copy, len, out, st);
}

const void *deck_image(const struct deck *d, size_t *len)
{
	*len = d->length;
	return d->image;
}

struct deck *deck_ref(struct deck *d)
{
	atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
	return d;
}

void deck_unref(struct deck **dp)
{
	struct deck *d = *dp;
	*dp = NULL;
	if (d == NULL || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(d->image);
	free(d);
}

const struct deck_words *deck_words(const struct deck *d)
{
	return &d->words;
}

size_t deck_rates(const struct deck *d)
{
	return (size_t)d->n_short + d->n_keyed + d->n_long;
}

/* ---- the look-up ---- */

struct number_key { /* a number, prepared for decks of any index width */
	char called[DIGITS_MAX + 1];
	const char *calling;
	int64_t at_us;
	unsigned __int128 key; /* nibbles, digit + 1, from the left */
	unsigned int digits;
	uint32_t head[INDEX_DIGITS_MAX + 1]; /* value of the first i digits */
};

struct cursor {		 /* the prefixes of one number in one deck, longest first */
	uint32_t lo, hi; /* keyed entries still to be searched */
	uint32_t tail;	 /* what is searched for there */
	uint32_t long_hi;
	unsigned __int128 long_key;
	unsigned int short_digits; /* the next short prefix to try */
	/* the prefix that was found: its rates, the one to prefer first */
	uint32_t entry, end;
	unsigned int digits;
};

static void number_key_make(struct number_key *k, const char *called, const char *calling, int64_t at_us)
{
	unsigned int n = 0;
	uint32_t value = 0;

	memset(k->called, 0, sizeof k->called);
	k->calling = calling;
	k->at_us = at_us;
	k->key = 0;
	k->head[0] = 0;
	for (; n < DIGITS_MAX && called[n] >= '0' && called[n] <= '9'; n++) {
		unsigned int digit = (unsigned int)(called[n] - '0');
		k->called[n] = called[n];
		k->key |= (unsigned __int128)(digit + 1) << (4 * (DIGITS_MAX - 1 - n));
		if (n < INDEX_DIGITS_MAX) {
			value = value * 10 + digit;
			k->head[n + 1] = value;
		}
	}
	k->digits = n;
}

static void cursor_start(struct cursor *c, const struct deck *d, const struct number_key *k)
{
	c->lo = c->hi = 0;
	c->tail = 0;
	if (k->digits >= d->index_digits) {
		const uint32_t *bucket = &d->index[k->head[d->index_digits]];
		c->lo = bucket[0];
		c->hi = bucket[1];
		c->tail = (uint32_t)(k->key >> (4 * (DIGITS_MAX - TAIL_DIGITS - d->index_digits)));
		c->short_digits = d->index_digits - 1;
	} else {
		c->short_digits = k->digits;
	}
	c->long_hi = d->n_long;
	if (c->long_hi > 0)
		c->long_key = k->key;
}

static unsigned int tail_digits(uint32_t tail)
{
	return tail == 0 ? 0 : TAIL_DIGITS - (unsigned int)__builtin_ctz(tail) / 4;
}

/* The first `digits` nibbles */
static uint32_t tail_cut(uint32_t tail, unsigned int digits)
{
	return digits == 0 ? 0 : tail & (UINT32_MAX << (4 * (TAIL_DIGITS - digits)));
}

/* The longest key of the bucket that begins `tail`. A key that sorts last before the number either begins it or shares
 * only its first digits with it: then what is left to look for is no longer than those. */
static bool cursor_bucket(struct cursor *c, const struct deck *d)
{
	while (c->lo < c->hi) {
		const uint32_t *bucket = d->keyed + c->lo, *last = bucket;
		uint32_t n = c->hi - c->lo;
		if (*last > c->tail)
			break;
		while (n > 1) { /* *last <= tail; halving without a branch */
			uint32_t half = n / 2;
			last += last[half] <= c->tail ? half : 0;
			n -= half;
		}
		uint32_t key = *last;
		unsigned int digits = tail_digits(key);
		const uint32_t *first = last;
		while (first > bucket && first[-1] == key)
			first--;
		c->hi = (uint32_t)(first - d->keyed);
		if (tail_cut(c->tail, digits) == key) {
			if (digits == 0)
				c->hi = c->lo; /* nothing shorter here */
			else
				c->tail = tail_cut(c->tail, digits - 1);
			c->entry = (uint32_t)(first - d->key);
			c->end = (uint32_t)(last - d->key) + 1;
			c->digits = d->index_digits + digits;
			return true;
		}
		unsigned int common = (unsigned int)__builtin_clz(key ^ c->tail) / 4;
		c->tail = tail_cut(c->tail, common);
	}
	c->hi = c->lo;
	return false;
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
		uint32_t end = lo;
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
			c->entry = d->n_short + d->n_keyed + c->long_hi;
			c->end = d->n_short + d->n_keyed + end;
			c->digits = digits;
			return true;
		}
	}
	return false;
}

static bool cursor_short(struct cursor *c, const struct deck *d, const struct number_key *k)
{
	for (; c->short_digits > 0; c->short_digits--) {
		uint32_t at = d->shorts[image_short_slot(c->short_digits, k->head[c->short_digits])];
		if (at == 0)
			continue;
		c->entry = at - 1;
		c->end = at;
		while (c->end < d->n_short && d->key[c->end] == d->key[c->entry])
			c->end++;
		c->digits = c->short_digits--;
		return true;
	}
	return false;
}

static bool cursor_next(struct cursor *c, const struct deck *d, const struct number_key *k)
{
	if (c->long_hi > 0 && cursor_long(c, d))
		return true;
	if (c->lo < c->hi && cursor_bucket(c, d))
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

static void found_fill(struct deck_found *out, const struct deck *d, const struct image_entry *e, unsigned int digits,
		       const struct number_key *k)
{
	const struct image_kind *kind = &d->kind[e->kind];

	memcpy(out->prefix, k->called, sizeof out->prefix); /* of fixed size: faster than the few digits alone */
	out->prefix[digits] = '\0';
	out->destination = d->text + e->destination;
	out->origin = d->text + kind->origin;
	out->terms.price_n = kind->price_base + e->price_low;
	out->terms.initial_price_n = kind->initial_price_n == RATE_SAME ? out->terms.price_n : kind->initial_price_n;
	out->terms.connect_fee_n = kind->connect_fee_n;
	out->terms.initial_s = kind->initial_s;
	out->terms.increment_s = kind->increment_s;
	out->terms.grace_s = kind->grace_s;
	out->terms.rounding = (uint8_t)d->words.rounding;
	out->terms.places = (uint8_t)d->words.places;
	out->terms.duration_rounding = (uint8_t)d->words.duration_rounding;
	out->effective_from_us = kind->from_us;
	out->effective_to_us = kind->to_us;
	out->blocked = kind->blocked != 0;
}

/* From the prefix at which the cursor stands to ever shorter ones, until one has a rate that holds. */
static bool find_from(struct cursor *c, const struct deck *d, const struct number_key *k, struct deck_found *out)
{
	do {
		for (uint32_t i = c->entry; i < c->end; i++) {
			const struct image_entry *e = &d->entry[i];
			if (kind_holds(d, &d->kind[e->kind], k)) {
				found_fill(out, d, e, c->digits, k);
				return true;
			}
		}
	} while (cursor_next(c, d, k));
	return false;
}

bool deck_find(const struct deck *d, const char *called, const char *calling, int64_t at_us, struct deck_found *out)
{
	struct number_key k;
	struct cursor c;

	number_key_make(&k, called, calling, at_us);
	cursor_start(&c, d, &k);
	return cursor_next(&c, d, &k) && find_from(&c, d, &k, out);
}

/* One group of decks: each pass touches what the pass before it asked the memory for. */
static void find_step(const struct deck *const *decks, size_t n, const struct number_key *k, struct deck_found *out,
		      bool *found)
{
	struct cursor cursor[STEP];
	bool at_prefix[STEP];

	for (size_t i = 0; i < n; i++)
		__builtin_prefetch(k->digits < decks[i]->index_digits
					   ? (const void *)decks[i]->shorts
					   : &decks[i]->index[k->head[decks[i]->index_digits]]);
	for (size_t i = 0; i < n; i++) {
		cursor_start(&cursor[i], decks[i], k);
		const uint32_t *bucket = decks[i]->keyed + cursor[i].lo;
		uint32_t width = cursor[i].hi - cursor[i].lo;
		__builtin_prefetch(bucket);
		if (width > 1)
			__builtin_prefetch(bucket + width - 1);
		if (width > 32)
			__builtin_prefetch(bucket + width / 2);
	}
	for (size_t i = 0; i < n; i++) {
		at_prefix[i] = cursor_next(&cursor[i], decks[i], k);
		if (at_prefix[i])
			__builtin_prefetch(&decks[i]->entry[cursor[i].entry]);
	}
	for (size_t i = 0; i < n; i++)
		if (at_prefix[i])
			__builtin_prefetch(&decks[i]->kind[decks[i]->entry[cursor[i].entry].kind]);
	for (size_t i = 0; i < n; i++)
		found[i] = at_prefix[i] && find_from(&cursor[i], decks[i], k, &out[i]);
}

void deck_find_many(const struct deck *const *decks, size_t n, const char *called, const char *calling, int64_t at_us,
		    struct deck_found *out, bool *found)
{
	struct number_key k;

	number_key_make(&k, called, calling, at_us);
	for (size_t i = 0; i < n; i += STEP)
		find_step(decks + i, n - i < STEP ? n - i : STEP, &k, out + i, found + i);
}
