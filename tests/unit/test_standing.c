/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "routing/health.h"
#include "routing/margin.h"
#include "routing/quality.h"
#include "routing/rank.h"
#include "routing/standing.h"

#define S 1000000LL
#define NOW_SLOT 5000000

/* ---- the breaker ---- */

static enum health_change calls_fail(struct health *h, int n, int64_t mono_us)
{
	enum health_change last = HEALTH_SAME;
	for (int i = 0; i < n; i++)
		last = health_tell_call(h, false, "silence", false, mono_us);
	return last;
}

static void five_silent_calls_in_a_row_open_it(void **state)
{
	struct health h = {0};
	assert_int_equal(calls_fail(&h, HEALTH_CALLS - 1, S), HEALTH_SAME);
	assert_true(health_may_try(&h, S));
	assert_int_equal(health_tell_call(&h, true, "", false, S), HEALTH_SAME);
	assert_int_equal(calls_fail(&h, HEALTH_CALLS - 1, S), HEALTH_SAME);
	assert_int_equal(calls_fail(&h, 1, S), HEALTH_OPENED);
	assert_false(health_may_try(&h, S));
	assert_string_equal(h.reason, "5 calls in a row: silence");
}

static void after_the_pause_one_call_tries_it(void **state)
{
	struct health h = {0};
	calls_fail(&h, HEALTH_CALLS, 0);
	assert_false(health_claim(&h, HEALTH_PAUSE_US - 1));
	assert_true(health_may_try(&h, HEALTH_PAUSE_US));
	assert_true(health_claim(&h, HEALTH_PAUSE_US));
	assert_false(health_claim(&h, HEALTH_PAUSE_US + 1));
	assert_false(health_may_try(&h, HEALTH_PAUSE_US + 1));
	assert_int_equal(health_tell_call(&h, true, "", false, HEALTH_PAUSE_US + S), HEALTH_CLOSED);
	assert_true(health_claim(&h, HEALTH_PAUSE_US + S));
}

static void a_failed_trial_doubles_the_pause_and_stragglers_do_not(void **state)
{
	struct health h = {0};
	calls_fail(&h, HEALTH_CALLS + 3, 0); /* three were under way */
	assert_true(health_claim(&h, HEALTH_PAUSE_US));
	int64_t at = HEALTH_PAUSE_US + 4 * S;
	assert_int_equal(health_tell_call(&h, false, "silence", false, at), HEALTH_SAME);
	assert_false(health_may_try(&h, at + 2 * HEALTH_PAUSE_US - 1));
	assert_true(health_may_try(&h, at + 2 * HEALTH_PAUSE_US));
	for (int i = 0; i < 20; i++) {
		at += HEALTH_PAUSE_MAX_US;
		health_tell_call(&h, false, "silence", false, at);
	}
	assert_true(health_may_try(&h, at + HEALTH_PAUSE_MAX_US));
}

static void a_trial_that_was_never_heard_of_is_given_to_another_call(void **state)
{
	struct health h = {0};
	calls_fail(&h, HEALTH_CALLS, 0);
	assert_true(health_claim(&h, HEALTH_PAUSE_US));
	assert_true(health_claim(&h, HEALTH_PAUSE_US + HEALTH_CLAIM_US));
}

static void probes_open_it_and_close_what_they_opened(void **state)
{
	struct health h = {0};
	for (int i = 1; i < HEALTH_PROBES; i++)
		assert_int_equal(health_tell_probe(&h, false, "no answer", S), HEALTH_SAME);
	assert_int_equal(health_tell_probe(&h, false, "no answer", S), HEALTH_OPENED);
	assert_false(health_may_try(&h, INT64_MAX - 1)); /* a probe will say, no call need find out */
	assert_int_equal(health_tell_probe(&h, true, "", S), HEALTH_CLOSED);
}

static void a_vendor_that_answers_probes_and_swallows_calls_stays_down(void **state)
{
	struct health h = {0};
	calls_fail(&h, HEALTH_CALLS, 0);
	assert_int_equal(health_tell_probe(&h, true, "", S), HEALTH_SAME);
	assert_false(health_may_try(&h, S));
	assert_true(health_may_try(&h, HEALTH_PAUSE_US));
}

static void without_probes_an_address_that_they_closed_is_tried_by_a_call(void **state)
{
	struct health h = {0};
	for (int i = 0; i < HEALTH_PROBES; i++)
		health_tell_probe(&h, false, "no answer", S);
	health_unprobed(&h, 2 * S);
	assert_true(health_claim(&h, 2 * S));
}

/* ---- the score ---- */

static int32_t upper_end(double p, double n)
{
	const double z = 1.959964;
	double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
	double half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
	return (int32_t)lround((centre + half) * 1e6);
}

static void too_few_calls_count_as_good(void **state)
{
	struct quality_counts c = {.attempts = QUALITY_CALLS_MIN - 1};
	assert_int_equal(quality_score(&c), 1000000);
	c.attempts++;
	assert_int_equal(quality_score(&c), upper_end(0, QUALITY_CALLS_MIN));
}

static void the_score_is_the_upper_end_of_wilsons_interval(void **state)
{
	struct quality_counts c = {.attempts = 100, .answered = 40, .effective = 60, .short_calls = 10};
	assert_in_range(quality_score(&c), upper_end(0.45, 100) - 1, upper_end(0.45, 100) + 1);
	struct quality_counts more = {.attempts = 10000, .answered = 4000, .effective = 6000, .short_calls = 1000};
	assert_true(quality_score(&more) < quality_score(&c)); /* the same share, known better */
	struct quality_counts manual = {.attempts = 40, .answered = 10, .effective = 10}; /* as docs/routing.md says */
	assert_in_range(quality_score(&manual), 401500, 402499);
	manual = (struct quality_counts){.attempts = 400, .answered = 100, .effective = 100};
	assert_in_range(quality_score(&manual), 294500, 295499);
}

static void a_vendor_far_below_the_others_is_demoted(void **state)
{
	struct quality_counts bad = {.attempts = 40, .answered = 2, .effective = 2};
	struct quality_counts good = {.attempts = 40, .answered = 36, .effective = 38};
	struct quality_counts all = bad;
	quality_add(&all, &good);
	assert_true(quality_judge(&bad, &all).demoted);
	assert_false(quality_judge(&good, &all).demoted);
	assert_false(quality_judge(&bad, &bad).demoted); /* alone, or where nobody does better, it stays */
}

static void counts_leave_the_window_after_an_hour(void **state)
{
	struct quality_window w = {0};
	quality_slot(&w, NOW_SLOT)->attempts = 3;
	quality_slot(&w, NOW_SLOT + QUALITY_SLOTS - 1)->attempts = 4;
	assert_int_equal(quality_sum(&w, NOW_SLOT + QUALITY_SLOTS - 1).attempts, 7);
	assert_int_equal(quality_sum(&w, NOW_SLOT + QUALITY_SLOTS).attempts, 4);
	assert_int_equal(quality_slot(&w, NOW_SLOT + QUALITY_SLOTS)->attempts, 0);
}

static void a_share_reads_back_as_it_was_and_rubbish_is_left_out(void **state)
{
	struct quality_book a = {0}, b = {0};
	*quality_slot(quality_book_get(&a, 7), NOW_SLOT) = (struct quality_counts){.attempts = 9,
										   .answered = 5,
										   .effective = 6,
										   .short_calls = 1,
										   .talk_ms = 300000,
										   .pdd_ms = 12000,
										   .pdds = 6};
	json_t *share = quality_book_json(&a, NOW_SLOT);
	json_object_set_new(share, "8", json_string("rubbish"));
	json_object_set_new(share, "x", json_array());
	json_array_append_new(json_object_get(share, "7"), json_pack("[i]", 1));
	quality_book_read(&b, share, NOW_SLOT);
	quality_book_read(&b, share, NOW_SLOT); /* shares of nodes add up */
	struct quality_counts sum = quality_sum(quality_book_get(&b, 7), NOW_SLOT);
	assert_int_equal(sum.attempts, 18);
	assert_int_equal(sum.answered, 10);
	assert_int_equal(sum.effective, 12);
	assert_int_equal(sum.short_calls, 2);
	assert_int_equal(sum.talk_ms, 600000);
	assert_int_equal(sum.pdd_ms, 24000);
	assert_int_equal(sum.pdds, 12);
	json_decref(share);
	quality_book_free(&a);
	quality_book_free(&b);
}

static void a_destination_without_a_name_goes_by_its_prefix(void **state)
{
	char key[QUALITY_KEY_MAX];
	assert_string_equal(quality_key("France", "33", key), "France");
	assert_string_equal(quality_key("", "33", key), "#33");
}

/* ---- the standing ---- */

static void what_was_put_in_is_found_and_nothing_else(void **state)
{
	struct standing *s = standing_new();
	struct money owed;
	for (int64_t id = 9; id > 0; id -= 2)
		standing_put_trunk(s, &(struct standing_trunk){.id = id, .down = id == 5});
	standing_put_owed(s, 4, (struct money){7});
	const char *const keys[] = {"Spain", "#33", "Italy"};
	for (int i = 0; i < 3; i++)
		standing_put_destination(s, standing_destination_new(keys[i], NULL, 0, NOW_SLOT));
	standing_finish(s);
	assert_true(standing_trunk(s, 5)->down);
	assert_false(standing_trunk(s, 9)->down);
	assert_null(standing_trunk(s, 4));
	assert_true(standing_owed(s, 4, &owed) && owed.nano == 7);
	assert_false(standing_owed(s, 5, &owed));
	for (int i = 0; i < 3; i++)
		assert_string_equal(standing_destination(s, keys[i])->key, keys[i]);
	assert_null(standing_destination(s, "France"));
	assert_null(standing_destination(NULL, "France"));
	standing_unref(&s);
}

static void a_cached_margin_is_the_same_as_a_fresh_one(void **state)
{
	struct rate_terms terms[3] = {rate_terms_plain(120000000), rate_terms_plain(90000000), rate_terms_plain(1)};
	struct margin fresh, cached;
	int64_t ms[STANDING_DURATIONS_MAX];
	for (int i = 0; i < STANDING_DURATIONS_MAX; i++)
		ms[i] = i * 371;
	terms[1].initial_s = 60;
	terms[1].increment_s = 60;
	terms[2].grace_s = 10;
	struct standing_destination *a = standing_destination_new("x", NULL, 0, NOW_SLOT);
	struct standing_destination *b = standing_destination_new("x", NULL, 0, NOW_SLOT);
	standing_destination_talk(a, ms, STANDING_DURATIONS_MAX, NULL);
	for (int round = 0; round < 2; round++) {
		struct route_durations plain = {.ms = a->durations.ms, .n = a->durations.n};
		margin_start(&fresh, &plain);
		margin_start(&cached, &a->durations);
		assert_int_equal(fresh.talk_ms, cached.talk_ms);
		for (int i = 0; i < 3; i++)
			assert_true(margin_amount(&fresh, &terms[i]) == margin_amount(&cached, &terms[i]));
	}
	standing_destination_talk(b, ms + 1, STANDING_DURATIONS_MAX - 1, a); /* the shapes go along, worked out anew */
	assert_int_equal(b->durations.cache->slot[2].state, 2);
	struct route_durations plain = {.ms = ms + 1, .n = STANDING_DURATIONS_MAX - 1};
	margin_start(&fresh, &plain);
	margin_start(&cached, &b->durations);
	for (int i = 0; i < 3; i++)
		assert_true(margin_amount(&fresh, &terms[i]) == margin_amount(&cached, &terms[i]));
	standing_destination_unref(&a);
	standing_destination_unref(&b);
}

/* ---- ranking ---- */

struct ranked {
	struct trunk trunk[3];
	struct plan_member member[3];
	struct candidate c[3];
};

static void ranked_make(struct ranked *r)
{
	memset(r, 0, sizeof *r);
	for (int i = 0; i < 3; i++) {
		r->trunk[i].id = i + 1;
		r->member[i] = (struct plan_member){.trunk = &r->trunk[i], .priority = 1, .weight = 1};
		r->c[i] = (struct candidate){.member = &r->member[i], .price = i + 1, .score_ppm = 1000000};
	}
}

static void a_trial_never_takes_the_last_place(void **state)
{
	static const enum plan_policy policies[] = {PLAN_LCR, PLAN_PRIORITY, PLAN_WEIGHTED, PLAN_QUALITY,
						    PLAN_BALANCED};
	for (size_t p = 0; p < sizeof policies / sizeof *policies; p++)
		for (uint64_t seed = 0; seed < 20; seed++) {
			struct ranked r;
			ranked_make(&r);
			r.c[0].trial = r.c[1].trial = true;
			assert_int_equal(rank_best(r.c, 3, 1, policies[p], seed), 1);
			assert_int_equal(r.c[0].member->trunk->id, 3);
			assert_int_equal(rank_best(r.c, 3, 2, policies[p], seed), 2);
			assert_true(r.c[0].member->trunk->id == 3 || r.c[1].member->trunk->id == 3);
		}
	struct ranked r;
	ranked_make(&r);
	r.c[0].trial = true;
	assert_int_equal(rank_best(r.c, 1, 1, PLAN_LCR, 0), 1); /* it is all there is */
}

static void quality_and_balanced_go_by_standing_score_and_price(void **state)
{
	struct ranked r;
	ranked_make(&r);
	r.c[0].demoted = true;
	r.c[1].score_ppm = 500000;
	rank_best(r.c, 3, 3, PLAN_QUALITY, 0);
	assert_int_equal(r.c[0].member->trunk->id, 3);
	assert_int_equal(r.c[1].member->trunk->id, 2);
	assert_int_equal(r.c[2].member->trunk->id, 1);
	ranked_make(&r);
	r.c[0].demoted = true;
	r.c[1].score_ppm = 500000; /* 2 / 0.5 is dearer than 3 / 1 */
	rank_best(r.c, 3, 3, PLAN_BALANCED, 0);
	assert_int_equal(r.c[0].member->trunk->id, 3);
	ranked_make(&r);
	r.c[0].demoted = true; /* means nothing to the others */
	rank_best(r.c, 3, 3, PLAN_LCR, 0);
	assert_int_equal(r.c[0].member->trunk->id, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(five_silent_calls_in_a_row_open_it),
		cmocka_unit_test(after_the_pause_one_call_tries_it),
		cmocka_unit_test(a_failed_trial_doubles_the_pause_and_stragglers_do_not),
		cmocka_unit_test(a_trial_that_was_never_heard_of_is_given_to_another_call),
		cmocka_unit_test(probes_open_it_and_close_what_they_opened),
		cmocka_unit_test(a_vendor_that_answers_probes_and_swallows_calls_stays_down),
		cmocka_unit_test(without_probes_an_address_that_they_closed_is_tried_by_a_call),
		cmocka_unit_test(too_few_calls_count_as_good),
		cmocka_unit_test(the_score_is_the_upper_end_of_wilsons_interval),
		cmocka_unit_test(a_vendor_far_below_the_others_is_demoted),
		cmocka_unit_test(counts_leave_the_window_after_an_hour),
		cmocka_unit_test(a_share_reads_back_as_it_was_and_rubbish_is_left_out),
		cmocka_unit_test(a_destination_without_a_name_goes_by_its_prefix),
		cmocka_unit_test(what_was_put_in_is_found_and_nothing_else),
		cmocka_unit_test(a_cached_margin_is_the_same_as_a_fresh_one),
		cmocka_unit_test(a_trial_never_takes_the_last_place),
		cmocka_unit_test(quality_and_balanced_go_by_standing_score_and_price),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
