/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "lib/clock.h"

static void assert_reads(const char *text, const char *as)
{
	char out[CLOCK_TEXT_MAX];
	int64_t us;

	assert_int_equal(clock_parse(text, &us), 0);
	assert_string_equal(clock_format(us, out), as);
}

static void times_are_read_in_every_form(void **state)
{
	(void)state;
	assert_reads("2026-01-31T23:59:59.123Z", "2026-01-31T23:59:59.123Z");
	assert_reads("2026-01-31t23:59:59.123999z", "2026-01-31T23:59:59.123Z");
	assert_reads("2026-01-31T23:59:59+01:00", "2026-01-31T22:59:59.000Z");
	assert_reads("2026-01-01T00:30:00-05:30", "2026-01-01T06:00:00.000Z");
	assert_reads("2026-01-31", "2026-01-31T00:00:00.000Z");
	assert_reads("2026-01-31 07:08", "2026-01-31T07:08:00.000Z");
	assert_reads("2026-01-31 07:08:09", "2026-01-31T07:08:09.000Z");
	assert_reads("2024-02-29", "2024-02-29T00:00:00.000Z");
	assert_reads("2000-02-29", "2000-02-29T00:00:00.000Z");
	assert_reads("1969-12-31T23:59:59.500Z", "1969-12-31T23:59:59.500Z");
	assert_reads("0001-01-01", "0001-01-01T00:00:00.000Z");
	assert_reads("9999-12-31", "9999-12-31T00:00:00.000Z");
}

static void times_that_do_not_exist_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"2026",
		"2026-02-29",
		"1900-02-29",
		"2026-13-01",
		"2026-00-01",
		"2026-01-00",
		"2026-04-31",
		"2026-01-31T",
		"2026-01-31T10:00",
		"2026-01-31T10:00:00",
		"2026-01-31T24:00:00Z",
		"2026-01-31T10:60:00Z",
		"2026-01-31T10:00:60Z",
		"2026-01-31T10:00:00.Z",
		"2026-01-31T10:00:00+0100",
		"2026-01-31T10:00:00Zx",
		"2026-1-31",
		"26-01-31",
		"31.01.2026",
		" 2026-01-31",
		"2026-01-31 ",
		"0000-01-01",
		"2026-01-31 10",
		"2026-01-31T10:00:00+24:00",
		"now",
	};
	int64_t us;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (clock_parse(bad[i], &us) != -EINVAL)
			fail_msg("%s was taken", bad[i]);
	}
}

static void days_follow_each_other_for_a_thousand_years(void **state)
{
	char text[CLOCK_TEXT_MAX];
	int64_t us;

	(void)state;
	for (int64_t day = -199999; day < 200000; day++) {
		if (day == 0)
			continue; /* "none" */
		clock_format(day * 86400 * 1000000, text);
		assert_int_equal(clock_parse(text, &us), 0);
		assert_int_equal(us, day * 86400 * 1000000);
	}
}

static void no_time_is_written_as_nothing(void **state)
{
	char out[CLOCK_TEXT_MAX];

	(void)state;
	assert_string_equal(clock_format(0, out), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_read_in_every_form),
		cmocka_unit_test(times_that_do_not_exist_are_refused),
		cmocka_unit_test(days_follow_each_other_for_a_thousand_years),
		cmocka_unit_test(no_time_is_written_as_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
