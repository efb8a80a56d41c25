/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "switch/shed.h"

#define SECOND 1000000LL

static const uint8_t secret[16] = "sixteen bytes..";

static void a_repeat_of_what_was_refused_is_known_for_half_a_minute(void **state)
{
	struct shed *s = NULL;
	uint64_t one = shed_key(secret, "z9hG4bK1", "a@x"), other = shed_key(secret, "z9hG4bK2", "a@x");

	assert_false(shed_knows(s, one, SECOND));
	shed_note(&s, one, SECOND);
	assert_true(shed_knows(s, one, SECOND));
	assert_true(shed_knows(s, one, 32 * SECOND));
	assert_false(shed_knows(s, one, 34 * SECOND));
	assert_false(shed_knows(s, other, SECOND)); /* the caller tries anew */
	shed_free(&s);
	assert_null(s);
}

static uint64_t key_of(int call, char id[static 16])
{
	snprintf(id, 16, "%d@x", call);
	return shed_key(secret, "z9hG4bK", id);
}

static void a_flood_is_remembered(void **state)
{
	struct shed *s = NULL;
	int known = 0;

	char id[16];

	for (int i = 0; i < 16000; i++)
		shed_note(&s, key_of(i, id), SECOND + i);
	for (int i = 0; i < 16000; i++)
		known += shed_knows(s, key_of(i, id), 2 * SECOND);
	assert_in_range(known, 15900, 16000);
	for (int i = 16000; i < 200000; i++)
		shed_note(&s, key_of(i, id), SECOND + i);
	assert_true(shed_knows(s, key_of(199999, id), 2 * SECOND)); /* the latest stay */
	assert_false(shed_knows(s, key_of(0, id), 2 * SECOND));
	shed_free(&s);
}

static void branch_and_call_id_both_count(void **state)
{
	uint64_t both = shed_key(secret, "z9hG4bK1", "a@x");

	assert_true(both == shed_key(secret, "z9hG4bK1", "a@x"));
	assert_true(both != shed_key(secret, "z9hG4bK1", "b@x"));
	assert_true(both != shed_key(secret, "z9hG4bK3", "a@x"));
	assert_true(shed_key(secret, "x", "x") != shed_key(secret, "y", "y"));
	assert_true(shed_key(secret, NULL, "a@x") != shed_key(secret, "z9hG4bK1", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_repeat_of_what_was_refused_is_known_for_half_a_minute),
		cmocka_unit_test(a_flood_is_remembered),
		cmocka_unit_test(branch_and_call_id_both_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
