/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - what routing reads from PostgreSQL; all SQL of this directory stands in store.c.
 * Blocking; errors as pg_exec's.
 */
#ifndef ROUTING_STORE_H
#define ROUTING_STORE_H

#include <jansson.h>

#include "lib/money.h"
#include "lib/pg.h"
#include "routing/deck.h"

struct store_version {
	int64_t deck_id; /* 0: the configuration */
	int64_t version;
};

/* store_versions - what is in force, by deck_id (the configuration first); *list is the caller's (free) */
int store_versions(struct pg *pg, struct store_version **list, size_t *n, struct status *st) must_check;

/* store_document - the configuration as one JSON document (snapshot_priv.h), consistent in itself; new reference */
int store_document(struct pg *pg, json_t **document, struct status *st) must_check;

/* store_deck - compile one deck: its words and all rates that are in force or will be. source goes into its words.
 *   0; -ENOENT no such deck */
int store_deck(struct pg *pg, int64_t deck_id, uint64_t source, struct deck **out, struct status *st) must_check;

/* store_decks_of_number - for each of ids[0..n) (sorted), a deck that holds the rates of called's prefixes only, of all
 *   times. *decks[0..*n_decks) are the caller's references (an id without a deck is left out). */
int store_decks_of_number(struct pg *pg, const int64_t *ids, size_t n, const char *called, struct deck ***decks,
			  size_t *n_decks, struct status *st) must_check;

struct store_owed {
	int64_t carrier_id;
	struct money owed; /* the ledger's sum: what its vendor traffic has credited it, less what it had or was paid */
};

/* store_owed - of each carrier with a vendor_limit; *list is the caller's (free) */
int store_owed(struct pg *pg, struct store_owed **list, size_t *n, struct status *st) must_check;

int store_listen(struct pg *pg, struct status *st) must_check; /* to tandem_config and tandem_deck */

#endif
