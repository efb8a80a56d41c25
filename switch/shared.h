/* SPDX-License-Identifier: Apache-2.0 */
/* shared.h - limits that hold over all nodes: a worker's own asynchronous Redis connection and what is asked over it.
 *
 * A node alone needs no question: its gauges are exact. With others alive, a call under a limit is parked until Redis
 * has booked its place in one atomic step, or SHARED_WAIT_MS have passed; without an answer the limit holds for this
 * node alone. All of this runs on the worker's thread and never waits.
 */
#ifndef SWITCH_SHARED_H
#define SWITCH_SHARED_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/gauge.h"
#include "lib/redis.h"
#include "lib/status.h"

struct worker;
struct shared;

enum { SHARED_WAIT_MS = 300, SHARED_LIMITS_MAX = 2 };

struct shared_limit {
	char kind; /* 't' trunk, 'c' carrier */
	int64_t id;
	const struct gauge *gauge;
	int32_t limit; /* NO_LIMIT: not asked about */
};

/* The answer: granted, or over a limit. Called exactly once unless the question was dropped. */
typedef void shared_answer(void *arg, bool granted);

struct shared *shared_new(struct worker *w);
void shared_free(struct shared **s); /* open questions are answered "granted" */

/* shared_connect - use this Redis from now on (numeric address); tries again by itself at shared_tick */
void shared_connect(struct shared *s, const struct redis_address *address);
void shared_tick(struct shared *s); /* ten times a second: deadlines, reconnect */

/* shared_needed - must Redis be asked about these? False if no limit is set, no other node lives, or Redis is away. */
bool shared_needed(const struct shared *s, const struct shared_limit *limit, int n);

/* shared_ask - the gauges already count this call. Returns a handle for shared_drop. */
struct shared_question *shared_ask(struct shared *s, const struct shared_limit *limit, int n, shared_answer *answer,
				   void *arg);
void shared_drop(struct shared_question *q); /* the asker goes away: no answer wanted */

#endif
