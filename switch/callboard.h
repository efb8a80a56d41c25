/* SPDX-License-Identifier: Apache-2.0 */
/* callboard.h - the live calls of this node as others see them in Redis (the hash and the events of cluster/live.h).
 * The SIP threads push copies into its queue; all else is one thread's, presence, which owns the connection.
 *
 * Redis away: what the workers say is still taken in, without a word to anybody, and once it is back all is written
 * again. What is written here is appended to the connection's pipeline; whoever calls flushes it.
 */
#ifndef SWITCH_CALLBOARD_H
#define SWITCH_CALLBOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/redis.h"
#include "lib/status.h"
#include "lib/uuid.h"
#include "tariff/rate.h"

struct callboard;

enum callboard_state { CALLBOARD_ROUTING, CALLBOARD_RINGING, CALLBOARD_ANSWERED, CALLBOARD_ENDED };

struct callboard_call { /* a copy of what is shown of a call */
	struct uuid id;
	enum callboard_state state;
	bool proxied;			 /* its trunk's mode is proxy */
	int64_t started_us, answered_us; /* since 1970; answered_us 0: not yet */
	int64_t ingress_trunk_id, ingress_carrier_id, egress_trunk_id, egress_carrier_id; /* 0: none */
	char calling[36], called[36], destination[64];
	struct rate_terms buy; /* of the vendor that has it now */
	char currency[4];      /* of buy; "" none yet */
};

int callboard_new(struct callboard **b, const char *node) must_check; /* 0, or -errno; node is copied */
void callboard_free(struct callboard **b);

/* callboard_show - [any thread] how a call stands now; takes a copy; never blocks. A full queue drops it, counts it,
 * and it is logged. */
void callboard_show(struct callboard *b, const struct callboard_call *call);
size_t callboard_waiting(const struct callboard *b); /* [any thread] how many of these are still in the queue */

/* callboard_write - what has changed since the last time, or everything, and the events if somebody listens to them.
 * callboard_settle - after each callboard_write and its flush: did all of it reach Redis?
 *   0; else as redis_append */
int callboard_write(struct callboard *b, struct redis *redis, struct status *st) must_check;
void callboard_settle(struct callboard *b, bool reached);
/* callboard_beat - this node lives: its hash stays for another ten seconds. callboard_clear - it goes: away with it */
int callboard_beat(const struct callboard *b, struct redis *redis, struct status *st) must_check;
int callboard_clear(const struct callboard *b, struct redis *redis, struct status *st) must_check;
const char *callboard_key(const struct callboard *b); /* of the hash; borrowed */

#endif
