/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

#define LATER_BLOCK 4096

struct block {
	struct block *older;
	size_t used, size;
	alignas(max_align_t) char bytes[];
};

struct arena {
	struct block *newest; /* NULL: only the first block so far */
	size_t used, size;
	alignas(max_align_t) char bytes[]; /* the first block */
};

static size_t align_up(size_t size)
{
	const size_t unit = alignof(max_align_t);

	if (size > SIZE_MAX - unit)
		abort();
	return (size + unit - 1) / unit * unit;
}

struct arena *arena_new(size_t first_block)
{
	size_t size = align_up(first_block);
	struct arena *a = xcalloc(1, sizeof(*a) + size);

	a->size = size;
	return a;
}

void arena_free(struct arena **a)
{
	if (*a == NULL)
		return;
	for (struct block *b = (*a)->newest; b != NULL;) {
		struct block *older = b->older;

		free(b);
		b = older;
	}
	free(*a);
	*a = NULL;
}

static struct block *block_add(struct arena *a, size_t at_least)
{
	size_t size = at_least > LATER_BLOCK ? at_least : LATER_BLOCK;
	struct block *b = xcalloc(1, sizeof(*b) + size);

	b->size = size;
	b->older = a->newest;
	a->newest = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct block *b = a->newest;
	void *p;

	size = align_up(size > 0 ? size : 1);
	if (size <= a->size - a->used) {
		p = a->bytes + a->used;
		a->used += size;
		return p;
	}
	if (b == NULL || size > b->size - b->used)
		b = block_add(a, size);
	p = b->bytes + b->used;
	b->used += size;
	return p;
}

char *arena_strndup(struct arena *a, const char *text, size_t len)
{
	if (text == NULL)
		return NULL;

	char *copy = arena_alloc(a, len + 1);

	memcpy(copy, text, len);
	return copy;
}

char *arena_strdup(struct arena *a, const char *text)
{
	return text != NULL ? arena_strndup(a, text, strlen(text)) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0)
		abort();

	char *text = arena_alloc(a, (size_t)len + 1);
	va_start(args, fmt);
	vsnprintf(text, (size_t)len + 1, fmt, args);
	va_end(args);
	return text;
}
