/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "api/answers.h"

#define SECOND 1000000LL

static struct answers_key key_of(int cdr, int64_t carrier)
{
	struct answers_key key = {.carrier_id = carrier};

	memcpy(key.cdr.byte + 12, &cdr, sizeof(cdr));
	return key;
}

static void keep(struct answers *a, int cdr, int64_t carrier, int64_t now_us, const char *text)
{
	struct answers_key key = key_of(cdr, carrier);
	struct buf b = {0};
	char etag[ANSWERS_ETAG];

	buf_puts(&b, text);
	answers_keep(a, &key, now_us, &b, etag);
	buf_free(&b);
}

static bool has(struct answers *a, int cdr, int64_t carrier, int64_t now_us, const char *text)
{
	struct answers_key key = key_of(cdr, carrier);
	struct buf b = {0};
	char etag[ANSWERS_ETAG];

	buf_puts(&b, "of another request");
	bool found = answers_find(a, &key, now_us, &b, etag);
	if (found)
		assert_string_equal(b.text, text);
	buf_free(&b);
	return found;
}

static void what_was_kept_is_found_for_a_minute(void **state)
{
	struct answers *a = answers_new(1 << 20);
	struct answers_counts c;

	(void)state;
	assert_false(has(a, 1, 0, SECOND, ""));
	keep(a, 1, 0, SECOND, "one");
	assert_true(has(a, 1, 0, SECOND, "one"));
	assert_true(has(a, 1, 0, 60 * SECOND, "one"));
	assert_false(has(a, 1, 0, 61 * SECOND, ""));
	answers_counts(a, &c);
	assert_int_equal(c.asked, 4);
	assert_int_equal(c.found, 2);
	assert_int_equal(c.bytes, 0);
	answers_free(&a);
	assert_null(a);
}

static void each_carrier_has_its_own_answer(void **state)
{
	struct answers *a = answers_new(1 << 20);

	(void)state;
	keep(a, 1, 0, SECOND, "all");
	keep(a, 1, 7, SECOND, "a side");
	assert_true(has(a, 1, 0, SECOND, "all"));
	assert_true(has(a, 1, 7, SECOND, "a side"));
	assert_false(has(a, 1, 8, SECOND, ""));
	answers_free(&a);
}

static void what_was_not_asked_for_longest_goes_first(void **state)
{
	char text[1000];
	struct answers *a = answers_new(100 * 1000);
	struct answers_counts c;
	int left = 0;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 1000; i++) {
		keep(a, i, 0, SECOND, text);
		assert_true(has(a, 0, 0, SECOND, text)); /* asked for all the time */
	}
	for (int i = 1; i < 1000; i++) {
		bool found = has(a, i, 0, SECOND, text);
		assert_true(found || left == 0); /* the last ones, without a gap */
		left += found;
	}
	assert_in_range(left, 80, 99);
	answers_counts(a, &c);
	assert_in_range(c.bytes, 80 * 1000, 100 * 1000);
	answers_free(&a);
}

static void kept_twice_it_counts_once(void **state)
{
	struct answers *a = answers_new(1 << 20);
	struct answers_counts once, twice;

	(void)state;
	keep(a, 1, 0, SECOND, "one");
	answers_counts(a, &once);
	keep(a, 1, 0, 2 * SECOND, "one");
	answers_counts(a, &twice);
	assert_int_equal(once.bytes, twice.bytes);
	assert_true(has(a, 1, 0, 61 * SECOND, "one"));
	answers_free(&a);
}

static void too_large_a_one_is_not_kept_and_drives_nothing_out(void **state)
{
	char text[3000] = "";
	struct answers *a = answers_new(2000);

	(void)state;
	keep(a, 1, 0, SECOND, "one");
	memset(text, 'x', sizeof(text) - 1);
	keep(a, 2, 0, SECOND, text);
	assert_false(has(a, 2, 0, SECOND, ""));
	assert_true(has(a, 1, 0, SECOND, "one"));
	answers_free(&a);
}

static void the_etag_tells_texts_apart(void **state)
{
	struct answers *a = answers_new(1 << 20);
	struct answers_key key = key_of(1, 0);
	struct buf b = {0};
	char one[ANSWERS_ETAG], found[ANSWERS_ETAG], other[ANSWERS_ETAG];

	(void)state;
	buf_puts(&b, "{\"id\":1}");
	answers_keep(a, &key, SECOND, &b, one);
	assert_true(answers_find(a, &key, SECOND, &b, found));
	assert_string_equal(one, found);
	assert_int_equal(strlen(one), ANSWERS_ETAG - 1);
	assert_int_equal(one[0], '"');
	buf_putc(&b, ' ');
	answers_keep(a, &key, SECOND, &b, other);
	assert_string_not_equal(one, other);
	buf_free(&b);
	answers_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_kept_is_found_for_a_minute),
		cmocka_unit_test(each_carrier_has_its_own_answer),
		cmocka_unit_test(what_was_not_asked_for_longest_goes_first),
		cmocka_unit_test(kept_twice_it_counts_once),
		cmocka_unit_test(too_large_a_one_is_not_kept_and_drives_nothing_out),
		cmocka_unit_test(the_etag_tells_texts_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
