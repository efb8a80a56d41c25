/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot_priv.h - how a snapshot is held, and how one is made from the configuration document.
 *
 * The document is what PostgreSQL says in one statement (store.c), as JSON; the same text lies in Redis and on disk for
 * a start without PostgreSQL. So there is one way in, and it is used at every change.
 */
#ifndef ROUTING_SNAPSHOT_PRIV_H
#define ROUTING_SNAPSHOT_PRIV_H

#include <jansson.h>
#include <stdatomic.h>

#include "lib/arena.h"
#include "routing/number.h"
#include "routing/numberlength.h"
#include "routing/numberlist.h"
#include "routing/snapshot.h"

#define EXCHANGE_ONE 1000000000000LL /* 1.000000000000 */

struct exchange { /* sorted by from, to, then the latest first */
	char from[4], to[4];
	int64_t rate;	 /* of 10^-12; 0: unusable, there is none */
	int64_t from_us; /* in force from here on */
};

struct source { /* an address range of an ingress trunk; sorted by bits, longest first, then net */
	struct in6_addr net;
	uint8_t bits;
	const struct trunk *trunk;
};

struct snapshot {
	_Atomic uint32_t refs;
	struct arena *arena;
	int64_t version;
	struct carrier *carrier; /* by id */
	size_t n_carriers;
	struct trunk *trunk; /* by id */
	size_t n_trunks;
	struct plan *plan; /* by id */
	size_t n_plans;
	struct deck **deck; /* references held */
	size_t n_decks;
	struct exchange *exchange;
	size_t n_exchanges;
	struct source *source; /* of trunks without a user name */
	size_t n_sources;
	const struct trunk **digest; /* ingress trunks with a user name, by user name */
	size_t n_digest;
	struct number_lengths lengths;
	int max_members; /* of the largest plan */
};

/* snapshot_make - from the document. decks[0..n_decks) may hold more decks than are used, or lack some (a trunk whose
 *   deck is missing has none); references are taken of those used. gauges may be NULL.
 *   A part that cannot be used (a bad pattern, a bad address) is logged and its trunk is disabled; the rest stands.
 *   returns 0, or -EINVAL: the document as a whole is not one of ours */
int snapshot_make(const json_t *document, struct deck *const *decks, size_t n_decks, struct gauge_table *gauges,
		  struct snapshot **out, struct status *st) must_check;

/* snapshot_exchange - what one unit of `from` is in `to` (ISO 4217, as in a deck's words) at that time, in
 *   10^-12; false if no rate is known */
bool snapshot_exchange(const struct snapshot *s, const char *from, const char *to, int64_t at_us, int64_t *rate);

const struct plan *snapshot_plan(const struct snapshot *s, int64_t id);

#endif
