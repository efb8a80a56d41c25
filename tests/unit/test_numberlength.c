/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "routing/numberlength.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void assert_rule(const struct number_lengths *l, const char *number, const char *prefix)
{
	const struct length_rule *rule = numberlength_find(l, number);

	if (prefix == NULL ? rule != NULL : rule == NULL || strcmp(rule->prefix, prefix) != 0)
		fail_msg("%s goes by %s, not %s", number, rule != NULL ? rule->prefix : "none",
			 prefix != NULL ? prefix : "none");
}

static void the_longest_prefix_of_the_number_holds(void **state)
{
	struct length_rule rule[] = {{"49", 7, 14},	 {"1", 11, 11},	  {"4930", 9, 12},
				     {"4930123", 9, 15}, {"112", 3, 3},	  {"12345678901234567890123456789012", 32, 32},
				     {"493", 8, 13},	 {"1809", 11, 12}};
	struct number_lengths l = {.rule = rule, .n = COUNT(rule)};

	numberlength_finish(&l);
	assert_rule(&l, "49891234567", "49");
	assert_rule(&l, "49", "49");
	assert_rule(&l, "4", NULL);
	assert_rule(&l, "4931", "493");
	assert_rule(&l, "493012", "4930");
	assert_rule(&l, "4930123", "4930123");
	assert_rule(&l, "49301239", "4930123");
	assert_rule(&l, "112", "112");
	assert_rule(&l, "1122", "112");
	assert_rule(&l, "111", "1");
	assert_rule(&l, "12125550100", "1");
	assert_rule(&l, "18095550100", "1809");
	assert_rule(&l, "12345678901234567890123456789012", "12345678901234567890123456789012");
	assert_rule(&l, "1234567890123456789012345678901", "1");
	assert_rule(&l, "33123456", NULL);
	assert_rule(&l, "", NULL);
}

static void without_rules_no_number_has_one(void **state)
{
	struct number_lengths l = {0};

	numberlength_finish(&l);
	assert_rule(&l, "49891234567", NULL);
}

static void both_ends_of_a_length_are_within_it(void **state)
{
	const struct length_rule rule = {"49", 7, 14};

	assert_false(length_fits(&rule, 6));
	assert_true(length_fits(&rule, 7));
	assert_true(length_fits(&rule, 14));
	assert_false(length_fits(&rule, 15));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_prefix_of_the_number_holds),
		cmocka_unit_test(without_rules_no_number_has_one),
		cmocka_unit_test(both_ends_of_a_length_are_within_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
