/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "lib/random.h"
#include "tariff/rate.h"

static void assert_costs(const struct rate_terms *t, int64_t duration_ms, int64_t billed_s, const char *amount)
{
	char text[MONEY_TEXT_MAX];
	struct money m;
	int64_t billed;

	assert_int_equal(rate_call(t, duration_ms, &billed, &m), 0);
	assert_int_equal(billed, billed_s);
	assert_string_equal(money_format(m, t->places, text), amount);
}

static struct rate_terms terms(int64_t price_n, int32_t initial_s, int32_t increment_s)
{
	struct rate_terms t = rate_terms_plain(price_n);

	t.initial_s = initial_s;
	t.increment_s = increment_s;
	return t;
}

static void the_price_table_of_the_manual_holds(void **state)
{
	struct rate_terms t;

	(void)state;
	t = terms(100000, 60, 11);
	assert_costs(&t, 560000, 566, "0.000943");
	t = terms(6000000, 30, 6);
	assert_costs(&t, 32000, 36, "0.003600");
	t = terms(100000000, 1, 1);
	assert_costs(&t, 180000, 180, "0.300000");
	t = terms(600000000, 60, 60);
	assert_costs(&t, 61000, 120, "1.200000");
	t = terms(20000000, 60, 30);
	t.initial_price_n = 10000000;
	t.connect_fee_n = 1000000000;
	assert_costs(&t, 61000, 90, "1.020000");
}

static void an_unanswered_call_costs_nothing_not_even_the_fee(void **state)
{
	struct rate_terms t = terms(600000000, 60, 60);

	(void)state;
	t.connect_fee_n = 1000000000;
	assert_costs(&t, 0, 0, "0.000000");
	assert_costs(&t, 1, 60, "1.600000");
}

static void a_call_within_grace_is_free(void **state)
{
	struct rate_terms t = terms(600000000, 60, 60);

	(void)state;
	t.grace_s = 6;
	assert_costs(&t, 6000, 0, "0.000000");
	assert_costs(&t, 6001, 60, "0.600000");
}

static void durations_round_as_the_deck_says(void **state)
{
	struct rate_terms t = terms(60000000, 1, 1);

	(void)state;
	assert_costs(&t, 10001, 11, "0.011000");
	t.duration_rounding = RATE_DURATION_HALF_UP;
	assert_costs(&t, 10499, 10, "0.010000");
	assert_costs(&t, 10500, 11, "0.011000");
	t.duration_rounding = RATE_DURATION_DOWN;
	assert_costs(&t, 10999, 10, "0.010000");
	assert_costs(&t, 999, 0, "0.000000");
}

static void without_a_first_interval_increments_count_from_zero(void **state)
{
	struct rate_terms t = terms(60000000, 0, 6);

	(void)state;
	assert_costs(&t, 1000, 6, "0.006000");
	assert_costs(&t, 6000, 6, "0.006000");
	assert_costs(&t, 6001, 12, "0.012000");
}

static void a_negative_price_rounds_away_from_zero_too(void **state)
{
	struct rate_terms t = terms(-100000, 60, 11);

	(void)state;
	assert_costs(&t, 560000, 566, "-0.000943");
	t.rounding = MONEY_UP;
	t.places = 3;
	assert_costs(&t, 560000, 566, "-0.001");
}

static void an_amount_past_what_money_holds_is_refused(void **state)
{
	struct rate_terms t = terms(INT64_MAX, 60, 60);
	struct money m;
	int64_t billed;

	(void)state;
	assert_int_equal(rate_call(&t, 61000, &billed, &m), -ERANGE);
	assert_int_equal(rate_call(&t, INT64_MAX, &billed, &m), -ERANGE);
}

/* The same by another way: fractions of whole units, reduced after each step; seconds counted by subtracting,
 * increments by adding; and rounding by searching for the neighbour. */

struct fraction {
	__int128 num, den;
};

static struct fraction reduce(__int128 num, __int128 den)
{
	__int128 a = num < 0 ? -num : num, b = den;

	while (b != 0) {
		__int128 rest = a % b;

		a = b;
		b = rest;
	}
	return a > 1 ? (struct fraction){num / a, den / a} : (struct fraction){num, den};
}

static struct fraction times(struct fraction a, struct fraction b)
{
	return reduce(a.num * b.num, a.den * b.den);
}

static struct fraction plus(struct fraction a, struct fraction b)
{
	return reduce(a.num * b.den + b.num * a.den, a.den * b.den);
}

static int64_t naive_seconds(int64_t duration_ms, int rounding)
{
	int64_t seconds = 0;

	while (duration_ms >= 1000) {
		duration_ms -= 1000;
		seconds++;
	}
	if ((rounding == RATE_DURATION_UP && duration_ms > 0) ||
	    (rounding == RATE_DURATION_HALF_UP && duration_ms >= 500))
		seconds++;
	return seconds;
}

/* f in units of 10^-places, rounded: the largest whole number not above |f|, then maybe one more */
static __int128 naive_round(struct fraction f, int mode, int places)
{
	bool negative = f.num < 0;
	struct fraction rest;
	__int128 whole;

	for (int i = 0; i < places; i++)
		f = times(f, (struct fraction){10, 1});
	if (negative)
		f.num = -f.num;
	whole = f.num / f.den;
	rest = plus(f, (struct fraction){-whole, 1});
	if (mode == MONEY_UP && rest.num > 0)
		whole++;
	rest = plus(rest, (struct fraction){-1, 2});
	if (mode == MONEY_HALF_UP && rest.num >= 0)
		whole++;
	return negative ? -whole : whole;
}

static void naive_rate(const struct rate_terms *t, int64_t duration_ms, int64_t *billed_s, int64_t *nano)
{
	const struct fraction a_minute = {1, 60}, a_nano = {1, 1000000000};
	int64_t seconds = naive_seconds(duration_ms, t->duration_rounding), later = 0;
	struct fraction sum;

	*billed_s = *nano = 0;
	if (seconds <= t->grace_s)
		return;
	while (t->initial_s + later < seconds)
		later += t->increment_s;
	*billed_s = t->initial_s + later;
	sum = (struct fraction){t->connect_fee_n, 1};
	sum = plus(sum, times(times((struct fraction){t->initial_price_n, 1}, (struct fraction){t->initial_s, 1}),
			      a_minute));
	sum = plus(sum, times(times((struct fraction){t->price_n, 1}, (struct fraction){later, 1}), a_minute));

	__int128 units = naive_round(times(sum, a_nano), t->rounding, t->places);
	for (int i = t->places; i < MONEY_PLACES; i++)
		units *= 10;
	*nano = (int64_t)units;
}

static int32_t pick(uint64_t *seed, const int32_t *from, size_t n)
{
	return from[random_draw(seed) % n];
}

static struct rate_terms any_terms(uint64_t *seed)
{
	static const int32_t initials[] = {0, 1, 1, 6, 18, 30, 60, 60, 90, 7, 3600};
	static const int32_t increments[] = {1, 1, 6, 6, 11, 30, 60, 7, 13, 600};
	static const int32_t graces[] = {0, 0, 0, 1, 3, 6, 60};
	static const int64_t scales[] = {1, 10, 1000, 100000, 1000000, 10000000};
	int64_t scale = scales[random_draw(seed) % 6];
	struct rate_terms t = rate_terms_plain((int64_t)(random_draw(seed) % 100000) * scale);

	if (random_draw(seed) % 10 == 0)
		t.price_n = -t.price_n;
	t.initial_price_n = random_draw(seed) % 3 ? t.price_n : (int64_t)(random_draw(seed) % 1000000) * 1000;
	t.connect_fee_n = random_draw(seed) % 3 ? 0 : (int64_t)(random_draw(seed) % 2000000) * 1001;
	t.initial_s = pick(seed, initials, sizeof(initials) / sizeof(initials[0]));
	t.increment_s = pick(seed, increments, sizeof(increments) / sizeof(increments[0]));
	t.grace_s = pick(seed, graces, sizeof(graces) / sizeof(graces[0]));
	t.rounding = (uint8_t)(random_draw(seed) % 3);
	t.places = (uint8_t)(random_draw(seed) % 9);
	t.duration_rounding = (uint8_t)(random_draw(seed) % 3);
	return t;
}

static void any_tariff_and_duration_equal_the_exact_fraction(void **state)
{
	uint64_t seed = 20261122;

	(void)state;
	for (int i = 0; i < 30000; i++) {
		struct rate_terms t = any_terms(&seed);
		int64_t duration_ms = (int64_t)(random_draw(&seed) % (random_draw(&seed) % 4 ? 400000 : 20000000));
		int64_t billed, naive_billed, naive_nano;
		struct money amount;

		if (random_draw(&seed) % 3 == 0) /* at a second's or an interval's edge */
			duration_ms = (t.initial_s + (int64_t)(random_draw(&seed) % 20) * t.increment_s) * 1000 +
				      (int64_t)(random_draw(&seed) % 3) - 1;
		if (duration_ms < 0)
			duration_ms = 0;
		assert_int_equal(rate_call(&t, duration_ms, &billed, &amount), 0);
		naive_rate(&t, duration_ms, &naive_billed, &naive_nano);
		if (billed != naive_billed || amount.nano != naive_nano)
			fail_msg("vector %d: %lld s %lld n, exact %lld s %lld n", i, (long long)billed,
				 (long long)amount.nano, (long long)naive_billed, (long long)naive_nano);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_price_table_of_the_manual_holds),
		cmocka_unit_test(an_unanswered_call_costs_nothing_not_even_the_fee),
		cmocka_unit_test(a_call_within_grace_is_free),
		cmocka_unit_test(durations_round_as_the_deck_says),
		cmocka_unit_test(without_a_first_interval_increments_count_from_zero),
		cmocka_unit_test(a_negative_price_rounds_away_from_zero_too),
		cmocka_unit_test(an_amount_past_what_money_holds_is_refused),
		cmocka_unit_test(any_tariff_and_duration_equal_the_exact_fraction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
