/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "api/packed.h"

#define GZIP_WINDOW (15 + 16)

static char *long_text(size_t len)
{
	char *text = calloc(1, len + 1);

	assert_non_null(text);
	for (size_t i = 0; i < len; i++)
		text[i] = "{\"carrier\": 1}\n"[i % 15];
	return text;
}

static void whoever_takes_gzip_gets_it(void **state)
{
	(void)state;
	assert_true(packed_wanted("gzip"));
	assert_true(packed_wanted("br, GZIP;q=0.1, deflate"));
	assert_true(packed_wanted("gzip, deflate, br, zstd"));
	assert_true(packed_wanted("*"));
	assert_true(packed_wanted("gzip;q=1.0,identity;q=0"));
}

static void whoever_does_not_gets_the_text(void **state)
{
	(void)state;
	assert_false(packed_wanted(NULL));
	assert_false(packed_wanted(""));
	assert_false(packed_wanted("identity"));
	assert_false(packed_wanted("br;q=1"));
	assert_false(packed_wanted("gzip;q=0, *"));
	assert_false(packed_wanted("*, gzip; q=0.000"));
	assert_false(packed_wanted("x-gzipped, deflate"));
	assert_false(packed_wanted(", ,;"));
}

static void what_is_packed_unpacks_to_the_same(void **state)
{
	char *text = long_text(50000), *out = calloc(1, 50000);
	struct packed p;
	z_stream z = {0};

	(void)state;
	packed_make(&p, text, 50000);
	assert_non_null(p.gzip);
	assert_true(p.gzip_len < 1000);
	assert_string_not_equal(p.etag, p.gzip_etag);
	z.next_in = (unsigned char *)p.gzip;
	z.avail_in = (uInt)p.gzip_len;
	z.next_out = (unsigned char *)out;
	z.avail_out = 50000;
	assert_int_equal(inflateInit2(&z, GZIP_WINDOW), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, 50000);
	assert_memory_equal(out, text, 50000);
	inflateEnd(&z);
	packed_free(&p);
	assert_null(p.gzip);
	free(out);
	free(text);
}

static void what_would_not_get_smaller_stays(void **state)
{
	struct packed p;

	(void)state;
	packed_make(&p, "abc", 3);
	assert_null(p.gzip);
	packed_free(&p);
	packed_make(&p, "", 0);
	assert_null(p.gzip);
	packed_free(&p);
}

static void another_text_has_another_tag(void **state)
{
	struct packed a, b;

	(void)state;
	packed_make(&a, "abc", 3);
	packed_make(&b, "abd", 3);
	assert_string_not_equal(a.etag, b.etag);
	packed_free(&a);
	packed_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_takes_gzip_gets_it),
		cmocka_unit_test(whoever_does_not_gets_the_text),
		cmocka_unit_test(what_is_packed_unpacks_to_the_same),
		cmocka_unit_test(what_would_not_get_smaller_stays),
		cmocka_unit_test(another_text_has_another_tag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
