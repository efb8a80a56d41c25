/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/deck.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/bulk.h"
#include "routing/deck_priv.h"

const size_t image_part_size[IMAGE_PARTS] = {
	[PART_SHORT] = sizeof(uint32_t),
	[PART_INDEX] = sizeof(struct image_bucket),
	[PART_BLOCK] = IMAGE_SLOT,
	[PART_RATE] = sizeof(struct image_rate),
	[PART_LONG] = sizeof(struct image_long),
	[PART_KIND] = sizeof(struct image_kind),
	[PART_SCHEDULE] = sizeof(struct image_schedule),
	[PART_WINDOW] = sizeof(struct image_window),
	[PART_ZONE] = sizeof(struct image_zone),
	[PART_TRANSITION] = sizeof(struct image_transition),
	[PART_TEXT] = 1,
};

/* ---- the image ---- */

/* A look-up over many decks touches some hundred places all over them, and each small page would cost a walk of the
 * page tables: a large image lies in bulk memory. A small one is a few pages anyway. */
void *image_alloc(size_t len)
{
	if (len >= BULK_WORTH)
		return memset(bulk_alloc(len), 0, len);
	size_t rounded = (len + IMAGE_ALIGN - 1) & ~(size_t)(IMAGE_ALIGN - 1);
	void *p = aligned_alloc(IMAGE_ALIGN, rounded);
	if (p == NULL)
		abort(); /* as xcalloc: nothing here can go on without memory */
	return memset(p, 0, rounded);
}

void image_free(void *image, size_t len)
{
	if (len >= BULK_WORTH)
		bulk_free(image, len);
	else
		free(image);
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
static bool short_fits(const struct deck *d, uint32_t said)
{
	return (said & SHORT_RATE) <= d->n_short && said >> SHORT_DIGITS_AT < d->index_digits &&
	       ((said & SHORT_RATE) == 0) == (said >> SHORT_DIGITS_AT == 0);
}

static bool prefixes_fit(const struct deck *d)
{
	uint32_t buckets = image_power10(d->index_digits);
	if (d->index[0].first != 0 || d->index[buckets].first != d->n_keyed)
		return false;
	for (uint32_t i = 0; i < buckets; i++)
		if (d->index[i].first > d->index[i + 1].first || !short_fits(d, d->index[i].shorter))
			return false;
	for (unsigned int digits = 1; digits < d->index_digits; digits++) /* a number says nothing longer than itself */
		for (uint32_t i = image_short_slot(digits, 0); i < image_short_slot(digits + 1, 0); i++)
			if (!short_fits(d, d->shorts[i]) || d->shorts[i] >> SHORT_DIGITS_AT > digits)
				return false;
	for (uint32_t i = 0; i < d->n_long; i++)
		if (d->longs[i].high >> 60 == 0)
			return false;
	return true;
}

/* n rates, of which the last one has no neighbour of its prefix */
static bool rate_run_fits(const struct image_rate *rate, uint64_t n, uint64_t texts, uint64_t kinds)
{
	for (uint64_t i = 0; i < n; i++)
		if (rate[i].destination >= texts || (rate[i].kind & RATE_KIND) >= kinds)
			return false;
	return n == 0 || (rate[n - 1].kind & RATE_MORE) == 0;
}

static bool rates_fit(const struct deck *d, const struct image_part *part)
{
	uint64_t texts = part[PART_TEXT].count, kinds = part[PART_KIND].count;
	if (texts == 0 || d->text[0] != '\0' || d->text[texts - 1] != '\0')
		return false;
	if (!rate_run_fits(d->rate, d->n_short, texts, kinds) ||
	    !rate_run_fits(d->rate + d->n_short, d->n_long, texts, kinds))
		return false;
	for (uint32_t i = 0; i < image_power10(d->index_digits); i++) {
		uint32_t lo = d->index[i].first, n = d->index[i + 1].first - lo;
		if (!rate_run_fits(image_block_rates(image_block(d->block, lo), n), n, texts, kinds))
			return false;
	}
	for (uint64_t i = 0; i < kinds; i++) {
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
	d->block = PART(PART_BLOCK);
	d->rate = PART(PART_RATE);
	d->longs = PART(PART_LONG);
	d->kind = PART(PART_KIND);
	d->schedule = PART(PART_SCHEDULE);
	d->window = PART(PART_WINDOW);
	d->zone = PART(PART_ZONE);
	d->transition = PART(PART_TRANSITION);
	d->text = PART(PART_TEXT);
#undef PART
	d->n_keyed = (uint32_t)h->part[PART_BLOCK].count;
	if (h->part[PART_RATE].count != (uint64_t)d->n_short + d->n_long || d->n_short >= SHORT_RATE)
		goto bad;
	if (!prefixes_fit(d) || !rates_fit(d, h->part) || !schedules_fit(d, h->part))
		goto bad;
	d->image = image;
	d->length = len;
	*out = d;
	return 0;
bad:
	free(d);
	image_free(image, len);
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
	image_free(d->image, d->length);
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
