/* SPDX-License-Identifier: Apache-2.0 */
/* deck_priv.h - how a compiled deck lies in memory, in Redis and on disk: one block, offsets instead of pointers.
 *
 * The image begins with struct image_header; its parts follow, each aligned to 64 bytes. Numbers are in the machine's
 * byte order (the magic is a number, too: an image of the other order is refused).
 *
 * A look-up over many decks is as slow as the memory that it waits for, so a deck is asked in two steps: the index, a
 * direct table of the first digits, says where the number's bucket stands, and what prefix shorter than the index would
 * do; the bucket's block holds all else: the keys of its rates (what follows the index digits, up to 8 digits, a nibble
 * each, digit + 1, so that a shorter prefix sorts before its longer ones), sorted, and behind them the rates in the
 * same order. Most blocks take two or three lines of memory, that are asked for together.
 *
 * Rates of short prefixes (fewer digits than the index takes) stand apart, found through a direct table of all short
 * numbers; behind them those of prefixes too long for a bucket, whose whole keys stand in a part of their own. The
 * rates of one prefix are neighbours, the one to prefer first; all but the last of them say RATE_MORE. All else about a
 * rate is interned: few decks have more than some dozen kinds of rates.
 */
#ifndef ROUTING_DECK_PRIV_H
#define ROUTING_DECK_PRIV_H

#include <stdatomic.h>

#include "routing/deck.h"

#define IMAGE_MAGIC UINT64_C(0x4b4345444d444e54) /* "TNDMDECK" on a little-endian machine */
#define IMAGE_FORMAT 3
#define IMAGE_ALIGN 64
#define INDEX_DIGITS_MIN 2
#define INDEX_DIGITS_MAX 6
#define TAIL_DIGITS 8 /* that a bucket's keys hold after the index digits */
#define IMAGE_SLOT 16 /* bytes of a rate in a block: its key, and a struct image_rate */
#define DECK_RATES_MAX ((UINT32_C(1) << SHORT_DIGITS_AT) - 2)

enum image_parts {
	PART_SHORT,	 /* uint32_t: what is said of each number of 1..index_digits-1 digits (SHORT_RATE), or 0 */
	PART_INDEX,	 /* struct image_bucket, and one more */
	PART_BLOCK,	 /* blocks of IMAGE_SLOT bytes a rate: n keys (uint32_t), then n struct image_rate */
	PART_RATE,	 /* struct image_rate: those of short prefixes, then those of long ones */
	PART_LONG,	 /* struct image_long: the keys of the latter */
	PART_KIND,	 /* struct image_kind */
	PART_SCHEDULE,	 /* struct image_schedule */
	PART_WINDOW,	 /* struct image_window */
	PART_ZONE,	 /* struct image_zone */
	PART_TRANSITION, /* struct image_transition */
	PART_TEXT,	 /* NUL-terminated strings; the first is "" */
	IMAGE_PARTS
};

struct image_part {
	uint64_t offset; /* from the start of the image */
	uint64_t count;
};

struct image_header {
	uint64_t magic;
	uint32_t format, header_size;
	uint64_t length;
	uint8_t sha256[32]; /* of the whole image with these bytes zero */
	int64_t id, version;
	uint64_t source;
	char currency[4];
	uint8_t side, rounding, places, duration_rounding;
	uint32_t index_digits, n_short; /* n_short: rates of short prefixes */
	struct image_part part[IMAGE_PARTS];
};

/* A rate of a short prefix: in the upper bits its digits, in the lower ones its place in PART_RATE, + 1 */
#define SHORT_DIGITS_AT 28
#define SHORT_RATE ((UINT32_C(1) << SHORT_DIGITS_AT) - 1)

struct image_bucket {
	uint32_t first;	  /* its first rate in PART_BLOCK */
	uint32_t shorter; /* the longest short prefix that the bucket's numbers begin with (SHORT_RATE); 0: none */
};

struct image_long {
	uint64_t high, low; /* 32 nibbles */
};

#define RATE_MORE (UINT32_C(1) << 31) /* in kind: the next rate is of the same prefix */
#define RATE_KIND (RATE_MORE - 1)

struct image_rate {
	uint32_t price_low;   /* price_n = kind.price_base + price_low */
	uint32_t destination; /* in PART_TEXT */
	uint32_t kind;
};

struct image_kind {					    /* a cache line */
	int64_t price_base, initial_price_n, connect_fee_n; /* initial_price_n: RATE_SAME = price */
	int64_t from_us, to_us;				    /* 0: open */
	int32_t initial_s, increment_s, grace_s;
	uint32_t origin;   /* in PART_TEXT */
	uint32_t schedule; /* index + 1; 0: always */
	uint8_t origin_length, blocked, spare[2];
};

struct image_schedule {
	uint32_t first, count; /* windows */
};

struct image_window {
	uint8_t days, spare; /* bit 0: Monday */
	uint16_t from_min, to_min;
	uint16_t zone;
};

struct image_zone {
	uint32_t first, count; /* transitions; the first one is at INT64_MIN */
};

struct image_transition {
	int64_t at_s; /* from here on, seconds since 1970 UTC */
	int32_t offset_s, spare;
};

struct deck {			       /* what each look-up reads stands first */
	uint32_t index_digits, n_long; /* n_...: rates */
	const struct image_bucket *index;
	const uint8_t *block;
	const struct image_kind *kind;
	struct deck_words words;
	const struct image_rate *rate;
	const uint32_t *shorts;
	const struct image_long *longs;
	const struct image_schedule *schedule;
	const struct image_window *window;
	const struct image_zone *zone;
	const struct image_transition *transition;
	const char *text;
	uint32_t n_short, n_keyed;
	uint8_t *image; /* owned */
	size_t length;
	_Atomic uint32_t refs;
};

extern const size_t image_part_size[IMAGE_PARTS]; /* of one item */

/* image_short_slot - where a number of `digits` digits and that value stands in PART_SHORT; the table's size is
 * image_short_slot(index_digits, 0) */
static inline uint32_t image_short_slot(unsigned int digits, uint32_t value)
{
	static const uint32_t before[] = {0, 0, 10, 110, 1110, 11110, 111110}; /* numbers of fewer digits */
	return before[digits] + value;
}

/* image_block - the keys of the bucket whose first rate is `first`; image_block_rates - its n rates */
static inline const uint32_t *image_block(const void *blocks, uint32_t first)
{
	return (const uint32_t *)blocks + (size_t)first * (IMAGE_SLOT / sizeof(uint32_t));
}

static inline const struct image_rate *image_block_rates(const uint32_t *keys, uint32_t n)
{
	return (const struct image_rate *)(const void *)(keys + n);
}

static inline uint32_t image_power10(unsigned int n)
{
	uint32_t p = 1;
	while (n-- > 0)
		p *= 10;
	return p;
}

/* image_digest - the SHA-256 that belongs into the header; 0, or -EIO if the library has none */
int image_digest(const void *image, size_t len, uint8_t out[static 32]) must_check;
void *image_alloc(size_t len); /* aligned, zeroed, never NULL */
void image_free(void *image, size_t len);
/* deck_adopt - a deck over an image whose digest is right; takes the image, also on failure (-EBADMSG) */
int deck_adopt(uint8_t *image, size_t len, struct deck **out, struct status *st) must_check;

#endif
