/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_deck.c - a compiled deck finds what a walk over its rows finds; its image opens as it is, and not with any
 * change.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "routing/deck.h"
#include "tests/fuzz/fuzz.h"

enum { ROWS_MAX = 48, LONGEST = 9, DAY_US = 1000000 };

struct line {
	char prefix[LONGEST + 1], origin[4];
	int64_t from_us, to_us;
	struct deck_row row;
};

/* Digits of a small alphabet, so that prefixes meet. */
static void digits(struct fuzz_bytes *b, char *out, size_t n)
{
	uint64_t bits = fuzz_take(b, 3);

	for (size_t i = 0; i < n; i++, bits >>= 2)
		out[i] = "0179"[bits & 3];
	out[n] = '\0';
}

static bool overlaps(const struct line *a, const struct line *b)
{
	return strcmp(a->prefix, b->prefix) == 0 && strcmp(a->origin, b->origin) == 0 &&
	       (!a->to_us || b->from_us < a->to_us) && (!b->to_us || a->from_us < b->to_us);
}

static size_t lines_read(struct fuzz_bytes *b, struct line *line)
{
	size_t n = 0;

	while (b->left > 4 && n < ROWS_MAX) {
		struct line *l = &line[n];
		digits(b, l->prefix, 1 + fuzz_take(b, 1) % LONGEST);
		digits(b, l->origin, fuzz_take(b, 1) % 3);
		uint64_t when = fuzz_take(b, 1);
		l->from_us = DAY_US * (int64_t)(1 + when % 8);
		l->to_us = when & 64 ? l->from_us + DAY_US * (int64_t)(1 + (when >> 3) % 8) : 0;
		l->row = (struct deck_row){.prefix = l->prefix,
					   .destination = "",
					   .origin_prefix = l->origin,
					   .price_n = (int64_t)n + 1,
					   .initial_price_n = RATE_SAME,
					   .initial_s = 1,
					   .increment_s = 1,
					   .effective_from_us = l->from_us,
					   .effective_to_us = l->to_us,
					   .blocked = when & 128};
		bool clear = true;
		for (size_t i = 0; i < n; i++)
			clear = clear && !overlaps(&line[i], l);
		n += clear;
	}
	return n;
}

static bool begins(const char *number, const char *prefix)
{
	return strncmp(number, prefix, strlen(prefix)) == 0;
}

/* The price of the row that holds, by looking at all of them; -1: none */
static int64_t walked(const struct line *line, size_t n, const char *called, const char *calling, int64_t at_us)
{
	const struct line *best = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct line *l = &line[i];
		if (!begins(called, l->prefix) || at_us < l->from_us || (l->to_us && at_us >= l->to_us))
			continue;
		if (l->origin[0] && !begins(calling, l->origin))
			continue;
		size_t had = best ? strlen(best->prefix) : 0, has = strlen(l->prefix);
		if (!best || has > had || (has == had && strlen(l->origin) > strlen(best->origin)))
			best = l;
	}
	return best ? best->row.price_n : -1;
}

static void lookups(const struct deck *d, const struct line *line, size_t n, struct fuzz_bytes b)
{
	for (int i = 0; i < 24; i++) {
		char called[13], calling[5];
		digits(&b, called, 9);
		digits(&b, called + 9, fuzz_take(&b, 1) % 4);
		digits(&b, calling, 4);
		int64_t at_us = DAY_US * (int64_t)(1 + fuzz_take(&b, 1) % 20);
		struct deck_found found;
		int64_t price = deck_find(d, called, calling, at_us, &found) ? found.terms.price_n : -1;
		fuzz_must(price == walked(line, n, called, calling, at_us));
		fuzz_must(price < 0 || begins(called, found.prefix));
	}
}

static void image_check(const struct deck *d, struct fuzz_bytes *b)
{
	size_t len;
	const void *image = deck_image(d, &len);
	uint8_t *copy = malloc(len);
	struct deck *opened = NULL;
	struct status st = {""};

	if (!copy)
		abort();
	memcpy(copy, image, len);
	fuzz_must(deck_open(copy, len, &opened, &st) == 0 && deck_rates(opened) == deck_rates(d));
	deck_unref(&opened);
	uint8_t was = (uint8_t)fuzz_take(b, 1) | 1;
	copy[fuzz_take(b, 4) % len] ^= was;
	fuzz_must(deck_open(copy, len, &opened, &st) == -EBADMSG && st.text[0]);
	fuzz_must(deck_open(image, fuzz_take(b, 4) % len, &opened, &st) == -EBADMSG);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct deck_words words = {
		.id = 1, .version = 1, .source = 1, .side = DECK_BUY, .currency = "EUR", .places = 6};
	struct fuzz_bytes b = {bytes, len};
	struct line line[ROWS_MAX];
	struct deck *opened = NULL;
	struct status st = {""};

	if (deck_open(bytes, len, &opened, &st) == 0) /* nobody guesses a SHA-256, but a seed may be an image */
		deck_unref(&opened);
	size_t n = lines_read(&b, line);
	struct deck_builder *builder = deck_builder_new(&words);
	for (size_t i = 0; i < n; i++)
		fuzz_must(deck_builder_add(builder, &line[i].row, &st) == 0);
	struct deck *d = NULL;
	fuzz_must(deck_builder_finish(&builder, &d, &st) == 0);
	fuzz_must(deck_rates(d) == n);
	lookups(d, line, n, (struct fuzz_bytes){bytes, len});
	image_check(d, &b);
	deck_unref(&d);
	return 0;
}
