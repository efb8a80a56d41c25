/* SPDX-License-Identifier: Apache-2.0 */
/* queue.h - a bounded queue of pointers from many threads to one (multi-producer, single-consumer).
 * Pushing never blocks and takes no lock. The consumer sleeps on queue_wait.
 */
#ifndef LIB_QUEUE_H
#define LIB_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/status.h"

struct queue;

int queue_new(struct queue **q, size_t slots) must_check; /* slots: a power of two; 0, -EINVAL, -errno */
void queue_free(struct queue **q);			  /* what is still in it is the caller's: pop first */
int queue_push(struct queue *q, void *item) must_check;	  /* 0, or -EAGAIN if full; the item stays the caller's then */
void *queue_pop(struct queue *q);			  /* NULL if empty; consumer thread only */
size_t queue_depth(const struct queue *q);		  /* about how many; any thread */

/* queue_wait - consumer: sleep until something was pushed, queue_wake was called, or timeout_us went by */
void queue_wait(struct queue *q, int64_t timeout_us);
void queue_wake(struct queue *q);
int queue_fd(struct queue *q); /* an eventfd for consumers that poll: readable once something was pushed, until
				* queue_pop found nothing more: pop to NULL before polling again */

#endif
