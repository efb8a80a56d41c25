/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

static _Noreturn void out_of_memory(size_t size)
{
	log_event(LOG_LEVEL_ERROR, "out of memory", "bytes=%zu", size);
	abort();
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size > 0 ? size : 1);

	if (p == NULL)
		out_of_memory(n > 0 && size > SIZE_MAX / n ? SIZE_MAX : n * size);
	return p;
}

void *xrealloc(void *p, size_t size)
{
	void *grown = realloc(p, size > 0 ? size : 1);

	if (grown == NULL)
		out_of_memory(size);
	return grown;
}

char *xstrdup(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(xrealloc(NULL, size), text, size);
}

/* room for len more bytes and a NUL */
static void buf_room(struct buf *b, size_t len)
{
	if (len >= SIZE_MAX / 2 - b->len)
		out_of_memory(SIZE_MAX);

	size_t need = b->len + len + 1;
	if (need <= b->cap)
		return;

	size_t cap = b->cap > 0 ? b->cap : 64;
	while (cap < need)
		cap *= 2;
	b->text = xrealloc(b->text, cap);
	b->cap = cap;
}

void buf_append(struct buf *b, const void *bytes, size_t len)
{
	buf_room(b, len);
	if (len > 0)
		memcpy(b->text + b->len, bytes, len);
	b->len += len;
	b->text[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *text)
{
	buf_append(b, text, strlen(text));
}

void buf_putc(struct buf *b, char c)
{
	buf_append(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0)
		abort(); /* a format of ours is wrong */

	buf_room(b, (size_t)len);
	va_start(args, fmt);
	vsnprintf(b->text + b->len, (size_t)len + 1, fmt, args);
	va_end(args);
	b->len += (size_t)len;
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	if (b->text != NULL)
		b->text[0] = '\0';
}

char *buf_steal(struct buf *b)
{
	char *text = b->text != NULL ? b->text : xstrdup("");

	*b = (struct buf){0};
	return text;
}

void buf_free(struct buf *b)
{
	free(b->text);
	*b = (struct buf){0};
}
