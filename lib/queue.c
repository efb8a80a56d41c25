/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of slots, each with a sequence number that says whose turn it is (after D. Vyukov's bounded queue): at
 * position p a slot is free for the producer when its turn is p, full for the consumer when its turn is p + 1.
 *
 * Waking: `told` is set by who writes the eventfd, and taken back by the consumer when it finds the queue empty. A
 * producer publishes, then exchanges `told`; the consumer exchanges it back, then looks once more. Whichever exchange
 * comes second sees the other's work, so no item is left lying while the consumer sleeps. A producer writes after its
 * exchange, so the consumer may take back what is not written yet: it remembers to read it (`unread`), or the eventfd
 * would stay readable with nothing to pop.
 */
#include "lib/queue.h"

#include <errno.h>
#include <poll.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"

struct slot {
	_Atomic size_t turn;
	void *item;
};

struct queue {
	alignas(64) _Atomic size_t head; /* next position to push */
	alignas(64) _Atomic size_t tail; /* next position to pop; written by the consumer alone */
	_Atomic bool told;
	int64_t unread; /* writes to fd that were taken back and not read yet; the consumer's alone */
	int fd;
	size_t mask;
	struct slot *slot;
};

int queue_new(struct queue **out, size_t slots)
{
	struct queue *q;

	if (slots < 2 || (slots & (slots - 1)) != 0)
		return -EINVAL;
	if (posix_memalign((void **)&q, alignof(struct queue), sizeof(*q)) != 0)
		return -ENOMEM;
	*q = (struct queue){.mask = slots - 1};
	q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->fd < 0) {
		int err = -errno;

		free(q);
		return err;
	}
	q->slot = xcalloc(slots, sizeof(*q->slot));
	for (size_t i = 0; i < slots; i++)
		atomic_init(&q->slot[i].turn, i);
	*out = q;
	return 0;
}

void queue_free(struct queue **q)
{
	if (*q == NULL)
		return;
	close((*q)->fd);
	free((*q)->slot);
	free(*q);
	*q = NULL;
}

void queue_wake(struct queue *q)
{
	uint64_t one = 1;

	if (atomic_exchange(&q->told, true))
		return;
	while (write(q->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

int queue_push(struct queue *q, void *item)
{
	size_t position = atomic_load_explicit(&q->head, memory_order_relaxed);
	struct slot *s;

	for (;;) {
		s = &q->slot[position & q->mask];
		size_t turn = atomic_load_explicit(&s->turn, memory_order_acquire);

		if (turn == position) {
			if (atomic_compare_exchange_weak_explicit(&q->head, &position, position + 1,
								  memory_order_relaxed, memory_order_relaxed))
				break;
		} else if ((intptr_t)(turn - position) < 0) {
			return -EAGAIN; /* the slot still holds the item of one round ago */
		} else {
			position = atomic_load_explicit(&q->head, memory_order_relaxed);
		}
	}
	s->item = item;
	atomic_store_explicit(&s->turn, position + 1, memory_order_release);
	queue_wake(q);
	return 0;
}

static bool try_pop(struct queue *q, void **item)
{
	size_t position = atomic_load_explicit(&q->tail, memory_order_relaxed);
	struct slot *s = &q->slot[position & q->mask];

	if (atomic_load_explicit(&s->turn, memory_order_acquire) != position + 1)
		return false;
	*item = s->item;
	atomic_store_explicit(&s->turn, position + q->mask + 1, memory_order_release);
	atomic_store_explicit(&q->tail, position + 1, memory_order_relaxed);
	return true;
}

void *queue_pop(struct queue *q)
{
	void *item = NULL;
	uint64_t count;

	if (try_pop(q, &item))
		return item;
	if (!atomic_load(&q->told) && q->unread == 0)
		return NULL;
	/* in this order: a write that is read here was announced before, and must be seen as taken back */
	if (read(q->fd, &count, sizeof(count)) == sizeof(count))
		q->unread -= (int64_t)count;
	if (atomic_exchange(&q->told, false))
		q->unread++;
	(void)try_pop(q, &item);
	return item;
}

size_t queue_depth(const struct queue *q)
{
	size_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
	size_t head = atomic_load_explicit(&q->head, memory_order_relaxed);

	return (intptr_t)(head - tail) > 0 ? head - tail : 0;
}

void queue_wait(struct queue *q, int64_t timeout_us)
{
	struct pollfd p = {.fd = q->fd, .events = POLLIN};
	struct timespec limit = {.tv_sec = timeout_us / 1000000, .tv_nsec = timeout_us % 1000000 * 1000};
	size_t position = atomic_load_explicit(&q->tail, memory_order_relaxed);

	if (atomic_load_explicit(&q->slot[position & q->mask].turn, memory_order_acquire) == position + 1)
		return;
	(void)ppoll(&p, 1, timeout_us >= 0 ? &limit : NULL, NULL); /* an interrupted wait is a short wait */
}

int queue_fd(struct queue *q)
{
	return q->fd;
}
