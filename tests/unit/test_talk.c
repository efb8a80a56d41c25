/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "switch/talk.h"

static void the_latest_is_read_first(void **state)
{
	int64_t ms[TALK_MAX];
	struct talk t = {0};

	assert_int_equal(talk_read(&t, ms), 0);
	for (int i = 1; i <= 20; i++)
		talk_add(&t, i);
	assert_int_equal(talk_read(&t, ms), 20);
	for (int i = 0; i < 20; i++)
		assert_int_equal(ms[i], 20 - i);
	talk_clear(&t);
	assert_int_equal(talk_read(&t, ms), 0);
}

static void beyond_the_most_the_oldest_goes(void **state)
{
	int64_t ms[TALK_MAX];
	struct talk t = {0};

	for (int i = 0; i < TALK_MAX + 7; i++)
		talk_add(&t, i);
	assert_int_equal(talk_read(&t, ms), TALK_MAX);
	assert_int_equal(ms[0], TALK_MAX + 6);
	assert_int_equal(ms[TALK_MAX - 1], 7);
	talk_clear(&t);
}

static void a_few_take_little_memory(void **state)
{
	struct talk t = {0};

	talk_add(&t, 1000);
	assert_in_range(t.slots, 1, 16);
	for (int i = 0; i < TALK_MAX; i++)
		talk_add(&t, i);
	assert_int_equal(t.slots, TALK_MAX);
	talk_clear(&t);
	assert_null(t.ms);
}

static void what_is_put_reads_back_and_says_whether_it_is_new(void **state)
{
	const int64_t given[] = {30, 20, 10}, other[] = {30, 20, 11};
	int64_t ms[TALK_MAX];
	struct talk t = {0};

	assert_false(talk_put(&t, given, 0));
	assert_true(talk_put(&t, given, 3));
	assert_false(talk_put(&t, given, 3));
	assert_int_equal(talk_read(&t, ms), 3);
	assert_memory_equal(ms, given, sizeof given);
	assert_true(talk_put(&t, other, 3));
	talk_add(&t, 40); /* later than all that was put */
	assert_int_equal(talk_read(&t, ms), 4);
	assert_int_equal(ms[0], 40);
	assert_int_equal(ms[3], 11);
	assert_true(talk_put(&t, other, 0));
	assert_int_equal(talk_read(&t, ms), 0);
	talk_clear(&t);
}

static void times_beyond_32_bits_are_cut(void **state)
{
	int64_t ms[TALK_MAX];
	struct talk t = {0};

	talk_add(&t, INT64_C(1) << 40);
	talk_add(&t, -5);
	assert_int_equal(talk_read(&t, ms), 2);
	assert_int_equal(ms[0], 0);
	assert_int_equal(ms[1], UINT32_MAX);
	talk_clear(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_latest_is_read_first),
		cmocka_unit_test(beyond_the_most_the_oldest_goes),
		cmocka_unit_test(a_few_take_little_memory),
		cmocka_unit_test(what_is_put_reads_back_and_says_whether_it_is_new),
		cmocka_unit_test(times_beyond_32_bits_are_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
