/* SPDX-License-Identifier: Apache-2.0 */
/* balance.h - a thread that reads the balances which the ledger makes, every second and whenever a payment comes, and
 * tells what it read. Nobody else of the node waits for the ledger.
 *
 * A call's record that was posted, and a dead node's estate, are told back together with balances that were read after
 * they were committed: who hears of them knows balances that hold them.
 */
#ifndef BILLING_BALANCE_H
#define BILLING_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/status.h"
#include "lib/uuid.h"

struct balance_reader;

struct balance {
	int64_t carrier_id, micro, version; /* millionths, rounded down, within +-8e15; the version rises with
					     * each booking, unless the database is put back to an earlier time */
};

struct balance_spent { /* what a call of a dead node had spent */
	struct uuid call;
	int64_t carrier_id, micro;
};

struct balance_hold { /* what this node's calls hold of a carrier's money, for those who look at it */
	int64_t carrier_id, micro;
};

struct balance_estate { /* of a dead node; all its calls that had spent anything */
	struct balance_estate *next;
	char *owner; /* who held the leases, "NODE/..." */
	struct balance_spent *spent;
	size_t n;
};

struct balance_news {
	struct balance *balance; /* of all carriers with a limit */
	size_t n;
	int64_t read_us; /* when reading them began (monotonic) */
	bool moved;	 /* perhaps by more than calls: a payment, an adjustment; or news of it may have been lost */
	struct uuid *posted; /* calls whose bookings these balances hold */
	size_t n_posted;
	struct balance_estate *estates; /* booked; these balances hold them */
};

struct balance_options {
	const char *database_url;
	void (*tell)(void *arg, struct balance_news *news); /* takes it; on the reader's thread */
	void *arg;
};

/* balance_start - PostgreSQL may be away. 0 or -errno */
int balance_start(struct balance_reader **b, const struct balance_options *options, struct status *st) must_check;
void balance_stop(struct balance_reader **b); /* tells once more what is known by then */

void balance_posted(struct balance_reader *b, struct uuid *ids, size_t n);  /* [any thread] takes ids (malloc) */
void balance_book(struct balance_reader *b, struct balance_estate *estate); /* [any thread] takes it */

/* balance_show - [any thread] what owner holds now; takes holds (malloc). Written with the next reading; a newer one
 * that comes first takes its place. */
void balance_show(struct balance_reader *b, const char *owner, struct balance_hold *holds, size_t n);

void balance_news_free(struct balance_news **news);
void balance_estate_free(struct balance_estate **estate);

#endif
