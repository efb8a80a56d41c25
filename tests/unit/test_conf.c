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

#include "lib/conf.h"
#include "tests/unit/temp_file.h"

struct sample {
	char *name;
	int64_t count, wait_ms;
	int colour;
};

static const char *const colours[] = {"red", "green", NULL};
static const struct conf_option table[] = {
	{"one", "name", CONF_TEXT, offsetof(struct sample, name), .fallback = "nobody", .meaning = "who"},
	{"one", "count", CONF_INT, offsetof(struct sample, count), .fallback = "3", .min = 1, .max = 10,
	 .meaning = "how many"},
	{"two", "wait", CONF_DURATION_MS, offsetof(struct sample, wait_ms), .fallback = "1s", .max = 3600000,
	 .meaning = "how long"},
	{"two", "colour", CONF_CHOICE, offsetof(struct sample, colour), .fallback = "green", .choices = colours,
	 .meaning = "which"},
};
#define ROWS (sizeof(table) / sizeof(table[0]))

static int read_text(const char *text, size_t len, struct sample *s, struct status *st)
{
	temp_file_write(text, len);
	memset(s, 0, sizeof(*s));
	return conf_read(temp_file_path, table, ROWS, s, st);
}

static void assert_refused(const char *text, int line, const char *why)
{
	struct status st = {""};
	struct sample s;
	char where[96];

	assert_int_equal(read_text(text, strlen(text), &s, &st), -EINVAL);
	snprintf(where, sizeof(where), "%s:%d: ", temp_file_path, line);
	if (strncmp(st.text, where, strlen(where)) != 0 || strstr(st.text, why) == NULL)
		fail_msg("\"%s\" gives \"%s\", not \"%s%s\"", text, st.text, where, why);
	assert_null(s.name);
}

static void an_empty_file_gives_the_defaults(void **state)
{
	struct status st;
	struct sample s;

	(void)state;
	assert_int_equal(read_text("", 0, &s, &st), 0);
	assert_string_equal(s.name, "nobody");
	assert_int_equal(s.count, 3);
	assert_int_equal(s.wait_ms, 1000);
	assert_int_equal(s.colour, 1);
	conf_release(table, ROWS, &s);
}

static void values_comments_and_blanks_are_read(void **state)
{
	static const char text[] =
		"# head\r\n [one] ; first\r\nname = a b;c#d ; e\r\n\tcount=10\n\n[two]\nwait = 5m\ncolour = red # f\n"
		"[one]\n";
	struct status st;
	struct sample s;

	(void)state;
	assert_int_equal(read_text(text, sizeof(text) - 1, &s, &st), 0);
	assert_string_equal(s.name, "a b;c#d");
	assert_int_equal(s.count, 10);
	assert_int_equal(s.wait_ms, 300000);
	assert_int_equal(s.colour, 0);
	conf_release(table, ROWS, &s);
}

static void the_environment_is_put_in(void **state)
{
	struct status st;
	struct sample s;

	(void)state;
	setenv("CONF_TEST", "p ;w#d", 1);
	unsetenv("CONF_TEST_NONE");
	assert_int_equal(read_text("[one]\nname = <${CONF_TEST}> $x", 30, &s, &st), 0);
	assert_string_equal(s.name, "<p ;w#d> $x");
	conf_release(table, ROWS, &s);
	assert_refused("[one]\n\nname = ${CONF_TEST_NONE}\n", 3, "${CONF_TEST_NONE} is not set");
	assert_refused("[one]\nname = ${CONF_TEST\n", 2, "without a name");
}

static void wrong_lines_are_named(void **state)
{
	(void)state;
	assert_refused("[one]\nnmae = x\n", 2, "unknown key \"nmae\" in [one]");
	assert_refused("[one]\nwait = 1s\n", 2, "unknown key \"wait\" in [one]");
	assert_refused("[three]\n", 1, "unknown section [three]");
	assert_refused("\n[one\n", 2, "must end with ]");
	assert_refused("name = x\n", 1, "before the first [section]");
	assert_refused("[one]\nname\n", 2, "neither a [section] nor key = value");
	assert_refused("[one]\nname = x\n[two]\n[one]\nname = y\n", 5, "given twice, first on line 2");
	assert_refused("[one]\ncount = many\n", 2, "is not a whole number");
	assert_refused("[one]\ncount = 11\n", 2, "out of range; give 1 to 10");
	assert_refused("[one]\ncount =\n", 2, "is not a whole number");
	assert_refused("[two]\nwait = 5\n", 2, "is not a duration");
	assert_refused("[two]\nwait = -5s\n", 2, "is not a duration");
	assert_refused("[two]\nwait = 2h\n", 2, "out of range");
	assert_refused("[two]\ncolour = blue\n", 2, "give one of red, green");
}

static void a_line_is_never_cut_in_silence(void **state)
{
	struct status st = {""};
	struct sample s;
	char text[6000];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "[one]\nname = ", 13);
	assert_int_equal(read_text(text, sizeof(text), &s, &st), -EINVAL);
	assert_non_null(strstr(st.text, ":2: the line is longer"));
	assert_int_equal(read_text(text, 3000, &s, &st), 0);
	assert_int_equal(strlen(s.name), 3000 - 13);
	conf_release(table, ROWS, &s);
	assert_int_equal(read_text("[one]\nname = a\0b\n", 17, &s, &st), -EINVAL);
	assert_non_null(strstr(st.text, ":2: a NUL byte"));
}

static void a_missing_file_is_an_error(void **state)
{
	struct sample s = {0};
	struct status st = {""};

	(void)state;
	assert_int_equal(conf_read("/nonexistent/x.conf", table, ROWS, &s, &st), -ENOENT);
	assert_non_null(strstr(st.text, "/nonexistent/x.conf"));
}

static void the_sample_reads_back_as_the_defaults(void **state)
{
	struct status st;
	struct sample s;
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	conf_print_sample(table, ROWS, f);
	fclose(f);
	assert_non_null(strstr(text, "[two]\n; how long\n;wait = 1s\n"));
	assert_int_equal(read_text(text, len, &s, &st), 0);
	assert_int_equal(s.count, 3);
	conf_release(table, ROWS, &s);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_gives_the_defaults),
		cmocka_unit_test(values_comments_and_blanks_are_read),
		cmocka_unit_test(the_environment_is_put_in),
		cmocka_unit_test(wrong_lines_are_named),
		cmocka_unit_test(a_line_is_never_cut_in_silence),
		cmocka_unit_test(a_missing_file_is_an_error),
		cmocka_unit_test(the_sample_reads_back_as_the_defaults),
	};

	return cmocka_run_group_tests(tests, temp_file_make, temp_file_remove);
}
