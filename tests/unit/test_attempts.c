/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>

#include "switch/attempts.h"

static json_t *shown(const struct attempts *a)
{
	struct buf text = {0};

	attempts_put(a, &text);
	json_t *j = json_loadb(text.text, text.len, 0, NULL);
	assert_non_null(j);
	buf_free(&text);
	return j;
}

static json_int_t count_of(const json_t *j, const char *trunk, const char *code)
{
	return json_integer_value(json_object_get(json_object_get(j, trunk), code));
}

static void each_trunk_and_code_has_its_count(void **state)
{
	struct attempts *a = attempts_new();
	json_t *j = shown(a);

	(void)state;
	assert_int_equal(json_object_size(j), 0);
	json_decref(j);
	for (int i = 0; i < 100; i++) {
		attempts_count(a, 100 - i, 200);
		attempts_count(a, 7, 503);
	}
	j = shown(a);
	assert_int_equal(json_object_size(j), 100);
	assert_int_equal(count_of(j, "7", "503"), 100);
	assert_int_equal(count_of(j, "7", "200"), 1);
	assert_int_equal(count_of(j, "100", "200"), 1);
	json_decref(j);
	attempts_free(&a);
	assert_null(a);
}

static void a_vendor_with_many_codes_fills_its_own_row_only(void **state)
{
	struct attempts *a = attempts_new();

	(void)state;
	for (int code = 300; code < 700; code++)
		attempts_count(a, 1, code);
	attempts_count(a, 1, 300);
	attempts_count(a, 2, 699);
	json_t *j = shown(a);
	assert_int_equal(json_object_size(json_object_get(j, "1")), ATTEMPTS_CODES_MAX + 1);
	assert_int_equal(count_of(j, "1", "-1"), 400 - ATTEMPTS_CODES_MAX);
	assert_int_equal(count_of(j, "1", "300"), 2);
	assert_int_equal(count_of(j, "2", "699"), 1);
	json_decref(j);
	attempts_free(&a);
}

static void trunks_past_the_last_place_count_together(void **state)
{
	struct attempts *a = attempts_new();

	(void)state;
	for (int64_t trunk = 1; trunk <= ATTEMPTS_TRUNKS_MAX + 50; trunk++)
		attempts_count(a, trunk, 404);
	attempts_count(a, 1, 404);
	json_t *j = shown(a);
	assert_int_equal(json_object_size(j), ATTEMPTS_TRUNKS_MAX + 1);
	assert_int_equal(count_of(j, "-1", "404"), 50);
	assert_int_equal(count_of(j, "1", "404"), 2);
	json_decref(j);
	attempts_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_trunk_and_code_has_its_count),
		cmocka_unit_test(a_vendor_with_many_codes_fills_its_own_row_only),
		cmocka_unit_test(trunks_past_the_last_place_count_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
