/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "switch/multipart.h"

/* The parts as "headers|body;" each */
static void parts_are(const char *text, const char *boundary, const char *expected)
{
	struct multipart m;
	struct multipart_part part;
	char got[400] = "";
	size_t n = 0;

	if (multipart_open(&m, text, strlen(text), boundary))
		while (multipart_next(&m, &part))
			n += (size_t)snprintf(got + n, sizeof got - n, "%.*s|%.*s;", (int)part.head_len, part.head,
					      (int)part.body_len, part.body);
	assert_string_equal(got, expected);
}

static void parts_stand_between_delimiters(void **state)
{
	parts_are("preamble\r\n--b\r\nA: 1\r\n\r\none\r\n--b\r\nB: 2\r\nC: 3\r\n\r\ntwo\r\nlines\r\n--b--\r\nepilogue",
		  "b", "A: 1\r\n|one;B: 2\r\nC: 3\r\n|two\r\nlines;");
}

static void quotes_and_bare_line_feeds_are_understood(void **state)
{
	parts_are("--x y\nA: 1\n\none\n--x y--\n", "\"x y\"", "A: 1\n|one;");
}

static void a_part_may_have_no_headers_and_no_body(void **state)
{
	parts_are("--b\r\n\r\none\r\n--b\r\nA: 1\r\n\r\n\r\n--b--", "b", "|one;A: 1\r\n|;");
}

static void what_is_cut_off_ends_with_the_text(void **state)
{
	parts_are("--b\r\nA: 1\r\n\r\nhalf", "b", "A: 1\r\n|half;");
	parts_are("--b\r\nA: 1", "b", "A: 1|;");
	parts_are("--b", "b", "|;");
}

static void a_delimiter_stands_at_the_start_of_a_line(void **state)
{
	parts_are("--b\r\n\r\nno --b here\r\n--b--", "b", "|no --b here;");
}

static void without_a_boundary_there_are_no_parts(void **state)
{
	char longest[73] = "";
	struct multipart m;

	memset(longest, 'b', 72);
	assert_false(multipart_open(&m, "--b\r\n", 5, NULL));
	assert_false(multipart_open(&m, "--b\r\n", 5, "\"\""));
	assert_false(multipart_open(&m, "--b\r\n", 5, "c"));
	assert_false(multipart_open(&m, "", 0, "b"));
	assert_false(multipart_open(&m, longest, 72, longest));
}

static void headers_are_found_by_name(void **state)
{
	static const char text[] = "--b\r\ncontent-type:  application/sdp \r\nX: 1\r\n\r\n--b--";
	struct multipart m;
	struct multipart_part part;
	size_t len;

	assert_true(multipart_open(&m, text, sizeof text - 1, "b"));
	assert_true(multipart_next(&m, &part));
	const char *type = multipart_header(&part, "Content-Type", &len);
	assert_non_null(type);
	assert_int_equal(len, 15);
	assert_memory_equal(type, "application/sdp", 15);
	assert_null(multipart_header(&part, "Content", &len));
	assert_null(multipart_header(&part, "Y", &len));
	assert_false(multipart_next(&m, &part));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_stand_between_delimiters),
		cmocka_unit_test(quotes_and_bare_line_feeds_are_understood),
		cmocka_unit_test(a_part_may_have_no_headers_and_no_body),
		cmocka_unit_test(what_is_cut_off_ends_with_the_text),
		cmocka_unit_test(a_delimiter_stands_at_the_start_of_a_line),
		cmocka_unit_test(without_a_boundary_there_are_no_parts),
		cmocka_unit_test(headers_are_found_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
