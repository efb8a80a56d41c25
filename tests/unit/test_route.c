/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/buf.h"
#include "lib/random.h"
#include "routing/standing.h"
#include "tests/unit/route_world.h"

/* ---- order ---- */

static void the_cheapest_vendor_comes_first(void **state)
{
	assert_order(&(struct world){.sell = "49 1", .n = 3, .vendor = {{"49 0.03"}, {"49 0.01"}, {"49 0.02"}}}, "4930",
		     "3 4 2");
}

static void each_vendor_is_priced_at_its_own_longest_prefix(void **state)
{
	/* trunk 2's 49 would be cheapest, but its 4930 holds */
	assert_order(&(struct world){.sell = "49 1", .n = 2, .vendor = {{"49 0.01;4930 0.05"}, {"4 0.02"}}}, "4930",
		     "3 2");
}

static void equal_prices_go_by_priority_then_weight_then_id(void **state)
{
	assert_order(&(struct world){.sell = "49 1",
				     .n = 5,
				     .vendor = {{"49 0.01"},
						{"49 0.01", .member = ",\"priority\":2"},
						{"49 0.01", .member = ",\"weight\":9"},
						{"49 0.01", .member = ",\"priority\":0"},
						{"49 0.01"}}},
		     "49", "5 4 2 6 3");
}

static void priority_policy_puts_priority_before_price(void **state)
{
	assert_order(&(struct world){.sell = "49 1",
				     .plan = ",\"policy\":\"priority\"",
				     .n = 4,
				     .vendor = {{"49 0.01", .member = ",\"priority\":2"},
						{"49 0.04"},
						{"49 0.03"},
						{"49 0.00", .member = ",\"priority\":3"}}},
		     "49", "4 3 2 5");
}

static void quality_and_balance_go_by_price_until_something_is_measured(void **state)
{
	struct world w = {.sell = "49 1", .n = 3, .vendor = {{"49 0.03"}, {"49 0.01"}, {"49 0.02"}}};
	w.plan = ",\"policy\":\"quality\"";
	assert_order(&w, "4930", "3 4 2");
	w.plan = ",\"policy\":\"balanced\"";
	assert_order(&w, "4930", "3 4 2");
}

static void a_weighted_draw_follows_the_weights_and_the_seed(void **state)
{
	struct world w = {.sell = "49 1",
			  .plan = ",\"policy\":\"weighted\"",
			  .n = 5,
			  .vendor = {{"49 0.01", .member = ",\"weight\":70"},
				     {"49 0.02", .member = ",\"weight\":30"},
				     {"49 0.03", .member = ",\"weight\":0"},
				     {"49 0.01", .member = ",\"weight\":0"},
				     {"49 0.01", .member = ",\"priority\":2,\"weight\":1000"}}};
	struct made m = made_of(&w);
	struct route_query q = query_of(&m, "49");
	int first[8] = {0};

	for (q.seed = 0; q.seed < 10000; q.seed++) {
		assert_int_equal(route_decide(m.r, &q), ROUTE_OK);
		first[m.r->offer[0].trunk->id]++;
		assert_int_equal(m.r->offer[2].trunk->id, 5); /* weight 0: after the others, cheapest first */
		assert_int_equal(m.r->offer[3].trunk->id, 4);
		assert_int_equal(m.r->offer[4].trunk->id, 6);
	}
	assert_in_range(first[2], 6800, 7200);
	assert_int_equal(first[2] + first[3], 10000);
	q.seed = 77;
	(void)route_decide(m.r, &q);
	int64_t id = m.r->offer[0].trunk->id;
	(void)route_decide(m.r, &q);
	assert_int_equal(m.r->offer[0].trunk->id, id);
	unmake(&m);
}

static void prices_are_compared_unrounded_across_currencies(void **state)
{
	/* 0.010000001 EUR against 0.010869565 USD x 0.92 = 0.0099999998 EUR and 0.010869566 USD = 0.01000000072 EUR */
	struct world w = {
		.sell = "49 1",
		.more = ",\"exchange\":[{\"from\":\"USD\",\"to\":\"EUR\",\"rate\":\"0.920000000000\",\"from_us\":1}]",
		.n = 3,
		.vendor = {{"49 0.010000001"}, {"49 0.010869566", "USD"}, {"49 0.010869565", "USD"}}};
	struct made m = made_of(&w);
	assert_int_equal(decide(&m, "49"), ROUTE_OK);
	assert_string_equal(order_of(m.r), "4 3 2");
	assert_int_equal(m.r->offer[0].price_sell.nano, 10000000); /* shown rounded */
	unmake(&m);
}

static void exchange_rates_are_dated_and_have_no_inverse(void **state)
{
	struct world w = {
		.sell = "49 1",
		.more = ",\"exchange\":[{\"from\":\"USD\",\"to\":\"EUR\",\"rate\":\"0.5\",\"from_us\":100},"
			"{\"from\":\"USD\",\"to\":\"EUR\",\"rate\":\"2\",\"from_us\":1767225600000001},"
			"{\"from\":\"USD\",\"to\":\"EUR\",\"rate\":\"9999999999\",\"from_us\":1767225600000002},"
			"{\"from\":\"EUR\",\"to\":\"GBP\",\"rate\":\"1\",\"from_us\":1}]",
		.n = 3,
		.vendor = {{"49 0.2"}, {"49 0.3", "USD"}, {"49 0.1", "GBP"}}};
	struct made m = made_of(&w);
	struct route_query q = query_of(&m, "49");

	(void)route_decide(m.r, &q);
	assert_string_equal(order_of(m.r), "3 2");
	assert_int_equal(excluded_of(m.r, 4)->why, DROP_CURRENCY);
	q.at_us = WORLD_AT + 1;
	(void)route_decide(m.r, &q);
	assert_string_equal(order_of(m.r), "2 3");
	q.at_us = WORLD_AT + 2; /* too large to be held: then there is none, not the old one */
	(void)route_decide(m.r, &q);
	assert_string_equal(order_of(m.r), "2");
	q.at_us = 99;
	(void)route_decide(m.r, &q);
	assert_string_equal(order_of(m.r), "2");
	unmake(&m);
}

static void no_more_than_max_attempts_are_offered_and_the_rest_named(void **state)
{
	struct world w = {.sell = "49 1",
			  .plan = ",\"max_attempts\":2",
			  .n = 4,
			  .vendor = {{"49 0.04"}, {"49 0.01"}, {"49 0.03"}, {"49 0.02"}}};
	struct made m = made_of(&w);
	(void)decide(&m, "49");
	assert_string_equal(order_of(m.r), "3 5");
	assert_int_equal(excluded_of(m.r, 2)->why, DROP_MAX_ATTEMPTS);
	assert_int_equal(excluded_of(m.r, 4)->why, DROP_MAX_ATTEMPTS);
	unmake(&m);
}

/* ---- what is dropped ---- */

static void a_vendor_that_may_not_have_the_call_is_named_with_the_reason(void **state)
{
	struct world w = {.sell = "49 1", .n = 2, .vendor = {{"49 0.01"}, {"49 0.02"}}};

	w.vendor[0] = (struct vendor){.rates = "33 0.01"};
	assert_excluded(&w, "49", 2, DROP_NO_RATE);
	w.vendor[0] = (struct vendor){.rates = "4 0.01;49! 0.01"};
	assert_excluded(&w, "49", 2, DROP_BLOCKED);
	w.vendor[0] = (struct vendor){.rates = "49 0.01", .trunk = ",\"enabled\":false"};
	assert_excluded(&w, "49", 2, DROP_DISABLED);
	w.vendor[0] = (struct vendor){.rates = "49 0.01", .carrier = ",\"active\":false"};
	assert_excluded(&w, "49", 2, DROP_SUSPENDED);
	w.vendor[0] = (struct vendor){.rates = "49 0.01", .trunk = ",\"carrier_id\":1"};
	assert_excluded(&w, "49", 2, DROP_SAME_CARRIER);
	w.vendor[0] = (struct vendor){.rates = "49 0.01", .trunk = ",\"max_channels\":0"};
	assert_excluded(&w, "49", 2, DROP_CHANNELS);
	w.vendor[0] = (struct vendor){.rates = "49 0.01", .carrier = ",\"max_channels\":0"};
	assert_excluded(&w, "49", 2, DROP_CHANNELS);
	w.vendor[0] = (struct vendor){.rates = "49 0.01", .trunk = ",\"max_cps\":0"};
	assert_excluded(&w, "49", 2, DROP_CPS);
	w.vendor[0] = (struct vendor){.rates = "49 0.01", .member = ",\"prefixes\":[\"33\",\"491\"]"};
	assert_excluded(&w, "4930", 2, DROP_PREFIX_FILTER);
	w.vendor[0] = (struct vendor){.rates = "49 0.01", .trunk = ",\"rate_deck_id\":null"};
	assert_excluded(&w, "4930", 2, DROP_NO_RATE);
	w.vendor[0] = (struct vendor){.rates = "49 0.01", .currency = "USD"};
	assert_excluded(&w, "49", 2, DROP_CURRENCY);
	w.vendor[0] = (struct vendor){.rates = "49 1.01"};
	assert_excluded(&w, "49", 2, DROP_MARGIN);
	w.vendor[0] = (struct vendor){
		.rates = "49 0.01",
		.trunk = ",\"translations\":[{\"number\":\"called\",\"match\":\"(\",\"replace\":\"\"}]"};
	assert_excluded(&w, "49", 2, DROP_DISABLED); /* a bad pattern spoils its trunk alone */
	assert_order(&w, "49", "3");
	w.ingress = ",\"mode\":\"proxy\"";
	w.vendor[0] = (struct vendor){.rates = "49 0.01", .trunk = ",\"media\":\"relay\""};
	assert_excluded(&w, "49", 2, DROP_MODE);
	assert_order(&w, "49", "3");
}

static void a_full_vendor_is_passed_over_only_while_it_is_full(void **state)
{
	struct world w = {.sell = "49 1", .n = 2, .vendor = {{"49 0.01", .trunk = ",\"max_channels\":1"}, {"49 0.02"}}};
	struct made m = made_of(&w);
	const struct trunk *t = snapshot_trunk(m.s, 2);
	struct route_query q = query_of(&m, "49");

	assert_true(gauge_take(t->gauge, t->max_channels));
	(void)route_decide(m.r, &q);
	assert_string_equal(order_of(m.r), "3");
	q.now = false; /* a look-up at another time knows nothing of now */
	(void)route_decide(m.r, &q);
	assert_string_equal(order_of(m.r), "2 3");
	q.now = true;
	gauge_drop(t->gauge);
	(void)route_decide(m.r, &q);
	assert_string_equal(order_of(m.r), "2 3");
	unmake(&m);
}

static void a_plan_may_allow_the_way_back(void **state)
{
	struct world w = {.sell = "49 1",
			  .plan = ",\"allow_return\":true",
			  .n = 1,
			  .vendor = {{"49 0.01", .trunk = ",\"carrier_id\":1"}}};
	assert_order(&w, "49", "2");
}

static void who_is_left_out_shows_what_it_asks_and_would_be_worth(void **state)
{
	struct world w = {.sell = "49 0.02", .n = 4, .vendor = {{"49 0.01"}, {"49 0.03"}, {"33 0.01"}, {"49 0.015"}}};
	w.vendor[3].trunk = ",\"enabled\":false";
	struct made m = made_of(&w);
	assert_int_equal(decide(&m, "4930"), ROUTE_OK);
	const struct route_excluded *lossy = excluded_of(m.r, 3), *off = excluded_of(m.r, 5);
	assert_string_equal(lossy->rated->rate.prefix, "49");
	assert_int_equal(lossy->rated->rate.terms.price_n, 30000000);
	assert_true(lossy->weighed);
	assert_int_equal(lossy->rated->margin.nano, -10000000);
	assert_int_equal(off->why, DROP_DISABLED); /* whatever is against it: why it would have been good */
	assert_int_equal(off->rated->margin.nano, 5000000);
	assert_null(excluded_of(m.r, 4)->rated); /* no rate, nothing to show */
	unmake(&m);
}

static void a_look_up_without_sentences_decides_the_same(void **state)
{
	struct world w = {.sell = "49 0.02", .n = 2, .vendor = {{"49 0.01"}, {"49 0.03"}}};
	struct made m = made_of(&w);
	struct route_query q = query_of(&m, "49");
	q.terse = true;
	assert_int_equal(route_decide(m.r, &q), ROUTE_OK);
	assert_string_equal(order_of(m.r), "2");
	assert_int_equal(excluded_of(m.r, 3)->why, DROP_MARGIN);
	assert_string_equal(excluded_of(m.r, 3)->detail, "");
	unmake(&m);
}

/* Pearson's statistic: how far counts are from what was to be expected. */
static double chi_square(const int *count, const double *share, int n, int draws)
{
	double sum = 0;
	for (int i = 0; i < n; i++) {
		double want = share[i] * draws, off = count[i] - want;
		sum += off * off / want;
	}
	return sum;
}

static void a_weighted_draw_is_fair_at_the_first_and_the_second_place(void **state)
{
	static const double weight[] = {0.5, 0.3, 0.15, 0.05};
	struct world w = {.sell = "49 1",
			  .plan = ",\"policy\":\"weighted\"",
			  .n = 4,
			  .vendor = {{"49 0.04", .member = ",\"weight\":50"},
				     {"49 0.03", .member = ",\"weight\":30"},
				     {"49 0.02", .member = ",\"weight\":15"},
				     {"49 0.01", .member = ",\"weight\":5"}}};
	struct made m = made_of(&w);
	struct route_query q = query_of(&m, "49");
	enum { DRAWS = 40000 };
	int first[4] = {0}, second[4] = {0};
	double second_share[4] = {0};
	uint64_t seed = 20260101;

	for (int i = 0; i < DRAWS; i++) {
		q.seed = random_draw(&seed);
		assert_int_equal(route_decide(m.r, &q), ROUTE_OK);
		first[m.r->offer[0].trunk->id - 2]++;
		second[m.r->offer[1].trunk->id - 2]++;
	}
	for (int i = 0; i < 4; i++) /* drawn without repetition: i second after j first */
		for (int j = 0; j < 4; j++)
			second_share[i] += i == j ? 0 : weight[j] * weight[i] / (1 - weight[j]);
	/* three degrees of freedom: a fair draw is past 16.27 once in a thousand seeds */
	assert_true(chi_square(first, weight, 4, DRAWS) < 16.27);
	assert_true(chi_square(second, second_share, 4, DRAWS) < 16.27);
	unmake(&m);
}

static void one_call_in_fifty_tries_a_demoted_vendor_again_and_no_look_up_does(void **state)
{
	struct world w = {
		.sell = "49 1", .plan = ",\"policy\":\"quality\"", .n = 2, .vendor = {{"49 0.01"}, {"49 0.02"}}};
	struct made m = made_of(&w);
	struct route_query q = query_of(&m, "49");
	struct standing_destination *d;
	struct standing *s = standing_new();
	char key[QUALITY_KEY_MAX];
	enum { CALLS = 50000 };
	int tried = 0;
	uint64_t seed = 7;

	q.now = true;
	assert_int_equal(route_decide(m.r, &q), ROUTE_OK);
	d = standing_destination_new(quality_key(m.r->sell.destination, m.r->sell.prefix, key), NULL, 0, 0);
	d->vendor = xcalloc(1, sizeof *d->vendor);
	d->vendor[0] = (struct standing_vendor){.trunk_id = 2, .verdict = {.score_ppm = 200000, .demoted = true}};
	d->n = 1;
	standing_put_destination(s, d);
	standing_finish(s);
	q.standing = s;
	for (int i = 0; i < CALLS; i++) {
		q.seed = random_draw(&seed);
		assert_int_equal(route_decide(m.r, &q), ROUTE_OK);
		assert_int_equal(m.r->n_offers, 2); /* behind, not away */
		tried += m.r->offer[0].trunk->id == 2;
	}
	/* one degree of freedom: 10.83 once in a thousand seeds */
	assert_true(chi_square((int[]){tried, CALLS - tried},
			       (double[]){1.0 / QUALITY_RETRY_EVERY, 1 - 1.0 / QUALITY_RETRY_EVERY}, 2, CALLS) < 10.83);
	q.settled = true;
	for (int i = 0; i < 1000; i++) {
		q.seed = random_draw(&seed);
		(void)route_decide(m.r, &q);
		assert_int_equal(m.r->offer[0].trunk->id, 3);
	}
	q.standing = NULL;
	standing_unref(&s);
	unmake(&m);
}

/* ---- outcomes ---- */

static void the_outcome_says_why_there_is_no_route(void **state)
{
	struct {
		struct world w;
		enum route_outcome outcome;
	} story[] = {
		{{.sell = "49 1", .n = 1, .vendor = {{"49 0.1"}}}, ROUTE_OK},
		{{.sell = "33 1", .n = 1, .vendor = {{"49 0.1"}}}, ROUTE_NO_SELL_RATE},
		{{.sell = "49 1", .ingress = ",\"rate_deck_id\":null", .n = 1, .vendor = {{"49 0.1"}}},
		 ROUTE_NO_SELL_RATE},
		{{.sell = "4 1;49! 1", .n = 1, .vendor = {{"49 0.1"}}}, ROUTE_SELL_BLOCKED},
		{{.sell = "49 1", .n = 1, .vendor = {{"33 0.1"}}}, ROUTE_NO_VENDOR},
		{{.sell = "49 1", .n = 1, .vendor = {{"49! 0.1"}}}, ROUTE_NO_VENDOR},
		{{.sell = "49 1", .n = 0}, ROUTE_NO_VENDOR},
		{{.sell = "49 1", .ingress = ",\"routing_plan_id\":null", .n = 1, .vendor = {{"49 0.1"}}},
		 ROUTE_NO_VENDOR},
		{{.sell = "49 1", .n = 1, .vendor = {{"49 2"}}}, ROUTE_NONE_USABLE},
		{{.sell = "49 1", .n = 1, .vendor = {{"49 0.1", .trunk = ",\"enabled\":false"}}}, ROUTE_NONE_USABLE},
		{{.sell = "49 1", .ingress = ",\"enabled\":false", .n = 0}, ROUTE_SUSPENDED},
	};
	for (size_t i = 0; i < sizeof story / sizeof *story; i++) {
		struct made m = made_of(&story[i].w);
		assert_string_equal(route_outcome_name(decide(&m, "4930")), route_outcome_name(story[i].outcome));
		assert_int_equal(m.r->why[0] == '\0', story[i].outcome == ROUTE_OK);
		assert_int_equal(m.r->n_offers > 0, story[i].outcome == ROUTE_OK);
		unmake(&m);
	}
}

#define LIST(kind, match, entries, more)                                                                               \
	"{\"name\":\"l\",\"kind\":\"" kind "\",\"match\":\"" match "\",\"entries\":[" entries "]" more "}"

static void number_lists_block_and_permit(void **state)
{
	struct {
		const char *lists;
		bool permitted;
	} story[] = {
		{"", true},
		{LIST("block", "called", "\"4930\"", ""), false},
		{LIST("block", "called", "\"49301\",\"331\"", ""), true},
		{LIST("block", "called", "\"33\",\"4930\",\"49301\",\"5\"", ""), false},
		{LIST("block", "calling", "\"4420\"", ""), false},
		{LIST("block", "calling", "\"44201\"", ""), true},
		{LIST("allow", "called", "\"33\"", ""), false},
		{LIST("allow", "called", "", ""), false},
		{LIST("allow", "called", "\"49\"", ""), true},
		{LIST("allow", "called", "\"33\"", "") "," LIST("allow", "called", "\"49\"", ""), true},
		{LIST("allow", "called", "\"49\"", "") "," LIST("allow", "calling", "\"1\"", ""), false},
		{LIST("allow", "called", "\"49\"", "") "," LIST("block", "called", "\"4930\"", ""), false},
		{LIST("block", "called", "\"4930\"", ",\"trunk_ids\":[1]"), false},
		{LIST("block", "called", "\"4930\"", ",\"trunk_ids\":[7]"), true},
		{LIST("block", "called", "\"4930\"", ",\"carrier_ids\":[1]"), false},
		{LIST("block", "called", "\"4930\"", ",\"trunk_ids\":[7],\"carrier_ids\":[2]"), true},
	};
	for (size_t i = 0; i < sizeof story / sizeof *story; i++) {
		char more[600];
		snprintf(more, sizeof more, ",\"lists\":[%s]", story[i].lists);
		struct made m = made_of(&(struct world){.sell = "49 1", .more = more, .n = 1, .vendor = {{"49 0.1"}}});
		if (decide(&m, "4930") != (story[i].permitted ? ROUTE_OK : ROUTE_LISTED))
			fail_msg("%s: %s %s", story[i].lists, route_outcome_name(m.r->outcome), m.r->why);
		unmake(&m);
	}
}

static void a_number_of_a_wrong_length_is_refused_in_words(void **state)
{
	struct {
		const char *called, *why; /* why: NULL if it is permitted */
	} story[] = {
		{"493012", "the number has 6 digits, destination 49 wants 7 to 14"},
		{"4930123", NULL},
		{"49301234567890", NULL},
		{"493012345678901", "the number has 15 digits, destination 49 wants 7 to 14"},
		{"4989123", "the number has 7 digits, destination 4989 wants 8"},
		{"49891234", NULL},
		{"49667", "the number has 5 digits, destination 49 wants 7 to 14"}, /* 4966 is unusable: left out */
		{"331", NULL},
	};
	struct world w = {.sell = "49 1;33 1",
			  .more = ",\"lengths\":[{\"prefix\":\"49\",\"min\":7,\"max\":14},"
				  "{\"prefix\":\"4989\",\"min\":8,\"max\":8},"
				  "{\"prefix\":\"4966\",\"min\":9,\"max\":3},{\"prefix\":\"x\",\"min\":3,\"max\":3}]",
			  .n = 1,
			  .vendor = {{"49 0.1;33 0.1"}}};
	struct made m = made_of(&w);

	for (size_t i = 0; i < sizeof story / sizeof *story; i++) {
		enum route_outcome wanted = story[i].why == NULL ? ROUTE_OK : ROUTE_WRONG_LENGTH;
		if (decide(&m, story[i].called) != wanted ||
		    strcmp(m.r->why, story[i].why != NULL ? story[i].why : "") != 0)
			fail_msg("%s: %s %s", story[i].called, route_outcome_name(m.r->outcome), m.r->why);
	}
	unmake(&m);
}

static void the_look_up_is_shown_in_the_apis_words(void **state)
{
	struct world w = {.sell = "49 0.02",
			  .more = ",\"exchange\":[{\"from\":\"USD\",\"to\":\"EUR\",\"rate\":\"0.5\",\"from_us\":1}]",
			  .n = 2,
			  .vendor = {{"4930 0.0125", "USD"}, {"33 0.01"}}};
	struct made m = made_of(&w);
	(void)decide(&m, "4930");
	json_t *j = route_json(m.r), *first = json_array_get(json_object_get(j, "routes"), 0);

	assert_string_equal(json_string_value(json_object_get(j, "outcome")), "ok");
	assert_string_equal(json_string_value(json_object_get(json_object_get(j, "sell"), "price")), "0.020000");
	assert_int_equal(json_integer_value(json_object_get(first, "trunk_id")), 2);
	assert_string_equal(json_string_value(json_object_get(first, "prefix")), "4930");
	assert_string_equal(json_string_value(json_object_get(first, "price")), "0.012500");
	assert_string_equal(json_string_value(json_object_get(first, "currency")), "USD");
	assert_string_equal(json_string_value(json_object_get(first, "price_in_sell_currency")), "0.006250");
	assert_string_equal(json_string_value(json_object_get(first, "expected_margin")), "0.013750");
	json_t *second = json_array_get(json_object_get(j, "excluded"), 0);
	assert_string_equal(json_string_value(json_object_get(second, "reason")), "no_rate");
	json_decref(j);
	(void)decide(&m, "331");
	j = route_json(m.r);
	assert_true(json_is_null(json_object_get(j, "sell")));
	json_decref(j);
	unmake(&m);
}

/* ---- against a naive reference ---- */

struct naive {
	int trunk;
	size_t depth;
	int64_t price;
};

static int naive_compare(const void *pa, const void *pb)
{
	const struct naive *a = pa, *b = pb;
	if (a->price != b->price)
		return a->price < b->price ? -1 : 1;
	return a->trunk - b->trunk;
}

/* Every rate of every vendor is read as text; what the longest prefix costs is kept, all of it sorted. */
static size_t naive_order(const struct world *w, const char *called, int64_t sell, struct naive *out)
{
	size_t n = 0;
	for (int v = 0; v < w->n; v++) {
		struct naive best = {.trunk = v + 2};
		for (const char *p = w->vendor[v].rates; p != NULL && *p != '\0'; p = strchr(p, ';'), p += p != NULL) {
			size_t depth = strspn(p, "0123456789");
			char price[32];
			snprintf(price, sizeof price, "%.*s", (int)strcspn(p + depth + 1, ";"), p + depth + 1);
			if (strncmp(called, p, depth) == 0 && depth > best.depth) {
				best.depth = depth;
				best.price = nano(price);
			}
		}
		if (best.depth > 0 && best.price <= sell)
			out[n++] = best;
	}
	if (n > 0)
		qsort(out, n, sizeof *out, naive_compare);
	return n;
}

static void three_hundred_numbers_over_twelve_vendors_go_as_a_naive_calculation_says(void **state)
{
	struct world w = {
		.sell = "1 0.03;2 0.02;3 0.01;12 0.025;31 0.02", .plan = ",\"max_attempts\":20", .n = WORLD_VENDORS};
	struct buf rates[WORLD_VENDORS] = {{0}};
	char has[WORLD_VENDORS][30][12];
	uint64_t seed = 300;

	for (int v = 0; v < WORLD_VENDORS; v++) {
		for (int i = 0; i < 30; i++) {
			size_t len = 1 + random_draw(&seed) % (size_t)(1 + v % 8); /* each vendor has its own depth */
			bool known = false;
			for (size_t d = 0; d < len; d++)
				has[v][i][d] = (char)('1' + random_draw(&seed) % 3);
			has[v][i][len] = '\0';
			for (int k = 0; k < i; k++)
				known |= strcmp(has[v][k], has[v][i]) == 0;
			if (!known)
				buf_printf(&rates[v], "%s%s 0.%03d", rates[v].len > 0 ? ";" : "", has[v][i],
					   (int)(random_draw(&seed) % 40));
		}
		w.vendor[v].rates = rates[v].text;
	}
	struct made m = made_of(&w);
	for (int i = 0; i < 300; i++) {
		struct naive want[WORLD_VENDORS];
		char called[13] = "";
		for (int d = 0; d < 12; d++)
			called[d] = (char)('1' + random_draw(&seed) % 3);
		enum route_outcome outcome = decide(&m, called);
		assert_true(m.r->has_sell);
		size_t n = naive_order(&w, called, m.r->sell.terms.price_n, want);
		assert_int_equal(outcome == ROUTE_OK, n > 0);
		assert_int_equal(m.r->n_offers, n);
		for (size_t o = 0; o < n; o++) {
			assert_int_equal(m.r->offer[o].trunk->id, want[o].trunk);
			assert_int_equal(m.r->offer[o].rate.terms.price_n, want[o].price);
			assert_int_equal(strlen(m.r->offer[o].rate.prefix), want[o].depth);
			assert_int_equal(m.r->offer[o].margin.nano, m.r->sell.terms.price_n - want[o].price);
		}
		assert_int_equal(m.r->n_offers + m.r->n_excluded, WORLD_VENDORS);
	}
	unmake(&m);
	for (int v = 0; v < WORLD_VENDORS; v++)
		buf_free(&rates[v]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_cheapest_vendor_comes_first),
		cmocka_unit_test(each_vendor_is_priced_at_its_own_longest_prefix),
		cmocka_unit_test(equal_prices_go_by_priority_then_weight_then_id),
		cmocka_unit_test(priority_policy_puts_priority_before_price),
		cmocka_unit_test(quality_and_balance_go_by_price_until_something_is_measured),
		cmocka_unit_test(a_weighted_draw_follows_the_weights_and_the_seed),
		cmocka_unit_test(prices_are_compared_unrounded_across_currencies),
		cmocka_unit_test(exchange_rates_are_dated_and_have_no_inverse),
		cmocka_unit_test(no_more_than_max_attempts_are_offered_and_the_rest_named),
		cmocka_unit_test(a_vendor_that_may_not_have_the_call_is_named_with_the_reason),
		cmocka_unit_test(a_full_vendor_is_passed_over_only_while_it_is_full),
		cmocka_unit_test(a_plan_may_allow_the_way_back),
		cmocka_unit_test(who_is_left_out_shows_what_it_asks_and_would_be_worth),
		cmocka_unit_test(a_weighted_draw_is_fair_at_the_first_and_the_second_place),
		cmocka_unit_test(one_call_in_fifty_tries_a_demoted_vendor_again_and_no_look_up_does),
		cmocka_unit_test(a_look_up_without_sentences_decides_the_same),
		cmocka_unit_test(the_outcome_says_why_there_is_no_route),
		cmocka_unit_test(number_lists_block_and_permit),
		cmocka_unit_test(a_number_of_a_wrong_length_is_refused_in_words),
		cmocka_unit_test(the_look_up_is_shown_in_the_apis_words),
		cmocka_unit_test(three_hundred_numbers_over_twelve_vendors_go_as_a_naive_calculation_says),
	};
	return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
