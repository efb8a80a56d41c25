/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void fuzz_broken(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

char *fuzz_text(const uint8_t *bytes, size_t len)
{
	char *text = malloc(len + 1);

	if (!text)
		abort();
	if (len)
		memcpy(text, bytes, len);
	text[len] = '\0';
	return text;
}

uint64_t fuzz_take(struct fuzz_bytes *b, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n && b->left; i++, b->at++, b->left--)
		value |= (uint64_t)*b->at << (8 * i);
	return value;
}
