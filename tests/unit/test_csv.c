/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/csv.h"

/* Records are written down as LINE:field|field/ so that a case is one string. */
static int note(void *arg, int64_t line, char **fields, size_t n)
{
	struct buf *out = arg;

	buf_printf(out, "%lld:", (long long)line);
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s%s", i > 0 ? "|" : "", fields[i]);
	buf_putc(out, '/');
	return strcmp(fields[0], "STOP") == 0 ? -ECANCELED : 0;
}

static int read_all(const char *text, size_t len, size_t step, struct buf *out, struct status *st)
{
	struct csv_reader *r = csv_reader_new(note, out);
	int err = 0;

	for (size_t i = 0; i < len && err == 0; i += step)
		err = csv_feed(r, text + i, len - i < step ? len - i : step, st);
	if (err == 0)
		err = csv_end(r, st);
	csv_reader_free(&r);
	return err;
}

static void assert_records(const char *text, const char *records)
{
	for (size_t step = 1; step <= strlen(text) + 1; step++) {
		struct status st = {""};
		struct buf out = {0};

		assert_int_equal(read_all(text, strlen(text), step, &out, &st), 0);
		assert_string_equal(out.text != NULL ? out.text : "", records);
		buf_free(&out);
	}
}

static void assert_refused(const char *text, size_t len, const char *why)
{
	struct status st = {""};
	struct buf out = {0};

	assert_int_equal(read_all(text, len, 7, &out, &st), -EINVAL);
	assert_non_null(strstr(st.text, why));
	buf_free(&out);
}

static void plain_records_are_read(void **state)
{
	(void)state;
	assert_records("a,b\nc,d\n", "1:a|b/2:c|d/");
	assert_records("a,b\r\nc,d", "1:a|b/2:c|d/");
	assert_records("a\n", "1:a/");
	assert_records("a,\n,b\n,\n", "1:a|/2:|b/3:|/");
	assert_records("", "");
	assert_records("a,b\r", "1:a|b/");
}

static void the_first_line_tells_the_delimiter(void **state)
{
	(void)state;
	assert_records("prefix;price\n44;0,5\n", "1:prefix|price/2:44|0,5/");
	assert_records("prefix,price\n44,0;5\n", "1:prefix|price/2:44|0;5/");
	assert_records("\"a;;;\",b\n1;2,3\n", "1:a;;;|b/2:1;2|3/");
	assert_records("prefix\tprice\n44\t0,5;x\n", "1:prefix|price/2:44|0,5;x/");
	assert_records("\"a\t\t\",b\n1\t2,3\n", "1:a\t\t|b/2:1\t2|3/");
}

static void a_byte_order_mark_is_dropped(void **state)
{
	(void)state;
	assert_records("\xef\xbb\xbf"
		       "a,b\n",
		       "1:a|b/");
	assert_records("\xef\xbb\xbf\"a\",b\n", "1:a|b/");
}

static void quotes_hold_anything(void **state)
{
	(void)state;
	assert_records("\"a,b\",\"c\"\"d\"\n", "1:a,b|c\"d/");
	assert_records("h\n\"two\nlines\"\nnext\n", "1:h/2:two\nlines/4:next/");
	assert_records("a,\"\"\n\"\"\n", "1:a|/2:/");
	assert_records("a 5\" pipe,b\n", "1:a 5\" pipe|b/");
}

static void blank_lines_are_skipped_and_counted(void **state)
{
	(void)state;
	assert_records("\n\r\na,b\n\n\nc,d\n\n", "3:a|b/6:c|d/");
}

static void broken_files_are_refused_with_the_line(void **state)
{
	(void)state;
	assert_refused("a\nb,\"c\nd\n", 9, "line 2: a quote that is never closed");
	assert_refused("a\n\"b\"c\n", 7, "line 2: text after a closing quote");
	assert_refused("a\n\xff\xfe\n", 5, "line 2: not valid UTF-8");
	assert_refused("a\n\xc0\xaf\n", 5, "line 2: not valid UTF-8");
	assert_refused("a\n\xed\xa0\x80\n", 6, "line 2: not valid UTF-8");
	assert_refused("a\n\xe2\x82\n", 5, "line 2: not valid UTF-8");
	assert_refused("a\nb\0c\n", 6, "line 2: a NUL byte");
	assert_refused("a\nb\rc\n", 6, "line 2: a carriage return");
}

static void a_record_past_a_mebibyte_is_refused(void **state)
{
	size_t len = 3 * 1024 * 1024;
	char *text = malloc(len);

	(void)state;
	memset(text, 'x', len);
	assert_refused(text, len, "longer than 1 MiB");
	memcpy(text, "a\n\"", 3);
	assert_refused(text, len, "line 2: the record is longer");
	memset(text, ',', len);
	memcpy(text, "a\n", 2);
	assert_refused(text, len, "line 2: the record is longer");
	free(text);
}

static void the_reader_of_records_may_stop(void **state)
{
	struct status st = {""};
	struct buf out = {0};

	(void)state;
	assert_int_equal(read_all("a\nSTOP\nb\n", 9, 3, &out, &st), -ECANCELED);
	assert_string_equal(out.text, "1:a/2:STOP/");
	buf_free(&out);
}

static void what_is_written_can_be_read_back(void **state)
{
	static const char *const fields[] = {"plain",	   "",		 "a,b",	     "c;d",
					     "say \"hi\"", "two\nlines", " blanks ", "\xc3\xa9"};
	struct buf out = {0}, back = {0};
	struct status st;

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		if (i > 0)
			buf_putc(&out, ',');
		csv_put(&out, fields[i]);
	}
	buf_putc(&out, '\n');
	assert_int_equal(read_all(out.text, out.len, 5, &back, &st), 0);
	assert_string_equal(back.text, "1:plain||a,b|c;d|say \"hi\"|two\nlines| blanks |\xc3\xa9/");
	buf_free(&out);
	buf_free(&back);
}

static const char *guarded(const char *field)
{
	static char text[64];
	struct buf out = {0};

	csv_put_guarded(&out, field);
	snprintf(text, sizeof(text), "%s", out.text != NULL ? out.text : "");
	buf_free(&out);
	return text;
}

static void a_spreadsheet_finds_numbers_and_no_formulas(void **state)
{
	(void)state;
	assert_string_equal(guarded("=1+1"), "'=1+1");
	assert_string_equal(guarded("@SUM(A1)"), "'@SUM(A1)");
	assert_string_equal(guarded("-cmd|' /C calc'!A0"), "'-cmd|' /C calc'!A0");
	assert_string_equal(guarded("+49 30, \"x\""), "\"'+49 30, \"\"x\"\"\"");
	assert_string_equal(guarded("\t=1"), "'\t=1");
	assert_string_equal(guarded("-"), "'-");
	assert_string_equal(guarded("-0.500000"), "-0.500000");
	assert_string_equal(guarded("+4930"), "+4930");
	assert_string_equal(guarded("a=b"), "a=b");
	assert_string_equal(guarded(""), "");
	assert_string_equal(guarded(NULL), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_records_are_read),
		cmocka_unit_test(the_first_line_tells_the_delimiter),
		cmocka_unit_test(a_byte_order_mark_is_dropped),
		cmocka_unit_test(quotes_hold_anything),
		cmocka_unit_test(blank_lines_are_skipped_and_counted),
		cmocka_unit_test(broken_files_are_refused_with_the_line),
		cmocka_unit_test(a_record_past_a_mebibyte_is_refused),
		cmocka_unit_test(the_reader_of_records_may_stop),
		cmocka_unit_test(what_is_written_can_be_read_back),
		cmocka_unit_test(a_spreadsheet_finds_numbers_and_no_formulas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
