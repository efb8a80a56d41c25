/* SPDX-License-Identifier: Apache-2.0 */
/* purse.h - money that this node's calls hold, in Redis, so that no other node spends it, too. One thread,
 * and the reader of the balances (billing/balance.h) beside it.
 *
 *   {tandem}:money:CARRIER    hash: balance (millionths), version, and r:OWNER = what the calls of that owner hold
 *   {tandem}:leases:OWNER     hash: call -> "carrier micro what-is-known"; OWNER is NODE/start
 *   {tandem}:owners           hash: owner -> "Redis ms, own wall us" of its last heartbeat
 *   {tandem}:money_epoch      which Redis this is, since when
 *   {tandem}:recalls          hash: carrier -> Redis ms: its calls are to give back what they hold for later
 *
 * A lease is granted by one atomic script: what is free is balance + limit - all r:*. Only the owner writes its leases
 * and its r: fields, so nothing is subtracted twice; the sums are written as absolute numbers. One thread sends all of
 * a node's commands, so that an end can never be overtaken by an extension.
 *
 * Where somebody would be refused while others hold money for later, or more is held than is there (a limit was
 * lowered), that carrier's leases are recalled: each node looks every 200 ms, its calls keep what the next second needs
 * and give the rest back, and the one that asked to begin waits for it, a second at most.
 *
 * An owner that was silent for PURSE_OWNER_DEAD_MS (longer than a lease reaches ahead) is dead: what its calls had
 * spent by its last heartbeat is booked provisionally (billing/balance.h), then its leases go. A new Redis, or one that
 * was restarted or promoted, grants nothing until its epoch is EPOCH_WAIT_MS old: by then every live node has posted
 * its leases again.
 */
#ifndef SWITCH_PURSE_H
#define SWITCH_PURSE_H

#include <stdbool.h>
#include <stdint.h>

#include "billing/balance.h"
#include "lib/status.h"
#include "lib/uuid.h"
#include "tariff/rate.h"

struct purse;

enum purse_word {
	PURSE_LEAST,   /* least_micro is held now */
	PURSE_WANTED,  /* wanted_micro is */
	PURSE_REFUSED, /* it does not fit in what is free */
	PURSE_AWAY     /* nobody knows: Redis or the carrier's balance is away */
};

struct purse_ask {
	struct uuid call;
	int64_t carrier_id;
	int64_t limit_micro;		       /* its credit limit; 0: prepaid without one */
	int64_t least_micro, wanted_micro;     /* totals of the call; equal if there is no choice */
	bool first;			       /* admission */
	void (*answer)(struct purse_ask *ask); /* on the purse's thread; takes it back */
	void *arg;
	enum purse_word word; /* the answer */
	int64_t until_us;     /* the purse's own */
};

struct purse_options {
	const char *redis_url, *database_url, *node;
	/* recall - tell that carrier's calls; on the purse's thread. NULL: nobody is told */
	void (*recall)(void *arg, int64_t carrier_id);
	void *arg;
	bool admit_when_away; /* without Redis: by the balance last known less what this node holds */
};

/* purse_start - PostgreSQL and Redis may be away. 0, or -errno with st. Amounts in _micro are millionths of the
 * carrier's currency */
int purse_start(struct purse **p, const struct purse_options *o, struct status *st) must_check;
/* purse_quiet - wait until all asks are answered (those that wait: "away") and none is under way */
void purse_quiet(struct purse *p);
/* purse_stop - what calls still hold stays: their records are not posted yet, and the next start looks after it */
void purse_stop(struct purse **p);

/* All of these: any thread, never block. */
int purse_ask(struct purse *p, struct purse_ask *ask) must_check; /* 0, or -EAGAIN: too much waits, it was not taken */
/* purse_talks - the call was answered: what it spends from now on is known by its terms */
void purse_talks(struct purse *p, const struct uuid *call, int64_t answered_us, const struct rate_terms *terms);
/* purse_shrink - the call needs no more than that for now. It must have no ask under way. */
void purse_shrink(struct purse *p, const struct uuid *call, int64_t micro);
/* purse_limit - a carrier's limit as it now stands */
void purse_limit(struct purse *p, int64_t carrier_id, int64_t limit_micro);
/* purse_end - the call is over; micro is what it will be charged, held until its record is posted; 0: nothing */
void purse_end(struct purse *p, const struct uuid *call, int64_t micro);
/* purse_leases - how many calls hold money. purse_owner - this node's name among the owners of leases; valid until
 *   purse_stop */
size_t purse_leases(const struct purse *p);
const char *purse_owner(const struct purse *p);
/* purse_posted - these records are committed in PostgreSQL; takes ids (malloc). Not for SIP threads: a short lock */
void purse_posted(struct purse *p, struct uuid *ids, size_t n);

#endif
