/* SPDX-License-Identifier: Apache-2.0 */
/* loader.h - keeps the snapshot true: a thread that reads PostgreSQL, compiles decks, and publishes each new snapshot.
 *
 * NOTIFY hastens it; a version table read every second (and after each reconnect) decides. Deck images come from
 * Redis (versioned, checked) where they can, from PostgreSQL else; the last resort is the copy on local disk, so
 * a node starts and routes with PostgreSQL down, and goes on with both down.
 */
#ifndef ROUTING_LOADER_H
#define ROUTING_LOADER_H

#include "lib/gauge.h"
#include "lib/pg.h"
#include "lib/status.h"
#include "routing/snapshot.h"

struct loader;
struct store_owed; /* store.h */

struct loader_options { /* text is copied */
	const char *database_url, *redis_url;
	const char *cache_dir;	    /* disk copies of images and of the configuration; created if missing */
	struct gauge_table *gauges; /* where trunks' ('t') and carriers' ('c') gauges come from */
	/* publish - called on the loader's thread with a new snapshot; the callee takes the reference */
	void (*publish)(void *arg, struct snapshot *s);
	/* owed - called on the loader's thread about once a second while PostgreSQL answers, with what each carrier
	 * that has a vendor_limit is owed; borrowed. NULL: not asked for */
	void (*owed)(void *arg, const struct store_owed *list, size_t n);
	void *arg;
};

/* loader_start - PostgreSQL and Redis may be away. 0, or -errno with st: cache_dir cannot be used, or no thread */
int loader_start(struct loader **l, const struct loader_options *o, struct status *st) must_check;
void loader_stop(struct loader **l);

struct loader_stats {
	bool database_up, redis_up;
	int64_t version, loaded_us; /* of the snapshot in force; loaded_us: wall clock */
	uint64_t rates, decks, bytes;
};
void loader_stats(struct loader *l, struct loader_stats *out); /* any thread */

/* loader_one_number - a snapshot for one look-up, straight from PostgreSQL: the whole configuration, but of the decks
 * only the prefixes of `called` (all times, past ones too). For the API and the CLI. `called` is the number after
 * translation; to translate first, load the trunk with called = NULL (no rates), number_in, then load again with the
 * digits. gauges: of the look-up, outlives the snapshot; NULL: none.
 *   0 and *out, a new reference; -EINVAL the configuration is not one of ours; else as pg_exec */
int loader_one_number(struct pg *pg, int64_t ingress_trunk_id, const char *called, struct gauge_table *gauges,
		      struct snapshot **out, struct status *st) must_check;

#endif
