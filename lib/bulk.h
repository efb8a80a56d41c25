/* SPDX-License-Identifier: Apache-2.0 */
/* bulk.h - memory for large blocks that live long and are read at random, in huge pages where the kernel has them.
 *
 * A general allocator gives such a block memory that others used before, in pages of 4 KB, and returns its neighbours'
 * pages to the kernel one by one, which splits the huge ones: then each random read costs a walk of the page tables,
 * too. Here blocks stand by themselves in aligned regions that are asked for as huge pages before they are first
 * touched; a huge page that no block needs any more goes back to the kernel, the address space stays for the next.
 * Any thread; a lock is held for a walk of the free list. Out of memory ends the program.
 */
#ifndef LIB_BULK_H
#define LIB_BULK_H

#include <stddef.h>

#define BULK_WORTH (256UL << 10) /* bytes; smaller blocks are better off with malloc */

/* bulk_alloc - len bytes, aligned to a cache line, not zeroed; never NULL */
void *bulk_alloc(size_t len);
/* bulk_free - len as it was asked for; p may be NULL */
void bulk_free(void *p, size_t len);
/* bulk_free_bytes - of the address space held, what no block takes; for tests */
size_t bulk_free_bytes(void);

#endif
