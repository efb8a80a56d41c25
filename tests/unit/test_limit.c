/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/limit.h"

#define SECOND 1000000LL

static int taken(struct limit *l, uint64_t who, int64_t now_us, int tries)
{
	int n = 0;

	for (int i = 0; i < tries; i++)
		n += limit_take(l, who, now_us);
	return n;
}

static void two_seconds_worth_come_at_once_then_the_rate(void **state)
{
	struct limit *l = limit_new(10);

	assert_int_equal(taken(l, 1, SECOND, 100), 20);
	assert_false(limit_left(l, 1, SECOND));
	assert_int_equal(taken(l, 1, SECOND + SECOND / 10, 100), 1);
	assert_int_equal(taken(l, 1, 2 * SECOND + SECOND / 10, 100), 10);
	assert_int_equal(taken(l, 1, 60 * SECOND, 100), 20);
	limit_free(&l);
	assert_null(l);
}

static void one_does_not_pay_for_another(void **state)
{
	struct limit *l = limit_new(1);

	assert_int_equal(taken(l, 1, SECOND, 10), 2);
	for (uint64_t who = 2; who < 100; who++)
		assert_int_equal(taken(l, who, SECOND, 10), 2);
	limit_free(&l);
}

static void asking_takes_nothing(void **state)
{
	struct limit *l = limit_new(5);

	for (int i = 0; i < 100; i++)
		assert_true(limit_left(l, 7, SECOND));
	assert_int_equal(taken(l, 7, SECOND, 100), 10);
	limit_free(&l);
}

static void more_than_are_kept_push_out_the_rested(void **state)
{
	struct limit *l = limit_new(1);

	assert_int_equal(taken(l, 1, SECOND, 10), 2);
	for (uint64_t who = 2; who < 100000; who++)
		assert_true(limit_take(l, who, 10 * SECOND + (int64_t)who));
	assert_int_equal(taken(l, 1, 20 * SECOND, 10), 2);
	limit_free(&l);
}

static void none_is_none(void **state)
{
	struct limit *l = limit_new(0);

	assert_int_equal(taken(l, 1, SECOND, 100000), 100000);
	limit_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_seconds_worth_come_at_once_then_the_rate),
		cmocka_unit_test(one_does_not_pay_for_another),
		cmocka_unit_test(asking_takes_nothing),
		cmocka_unit_test(more_than_are_kept_push_out_the_rested),
		cmocka_unit_test(none_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
