/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/mman.h>

#include "lib/bulk.h"
#include "lib/random.h"

#define MEGABYTE ((size_t)1 << 20)
#define BLOCKS 200

/* How many of the pages from that one on, in which the block begins, the kernel holds. */
static size_t resident_pages(void *block, size_t len)
{
	void *p = (void *)((uintptr_t)block & ~(uintptr_t)4095);
	size_t n = 0, pages = len / 4096;
	unsigned char *in = calloc(pages, 1);

	assert_non_null(in);
	assert_int_equal(mincore(p, len, in), 0);
	for (size_t i = 0; i < pages; i++)
		n += in[i] & 1;
	free(in);
	return n;
}

struct block {
	unsigned char *at;
	size_t len;
	unsigned char mark;
};

static void block_draw(struct block *b, uint64_t *seed, unsigned char mark)
{
	b->len = 1 + random_draw(seed) % (3 * MEGABYTE);
	b->mark = mark;
	b->at = bulk_alloc(b->len);
	assert_int_equal((uintptr_t)b->at % 64, 0);
	memset(b->at, mark, b->len);
}

static void assert_whole(const struct block *b)
{
	for (size_t i = 0; i < b->len; i += 509)
		if (b->at[i] != b->mark)
			fail_msg("byte %zu of %zu was changed", i, b->len);
	assert_int_equal(b->at[b->len - 1], b->mark);
}

static void blocks_never_overlap_and_all_space_comes_back(void **state)
{
	static struct block block[BLOCKS];
	uint64_t seed = 11;

	(void)state;
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < BLOCKS; i++) {
			if (block[i].at == NULL && random_draw(&seed) % 2 == 0) {
				block_draw(&block[i], &seed, (unsigned char)(round * 16 + i + 1));
			} else if (block[i].at != NULL && random_draw(&seed) % 3 == 0) {
				assert_whole(&block[i]);
				bulk_free(block[i].at, block[i].len);
				block[i].at = NULL;
			}
		}
	}
	for (int i = 0; i < BLOCKS; i++)
		if (block[i].at != NULL) {
			assert_whole(&block[i]);
			bulk_free(block[i].at, block[i].len);
			block[i].at = NULL;
		}
	size_t all = bulk_free_bytes();
	assert_int_equal(all % MEGABYTE, 0);
	/* what is free is in one piece wherever it can be: a block of a whole region needs no new one */
	void *large = bulk_alloc(64 * MEGABYTE);
	assert_int_equal(bulk_free_bytes(), all - 64 * MEGABYTE);
	bulk_free(large, 64 * MEGABYTE);
	assert_int_equal(bulk_free_bytes(), all);
}

static void a_block_larger_than_a_region_has_one_of_its_own(void **state)
{
	size_t len = 301 * MEGABYTE + 5, before = bulk_free_bytes();
	unsigned char *p = bulk_alloc(len);

	(void)state;
	p[0] = 1;
	p[len - 1] = 2;
	assert_int_equal(bulk_free_bytes(), before + MEGABYTE - 64); /* what rounding to 2 MB left over */
	bulk_free(p, len);
	assert_int_equal(bulk_free_bytes(), before + 302 * MEGABYTE);
}

static void memory_of_freed_blocks_goes_back_to_the_system(void **state)
{
	size_t len = 16 * MEGABYTE;
	unsigned char *p = bulk_alloc(len);

	(void)state;
	memset(p, 7, len);
	assert_int_equal(resident_pages(p, len), len / 4096);
	bulk_free(p, len);
	assert_in_range(resident_pages(p, len), 0, 2 * (2 * MEGABYTE / 4096)); /* the huge pages at both ends at most */
}

static void nothing_to_free_is_no_error(void **state)
{
	size_t before = bulk_free_bytes();

	(void)state;
	bulk_free(NULL, 5);
	assert_int_equal(bulk_free_bytes(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_to_free_is_no_error),
		cmocka_unit_test(a_block_larger_than_a_region_has_one_of_its_own),
		cmocka_unit_test(blocks_never_overlap_and_all_space_comes_back),
		cmocka_unit_test(memory_of_freed_blocks_goes_back_to_the_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
