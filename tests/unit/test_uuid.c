/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "lib/random.h"
#include "lib/uuid.h"

static void a_uuid_carries_its_time_version_and_variant(void **state)
{
	char text[UUID_TEXT_MAX];
	struct uuid u;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uuid_make(&u, 1769903999123456 + i);
		uuid_format(&u, text);
		assert_int_equal(strlen(text), 36);
		assert_int_equal(text[14], '7');
		assert_non_null(strchr("89ab", text[19]));
		assert_int_equal(uuid_wall_ms(&u), (1769903999123456 + i) / 1000);
	}
}

static void text_reads_back(void **state)
{
	char text[UUID_TEXT_MAX];
	struct uuid u, back;

	(void)state;
	uuid_make(&u, 1769903999123456);
	assert_int_equal(uuid_parse(uuid_format(&u, text), &back), 0);
	assert_memory_equal(&u, &back, sizeof(u));
	assert_int_equal(uuid_parse("017F22E2-79B0-7CC3-98C4-DC0C0C07398F", &u), 0);
	assert_string_equal(uuid_format(&u, text), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
	assert_int_equal(uuid_wall_ms(&u), 1645557742000); /* RFC 9562 appendix A.6 */
}

static void other_text_is_no_uuid(void **state)
{
	static const char *const bad[] = {
		"",
		"017f22e2",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
		"017f22e279b07cc398c4dc0c0c07398f",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
		"{17f22e2-79b0-7cc3-98c4-dc0c0c07398f}",
		"017f22e2_79b0_7cc3_98c4_dc0c0c07398f",
	};
	struct uuid u;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(uuid_parse(bad[i], &u), -EINVAL);
}

static void no_two_are_alike(void **state)
{
	static uint64_t seen[4096];

	(void)state;
	for (int i = 0; i < 4096; i++) {
		seen[i] = random_u64();
		for (int j = 0; j < i; j++)
			assert_true(seen[i] != seen[j]);
	}
}

static void tokens_are_letters_and_digits(void **state)
{
	char token[65];

	(void)state;
	random_token(token, 64);
	assert_int_equal(strlen(token), 64);
	assert_int_equal(strspn(token, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"), 64);
}

static void a_seeded_draw_repeats(void **state)
{
	uint64_t a = 1234567, b = 1234567;

	(void)state;
	assert_true(random_draw(&a) == 6457827717110365317u); /* splitmix64's published sequence */
	assert_true(random_draw(&a) == 3203168211198807973u);
	assert_true(random_draw(&b) == 6457827717110365317u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_uuid_carries_its_time_version_and_variant),
		cmocka_unit_test(text_reads_back),
		cmocka_unit_test(other_text_is_no_uuid),
		cmocka_unit_test(no_two_are_alike),
		cmocka_unit_test(tokens_are_letters_and_digits),
		cmocka_unit_test(a_seeded_draw_repeats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
