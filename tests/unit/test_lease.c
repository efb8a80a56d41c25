/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "billing/lease.h"

static struct rate_terms terms(int64_t price_n, int32_t initial_s, int32_t increment_s)
{
	struct rate_terms t = rate_terms_plain(price_n);

	t.initial_s = initial_s;
	t.increment_s = increment_s;
	return t;
}

static void first_lease_is_the_first_interval_and_the_fee(void **state)
{
	struct rate_terms t = terms(600000000, 60, 60);
	struct lease_step first;

	t.connect_fee_n = 50000000;
	assert_int_equal(lease_first(&t, &first), 0);
	assert_int_equal(first.covered_s, 60);
	assert_int_equal(first.micro, 650000);
}

static void call_begins_with_ten_seconds_of_whole_intervals_where_there_is_plenty(void **state)
{
	struct rate_terms t = terms(600000000, 1, 1);
	struct lease_step first, wanted;

	assert_int_equal(lease_begin(&t, &first, &wanted), 0);
	assert_int_equal(first.covered_s, 1);
	assert_int_equal(wanted.covered_s, 10);
	assert_int_equal(wanted.micro, 100000);
	t = terms(600000000, 6, 3);
	assert_int_equal(lease_begin(&t, &first, &wanted), 0);
	assert_int_equal(wanted.covered_s, 9);
	t = terms(600000000, 6, 6);
	assert_int_equal(lease_begin(&t, &first, &wanted), 0);
	assert_int_equal(wanted.covered_s, 6);
	t = terms(600000000, 60, 60);
	assert_int_equal(lease_begin(&t, &first, &wanted), 0);
	assert_int_equal(wanted.covered_s, 60);
}

static void rate_without_first_interval_holds_one_increment(void **state)
{
	struct rate_terms t = terms(600000000, 0, 6);
	struct lease_step first;

	assert_int_equal(lease_first(&t, &first), 0);
	assert_int_equal(first.covered_s, 6);
	assert_int_equal(first.micro, 60000);
}

static void grace_does_not_admit_who_cannot_pay_past_it(void **state)
{
	struct rate_terms t = terms(600000000, 1, 1);
	struct lease_step first;

	t.grace_s = 10;
	assert_int_equal(lease_first(&t, &first), 0);
	assert_int_equal(first.micro, 10000);
	assert_int_equal(lease_end_ms(&t, first.covered_s), 10000);
}

static void leases_double_and_reach_at_most_45_s_ahead(void **state)
{
	struct rate_terms t = terms(600000000, 1, 1);
	static const int64_t expected[] = {3, 7, 15, 31, 44, 86};
	struct lease_step has, least, wanted;
	int64_t last_s;

	assert_int_equal(lease_first(&t, &has), 0);
	last_s = has.covered_s;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		int64_t elapsed_ms = has.covered_s > 2 ? (has.covered_s - 2) * 1000 : 0;

		assert_int_equal(lease_next(&t, has.covered_s, last_s, elapsed_ms, &least, &wanted), 0);
		assert_int_equal(least.covered_s, has.covered_s + 1);
		assert_true(wanted.covered_s * 1000 - elapsed_ms <= LEASE_AHEAD_S * 1000);
		last_s = wanted.covered_s - has.covered_s;
		has = wanted;
		if (i < 4)
			assert_int_equal(has.covered_s, expected[i]);
	}
}

static void long_increment_is_leased_whole(void **state)
{
	struct rate_terms t = terms(600000000, 60, 60);
	struct lease_step least, wanted;

	assert_int_equal(lease_next(&t, 60, 60, 58000, &least, &wanted), 0);
	assert_int_equal(least.covered_s, 120);
	assert_int_equal(least.micro, 1200000);
	assert_int_equal(wanted.covered_s, 120);
}

static void wanted_step_ends_an_interval(void **state)
{
	struct rate_terms t = terms(6000000, 30, 7);
	struct lease_step least, wanted;

	assert_int_equal(lease_next(&t, 30, 30, 28000, &least, &wanted), 0);
	assert_int_equal(least.covered_s, 37);
	assert_int_equal(wanted.covered_s, 72); /* 42 of the 43 s that are allowed */
}

/* What is held is what the record will say, to the millionth above, for any length of talk up to the end. */
static void lease_pays_each_call_that_ends_in_time(void **state)
{
	const struct rate_terms many[] = {terms(1, 1, 1), terms(123456789, 17, 11), terms(100000, 60, 11),
					  terms(999, 0, 7)};

	for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
		struct lease_step has, least, wanted;

		assert_int_equal(lease_first(&many[i], &has), 0);
		for (int64_t ms = 1; ms < 200000; ms += 37) {
			struct money amount;
			int64_t billed_s;

			while (lease_end_ms(&many[i], has.covered_s) < ms) {
				assert_int_equal(lease_next(&many[i], has.covered_s, 1, ms, &least, &wanted), 0);
				has = least;
			}
			assert_int_equal(rate_call(&many[i], ms, &billed_s, &amount), 0);
			assert_true(lease_micro(amount) <= has.micro);
		}
	}
}

static void end_follows_the_rounding_of_durations(void **state)
{
	struct rate_terms t = terms(600000000, 1, 1);

	assert_int_equal(lease_end_ms(&t, 5), 5000);
	t.duration_rounding = RATE_DURATION_HALF_UP;
	assert_int_equal(lease_end_ms(&t, 5), 5499);
	t.duration_rounding = RATE_DURATION_DOWN;
	assert_int_equal(lease_end_ms(&t, 5), 5999);
}

static void talk_that_costs_nothing_more_never_ends(void **state)
{
	struct rate_terms t = terms(0, 1, 1);

	assert_true(lease_end_ms(&t, 1) == INT64_MAX);
	t.price_n = -5;
	assert_true(lease_end_ms(&t, 1) == INT64_MAX);
}

static void amounts_are_rounded_up_to_millionths(void **state)
{
	assert_int_equal(lease_micro((struct money){1}), 1);
	assert_int_equal(lease_micro((struct money){1000}), 1);
	assert_int_equal(lease_micro((struct money){1001}), 2);
	assert_int_equal(lease_micro((struct money){-5000}), 0);
}

static void recalled_lease_keeps_the_interval_that_is_talked_in(void **state)
{
	struct rate_terms t = terms(600000000, 60, 6);
	struct lease_step kept;

	assert_int_equal(lease_kept(&t, 0, &kept), 0);
	assert_int_equal(kept.covered_s, 60);
	assert_int_equal(lease_kept(&t, 60000, &kept), 0);
	assert_int_equal(kept.covered_s, 60);
	assert_int_equal(lease_kept(&t, 60001, &kept), 0);
	assert_int_equal(kept.covered_s, 66);
	assert_int_equal(kept.micro, 660000);
	t.initial_s = 0;
	assert_int_equal(lease_kept(&t, 0, &kept), 0);
	assert_int_equal(kept.covered_s, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_lease_is_the_first_interval_and_the_fee),
		cmocka_unit_test(call_begins_with_ten_seconds_of_whole_intervals_where_there_is_plenty),
		cmocka_unit_test(recalled_lease_keeps_the_interval_that_is_talked_in),
		cmocka_unit_test(rate_without_first_interval_holds_one_increment),
		cmocka_unit_test(grace_does_not_admit_who_cannot_pay_past_it),
		cmocka_unit_test(leases_double_and_reach_at_most_45_s_ahead),
		cmocka_unit_test(long_increment_is_leased_whole),
		cmocka_unit_test(wanted_step_ends_an_interval),
		cmocka_unit_test(lease_pays_each_call_that_ends_in_time),
		cmocka_unit_test(end_follows_the_rounding_of_durations),
		cmocka_unit_test(talk_that_costs_nothing_more_never_ends),
		cmocka_unit_test(amounts_are_rounded_up_to_millionths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
