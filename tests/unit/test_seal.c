/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "api/base64url.h"
#include "api/seal.h"

static void bytes_come_back_from_base64url(void **state)
{
	static const struct {
		const char *plain, *coded;
	} cases[] = {{"", ""},	      {"f", "Zg"},	  {"fo", "Zm8"},
		     {"foo", "Zm9v"}, {"foob", "Zm9vYg"}, {"\xff\xef\xbe", "_---"}};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t len = strlen(cases[i].plain);
		base64url_encode(cases[i].plain, len, out);
		assert_string_equal(out, cases[i].coded);
		assert_int_equal(base64url_length(len), strlen(cases[i].coded));
		assert_int_equal(base64url_decode(cases[i].coded, out), len);
		assert_memory_equal(out, cases[i].plain, len);
	}
	assert_int_equal(base64url_decode("Z", out), -1);
	assert_int_equal(base64url_decode("Zh", out), -1); /* bits left over */
	assert_int_equal(base64url_decode("Zg==", out), -1);
}

static void a_seal_opens_only_for_its_caller(void **state)
{
	struct request mine = {.bearer = "tk_mine"}, other = {.bearer = "tk_other"};
	char *sealed = seal_make(&mine, "{\"key\":\"tk_new\"}");
	char *open = seal_open(&mine, sealed);

	(void)state;
	assert_string_equal(open, "{\"key\":\"tk_new\"}");
	assert_null(strstr(sealed, "tk_new"));
	assert_null(seal_open(&other, sealed));
	sealed[20] = sealed[20] == 'A' ? 'B' : 'A';
	assert_null(seal_open(&mine, sealed));
	assert_null(seal_open(&mine, ""));
	free(open);
	free(sealed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_come_back_from_base64url),
		cmocka_unit_test(a_seal_opens_only_for_its_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
