/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "switch/call.h"

static void every_event_in_every_state_is_handled_or_ignored_on_purpose(void **state)
{
	for (int s = 0; s < CALL_STATES; s++)
		for (int e = 0; e < CALL_EVENTS; e++)
			if (!call_table[s][e])
				fail_msg("state %d has no word on event %d", s, e);
}

static void whoever_hangs_up_ends_a_call_that_is_not_over(void **state)
{
	for (int s = 0; s < CALL_OVER; s++) {
		assert_ptr_not_equal(call_table[s][CALL_ON_BYE_A], call_ignore);
		assert_ptr_not_equal(call_table[s][CALL_ON_HANGUP], call_ignore);
		assert_ptr_not_equal(call_table[s][CALL_ON_TIMER], call_ignore);
	}
}

static void a_late_answer_is_never_ignored(void **state)
{
	for (int s = 0; s < CALL_STATES; s++)
		assert_ptr_not_equal(call_table[s][CALL_ON_LATE_ANSWER], call_ignore);
}

static void a_call_that_is_over_starts_nothing(void **state)
{
	for (int e = 0; e < CALL_EVENTS; e++)
		if (e != CALL_ON_LATE_ANSWER)
			assert_ptr_equal(call_table[CALL_OVER][e], call_ignore);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_in_every_state_is_handled_or_ignored_on_purpose),
		cmocka_unit_test(whoever_hangs_up_ends_a_call_that_is_not_over),
		cmocka_unit_test(a_late_answer_is_never_ignored),
		cmocka_unit_test(a_call_that_is_over_starts_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
