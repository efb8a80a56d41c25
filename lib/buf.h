/* SPDX-License-Identifier: Apache-2.0 */
/* buf.h - a growing string. Out of memory ends the program: nothing here returns an error.
 * Zero-initialise, append, read `text` (always NUL-terminated once something was appended), buf_free.
 */
#ifndef LIB_BUF_H
#define LIB_BUF_H

#include <stddef.h>

#include "lib/status.h"

struct buf {
	char *text;
	size_t len, cap;
};

void buf_append(struct buf *b, const void *bytes, size_t len);
void buf_puts(struct buf *b, const char *text);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3);
void buf_reset(struct buf *b);	/* empties, keeps the memory */
char *buf_steal(struct buf *b); /* the caller frees it; "" for an empty buffer */
void buf_free(struct buf *b);

void *xcalloc(size_t n, size_t size); /* never NULL: out of memory logs and aborts */
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *text);

#endif
