/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz.h - what each harness here is made of.
 *
 * A harness is one function over bytes that nobody has looked at yet. It must come back, touch no memory that is not
 * its own, and keep what it says of itself by fuzz_must. Built with --enable-fuzzers (clang) libFuzzer drives it; else
 * replay.c does, with the seeds and small changes of them.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len); /* returns 0 */

/* fuzz_must - what has to hold, also where asserts are compiled out */
#define fuzz_must(holds)                                                                                               \
	do {                                                                                                           \
		if (!(holds))                                                                                          \
			fuzz_broken(__FILE__, __LINE__, #holds);                                                       \
	} while (0)
_Noreturn void fuzz_broken(const char *file, int line, const char *what);

/* fuzz_text - the bytes as a string of its own; free() it */
char *fuzz_text(const uint8_t *bytes, size_t len);

/* The bytes as a row of small numbers; zeros follow the last one. */
struct fuzz_bytes {
	const uint8_t *at;
	size_t left;
};
uint64_t fuzz_take(struct fuzz_bytes *b, size_t n); /* n <= 8 bytes, the first the lowest */

#endif
