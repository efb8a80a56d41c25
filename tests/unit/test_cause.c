/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "switch/cause.h"

static void routing_outcomes_have_the_answers_of_the_contract(void **state)
{
	static const struct {
		enum route_outcome outcome;
		int code;
		enum cdr_reason reason;
	} row[] = {
		{ROUTE_SUSPENDED, 403, CDR_REJECTED},	 {ROUTE_LISTED, 403, CDR_BLOCKED},
		{ROUTE_WRONG_LENGTH, 484, CDR_REJECTED}, {ROUTE_SELL_BLOCKED, 403, CDR_BLOCKED},
		{ROUTE_NO_SELL_RATE, 404, CDR_NO_RATE},	 {ROUTE_NO_VENDOR, 404, CDR_NO_ROUTE},
		{ROUTE_NONE_USABLE, 503, CDR_NO_ROUTE},
	};
	for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
		struct cause c = cause_of_outcome(row[i].outcome);
		assert_int_equal(c.code, row[i].code);
		assert_int_equal(c.reason, row[i].reason);
	}
}

static void what_a_vendor_says_of_us_is_not_told_to_the_caller(void **state)
{
	static const int ours[] = {300, 302, 305, 401, 402, 403, 407, 482, 483};
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
		assert_int_equal(cause_of_vendor(ours[i]).code, 503);
	assert_int_equal(cause_of_vendor(404).code, 404);
	assert_int_equal(cause_of_vendor(408).code, 408);
	assert_int_equal(cause_of_vendor(502).code, 502);
}

static void busy_and_refused_have_reasons_of_their_own(void **state)
{
	assert_int_equal(cause_of_vendor(486).reason, CDR_BUSY);
	assert_int_equal(cause_of_vendor(600).reason, CDR_BUSY);
	for (int code = 603; code <= 608; code++)
		assert_int_equal(cause_of_vendor(code).reason, CDR_CALLEE_REJECTED);
	assert_int_equal(cause_of_vendor(480).reason, CDR_VENDOR_FAILED);
	assert_int_equal(cause_of_vendor(500).reason, CDR_VENDOR_FAILED);
}

static void the_default_stop_codes_end_the_hunt_and_no_other(void **state)
{
	static const int stop[] = {486, 487, 600, 603, 604, 606, 607, 608};
	size_t found = 0;
	for (int code = 300; code < 700; code++)
		found += cause_stops(code, NULL, 0);
	assert_int_equal(found, sizeof stop / sizeof stop[0]);
	for (size_t i = 0; i < sizeof stop / sizeof stop[0]; i++)
		assert_true(cause_stops(stop[i], NULL, 0));
}

static void a_trunks_own_stop_codes_replace_the_default_ones(void **state)
{
	const int own[] = {404};
	assert_true(cause_stops(404, own, 1));
	assert_false(cause_stops(486, own, 1));
	assert_false(cause_stops(486, own, 0));
}

static void a_code_map_changes_what_it_names(void **state)
{
	const struct code_map map[] = {{503, 480}, {404, 604}};
	const struct trunk t = {.code_map = map, .n_code_map = 2};
	assert_int_equal(cause_mapped(503, &t), 480);
	assert_int_equal(cause_mapped(404, &t), 604);
	assert_int_equal(cause_mapped(486, &t), 486);
}

static void q850_causes_follow_rfc_3398(void **state)
{
	assert_int_equal(cause_q850(200), 16);
	assert_int_equal(cause_q850(404), 1);
	assert_int_equal(cause_q850(486), 17);
	assert_int_equal(cause_q850(480), 18);
	assert_int_equal(cause_q850(484), 28);
	assert_int_equal(cause_q850(503), 41);
	assert_int_equal(cause_q850(603), 21);
	assert_int_equal(cause_q850(499), 31);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routing_outcomes_have_the_answers_of_the_contract),
		cmocka_unit_test(what_a_vendor_says_of_us_is_not_told_to_the_caller),
		cmocka_unit_test(busy_and_refused_have_reasons_of_their_own),
		cmocka_unit_test(the_default_stop_codes_end_the_hunt_and_no_other),
		cmocka_unit_test(a_trunks_own_stop_codes_replace_the_default_ones),
		cmocka_unit_test(a_code_map_changes_what_it_names),
		cmocka_unit_test(q850_causes_follow_rfc_3398),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
