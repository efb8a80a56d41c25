/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "routing/number.h"

struct rewrite {
	bool called;
	const char *match, *replace;
};

struct trunk_made {
	struct trunk trunk;
	struct translation *list[4];
};

static void make(struct trunk_made *m, const char *tech_prefix, const struct rewrite *rewrites, int n)
{
	struct status st = {""};
	memset(m, 0, sizeof *m);
	for (int i = 0; i < n; i++)
		if (translation_compile(rewrites[i].called, rewrites[i].match, rewrites[i].replace, &m->list[i], &st) !=
		    0)
			fail_msg("%s", st.text);
	m->trunk.tech_prefix = tech_prefix;
	m->trunk.translation = m->list;
	m->trunk.n_translations = n;
}

static void unmake(struct trunk_made *m)
{
	for (int i = 0; i < m->trunk.n_translations; i++)
		translation_free(&m->list[i]);
}

static void assert_in(const char *tech_prefix, const struct rewrite *rewrites, int n, const char *raw,
		      const char *called, int err)
{
	struct trunk_made m;
	struct number_pair out;
	make(&m, tech_prefix, rewrites, n);
	assert_int_equal(number_in(&m.trunk, raw, "+4420", &out), err);
	if (err == 0) {
		assert_string_equal(out.called, called);
		assert_string_equal(out.calling, "4420");
	}
	unmake(&m);
}

static void plus_and_tech_prefix_are_taken_off(void **state)
{
	assert_in("", NULL, 0, "4930123", "4930123", 0);
	assert_in("", NULL, 0, "+4930123", "4930123", 0);
	assert_in("99#", NULL, 0, "99#4930123", "4930123", 0);
	assert_in("99#", NULL, 0, "99#+4930123", "4930123", 0);
	assert_in("99", NULL, 0, "+994930", "4930", 0);
	assert_in("99", NULL, 0, "4930", "4930", 0);
}

static void what_is_called_must_be_3_to_32_digits(void **state)
{
	assert_in("", NULL, 0, "112", "112", 0);
	assert_in("", NULL, 0, "12345678901234567890123456789012", "12345678901234567890123456789012", 0);
	assert_in("", NULL, 0, "11", NULL, -EINVAL);
	assert_in("", NULL, 0, "", NULL, -EINVAL);
	assert_in("", NULL, 0, "+", NULL, -EINVAL);
	assert_in("", NULL, 0, "alice", NULL, -EINVAL);
	assert_in("", NULL, 0, "49 30", NULL, -EINVAL);
	assert_in("", NULL, 0, "++4930", NULL, -EINVAL);
	assert_in("", NULL, 0, "123456789012345678901234567890123", NULL, -ENAMETOOLONG);
	char text[400];
	memset(text, '1', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_in("", NULL, 0, text, NULL, -ENAMETOOLONG);
}

static void translations_apply_in_order(void **state)
{
	const struct rewrite national[] = {{true, "^00", ""}, {true, "^0([1-9]\\d*)$", "49$1"}};
	assert_in("", national, 2, "004420", "4420", 0);
	assert_in("", national, 2, "030123", "4930123", 0);
	assert_in("", national, 2, "4930123", "4930123", 0);
}

static void a_replacement_takes_groups_and_dollars(void **state)
{
	const struct rewrite swap[] = {{true, "^(\\d)(\\d)(x)?(.*)$", "$2$1$4$3"}};
	assert_in("", swap, 1, "123456", "213456", 0); /* a group that took no part is empty */
	const struct rewrite whole[] = {{true, "4", "$0$0"}};
	assert_in("", whole, 1, "1454", "14454", 0); /* the first match alone */
	struct trunk_made m;
	struct number_pair out, in = {.called = "4930", .calling = "1"};
	const struct rewrite dollar[] = {{true, "^", "$$"}};
	make(&m, "", dollar, 1);
	assert_int_equal(number_out(&m.trunk, &in, &out), 0);
	assert_string_equal(out.called, "$4930");
	unmake(&m);
}

static void the_way_out_rewrites_then_puts_the_vendors_prefix_in_front(void **state)
{
	const struct rewrite both[] = {{true, "^49", "0049"}, {false, ".*", "anonymous"}};
	struct trunk_made m;
	struct number_pair out, in = {.called = "4930123", .calling = "4420"};
	make(&m, "77#", both, 2);
	assert_int_equal(number_out(&m.trunk, &in, &out), 0);
	assert_string_equal(out.called, "77#004930123");
	assert_string_equal(out.calling, "anonymous");
	assert_string_equal(in.called, "4930123");
	unmake(&m);
}

static void a_number_that_outgrows_its_room_is_refused(void **state)
{
	const struct rewrite grow[] = {{true, "^(.*)$", "$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1"}};
	struct trunk_made m;
	struct number_pair out, in = {.called = "4930123456", .calling = ""};
	make(&m, "", grow, 1);
	assert_int_equal(number_out(&m.trunk, &in, &out), -ENAMETOOLONG);
	unmake(&m);
}

static void a_bad_pattern_is_refused_in_pcre2s_words(void **state)
{
	static const struct rewrite bad[] = {
		{true, "(", ""},  {true, "a", "$1"},	 {true, "a", "$x"},
		{true, "a", "$"}, {true, "(*UTF)a", ""}, {true, "[z-a]", ""},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct translation *t = NULL;
		struct status st = {""};
		assert_int_equal(translation_compile(true, bad[i].match, bad[i].replace, &t, &st), -EINVAL);
		assert_true(st.text[0] != '\0');
		assert_null(t);
	}
	struct translation *t;
	struct status st = {""};
	assert_int_equal(translation_compile(true, "(", "", &t, &st), -EINVAL);
	assert_string_equal(st.text, "match: missing closing parenthesis at character 2");
}

static void a_pattern_that_explodes_leaves_the_number_alone(void **state)
{
	const struct rewrite evil[] = {{true, "^(\\d+)+(\\d+)+(\\d+)+x$", "1"}};
	assert_in("", evil, 1, "11111111111111111111111111111111", "11111111111111111111111111111111", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plus_and_tech_prefix_are_taken_off),
		cmocka_unit_test(what_is_called_must_be_3_to_32_digits),
		cmocka_unit_test(translations_apply_in_order),
		cmocka_unit_test(a_replacement_takes_groups_and_dollars),
		cmocka_unit_test(the_way_out_rewrites_then_puts_the_vendors_prefix_in_front),
		cmocka_unit_test(a_number_that_outgrows_its_room_is_refused),
		cmocka_unit_test(a_bad_pattern_is_refused_in_pcre2s_words),
		cmocka_unit_test(a_pattern_that_explodes_leaves_the_number_alone),
	};
	return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
