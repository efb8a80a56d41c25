/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/siphash.h"

/* The example of the paper's appendix A: key 00..0f, message 00..0e. */
static void the_papers_example_comes_out(void **state)
{
	uint8_t key[16], message[15];

	for (uint8_t i = 0; i < 16; i++)
		key[i] = i;
	for (uint8_t i = 0; i < 15; i++)
		message[i] = i;
	assert_true(siphash(key, message, sizeof message) == 0xa129ca6149be45e5);
}

static void every_byte_of_message_and_key_counts(void **state)
{
	uint8_t key[16] = {1}, message[16] = {0};
	uint64_t plain = siphash(key, message, sizeof message);

	for (size_t i = 0; i < sizeof message; i++) {
		message[i] = 1;
		assert_true(siphash(key, message, sizeof message) != plain);
		message[i] = 0;
		key[i] ^= 2;
		assert_true(siphash(key, message, sizeof message) != plain);
		key[i] ^= 2;
	}
	assert_true(siphash(key, message, 15) != plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_papers_example_comes_out),
		cmocka_unit_test(every_byte_of_message_and_key_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
