/* SPDX-License-Identifier: Apache-2.0 */
/* deck_priv.h - how a compiled deck lies in memory, in Redis and on disk: one block, offsets instead of pointers.
 *
 * The image begins with struct image_header; its parts follow, each aligned to 64 bytes. Numbers are in the machine's
 * byte order (the magic is a number, too: an image of the other order is refused).
 *
 * A prefix is a node. Nodes are numbered: first the short ones (fewer digits than the index takes), found through a
 * direct table of all short numbers; then those in the buckets of the index, sorted by what follows the index digits
 * (up to 8 digits, a nibble each, digit + 1, so that a shorter prefix sorts before its longer ones); then the long
 * ones, sorted by their whole key. A node's rates are neighbours, the one to prefer first. Where every node has one
 * rate (the usual deck) PART_FIRST is left out, and node and rate have the same number.
 */
#ifndef ROUTING_DECK_PRIV_H
#define ROUTING_DECK_PRIV_H

#include <stdatomic.h>

#include "routing/deck.h"

#define IMAGE_MAGIC UINT64_C(0x4b4345444d444e54) /* "TNDMDECK" on a little-endian machine */
#define IMAGE_FORMAT 1
#define IMAGE_ALIGN 64
#define INDEX_DIGITS_MIN 2
#define INDEX_DIGITS_MAX 6
#define TAIL_DIGITS 8 /* that a bucket's keys hold after the index digits */

enum image_parts {
	PART_SHORT,	 /* uint32_t: node + 1, or 0, for each number of 1..index_digits-1 digits */
	PART_INDEX,	 /* uint32_t: first key of each bucket, and one more */
	PART_KEY,	 /* uint32_t: sorted tails */
	PART_LONG,	 /* struct image_long, sorted */
	PART_FIRST,	 /* uint32_t: first rate of each node, and one more; absent if node = rate */
	PART_RATE,	 /* struct image_rate */
	PART_FORM,	 /* struct image_form */
	PART_CONDITION,	 /* struct image_condition */
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
	uint32_t index_digits, n_short; /* n_short: nodes, not table entries */
	struct image_part part[IMAGE_PARTS];
};

struct image_long {
	uint64_t high, low; /* 32 nibbles */
};

struct image_rate {
	uint32_t price_low;   /* price_n = form.price_base + price_low */
	uint32_t destination; /* in PART_TEXT */
	uint32_t form, condition;
};

struct image_form {
	int64_t price_base, initial_price_n, connect_fee_n; /* initial_price_n: RATE_SAME = price */
	int32_t initial_s, increment_s, grace_s, spare;
};

struct image_condition {
	int64_t from_us, to_us; /* 0: open */
	uint32_t origin;	/* in PART_TEXT */
	uint32_t schedule;	/* index + 1; 0: always */
	uint8_t origin_length, blocked, spare[6];
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

struct deck {
	_Atomic uint32_t refs;
	uint32_t index_digits, n_short, n_keys, n_long, n_rates;
	struct deck_words words;
	const uint32_t *shorts, *index, *key, *first; /* first: NULL if node = rate */
	const struct image_long *longs;
	const struct image_rate *rate;
	const struct image_form *form;
	const struct image_condition *condition;
	const struct image_schedule *schedule;
	const struct image_window *window;
	const struct image_zone *zone;
	const struct image_transition *transition;
	const char *text;
	uint8_t *image; /* owned */
	size_t length;
};

extern const size_t image_part_size[IMAGE_PARTS]; /* of one item */

/* image_short_slot - where a number of `digits` digits and that value stands in PART_SHORT; the table's size is
 * image_short_slot(index_digits, 0) */
static inline uint32_t image_short_slot(unsigned int digits, uint32_t value)
{
	static const uint32_t before[] = {0, 0, 10, 110, 1110, 11110, 111110}; /* numbers of fewer digits */
	return before[digits] + value;
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
void *image_alloc(size_t len); /* aligned, zeroed, never NULL; free() */
/* deck_adopt - a deck over an image whose digest is right; takes the image, also on failure (-EBADMSG) */
int deck_adopt(uint8_t *image, size_t len, struct deck **out, struct status *st) must_check;

#endif
