/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "lib/money.h"

static void assert_parses(const char *text, int64_t nano)
{
	struct money m;

	assert_int_equal(money_parse(text, &m), 0);
	assert_int_equal(m.nano, nano);
}

static void decimals_are_read_exactly(void **state)
{
	(void)state;
	assert_parses("0", 0);
	assert_parses("-0", 0);
	assert_parses("1", MONEY_NANO);
	assert_parses("0.0001", 100000);
	assert_parses("-12.0125", -12012500000);
	assert_parses(".5", 500000000);
	assert_parses("0.000000001", 1);
	assert_parses("007.10", 7100000000);
	assert_parses("9223372036.854775807", INT64_MAX);
	assert_parses("-9223372036.854775808", INT64_MIN);
}

static void anything_else_is_refused(void **state)
{
	static const struct {
		const char *text;
		int err;
	} bad[] = {
		{"", -EINVAL},
		{"-", -EINVAL},
		{".", -EINVAL},
		{"1.", -EINVAL},
		{"+1", -EINVAL},
		{" 1", -EINVAL},
		{"1 ", -EINVAL},
		{"1e3", -EINVAL},
		{"1,5", -EINVAL},
		{"1.2.3", -EINVAL},
		{"0x1", -EINVAL},
		{"nan", -EINVAL},
		{"--1", -EINVAL},
		{"1.-5", -EINVAL},
		{"0.1234567890", -EDOM},
		{"9223372036.854775808", -ERANGE},
		{"-9223372036.854775809", -ERANGE},
		{"99999999999999999999999999999999999999999999", -ERANGE},
	};
	struct money m = {42};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(money_parse(bad[i].text, &m), bad[i].err);
	assert_int_equal(m.nano, 42);
}

static void assert_formats(int64_t nano, int places, const char *text)
{
	char out[MONEY_TEXT_MAX];

	assert_string_equal(money_format((struct money){nano}, places, out), text);
}

static void amounts_are_written_with_the_places_they_need(void **state)
{
	(void)state;
	assert_formats(12500000, 6, "0.012500");
	assert_formats(12500001, 6, "0.012500001");
	assert_formats(0, 0, "0");
	assert_formats(0, 6, "0.000000");
	assert_formats(-1, 0, "-0.000000001");
	assert_formats(5 * MONEY_NANO, 0, "5");
	assert_formats(-1500000000, 2, "-1.50");
	assert_formats(INT64_MIN, 9, "-9223372036.854775808");
	assert_formats(INT64_MAX, 0, "9223372036.854775807");
}

static void assert_divides(__int128 n, int64_t d, enum money_rounding mode, int places, int64_t nano)
{
	struct money m;

	assert_int_equal(money_divide(n, d, mode, places, &m), 0);
	assert_int_equal(m.nano, nano);
}

static void a_quotient_is_rounded_once_and_away_from_zero(void **state)
{
	(void)state;
	assert_divides(943333 * 60 + 20, 60, MONEY_HALF_UP, 6, 943000);
	assert_divides(1500, 1, MONEY_HALF_UP, 6, 2000);
	assert_divides(1499, 1, MONEY_HALF_UP, 6, 1000);
	assert_divides(-1500, 1, MONEY_HALF_UP, 6, -2000);
	assert_divides(-1499, 1, MONEY_HALF_UP, 6, -1000);
	assert_divides(1001, 1, MONEY_UP, 6, 2000);
	assert_divides(-1001, 1, MONEY_UP, 6, -2000);
	assert_divides(1999, 1, MONEY_DOWN, 6, 1000);
	assert_divides(-1999, 1, MONEY_DOWN, 6, -1000);
	assert_divides(2000, 1, MONEY_UP, 6, 2000);
	/* rounding first to nano-units and then to places would give 1000 here */
	assert_divides(499 * 60 + 59, 60, MONEY_HALF_UP, 6, 0);
	assert_divides(1, 3, MONEY_HALF_UP, 9, 0);
	assert_divides(2, 3, MONEY_HALF_UP, 9, 1);
	assert_divides(INT64_MAX, 1, MONEY_HALF_UP, 9, INT64_MAX);
}

static void too_much_is_an_error_and_no_wrap(void **state)
{
	struct money m;

	(void)state;
	assert_int_equal(money_divide((__int128)INT64_MAX + 1, 1, MONEY_HALF_UP, 9, &m), -ERANGE);
	assert_int_equal(money_divide(INT64_MAX, 1, MONEY_UP, 0, &m), -ERANGE);
}

static void a_sum_holds_more_than_an_amount(void **state)
{
	struct money_sum sum = {0};
	char out[MONEY_SUM_TEXT_MAX];

	(void)state;
	assert_string_equal(money_sum_format(sum, 6, out), "0.000000");
	money_sum_add(&sum, (struct money){INT64_MAX});
	assert_string_equal(money_sum_format(sum, 6, out), "9223372036.854775807");
	money_sum_add(&sum, (struct money){INT64_MAX});
	assert_string_equal(money_sum_format(sum, 6, out), "18446744073.709551614");
	for (int i = 0; i < 1000000; i++)
		money_sum_add(&sum, (struct money){INT64_MIN});
	assert_string_equal(money_sum_format(sum, 6, out), "-9223353590110702.098448386");
	sum.nano = (__int128)INT64_MIN * 1000000000;
	assert_string_equal(money_sum_format(sum, 9, out), "-9223372036854775808.000000000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimals_are_read_exactly),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(amounts_are_written_with_the_places_they_need),
		cmocka_unit_test(a_quotient_is_rounded_once_and_away_from_zero),
		cmocka_unit_test(too_much_is_an_error_and_no_wrap),
		cmocka_unit_test(a_sum_holds_more_than_an_amount),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
