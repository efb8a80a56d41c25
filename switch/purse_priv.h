/* SPDX-License-Identifier: Apache-2.0 */
/* purse_priv.h - within the purse: what its thread knows, and the parts that its work falls into. All of it is that
 * thread's alone, unless said otherwise.
 */
#ifndef SWITCH_PURSE_PRIV_H
#define SWITCH_PURSE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/buf.h"
#include "lib/queue.h"
#include "lib/redis.h"
#include "switch/purse.h"

#define PURSE_BUCKETS (1 << 14)
#define PURSE_CARRIER_BUCKETS (1 << 10)
#define PURSE_KNOWN_MAX 256
#define PURSE_KEY_MAX 160
#define PURSE_OWNER_DEAD_MS (48 * 1000)
#define PURSE_EARLIER_DEAD_MS (3 * 1000) /* an earlier run of this node: it would have given a sign of life */
#define PURSE_OWNERS_KEY "{tandem}:owners"
#define PURSE_EPOCH_KEY "{tandem}:money_epoch"
#define PURSE_RECALLS_KEY "{tandem}:recalls"

struct message; /* of its queue */

struct lease {
	struct lease *next;
	struct uuid call;
	int64_t carrier_id, micro, answered_us;
	struct rate_terms terms;
	bool ended, posted; /* posted: its booking is in the balance, only its end has not been heard of */
};

struct account {
	struct account *next;
	int64_t carrier_id, balance_micro, version; /* version: as purse_balance.c counts; -1: not known */
	bool compared;				    /* Redis was asked what it has */
	int64_t ahead, ahead_us;		    /* its version then, -1: none; and when (monotonic) */
	int64_t limit_micro;			    /* as last said */
	bool followed;				    /* calls were looked at under it, not only asked for new ones */
	int64_t held_micro;			    /* by this node's calls */
	int64_t recalled_ms;			    /* the last recall that was passed on, in Redis' time */
	bool touched;				    /* they ever held anything */
};

struct purse {
	struct purse_options options; /* its strings are not valid here */
	struct balance_reader *balance;
	char *node, owner[128], leases_key[PURSE_KEY_MAX];
	struct queue *queue;
	pthread_t thread;
	_Atomic bool stop;
	_Atomic size_t leases; /* read by any thread */

	pthread_mutex_t mutex; /* of purse_quiet alone */
	pthread_cond_t quieted;
	bool is_quiet, silent; /* silent: nobody is told anything any more */

	struct redis *redis;
	bool up, posted, told_away; /* posted: this Redis has all our leases */
	char run_id[64], epoch[96];
	int told; /* commands sent ahead, whose answers were not read yet */
	int64_t epoch_age_ms, epoch_seen_us, beat_us, looked_us, retried_us;
	int64_t twin_us; /* since when another one lives under this node's id; 0: none does */
	struct lease *lease[PURSE_BUCKETS];
	struct account *account[PURSE_CARRIER_BUCKETS];
	struct message *waiting; /* asks, until they can be answered */
	struct buf reaping;	 /* owners under way to be booked, each with its NUL */
};

/* ---- purse_lease.c: who holds what, as this node knows it ---- */

struct lease **purse_lease_slot(struct purse *p, const struct uuid *call); /* *slot NULL: none */
struct account *purse_account(struct purse *p, int64_t carrier_id);	   /* made if need be */
struct lease *purse_lease_add(struct purse *p, const struct purse_ask *ask);
void purse_lease_remove(struct purse *p, struct lease **slot);
void purse_lease_set(struct purse *p, struct lease *l, int64_t micro);

/* purse_lease_known - what another node must know of a lease to book what was spent: "E" all, "R" nothing yet, "T
 * answered terms" */
const char *purse_lease_known(const struct lease *l, char out[static PURSE_KNOWN_MAX]);
/* purse_lease_spent - what a lease ("carrier micro known") of an owner that was last seen alive at wall_us stands for.
 * 0: the text is none of ours or nothing was spent. */
int64_t purse_lease_spent(const char *text, int64_t wall_us, int64_t *carrier_id);

/* ---- purse_balance.c: which reading of a balance is the later one ---- */

/* purse_balance_take - a reading that began at read_us (monotonic). True: the database has gone back to an earlier
 * time. */
bool purse_balance_take(struct purse *p, const struct balance *b, int64_t read_us);
void purse_balance_tell_back(size_t carriers); /* so many balances have */

/* ---- purse_redis.c: one command each; Redis being away is said once and noted in p->up. What needs no answer (put,
 * balance) is only queued, in order: it goes with the next command or with purse_redis_settle. ---- */

void purse_redis_away(struct purse *p, const struct status *st);
/* purse_redis_run - a script; its number, or INT64_MIN if Redis is away */
int64_t purse_redis_run(struct purse *p, int argc, const char **argv);
int64_t purse_redis_grant(struct purse *p, const struct purse_ask *a,
			  const struct lease *l);			     /* as purse_script_grant */
void purse_redis_put(struct purse *p, const struct lease *l, int64_t micro); /* micro < 0: the lease goes */
void purse_redis_balance(struct purse *p, const struct account *a);
/* purse_redis_version - of the balance that Redis has, -1: none; INT64_MIN if Redis is away */
int64_t purse_redis_version(struct purse *p, const struct account *a);
void purse_redis_settle(struct purse *p); /* what was queued is done */
const char *purse_number(int64_t n, char out[static 24]);
const char *purse_money_key(int64_t carrier_id, char out[static PURSE_KEY_MAX]);

/* ---- purse_beat.c: a sign of life every second; after a new Redis all leases are posted anew ---- */

void purse_beat(struct purse *p); /* does nothing before its time */

/* ---- purse_estate.c: what dead nodes left ---- */

void purse_estate_reap(struct purse *p, const char *owner, int64_t wall_us); /* to be booked first */
void purse_estate_bury(struct purse *p, const char *owner);		     /* booked: its leases go */

/* ---- purse_recall.c: calls give back what they hold beyond the next second ---- */

void purse_recall_look(struct purse *p);			       /* does nothing before its time */
void purse_recall_overdrawn(struct purse *p, const struct account *a); /* all give back if more is held than is there */

#endif
