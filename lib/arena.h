/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h - memory of one owner, released at once. One thread at a time.
 * The first block is part of the arena: a small owner costs one malloc. Memory comes zeroed.
 */
#ifndef LIB_ARENA_H
#define LIB_ARENA_H

#include <stddef.h>

#include "lib/status.h"

struct arena;

struct arena *arena_new(size_t first_block);
void arena_free(struct arena **a);
void *arena_alloc(struct arena *a, size_t size);		    /* zeroed, aligned for any type, never NULL */
char *arena_strdup(struct arena *a, const char *text);		    /* NULL gives NULL */
char *arena_strndup(struct arena *a, const char *text, size_t len); /* NUL added */
char *arena_printf(struct arena *a, const char *fmt, ...) printf_like(2, 3);

#endif
