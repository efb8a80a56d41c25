/* SPDX-License-Identifier: Apache-2.0 */
/* deck.h - a rate deck, compiled: an immutable, relocatable image that answers "which rate holds for this number now".
 *
 * An image is one block without pointers (offsets only), with a magic, a format version, the deck's id and version, a
 * length and a SHA-256: it can be written to Redis or disk as it is and mapped again. Terms, dates, destinations,
 * origins and schedules are interned. Reading needs no lock and allocates nothing.
 */
#ifndef ROUTING_DECK_H
#define ROUTING_DECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/digits.h"
#include "lib/status.h"
#include "tariff/rate.h"

enum deck_side { DECK_SELL, DECK_BUY };

struct deck; /* reference-counted; any thread */

struct deck_found { /* the rate that holds; text is borrowed from the deck */
	char prefix[DIGITS_MAX + 1];
	const char *destination; /* "" if the row had none */
	const char *origin;	 /* origin_prefix, "" if none */
	struct rate_terms terms;
	int64_t effective_from_us, effective_to_us; /* wall clock, since 1970 UTC; 0: open */
	bool blocked;
};

struct deck_row { /* one rate as stored; text borrowed during deck_builder_add */
	const char *prefix, *destination, *origin_prefix; /* origin_prefix: "" or NULL none */
	int64_t price_n, initial_price_n;		  /* nano-units a minute; initial_price_n: RATE_SAME = price */
	int64_t connect_fee_n;				  /* nano-units a call */
	int32_t initial_s, increment_s, grace_s;
	int64_t effective_from_us, effective_to_us;
	bool blocked;
	const char *schedule; /* JSON as in the API, or NULL */
};
#define RATE_SAME INT64_MIN

struct deck_words { /* what the deck itself says */
	int64_t id, version;
	uint64_t source; /* which database the version counts in; 0: not said */
	enum deck_side side;
	char currency[4];
	enum money_rounding rounding;
	int places;
	enum rate_duration duration_rounding;
};

struct deck_builder;
struct deck_builder *deck_builder_new(const struct deck_words *words); /* words are copied */
/* deck_builder_add - rows in any order. 0, or -EINVAL with st naming the prefix and the reason */
int deck_builder_add(struct deck_builder *b, const struct deck_row *row, struct status *st) must_check;
/* deck_builder_finish - the deck, a new reference; frees b either way. 0, or -EIO with st: no SHA-256 in the library */
int deck_builder_finish(struct deck_builder **b, struct deck **out, struct status *st) must_check;
void deck_builder_free(struct deck_builder **b);

/* deck_open - an image from Redis or disk (copied); -EBADMSG if magic, format, length or checksum is wrong */
int deck_open(const void *image, size_t len, struct deck **out, struct status *st) must_check;
const void *deck_image(const struct deck *d, size_t *len); /* to be stored; borrowed */
struct deck *deck_ref(struct deck *d);
void deck_unref(struct deck **d);

const struct deck_words *deck_words(const struct deck *d); /* borrowed */
size_t deck_rates(const struct deck *d);		   /* how many it holds */

/* deck_find - the longest prefix of called with a rate in force at at_us; of its rates the longest origin_prefix that
 *   calling starts with, then one without; a matching schedule before none. Blocked rates are found too (see .blocked).
 *   returns false if no prefix has a rate in force */
bool deck_find(const struct deck *d, const char *called, const char *calling, int64_t at_us, struct deck_found *out);

/* struct deck_hit - the rate that holds, with its terms, and where the rest of it stands: a line of memory, since
 * hundreds of decks are asked for a call and few of their rates are looked at closely. */
struct image_rate;
struct image_kind;
struct deck_hit {
	struct rate_terms terms;
	const struct image_rate *rate; /* NULL: no prefix has a rate in force, and nothing else is set */
	const struct image_kind *kind;
	char currency[4]; /* the deck's */
	uint8_t digits;	  /* of its prefix */
	bool blocked;
};

/* deck_find_many - deck_find over n decks, walked in step so that their cache misses overlap */
void deck_find_many(const struct deck *const *decks, size_t n, const char *called, const char *calling, int64_t at_us,
		    struct deck_hit *hit);
/* deck_hit_open - all of the rate that was found in that deck by that number */
void deck_hit_open(const struct deck *d, const struct deck_hit *h, const char *called, struct deck_found *out);

#endif
