/* SPDX-License-Identifier: Apache-2.0 */
/* vendors_priv.h - what the vendors thread holds; between vendors.c and vendors_share.c. */
#ifndef SWITCH_VENDORS_PRIV_H
#define SWITCH_VENDORS_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/queue.h"
#include "lib/redis.h"
#include "routing/health.h"
#include "switch/attempts.h"
#include "switch/talk.h"
#include "switch/vendors.h"

#define VENDORS_BUCKETS 1024
/* A destination is told, heard and judged anew so often at most: a busy node has hundreds with calls every second. The
 * first call after a pause counts at once. */
#define VENDORS_EVERY_US (2 * 1000000LL)

struct vendors_address { /* one breaker; trunks with the same address share it */
	struct vendors_address *next;
	char name[300]; /* "host:port;transport", or "trunk:ID" where a registration gives the address */
	struct health health;
	bool probed;
};

struct vendors_trunk {
	int64_t id;
	struct vendors_address *address;
	enum trunk_forced forced;
	int64_t registered_as; /* 0: it has an address of its own */
	bool unregistered;     /* nobody knows where it is now */
	char name[64], carrier[64];
};

struct vendors_destination {
	struct vendors_destination *next;
	char key[QUALITY_KEY_MAX];
	struct quality_book own, others;
	struct talk talk, fresh; /* fresh: not yet in Redis */
	bool stale;		 /* another node has told what was not yet heard */
	bool recalled;		 /* what Redis knew from before was taken in */
	bool counted;		 /* own has what Redis has not */
	bool changed;		 /* made is not up to date */
	int64_t used_us;	 /* monotonic: the last call */
	int64_t shared_us;	 /* when it was last told to Redis, and the other nodes' shares read; 0: never */
	int64_t made_us;	 /* when made was */
	struct standing_destination *made;
};

struct vendors_peer { /* another node */
	struct vendors_peer *next;
	char *name;
	int64_t heard; /* the number of the last destination of its that was heard of */
};

struct vendors {
	struct vendors_options o;
	char *node;
	pthread_t thread;
	struct queue *queue;
	struct redis *redis;
	_Atomic bool stop;
	_Atomic uint64_t dropped;
	struct vendors_address *address;
	struct vendors_trunk *trunk; /* by id */
	size_t trunks;
	struct store_owed *owed;
	size_t owing;
	struct vendors_destination *bucket[VENDORS_BUCKETS];
	int64_t slot; /* the present one of the windows */
	bool changed; /* the standing is not up to date */
	bool redis_up, said_away;
	bool health_changed;
	int64_t health_us; /* when it was last written */
	json_t *events;	   /* not yet in Redis */
	struct attempts *attempts;
	bool attempted;	     /* Redis has not all of them */
	int64_t attempts_us; /* when they were last written */
	struct vendors_peer *peers;
	int64_t told;	     /* the number of the last destination told of: microseconds since 1970, or one more */
	uint64_t told_names; /* how many so far */
};

/* vendors_share - once a second: tell Redis what is new, hear what the other nodes tell. Marks what changed. */
void vendors_share(struct vendors *v);

/* vendors_destination - the one of this key, or NULL */
struct vendors_destination *vendors_destination(struct vendors *v, const char *key);

/* vendors_peers_tell - append that d has news; vendors_peers_hear - mark stale what the other nodes have news of; both
 * 0 or as redis_command */
int vendors_peers_tell(struct vendors *v, const struct vendors_destination *d, struct status *st) must_check;
int vendors_peers_hear(struct vendors *v, struct status *st) must_check;
void vendors_peers_free(struct vendors *v);

#endif
