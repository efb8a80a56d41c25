/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/random.h"
#include "routing/margin.h"
#include "tests/unit/route_world.h"

static void a_vendor_at_whole_minutes_can_lose_money_under_a_cheaper_price(void **state)
{
	/* over 402 s of talk it bills 600 s: 0.19 against 0.134 earned */
	struct world w = {.sell = "49 0.02 1/1", .n = 2, .vendor = {{"49 0.019 60/60"}, {"49 0.0199 1/1"}}};
	struct made m = made_of(&w);
	assert_int_equal(decide(&m, "49"), ROUTE_OK);
	assert_string_equal(order_of(m.r), "3");
	assert_int_equal(m.r->offer[0].margin.nano, 100000);
	assert_string_equal(excluded_of(m.r, 2)->detail,
			    "is expected to cost 0.008358209 EUR a minute more than it earns");
	unmake(&m);
}

static void equal_margin_is_enough_and_less_is_not(void **state)
{
	struct world w = {.sell = "49 0.02", .n = 3, .vendor = {{"49 0.02"}, {"49 0.015"}, {"49 0.015000001"}}};

	assert_order(&w, "49", "3 4 2"); /* zero is no loss */
	w.plan = ",\"min_margin\":5000000";
	assert_order(&w, "49", "3");
	w.plan = ",\"min_margin_percent\":25000000000";
	assert_order(&w, "49", "3");
	w.plan = ",\"min_margin_percent\":25000000001";
	assert_order(&w, "49", "");
}

static void a_loss_needs_leave(void **state)
{
	struct world w = {.sell = "49 0.02", .n = 1, .vendor = {{"49 0.03"}}};
	assert_order(&w, "49", "");
	w.plan = ",\"allow_loss\":true";
	assert_order(&w, "49", "2");
	w.ingress = ",\"allow_loss\":false"; /* the trunk's own word goes before the plan's */
	assert_order(&w, "49", "");
	w.ingress = ",\"allow_loss\":true,\"min_margin\":-10000000";
	assert_order(&w, "49", "2");
	w.ingress = ",\"allow_loss\":true,\"min_margin\":-9999999";
	assert_order(&w, "49", "");
}

static void a_trunks_own_margin_goes_before_the_plans(void **state)
{
	struct world w = {.sell = "49 0.02", .n = 1, .vendor = {{"49 0.015"}}};
	w.plan = ",\"min_margin\":6000000";
	assert_order(&w, "49", "");
	w.ingress = ",\"min_margin\":1000000";
	assert_order(&w, "49", "2");
}

static void measured_durations_take_the_place_of_the_usual_ones(void **state)
{
	/* hour-long calls: 60/60 costs no more than 1/1 then */
	const int64_t hours[] = {3600000, 7200000};
	const struct route_durations talk = {.ms = hours, .n = 2};
	struct world w = {.sell = "49 0.02 1/1", .n = 1, .vendor = {{"49 0.019 60/60"}}};
	struct made m = made_of(&w);
	struct route_query q = query_of(&m, "49");

	assert_int_equal(route_decide(m.r, &q), ROUTE_NONE_USABLE);
	q.durations = &talk;
	assert_int_equal(route_decide(m.r, &q), ROUTE_OK);
	assert_int_equal(m.r->offer[0].margin.nano, 1000000);
	q.now = false;
	assert_int_equal(route_decide(m.r, &q), ROUTE_NONE_USABLE);
	unmake(&m);
}

static void margin_sums_equal_the_rating_function_call_by_call(void **state)
{
	uint64_t seed = 9;
	struct margin m;
	margin_start(&m, NULL);
	assert_int_equal(m.talk_ms, 402000);
	for (int i = 0; i < 5000; i++) {
		struct rate_terms t = {.price_n = (int64_t)(random_draw(&seed) % 2000000001) - 1000000000,
				       .initial_price_n = (int64_t)(random_draw(&seed) % 1000000),
				       .connect_fee_n = (int64_t)(random_draw(&seed) % 1000000) - 500000,
				       .initial_s = (int32_t)(random_draw(&seed) % 70),
				       .increment_s = 1 + (int32_t)(random_draw(&seed) % 70),
				       .grace_s = (int32_t)(random_draw(&seed) % 30),
				       .duration_rounding = (uint8_t)(random_draw(&seed) % 3)};
		__int128 sum = 0;
		for (int d = 0; d < m.talk.n; d++) {
			int64_t billed;
			__int128 one;
			rate_call_wide(&t, m.talk.ms[d], &billed, &one);
			sum += one;
		}
		assert_true(margin_amount(&m, &t) == sum);
	}
}

static void more_kinds_of_intervals_than_places_cost_what_the_rating_says(void **state)
{
	static const int64_t usual_ms[] = {6000, 20000, 45000, 61000, 90000, 180000};
	struct margin m;

	margin_start(&m, NULL);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 5 * MARGIN_SHAPES; i++) {
			struct rate_terms t = rate_terms_plain(1000 + i);
			__int128 want = 0;
			t.initial_s = i % 7 * 10;
			t.increment_s = 1 + i % 31;
			t.grace_s = i % 5 * 3;
			t.connect_fee_n = i * 11;
			for (size_t d = 0; d < sizeof usual_ms / sizeof *usual_ms; d++) {
				int64_t billed_s;
				__int128 one;
				rate_call_wide(&t, usual_ms[d], &billed_s, &one);
				want += one;
			}
			assert_true(margin_amount(&m, &t) == want);
		}
}

static void wide_products_are_compared_exactly(void **state)
{
	const __int128 huge = (__int128)1 << 120;
	assert_int_equal(wide_compare(huge, INT64_MAX, huge, INT64_MAX - 1), 1);
	assert_int_equal(wide_compare(-huge, INT64_MAX, -huge, INT64_MAX - 1), -1);
	assert_int_equal(wide_compare(huge, -1, 1, 1), -1);
	assert_int_equal(wide_compare(0, 5, -1, 0), 0);
	assert_int_equal(wide_compare(huge * 3, 5, huge * 5, 3), 0);
	assert_int_equal(wide_compare(huge * 3 + 1, 5, huge * 5, 3), 1);
	assert_int_equal(wide_divide(5, 10).nano, 1);
	assert_int_equal(wide_divide(-5, 10).nano, -1);
	assert_int_equal(wide_divide(49, 100).nano, 0);
	assert_int_equal(wide_divide(huge, 1).nano, INT64_MAX);
}

static void absurd_prices_are_dropped_and_not_wrapped(void **state)
{
	struct world w = {
		.sell = "49 1",
		.more = ",\"exchange\":[{\"from\":\"USD\",\"to\":\"EUR\",\"rate\":\"9000000\",\"from_us\":1}]",
		.n = 1,
		.vendor = {{"49 999999999", "USD"}}};
	assert_excluded(&w, "49", 2, DROP_MARGIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vendor_at_whole_minutes_can_lose_money_under_a_cheaper_price),
		cmocka_unit_test(equal_margin_is_enough_and_less_is_not),
		cmocka_unit_test(a_loss_needs_leave),
		cmocka_unit_test(a_trunks_own_margin_goes_before_the_plans),
		cmocka_unit_test(measured_durations_take_the_place_of_the_usual_ones),
		cmocka_unit_test(margin_sums_equal_the_rating_function_call_by_call),
		cmocka_unit_test(more_kinds_of_intervals_than_places_cost_what_the_rating_says),
		cmocka_unit_test(wide_products_are_compared_exactly),
		cmocka_unit_test(absurd_prices_are_dropped_and_not_wrapped),
	};
	return cmocka_run_group_tests_name("margin", tests, NULL, NULL);
}
