/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "switch/audit_priv.h"

struct scene {
	struct audit_sheet sheet;
	struct audit_counts counts;
	struct gauge trunk, carrier;
	json_t *found;
};

static void holds(struct scene *s, struct gauge *g)
{
	buf_append(&s->sheet.gauges, &g, sizeof g);
}

static void gauge_says(struct scene *s, char kind, int64_t id, int64_t in_use, const struct gauge *g)
{
	const struct audit_channels ch = {.kind = kind, .id = id, .in_use = in_use, .gauge = g};
	buf_append(&s->counts.channels, &ch, sizeof ch);
}

/* Two calls, of which one holds two channels of the trunk. */
static int two_calls(void **state)
{
	struct scene *s = xcalloc(1, sizeof *s);

	s->found = json_object();
	s->sheet.live = s->counts.live = 2;
	s->sheet.held = s->counts.held = 3;
	s->sheet.reserved = s->counts.reserved = 2;
	holds(s, &s->trunk);
	holds(s, &s->carrier);
	holds(s, &s->trunk);
	holds(s, &s->trunk);
	*state = s;
	return 0;
}

static int scene_end(void **state)
{
	struct scene *s = *state;

	audit_sheet_free(&s->sheet);
	buf_free(&s->counts.channels);
	json_decref(s->found);
	free(s);
	return 0;
}

static void finds(struct scene *s, const char *key, const char *words)
{
	audit_compare(&s->sheet, &s->counts, s->found);
	assert_int_equal(json_object_size(s->found), key ? 1 : 0);
	if (key)
		assert_string_equal(json_string_value(json_object_get(s->found, key)), words);
}

static void what_agrees_is_not_mentioned(void **state)
{
	struct scene *s = *state;

	gauge_says(s, 't', 5, 3, &s->trunk);
	gauge_says(s, 'c', 7, 1, &s->carrier);
	finds(s, NULL, NULL);
}

static void a_channel_that_no_call_holds_is_found(void **state)
{
	struct scene *s = *state;

	gauge_says(s, 't', 5, 4, &s->trunk);
	finds(s, "trunk 5", "trunk 5: 4 channels in use, but calls hold 3");
}

static void a_gauge_that_forgot_its_calls_is_found(void **state)
{
	struct scene *s = *state;

	gauge_says(s, 'c', 7, 0, &s->carrier);
	finds(s, "carrier 7", "carrier 7: 0 channels in use, but calls hold 1");
}

static void a_gauge_that_nobody_holds_is_compared_too(void **state)
{
	struct scene *s = *state;
	struct gauge idle = {0};

	gauge_says(s, 't', 9, 0, &idle);
	gauge_says(s, 't', 10, 1, &idle);
	finds(s, "trunk 10", "trunk 10: 1 channels in use, but calls hold 0");
}

static void what_moved_meanwhile_excuses_as_much(void **state)
{
	struct scene *s = *state;

	s->counts.slack = 2;
	gauge_says(s, 't', 5, 5, &s->trunk);
	finds(s, NULL, NULL);
	gauge_says(s, 't', 5, 6, &s->trunk);
	finds(s, "trunk 5", "trunk 5: 6 channels in use, but calls hold 3");
}

static void calls_that_came_meanwhile_excuse_as_many(void **state)
{
	struct scene *s = *state;

	s->counts.slack = 1;
	s->counts.live = s->counts.reserved = 3;
	s->counts.held = 2;
	finds(s, NULL, NULL);
}

static void counters_are_compared(void **state)
{
	struct scene *s = *state;

	s->counts.live = 3;
	finds(s, "live calls: 3 counted, there are 2", "live calls: 3 counted, there are 2");
	s->counts.live = 2;
	json_object_clear(s->found);
	s->counts.held = 2;
	finds(s, "calls in memory: 2 counted, there are 3", "calls in memory: 2 counted, there are 3");
	s->counts.held = 3;
	json_object_clear(s->found);
	s->counts.reserved = 9;
	finds(s, "places in the spool: 9 taken, calls hold 2", "places in the spool: 9 taken, calls hold 2");
}

static void words_of_single_calls_are_kept_and_sheets_add_up(void **state)
{
	struct scene *s = *state;
	struct audit_sheet more = {.live = 1, .held = 1, .reserved = 1};

	static const char words[] = "call a\0call a talks, but one of its legs is over\0"
				    "call b\0call b is set up without end";
	buf_append(&more.words, words, sizeof words);
	audit_sheet_add(&s->sheet, &more);
	assert_int_equal(more.words.len, 0);
	s->counts.live = s->counts.reserved = 3;
	s->counts.held = 4;
	audit_compare(&s->sheet, &s->counts, s->found);
	assert_int_equal(json_object_size(s->found), 2);
	assert_string_equal(json_string_value(json_object_get(s->found, "call b")), "call b is set up without end");
}

static void live_calls_are_compared_both_ways(void **state)
{
	struct scene *s = *state;
	struct uuid mine[2];
	char a[UUID_TEXT_MAX], b[UUID_TEXT_MAX], hidden[UUID_TEXT_MAX + 8], ended[UUID_TEXT_MAX + 8];

	uuid_make(&mine[0], 1000000);
	uuid_make(&mine[1], 1000000);
	buf_append(&s->sheet.shown, mine, sizeof mine);
	uuid_format(&mine[0], a);
	uuid_format(&mine[1], b);
	audit_compare_shown(&s->sheet, (const char *[]){a, b}, 2, s->found);
	assert_int_equal(json_object_size(s->found), 0);
	audit_compare_shown(&s->sheet, (const char *[]){a, "x"}, 2, s->found);
	assert_int_equal(json_object_size(s->found), 2);
	snprintf(hidden, sizeof hidden, "hidden %s", b);
	assert_non_null(strstr(json_string_value(json_object_get(s->found, "ended x")), "no worker has it"));
	assert_non_null(strstr(json_string_value(json_object_get(s->found, hidden)), "is not among the live calls"));
	/* one that began during this look and ends during the next is not found twice */
	snprintf(ended, sizeof ended, "ended %s", b);
	assert_null(json_object_get(s->found, ended));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_agrees_is_not_mentioned, two_calls, scene_end),
		cmocka_unit_test_setup_teardown(a_channel_that_no_call_holds_is_found, two_calls, scene_end),
		cmocka_unit_test_setup_teardown(a_gauge_that_forgot_its_calls_is_found, two_calls, scene_end),
		cmocka_unit_test_setup_teardown(a_gauge_that_nobody_holds_is_compared_too, two_calls, scene_end),
		cmocka_unit_test_setup_teardown(what_moved_meanwhile_excuses_as_much, two_calls, scene_end),
		cmocka_unit_test_setup_teardown(calls_that_came_meanwhile_excuse_as_many, two_calls, scene_end),
		cmocka_unit_test_setup_teardown(counters_are_compared, two_calls, scene_end),
		cmocka_unit_test_setup_teardown(words_of_single_calls_are_kept_and_sheets_add_up, two_calls, scene_end),
		cmocka_unit_test_setup_teardown(live_calls_are_compared_both_ways, two_calls, scene_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
