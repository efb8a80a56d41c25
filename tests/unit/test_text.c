/* SPDX-License-Identifier: Apache-2.0 */
/* arena, buf, digits and log_quote: what holds and checks text */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/digits.h"
#include "lib/log.h"
#include "lib/utf8.h"

static void an_arena_gives_zeroed_aligned_memory_of_any_size(void **state)
{
	struct arena *a = arena_new(256);

	(void)state;
	for (size_t size = 0; size < 20000; size = size * 2 + 1) {
		char *p = arena_alloc(a, size);

		assert_int_equal((uintptr_t)p % sizeof(max_align_t) % 16, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, size);
	}
	arena_free(&a);
	assert_null(a);
}

static void an_arena_copies_text(void **state)
{
	struct arena *a = arena_new(0);

	(void)state;
	assert_string_equal(arena_strdup(a, "hello"), "hello");
	assert_string_equal(arena_strndup(a, "hello", 2), "he");
	assert_null(arena_strdup(a, NULL));
	assert_string_equal(arena_printf(a, "%s-%d", "x", 42), "x-42");
	arena_free(&a);
}

static void a_buffer_grows_and_can_be_taken(void **state)
{
	struct buf b = {0};
	char *text = buf_steal(&b);

	(void)state;
	assert_string_equal(text, "");
	free(text);
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i);
	assert_int_equal(b.len, 3890);
	assert_int_equal(strlen(b.text), 3890);
	buf_reset(&b);
	buf_puts(&b, "a");
	buf_putc(&b, 'b');
	buf_append(&b, "cd", 1);
	text = buf_steal(&b);
	assert_string_equal(text, "abc");
	assert_null(b.text);
	free(text);
}

static void digits_are_told_from_other_text(void **state)
{
	(void)state;
	assert_true(digits_only("0123456789"));
	assert_false(digits_only(""));
	assert_false(digits_only("+44"));
	assert_false(digits_only("44 "));
	assert_true(digits_starts_with("4420", "44"));
	assert_true(digits_starts_with("44", ""));
	assert_false(digits_starts_with("4", "44"));
}

static void foreign_text_stays_one_logfmt_value(void **state)
{
	char out[16];

	(void)state;
	assert_string_equal(log_quote("a\"b", out, sizeof(out)), "\"a\\\"b\"");
	assert_string_equal(log_quote("x\n", out, sizeof(out)), "\"x\\x0a\"");
	assert_string_equal(log_quote("0123456789abcdef", out, sizeof(out)), "\"0123456789abc\"");
}

static void a_log_limit_counts_what_it_holds_back(void **state)
{
	struct log_limit limit = {.interval_us = 1000};
	uint64_t skipped = 99;

	(void)state;
	assert_true(log_limit(&limit, 5000, &skipped));
	assert_int_equal(skipped, 0);
	assert_false(log_limit(&limit, 5500, &skipped));
	assert_false(log_limit(&limit, 5999, &skipped));
	assert_true(log_limit(&limit, 6000, &skipped));
	assert_int_equal(skipped, 2);
}

static void what_is_no_utf8_is_mended(void **state)
{
	static const struct {
		const char *text, *mended;
	} cases[] = {
		{"", ""},
		{"plain", "plain"},
		{"\xc3\xa9t\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa9t\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"a\xff\xfe"
		 "b",
		 "a??b"},
		{"\x80", "?"},
		{"\xc0\xaf", "??"},	      /* overlong */
		{"\xed\xa0\x80", "???"},      /* a surrogate */
		{"\xf4\x90\x80\x80", "????"}, /* past U+10FFFF */
		{"\xc3(", "?("},
		{"cut \xc3", "cut "},
		{"cut \xe2\x82", "cut "},
		{"cut \xf0\x9f\x98", "cut "},
	};
	char text[40];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(text, sizeof(text), "%s", cases[i].text);
		utf8_mend(text);
		assert_string_equal(text, cases[i].mended);
	}
	assert_int_equal(utf8_character(""), 1);
	assert_int_equal(utf8_character("\xc3\xa9"), 2);
	assert_int_equal(utf8_character("\xe0\x80\x80"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_arena_gives_zeroed_aligned_memory_of_any_size),
		cmocka_unit_test(an_arena_copies_text),
		cmocka_unit_test(a_buffer_grows_and_can_be_taken),
		cmocka_unit_test(digits_are_told_from_other_text),
		cmocka_unit_test(foreign_text_stays_one_logfmt_value),
		cmocka_unit_test(a_log_limit_counts_what_it_holds_back),
		cmocka_unit_test(what_is_no_utf8_is_mended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
