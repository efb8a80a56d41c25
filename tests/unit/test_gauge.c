/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "lib/gauge.h"

static void a_limit_is_never_passed(void **state)
{
	struct gauge g = {0};

	(void)state;
	assert_true(gauge_take(&g, 2));
	assert_true(gauge_take(&g, 2));
	assert_false(gauge_take(&g, 2));
	gauge_drop(&g);
	assert_true(gauge_take(&g, 2));
	assert_false(gauge_take(&g, 0));
	assert_true(gauge_take(&g, -1));
	assert_int_equal(gauge_in_use(&g), 3);
}

static void other_nodes_count_too(void **state)
{
	struct gauge g = {.elsewhere = 3};

	(void)state;
	assert_false(gauge_take(&g, 3));
	assert_true(gauge_take(&g, 4));
	assert_false(gauge_take(&g, 4));
	assert_int_equal(gauge_in_use(&g), 4);
}

static int pass_many(struct gauge *g, int32_t per_second, int64_t at_us, int tries)
{
	int passed = 0;

	while (tries-- > 0)
		passed += gauge_pass(g, per_second, at_us);
	return passed;
}

static void a_second_s_worth_may_come_at_once(void **state)
{
	static const int32_t rates[] = {1, 2, 3, 7, 10, 50, 333, 2000};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct gauge g = {0};
		int64_t now_us = 123456789;

		assert_int_equal(pass_many(&g, rates[i], now_us, 5000), rates[i]);
		assert_false(gauge_would_pass(&g, rates[i], now_us));
		assert_true(gauge_would_pass(&g, rates[i], now_us + 1000000));
		assert_int_equal(pass_many(&g, rates[i], now_us + 10000000, 5000), rates[i]);
	}
}

static void over_time_the_rate_holds(void **state)
{
	struct gauge g = {0};
	int passed = 0;

	(void)state;
	for (int64_t ms = 1; ms <= 60000; ms++)
		passed += pass_many(&g, 20, ms * 1000, 3);
	assert_in_range(passed, 60 * 20, 61 * 20);
}

static void zero_lets_nothing_and_no_limit_everything_through(void **state)
{
	struct gauge g = {0};

	(void)state;
	assert_false(gauge_pass(&g, 0, 1));
	assert_false(gauge_would_pass(&g, 0, 1));
	assert_int_equal(pass_many(&g, -1, 1, 10000), 10000);
	assert_true(gauge_would_pass(&g, -1, 1));
}

static void *take_and_drop(void *arg)
{
	struct gauge *g = arg;

	for (int i = 0; i < 100000; i++) {
		if (gauge_take(g, 3)) {
			if (gauge_in_use(g) > 3)
				return g;
			gauge_drop(g);
		}
	}
	return NULL;
}

static void threads_keep_the_limit_together(void **state)
{
	struct gauge g = {0};
	pthread_t thread[4];
	void *bad;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, take_and_drop, &g), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], &bad);
		assert_null(bad);
	}
	assert_int_equal(gauge_in_use(&g), 0);
}

static void count(void *arg, char kind, int64_t id, struct gauge *g)
{
	*(int *)arg += kind == 't' && id >= 0 && gauge_in_use(g) == 0;
}

static void a_table_gives_the_same_gauge_for_ever(void **state)
{
	struct gauge_table *t = gauge_table_new();
	struct gauge *first = gauge_get(t, 't', 1);
	int n = 0;

	(void)state;
	for (int64_t id = 0; id < 5000; id++)
		(void)gauge_get(t, 't', id);
	assert_ptr_equal(gauge_get(t, 't', 1), first);
	assert_ptr_not_equal(gauge_get(t, 'c', 1), first);
	gauge_each(t, count, &n);
	assert_int_equal(n, 5000);
	gauge_table_free(&t);
	assert_null(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_is_never_passed),
		cmocka_unit_test(other_nodes_count_too),
		cmocka_unit_test(a_second_s_worth_may_come_at_once),
		cmocka_unit_test(over_time_the_rate_holds),
		cmocka_unit_test(zero_lets_nothing_and_no_limit_everything_through),
		cmocka_unit_test(threads_keep_the_limit_together),
		cmocka_unit_test(a_table_gives_the_same_gauge_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
