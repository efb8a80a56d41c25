/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/bulk.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/buf.h"
#include "lib/log.h"

#define GRAIN                                                                                                          \
	((uintptr_t)64) /* a cache line; not a page, or like parts of many blocks would share a cache's few lines */
#define HUGE_PAGE ((uintptr_t)2 << 20)
#define REGION ((uintptr_t)64 << 20) /* asked of the kernel at once, if a block isn't larger */

struct span { /* free address space; by address, neighbours are one */
	struct span *next;
	uintptr_t from, to;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct span *spans; /* under lock */

static uintptr_t round_down(uintptr_t n, uintptr_t to)
{
	return n & ~(to - 1);
}

static uintptr_t round_up(uintptr_t n, uintptr_t to)
{
	return round_down(n + to - 1, to);
}

/* returns the span that holds from..to now, together with what was free beside it */
static struct span *span_add(uintptr_t from, uintptr_t to)
{
	struct span **at = &spans, *before = NULL;

	while (*at != NULL && (*at)->from < from) {
		before = *at;
		at = &before->next;
	}
	struct span *after = *at;
	if (before != NULL && before->to == from) {
		before->to = to;
	} else {
		before = xcalloc(1, sizeof *before);
		*before = (struct span){.next = after, .from = from, .to = to};
		*at = before;
	}
	if (after != NULL && after->from == before->to) {
		before->to = after->to;
		before->next = after->next;
		free(after);
	}
	return before;
}

/* From the smallest span that will do, so that large ones stay for large blocks. returns 0 if there is none */
static uintptr_t span_take(size_t len)
{
	struct span **best = NULL;

	for (struct span **at = &spans; *at != NULL; at = &(*at)->next) {
		size_t size = (*at)->to - (*at)->from;
		if (size >= len && (best == NULL || size < (*best)->to - (*best)->from))
			best = at;
	}
	if (best == NULL)
		return 0;
	struct span *s = *best;
	uintptr_t from = s->from;
	s->from += len;
	if (s->from == s->to) {
		*best = s->next;
		free(s);
	}
	return from;
}

/* A wish: where the kernel has no huge pages to give, all works as without. */
static void region_add(size_t len)
{
	size_t size = round_up(len > REGION ? len : REGION, HUGE_PAGE), mapped = size + HUGE_PAGE;
	void *p = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		log_event(LOG_LEVEL_ERROR, "out of memory", "bytes=%zu error=\"%s\"", mapped, strerror(errno));
		abort(); /* as xcalloc: nothing here can go on without memory */
	}
	uintptr_t begin = (uintptr_t)p, from = round_up(begin, HUGE_PAGE), to = from + size;
	if (from > begin)
		(void)munmap(p, from - begin);
	if (begin + mapped > to)
		(void)munmap((void *)to, begin + mapped - to);
	(void)madvise((void *)from, size, MADV_HUGEPAGE);
	(void)span_add(from, to);
}

void *bulk_alloc(size_t len)
{
	size_t size = round_up(len > 0 ? len : 1, GRAIN);

	pthread_mutex_lock(&lock);
	uintptr_t at = span_take(size);
	if (at == 0) {
		region_add(size);
		at = span_take(size);
	}
	pthread_mutex_unlock(&lock);
	return (void *)at;
}

void bulk_free(void *p, size_t len)
{
	if (p == NULL)
		return;
	uintptr_t from = (uintptr_t)p, to = from + round_up(len > 0 ? len : 1, GRAIN);

	pthread_mutex_lock(&lock);
	const struct span *s = span_add(from, to);
	/* the huge pages that nothing lies in any more: those of the block itself, and the two that it reached into */
	uintptr_t first = round_up(s->from, HUGE_PAGE), last = round_down(s->to, HUGE_PAGE);
	if (first < round_down(from, HUGE_PAGE))
		first = round_down(from, HUGE_PAGE);
	if (last > round_up(to, HUGE_PAGE))
		last = round_up(to, HUGE_PAGE);
	if (first < last)
		(void)madvise((void *)first, last - first, MADV_DONTNEED);
	pthread_mutex_unlock(&lock);
}

size_t bulk_free_bytes(void)
{
	size_t sum = 0;

	pthread_mutex_lock(&lock);
	for (const struct span *s = spans; s != NULL; s = s->next)
		sum += s->to - s->from;
	pthread_mutex_unlock(&lock);
	return sum;
}
