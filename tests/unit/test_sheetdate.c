/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "billing/sheetdate.h"
#include "lib/clock.h"

static void assert_same(const char *text, const char *iso)
{
	int64_t has = 0, wants = 1;

	assert_int_equal(clock_parse(iso, &wants), 0);
	assert_int_equal(sheetdate_parse(text, &has), 0);
	assert_int_equal(has, wants);
}

static void assert_refused(const char *text)
{
	int64_t at = 42;

	assert_int_not_equal(sheetdate_parse(text, &at), 0);
	assert_int_equal(at, 42);
}

static void every_style_says_the_same_day(void **state)
{
	static const char *const style[] = {"2026-01-31", "2026/01/31",	 "20260131",	"31.01.2026",
					    "31.1.2026",  "31-Jan-2026", "31-JAN-2026", "31 january 2026"};

	(void)state;
	for (size_t i = 0; i < sizeof style / sizeof *style; i++)
		assert_same(style[i], "2026-01-31T00:00:00Z");
	assert_same("1-May-2026", "2026-05-01T00:00:00Z");
	assert_same("01 Sep 2026", "2026-09-01T00:00:00Z");
}

static void a_time_of_day_may_follow(void **state)
{
	(void)state;
	assert_same("31.01.2026 23:59", "2026-01-31T23:59:00Z");
	assert_same("20260131 23:59:58", "2026-01-31T23:59:58Z");
	assert_same("31-Jan-2026 00:00", "2026-01-31T00:00:00Z");
	assert_same("2026-01-31T23:59:58+01:00", "2026-01-31T22:59:58Z");
}

static void what_can_be_read_two_ways_is_refused(void **state)
{
	(void)state;
	assert_refused("01/02/2026");
	assert_refused("31/01/2026");
	assert_refused("01-02-2026");
	assert_refused("31.01.26");
}

static void days_that_do_not_exist_and_nonsense_are_refused(void **state)
{
	static const char *const wrong[] = {"30.02.2026", "20261301",	 "2026/01/32",	     "31-Foo-2026",
					    "31-Ja-2026", "31-Jan-26",	 "31-Jan 2026",	     "31.01.2026x",
					    "",		  "31.01.2026 ", "31.01.2026 25:00", "202601311"};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_refused(wrong[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_style_says_the_same_day),
		cmocka_unit_test(a_time_of_day_may_follow),
		cmocka_unit_test(what_can_be_read_two_ways_is_refused),
		cmocka_unit_test(days_that_do_not_exist_and_nonsense_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
