/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/random.h"
#include "routing/deck_priv.h"
#include "routing/schedule.h"

#define AT 1767225600000000LL /* 2026-01-01T00:00:00Z */
#define DAY_US 86400000000LL

static const struct deck_words plain = {.id = 7,
					.version = 3,
					.source = 99,
					.side = DECK_BUY,
					.currency = "EUR",
					.rounding = MONEY_HALF_UP,
					.places = 6};

static struct deck_row row_of(const char *prefix, int64_t price_n)
{
	return (struct deck_row){.prefix = prefix,
				 .destination = "",
				 .price_n = price_n,
				 .initial_price_n = RATE_SAME,
				 .initial_s = 1,
				 .increment_s = 1};
}

static void add(struct deck_builder *b, const struct deck_row *row)
{
	struct status st = {""};
	if (deck_builder_add(b, row, &st) != 0)
		fail_msg("%s", st.text);
}

static struct deck *finish(struct deck_builder *b)
{
	struct status st = {""};
	struct deck *d = NULL;
	if (deck_builder_finish(&b, &d, &st) != 0)
		fail_msg("%s", st.text);
	assert_null(b);
	return d;
}

static struct deck *deck_of(const struct deck_row *rows, size_t n)
{
	struct deck_builder *b = deck_builder_new(&plain);
	for (size_t i = 0; i < n; i++)
		add(b, &rows[i]);
	return finish(b);
}

static int64_t price_of(const struct deck *d, const char *called, const char *calling, int64_t at_us)
{
	struct deck_found found;
	return deck_find(d, called, calling, at_us, &found) ? found.terms.price_n : -1;
}

static int64_t time_of(const char *text)
{
	int64_t us = 0;
	assert_int_equal(clock_parse(text, &us), 0);
	return us;
}

static void the_longest_prefix_wins(void **state)
{
	struct deck_row rows[] = {row_of("4", 1), row_of("49", 2), row_of("493012345678", 3), row_of("4930123", 4),
				  row_of("49301234567890123", 5)};
	struct deck *d = deck_of(rows, 5);
	struct deck_found found;

	assert_int_equal(price_of(d, "43", "", AT), 1);
	assert_int_equal(price_of(d, "49", "", AT), 2);
	assert_int_equal(price_of(d, "493012", "", AT), 2);
	assert_int_equal(price_of(d, "4930123", "", AT), 4);
	assert_int_equal(price_of(d, "49301234567", "", AT), 4);
	assert_int_equal(price_of(d, "4930123456789", "", AT), 3);
	assert_int_equal(price_of(d, "4930123456789012", "", AT), 3);
	assert_int_equal(price_of(d, "493012345678901234", "", AT), 5);
	assert_int_equal(price_of(d, "5", "", AT), -1);
	assert_int_equal(price_of(d, "", "", AT), -1);
	assert_true(deck_find(d, "49301234567890", "", AT, &found));
	assert_string_equal(found.prefix, "493012345678");
	deck_unref(&d);
}

static void an_empty_deck_finds_nothing(void **state)
{
	struct deck *d = deck_of(NULL, 0);
	assert_int_equal(deck_rates(d), 0);
	assert_int_equal(price_of(d, "4930123456", "", AT), -1);
	deck_unref(&d);
}

static void prices_and_terms_come_back_exactly(void **state)
{
	struct deck_row rows[] = {row_of("1", -1), row_of("2", 0), row_of("3", 999999999999999999LL),
				  row_of("4", -999999999999999999LL), row_of("5", 4294967296LL)};
	rows[4].initial_price_n = 12;
	rows[4].connect_fee_n = -7;
	rows[4].initial_s = 30;
	rows[4].increment_s = 6;
	rows[4].grace_s = 5;
	rows[4].destination = "Peru, \"Lima\"";
	rows[4].blocked = true;
	struct deck *d = deck_of(rows, 5);
	struct deck_found f;

	for (int i = 0; i < 4; i++)
		assert_true(price_of(d, rows[i].prefix, "", AT) == rows[i].price_n);
	assert_true(deck_find(d, "51", "", AT, &f));
	assert_true(f.blocked);
	assert_int_equal(f.terms.price_n, 4294967296LL);
	assert_int_equal(f.terms.initial_price_n, 12);
	assert_int_equal(f.terms.connect_fee_n, -7);
	assert_int_equal(f.terms.initial_s, 30);
	assert_int_equal(f.terms.increment_s, 6);
	assert_int_equal(f.terms.grace_s, 5);
	assert_int_equal(f.terms.places, 6);
	assert_string_equal(f.destination, "Peru, \"Lima\"");
	assert_true(deck_find(d, "3", "", AT, &f));
	assert_int_equal(f.terms.initial_price_n, f.terms.price_n);
	deck_unref(&d);
}

static void a_rate_holds_from_its_start_up_to_its_end(void **state)
{
	struct deck_row rows[] = {row_of("49", 1), row_of("4930", 2), row_of("4930", 3)};
	rows[1].effective_from_us = AT;
	rows[1].effective_to_us = AT + DAY_US;
	rows[2].effective_from_us = AT + 2 * DAY_US;
	struct deck *d = deck_of(rows, 3);

	assert_int_equal(price_of(d, "4930", "", AT - 1), 1);
	assert_int_equal(price_of(d, "4930", "", AT), 2);
	assert_int_equal(price_of(d, "4930", "", AT + DAY_US - 1), 2);
	assert_int_equal(price_of(d, "4930", "", AT + DAY_US), 1);
	assert_int_equal(price_of(d, "4930", "", AT + 2 * DAY_US), 3);
	deck_unref(&d);
}

static void the_longest_origin_goes_before_one_without(void **state)
{
	struct deck_row rows[] = {row_of("49", 1), row_of("49", 2), row_of("49", 3), row_of("4930", 4), row_of("4", 5)};
	rows[1].origin_prefix = "4";
	rows[2].origin_prefix = "49";
	rows[3].origin_prefix = "33";
	struct deck *d = deck_of(rows, 5);
	struct deck_found f;

	assert_int_equal(price_of(d, "4930", "1", AT), 1);
	assert_int_equal(price_of(d, "4930", "43", AT), 2);
	assert_int_equal(price_of(d, "4930", "49", AT), 3);
	assert_int_equal(price_of(d, "4930", "331", AT), 4);
	assert_int_equal(price_of(d, "4930", "", AT), 1);
	assert_true(deck_find(d, "49", "4930", AT, &f));
	assert_string_equal(f.origin, "49");
	deck_unref(&d);
}

static void a_schedule_goes_before_none_while_it_is_open(void **state)
{
	struct deck_row rows[] = {row_of("49", 1), row_of("49", 2)};
	rows[1].schedule =
		"[{\"days\":[1,2,3,4,5],\"from\":\"08:00\",\"to\":\"18:00\",\"timezone\":\"Europe/Berlin\"}]";
	struct deck *d = deck_of(rows, 2);

	/* Friday 27 March 2026, before the change to summer time (UTC+1); Monday the 30th after it (UTC+2) */
	assert_int_equal(price_of(d, "49", "", time_of("2026-03-27T06:59:59Z")), 1);
	assert_int_equal(price_of(d, "49", "", time_of("2026-03-27T07:00:00Z")), 2);
	assert_int_equal(price_of(d, "49", "", time_of("2026-03-27T16:59:59Z")), 2);
	assert_int_equal(price_of(d, "49", "", time_of("2026-03-27T17:00:00Z")), 1);
	assert_int_equal(price_of(d, "49", "", time_of("2026-03-28T12:00:00Z")), 1);
	assert_int_equal(price_of(d, "49", "", time_of("2026-03-30T06:00:00Z")), 2);
	assert_int_equal(price_of(d, "49", "", time_of("2026-03-30T16:00:00Z")), 1);
	/* far past what tzdata spells out: by its rule */
	assert_int_equal(price_of(d, "49", "", time_of("2061-07-04T06:30:00Z")), 2);
	assert_int_equal(price_of(d, "49", "", time_of("2061-12-05T06:30:00Z")), 1);
	deck_unref(&d);
}

static void a_window_past_midnight_belongs_to_the_day_it_opens(void **state)
{
	struct deck_row rows[] = {row_of("49", 1), row_of("49", 2)};
	rows[1].schedule = "[{\"days\":[5],\"from\":\"22:00\",\"to\":\"06:00\"}]";
	struct deck *d = deck_of(rows, 2);

	assert_int_equal(price_of(d, "49", "", time_of("2026-03-27T21:59:59Z")), 1); /* Friday */
	assert_int_equal(price_of(d, "49", "", time_of("2026-03-27T22:00:00Z")), 2);
	assert_int_equal(price_of(d, "49", "", time_of("2026-03-28T05:59:59Z")), 2);
	assert_int_equal(price_of(d, "49", "", time_of("2026-03-28T06:00:00Z")), 1);
	assert_int_equal(price_of(d, "49", "", time_of("2026-03-28T23:00:00Z")), 1);
	assert_int_equal(price_of(d, "49", "", time_of("1969-12-26T23:00:00Z")),
			 2); /* before the epoch, a Friday, too */
	deck_unref(&d);
}

static void zones_follow_the_system_clock_rules(void **state)
{
	static const char *const zones[] = {
		"Europe/Berlin",     "America/New_York",  "Australia/Lord_Howe", "Asia/Kolkata",
		"America/Sao_Paulo", "Africa/Casablanca", "Pacific/Auckland",	 "UTC",
		"America/Nuuk",	     "Asia/Gaza"};
	for (size_t z = 0; z < sizeof zones / sizeof *zones; z++) {
		struct zone_transition *t;
		struct status st = {""};
		size_t n;
		assert_int_equal(zone_load(zones[z], &t, &n, &st), 0);
		setenv("TZ", zones[z], 1);
		tzset();
		for (time_t at = 0; at < 4102444800; at += 13 * 3600 + 7) { /* up to 2100 */
			struct tm tm;
			size_t i = n - 1;
			while (t[i].at_s > at)
				i--;
			assert_non_null(localtime_r(&at, &tm));
			if (t[i].offset_s != tm.tm_gmtoff)
				fail_msg("%s at %ld: %d, the C library says %ld", zones[z], (long)at, t[i].offset_s,
					 tm.tm_gmtoff);
		}
		free(t);
	}
	unsetenv("TZ");
	tzset();
}

static void bad_rows_are_refused_with_a_reason(void **state)
{
	struct {
		struct deck_row row;
		const char *why;
	} bad[] = {
		{row_of("", 1), "prefix \"\" is not 1 to 32 digits"},
		{row_of("49a", 1), "prefix \"49a\" is not 1 to 32 digits"},
		{row_of("123456789012345678901234567890123", 1), NULL},
		{row_of("49", 1), "prefix 49: increment is less than 1"},
		{row_of("49", 1), "prefix 49: origin prefix is not 1 to 32 digits"},
		{row_of("49", 1), "prefix 49: schedule must be a list of at least one window"},
		{row_of("49", 1),
		 "prefix 49: time zone \"Europe/Nowhere\" is not known to this system (package tzdata)"},
		{row_of("49", 1), "prefix 49: schedule: \"from\" must be a time \"HH:MM\""},
		{row_of("49", 1), "prefix 49: schedule: \"days\" holds numbers 1 (Monday) to 7 (Sunday)"},
	};
	bad[3].row.increment_s = 0;
	bad[4].row.origin_prefix = "+49";
	bad[5].row.schedule = "{}";
	bad[6].row.schedule = "[{\"timezone\":\"Europe/Nowhere\"}]";
	bad[7].row.schedule = "[{\"from\":\"8:00\"}]";
	bad[8].row.schedule = "[{\"days\":[0]}]";
	struct deck_builder *b = deck_builder_new(&plain);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		for (int again = 0; again < 2; again++) {
			struct status st = {""};
			assert_int_equal(deck_builder_add(b, &bad[i].row, &st), -EINVAL);
			if (bad[i].why != NULL && again == 0)
				assert_string_equal(st.text, bad[i].why);
		}
	struct deck_row good = row_of("49", 1);
	add(b, &good);
	struct deck *d = finish(b);
	assert_int_equal(deck_rates(d), 1);
	deck_unref(&d);
}

/* ---- against a naive reference ---- */

#define ROWS 4000

struct world {
	char prefix[ROWS][DIGITS_MAX + 1], origin[ROWS][4];
	struct deck_row row[ROWS];
};

static void digits_draw(uint64_t *seed, char *out, size_t len)
{
	for (size_t i = 0; i < len; i++) /* few digits, so that prefixes nest */
		out[i] = (char)('0' + random_draw(seed) % (i < 2 ? 3 : 4));
	out[len] = '\0';
}

static struct world *world_draw(uint64_t *seed, size_t longest)
{
	struct world *w = calloc(1, sizeof *w);
	for (size_t i = 0; i < ROWS; i++) {
		digits_draw(seed, w->prefix[i], 1 + random_draw(seed) % longest);
		digits_draw(seed, w->origin[i], random_draw(seed) % 4 == 0 ? 1 + random_draw(seed) % 2 : 0);
		w->row[i] = row_of(w->prefix[i], (int64_t)i + 1);
		w->row[i].origin_prefix = w->origin[i];
		w->row[i].effective_from_us = AT + (int64_t)(random_draw(seed) % 8) * 1000 + (int64_t)i % 7;
		if (random_draw(seed) % 3 == 0)
			w->row[i].effective_to_us = w->row[i].effective_from_us + 3000;
		w->row[i].blocked = i % 11 == 0;
	}
	return w;
}

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Every row is asked; the best of those that hold is kept. */
static const struct deck_row *naive_find(const struct world *w, const char *called, const char *calling, int64_t at_us)
{
	const struct deck_row *best = NULL;
	for (size_t i = 0; i < ROWS; i++) {
		const struct deck_row *r = &w->row[i];
		if (!starts(called, r->prefix) || !starts(calling, r->origin_prefix) || at_us < r->effective_from_us ||
		    (r->effective_to_us != 0 && at_us >= r->effective_to_us))
			continue;
		if (best == NULL || strlen(r->prefix) > strlen(best->prefix) ||
		    (strlen(r->prefix) == strlen(best->prefix) &&
		     (strlen(r->origin_prefix) > strlen(best->origin_prefix) ||
		      (strlen(r->origin_prefix) == strlen(best->origin_prefix) &&
		       r->effective_from_us > best->effective_from_us))))
			best = r;
	}
	return best;
}

static void a_thousand_numbers_are_found_as_by_asking_every_row(void **state)
{
	uint64_t seed = 20260101;
	for (int round = 0; round < 4; round++) {
		struct world *w = world_draw(&seed, (const size_t[]){4, 9, 16, 32}[round]);
		struct deck *d = deck_of(w->row, ROWS);
		for (int i = 0; i < 1000; i++) {
			char called[DIGITS_MAX + 1], calling[4];
			struct deck_found f;
			size_t some = random_draw(&seed) % ROWS, len = strlen(w->prefix[some]);
			strcpy(called, w->prefix[some]); /* half of them deep, half anywhere */
			if (i % 2 == 0)
				len = 0;
			digits_draw(&seed, called + len, random_draw(&seed) % (DIGITS_MAX + 1 - len));
			digits_draw(&seed, calling, random_draw(&seed) % 4);
			int64_t at_us = AT + (int64_t)(random_draw(&seed) % 12) * 1000;
			const struct deck_row *want = naive_find(w, called, calling, at_us);
			bool found = deck_find(d, called, calling, at_us, &f);
			assert_int_equal(found, want != NULL);
			if (!found)
				continue;
			assert_string_equal(f.prefix, want->prefix);
			assert_string_equal(f.origin, want->origin_prefix);
			assert_int_equal(f.effective_from_us, want->effective_from_us);
		}
		deck_unref(&d);
		free(w);
	}
}

static void many_decks_in_step_find_what_each_finds_alone(void **state)
{
	struct deck *decks[75];
	struct deck_hit hit[75];
	struct deck_found out, alone;
	uint64_t seed = 5;

	for (size_t i = 0; i < 75; i++) {
		struct world *w = world_draw(&seed, 1 + i % 20);
		struct deck_builder *b = deck_builder_new(&plain);
		for (size_t r = 0; r < (i * 53) % ROWS; r++)
			add(b, &w->row[r]);
		decks[i] = finish(b);
		free(w);
	}
	for (int n = 0; n < 300; n++) {
		char called[DIGITS_MAX + 1];
		digits_draw(&seed, called, random_draw(&seed) % DIGITS_MAX);
		deck_find_many((const struct deck *const *)decks, 75, called, "12", AT + 4000, hit);
		for (size_t i = 0; i < 75; i++) {
			assert_int_equal(hit[i].rate != NULL, deck_find(decks[i], called, "12", AT + 4000, &alone));
			if (hit[i].rate == NULL)
				continue;
			assert_string_equal(hit[i].currency, "EUR");
			deck_hit_open(decks[i], &hit[i], called, &out);
			assert_string_equal(out.prefix, alone.prefix);
			assert_string_equal(out.origin, alone.origin);
			assert_memory_equal(&out.terms, &alone.terms, offsetof(struct rate_terms, duration_rounding));
		}
	}
	for (size_t i = 0; i < 75; i++)
		deck_unref(&decks[i]);
}

/* ---- the image ---- */

static void an_image_opens_again_and_finds_the_same(void **state)
{
	struct deck_row rows[] = {row_of("49", 1), row_of("4930", 2)};
	struct status st = {""};
	struct deck *d = deck_of(rows, 2), *again;
	size_t len;
	const void *image = deck_image(d, &len);

	assert_int_equal(deck_open(image, len, &again, &st), 0);
	deck_unref(&d);
	assert_int_equal(price_of(again, "4930", "", AT), 2);
	assert_int_equal(deck_words(again)->id, 7);
	assert_int_equal(deck_words(again)->version, 3);
	assert_int_equal(deck_words(again)->source, 99);
	assert_int_equal(deck_words(again)->side, DECK_BUY);
	assert_string_equal(deck_words(again)->currency, "EUR");
	deck_unref(&again);
}

static void the_same_rows_in_any_order_give_the_same_image(void **state)
{
	struct deck_row rows[] = {row_of("49", 1), row_of("4930", 2), row_of("4930", 3), row_of("1", 4)}, back[4];
	rows[1].effective_from_us = AT;
	for (int i = 0; i < 4; i++)
		back[i] = rows[3 - i];
	struct deck *a = deck_of(rows, 4), *b = deck_of(back, 4);
	for (int len = 1; len < 5; len++)
		for (int64_t at_us = AT - 1; at_us <= AT; at_us++) {
			char called[5];
			snprintf(called, sizeof called, "%.*s", len, "4930");
			assert_int_equal(price_of(a, called, "", at_us), price_of(b, called, "", at_us));
		}
	deck_unref(&a);
	deck_unref(&b);
}

static void a_damaged_image_is_refused(void **state)
{
	struct deck_row rows[] = {row_of("49", 1), row_of("4930", 2)};
	struct status st = {""};
	struct deck *d = deck_of(rows, 2), *again = NULL;
	size_t len;
	const void *image = deck_image(d, &len);
	uint8_t *copy = malloc(len);

	for (size_t i = 0; i < len; i++) {
		memcpy(copy, image, len);
		copy[i] ^= 0x10;
		assert_int_equal(deck_open(copy, len, &again, &st), -EBADMSG);
		assert_true(st.text[0] != '\0');
	}
	memcpy(copy, image, len);
	for (size_t cut = 0; cut < len; cut += 7)
		assert_int_equal(deck_open(copy, cut, &again, &st), -EBADMSG);
	assert_null(again);
	free(copy);
	deck_unref(&d);
}

/* Whoever can write to Redis can compute a digest, too. Such an image may say nonsense, but must not lead astray. */
static void an_image_with_wrong_numbers_and_a_right_digest_does_no_harm(void **state)
{
	uint64_t seed = 11;
	struct world *w = world_draw(&seed, 20);
	struct deck_builder *b = deck_builder_new(&plain);
	struct status st = {""};
	size_t len, opened = 0;

	for (size_t i = 0; i < 300; i++) {
		w->row[i].schedule = i % 5 == 0 ? "[{\"timezone\":\"Europe/Berlin\",\"from\":\"01:00\"}]" : NULL;
		add(b, &w->row[i]);
	}
	struct deck *d = finish(b), *again;
	const void *image = deck_image(d, &len);
	uint8_t *copy = malloc(len);
	for (int i = 0; i < 20000; i++) {
		char called[DIGITS_MAX + 1];
		struct deck_found f;
		struct image_header *h = (struct image_header *)(void *)copy;
		memcpy(copy, image, len);
		size_t at = i % 2 == 0 ? random_draw(&seed) % sizeof *h : random_draw(&seed) % len;
		copy[at] ^= (uint8_t)(1 + random_draw(&seed) % 255);
		assert_int_equal(image_digest(copy, len, h->sha256), 0);
		if (deck_open(copy, len, &again, &st) != 0)
			continue;
		opened++;
		for (int n = 0; n < 5; n++) {
			digits_draw(&seed, called, random_draw(&seed) % (DIGITS_MAX + 1));
			if (deck_find(again, called, "12", AT + 4000, &f))
				assert_true(strlen(f.prefix) <= DIGITS_MAX && strlen(f.destination) < len);
		}
		deck_unref(&again);
	}
	assert_true(opened > 0);
	free(copy);
	free(w);
	deck_unref(&d);
}

static void fifty_thousand_prefixes_take_less_than_forty_bytes_each(void **state)
{
	struct deck_builder *b = deck_builder_new(&plain);
	uint64_t seed = 3;
	char prefix[16], destination[32];
	size_t len;

	for (int i = 0; i < 50000; i++) {
		snprintf(prefix, sizeof prefix, "%d", 100000 + i * 17);
		snprintf(destination, sizeof destination, "Destination %d", i / 60);
		struct deck_row row = row_of(prefix, (int64_t)(random_draw(&seed) % 1000000) * 1000);
		row.destination = destination;
		add(b, &row);
	}
	struct deck *d = finish(b);
	(void)deck_image(d, &len);
	assert_true(len < 40 * deck_rates(d));
	deck_unref(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_prefix_wins),
		cmocka_unit_test(an_empty_deck_finds_nothing),
		cmocka_unit_test(prices_and_terms_come_back_exactly),
		cmocka_unit_test(a_rate_holds_from_its_start_up_to_its_end),
		cmocka_unit_test(the_longest_origin_goes_before_one_without),
		cmocka_unit_test(a_schedule_goes_before_none_while_it_is_open),
		cmocka_unit_test(a_window_past_midnight_belongs_to_the_day_it_opens),
		cmocka_unit_test(zones_follow_the_system_clock_rules),
		cmocka_unit_test(bad_rows_are_refused_with_a_reason),
		cmocka_unit_test(a_thousand_numbers_are_found_as_by_asking_every_row),
		cmocka_unit_test(many_decks_in_step_find_what_each_finds_alone),
		cmocka_unit_test(an_image_opens_again_and_finds_the_same),
		cmocka_unit_test(the_same_rows_in_any_order_give_the_same_image),
		cmocka_unit_test(a_damaged_image_is_refused),
		cmocka_unit_test(an_image_with_wrong_numbers_and_a_right_digest_does_no_harm),
		cmocka_unit_test(fifty_thousand_prefixes_take_less_than_forty_bytes_each),
	};
	return cmocka_run_group_tests_name("deck", tests, NULL, NULL);
}
