/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/buf.h"
#include "lib/random.h"
#include "routing/margin.h"
#include "routing/route.h"
#include "routing/snapshot_priv.h"
#include "routing/standing.h"

#define AT 1767225600000000LL /* 2026-01-01T00:00:00Z */
#define VENDORS 12

/* A world: carrier 1 with ingress trunk 1 (deck 1), vendors 2.. with egress trunk and deck of the same number, plan 1.
 */
struct vendor {
	const char *rates; /* "prefix price initial/increment;..." */
	const char *currency;
	const char *trunk; /* more words of the trunk, as JSON members */
	const char *member;
	const char *carrier;
};

struct world {
	const char *sell, *sell_currency;
	const char *ingress, *plan, *more; /* more: members of the document */
	struct vendor vendor[VENDORS];
	int n;
};

struct made {
	struct snapshot *s;
	struct gauge_table *gauges;
	struct route *r;
};

static int64_t nano(const char *text)
{
	struct money m;
	assert_int_equal(money_parse(text, &m), 0);
	return m.nano;
}

static struct deck *deck_make(int64_t id, enum deck_side side, const char *currency, const char *rates)
{
	struct deck_words words = {.id = id, .version = 1, .side = side, .rounding = MONEY_HALF_UP, .places = 6};
	struct status st = {""};
	struct deck *d;
	char prefix[40], price[40];
	int initial, increment, used;

	strcpy(words.currency, currency);
	struct deck_builder *b = deck_builder_new(&words);
	for (const char *p = rates; *p != '\0'; p += used + (p[used] == ';')) {
		initial = increment = 1;
		used = 0;
		assert_true(sscanf(p, "%39[0-9!] %39[-0-9.]%n %d/%d%n", prefix, price, &used, &initial, &increment,
				   &used) >= 2);
		struct deck_row row = {.prefix = prefix,
				       .destination = prefix,
				       .price_n = nano(price),
				       .initial_price_n = RATE_SAME,
				       .initial_s = initial,
				       .increment_s = increment};
		char *bang = strchr(prefix, '!'); /* "49!": blocked */
		if (bang != NULL)
			*bang = '\0';
		row.blocked = bang != NULL;
		assert_int_equal(deck_builder_add(b, &row, &st), 0);
	}
	assert_int_equal(deck_builder_finish(&b, &d, &st), 0);
	return d;
}

static const char *or_empty(const char *text)
{
	return text != NULL ? text : "";
}

static struct made made_of(const struct world *w)
{
	struct made m = {.gauges = gauge_table_new(), .r = route_new(1)};
	struct deck *decks[VENDORS + 1];
	struct buf doc = {0};
	struct status st = {""};
	json_error_t why;

	decks[0] = deck_make(1, DECK_SELL, w->sell_currency != NULL ? w->sell_currency : "EUR", w->sell);
	buf_puts(&doc, "{\"format\":1,\"version\":5,\"carriers\":[{\"id\":1,\"name\":\"customer\",\"currency\":\"EUR\","
		       "\"active\":true}");
	for (int i = 0; i < w->n; i++)
		buf_printf(&doc, ",{\"id\":%d,\"name\":\"vendor%d\",\"currency\":\"EUR\",\"active\":true%s}", i + 2,
			   i + 2, or_empty(w->vendor[i].carrier));
	buf_printf(
		&doc,
		"],\"trunks\":[{\"id\":1,\"carrier_id\":1,\"name\":\"in\",\"direction\":\"ingress\",\"enabled\":true,"
		"\"rate_deck_id\":1,\"routing_plan_id\":1%s}",
		or_empty(w->ingress));
	for (int i = 0; i < w->n; i++)
		buf_printf(&doc,
			   ",{\"id\":%d,\"carrier_id\":%d,\"name\":\"out%d\",\"direction\":\"egress\",\"enabled\":true,"
			   "\"rate_deck_id\":%d%s}",
			   i + 2, i + 2, i + 2, i + 2, or_empty(w->vendor[i].trunk));
	buf_printf(&doc, "],\"plans\":[{\"id\":1,\"name\":\"p\",\"max_attempts\":5%s,\"members\":[", or_empty(w->plan));
	for (int i = 0; i < w->n; i++)
		buf_printf(&doc, "%s{\"trunk_id\":%d,\"priority\":1,\"weight\":1%s}", i > 0 ? "," : "", i + 2,
			   or_empty(w->vendor[i].member));
	buf_printf(&doc, "]}]%s}", or_empty(w->more));
	for (int i = 0; i < w->n; i++)
		decks[i + 1] = deck_make(i + 2, DECK_BUY, w->vendor[i].currency != NULL ? w->vendor[i].currency : "EUR",
					 w->vendor[i].rates);
	json_t *document = json_loads(doc.text, 0, &why);
	if (document == NULL)
		fail_msg("%s in %s", why.text, doc.text);
	if (snapshot_make(document, decks, (size_t)w->n + 1, m.gauges, &m.s, &st) != 0)
		fail_msg("%s", st.text);
	json_decref(document);
	buf_free(&doc);
	for (int i = 0; i <= w->n; i++)
		deck_unref(&decks[i]);
	route_fit(m.r, m.s);
	return m;
}

static void unmake(struct made *m)
{
	route_free(&m->r);
	snapshot_unref(&m->s);
	gauge_table_free(&m->gauges);
}

static struct route_query query_of(const struct made *m, const char *called)
{
	return (struct route_query){.snap = m->s,
				    .ingress = snapshot_trunk(m->s, 1),
				    .called = called,
				    .calling = "4420",
				    .at_us = AT,
				    .mono_us = 1000000000,
				    .now = true,
				    .seed = 1};
}

static enum route_outcome decide(const struct made *m, const char *called)
{
	struct route_query q = query_of(m, called);
	if (route_permit(m->r, &q) == ROUTE_OK)
		(void)route_decide(m->r, &q);
	return m->r->outcome;
}

/* The offers' trunks: "3 2 4" */
static const char *order_of(const struct route *r)
{
	static char text[200];
	int len = 0;
	text[0] = '\0';
	for (int i = 0; i < r->n_offers; i++)
		len += snprintf(text + len, sizeof text - (size_t)len, "%s%d", i > 0 ? " " : "",
				(int)r->offer[i].trunk->id);
	return text;
}

static const struct route_excluded *excluded_of(const struct route *r, int64_t trunk)
{
	for (int i = 0; i < r->n_excluded; i++)
		if (r->excluded[i].trunk->id == trunk)
			return &r->excluded[i];
	fail_msg("trunk %d is not excluded", (int)trunk);
	return NULL;
}

/* Decide once in this world, compare the order, leave no memory behind. */
static void assert_order(const struct world *w, const char *called, const char *order)
{
	struct made m = made_of(w);
	(void)decide(&m, called);
	assert_string_equal(order_of(m.r), order);
	unmake(&m);
}

static void assert_excluded(const struct world *w, const char *called, int64_t trunk, enum route_drop why)
{
	struct made m = made_of(w);
	(void)decide(&m, called);
	assert_string_equal(route_drop_name(excluded_of(m.r, trunk)->why), route_drop_name(why));
	assert_true(excluded_of(m.r, trunk)->detail[0] != '\0');
	unmake(&m);
}

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
	q.at_us = AT + 1;
	(void)route_decide(m.r, &q);
	assert_string_equal(order_of(m.r), "2 3");
	q.at_us = AT + 2; /* too large to be held: then there is none, not the old one */
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

/* ---- margin ---- */

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
		.sell = "1 0.03;2 0.02;3 0.01;12 0.025;31 0.02", .plan = ",\"max_attempts\":20", .n = VENDORS};
	struct buf rates[VENDORS] = {{0}};
	char has[VENDORS][30][12];
	uint64_t seed = 300;

	for (int v = 0; v < VENDORS; v++) {
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
		struct naive want[VENDORS];
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
		assert_int_equal(m.r->n_offers + m.r->n_excluded, VENDORS);
	}
	unmake(&m);
	for (int v = 0; v < VENDORS; v++)
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
		cmocka_unit_test(more_kinds_of_intervals_than_places_cost_what_the_rating_says),
		cmocka_unit_test(a_weighted_draw_is_fair_at_the_first_and_the_second_place),
		cmocka_unit_test(one_call_in_fifty_tries_a_demoted_vendor_again_and_no_look_up_does),
		cmocka_unit_test(a_look_up_without_sentences_decides_the_same),
		cmocka_unit_test(a_vendor_at_whole_minutes_can_lose_money_under_a_cheaper_price),
		cmocka_unit_test(equal_margin_is_enough_and_less_is_not),
		cmocka_unit_test(a_loss_needs_leave),
		cmocka_unit_test(a_trunks_own_margin_goes_before_the_plans),
		cmocka_unit_test(measured_durations_take_the_place_of_the_usual_ones),
		cmocka_unit_test(margin_sums_equal_the_rating_function_call_by_call),
		cmocka_unit_test(wide_products_are_compared_exactly),
		cmocka_unit_test(absurd_prices_are_dropped_and_not_wrapped),
		cmocka_unit_test(the_outcome_says_why_there_is_no_route),
		cmocka_unit_test(number_lists_block_and_permit),
		cmocka_unit_test(a_number_of_a_wrong_length_is_refused_in_words),
		cmocka_unit_test(the_look_up_is_shown_in_the_apis_words),
		cmocka_unit_test(three_hundred_numbers_over_twelve_vendors_go_as_a_naive_calculation_says),
	};
	return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
