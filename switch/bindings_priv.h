/* SPDX-License-Identifier: Apache-2.0 */
/* bindings_priv.h - how the bindings are held; between bindings.c and bindings_share.c. */
#ifndef SWITCH_BINDINGS_PRIV_H
#define SWITCH_BINDINGS_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/queue.h"
#include "lib/redis.h"
#include "switch/bindings.h"

#define BINDINGS_BUCKETS 1024

struct bindings_entry { /* of a trunk that registers with us */
	struct bindings_entry *next;
	int64_t trunk_id;
	int n;
	struct bindings_contact contact[BINDINGS_SLOTS];
};

struct bindings_vendor { /* of a trunk whose vendor wants us to register */
	int64_t trunk_id;
	bool mine;
	enum bindings_state state;
	char reason[96];
	int64_t since_us, expires_us;
};

struct bindings {
	char *node;
	pthread_t thread;
	_Atomic bool stop;
	struct queue *news; /* snapshots */
	struct redis *redis;

	pthread_mutex_t mutex; /* of what follows */
	struct bindings_entry *bucket[BINDINGS_BUCKETS];
	struct bindings_vendor *vendor; /* by trunk id */
	size_t vendors;

	/* the thread's own */
	int64_t *customer; /* trunks that may register with us */
	size_t customers;
	bool said_away;
	int64_t turns_us;
};

struct bindings_entry *bindings_entry_get(struct bindings *b,
					  int64_t trunk_id); /* with the mutex held; made if need be */
/* bindings_merge - put c in by its URI if it is later than what is there. With the mutex held. returns whether it was
 */
bool bindings_merge(struct bindings_entry *e, const struct bindings_contact *c, int64_t wall_us);
void bindings_expire(struct bindings_entry *e, int64_t wall_us);

/* bindings_share - Redis and the table tell each other what is new; bindings_leave - nothing is kept by us any more */
void bindings_share(struct bindings *b);
void bindings_leave(struct bindings *b);

#endif
