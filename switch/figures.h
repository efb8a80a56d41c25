/* SPDX-License-Identifier: Apache-2.0 */
/* figures.h - what a node tells of itself once a second: in {tandem}:nodes, from there /v1/nodes and /metrics.
 *
 * Totals count from the node's start and never go back before its next one.
 */
#ifndef SWITCH_FIGURES_H
#define SWITCH_FIGURES_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>

#include "billing/spool.h"
#include "lib/status.h"

struct node;

#define FIGURES_SETUP_BUCKETS 16 /* the last one is without bound */

/* From the INVITE to the first 18x or 2xx that the caller was sent; a call that was refused or given up unheard is in
 * none. Written by one worker, read by any thread. */
struct figures_setup {
	_Atomic uint64_t bucket[FIGURES_SETUP_BUCKETS];
	_Atomic uint64_t sum_ms;
};

struct figures {
	int64_t live; /* calls that have no CDR yet */
	/* since the start, as struct worker_counters */
	uint64_t calls, answered, shed, strays, misrouted;
	int rtpengines_down; /* now */
	uint64_t media_lost;
	uint64_t setup[FIGURES_SETUP_BUCKETS], setup_sum_ms; /* struct figures_setup, added up */
	uint64_t vendors_waiting;			     /* words for the vendors thread */
	struct spool_stats spool;
};

void figures_setup_add(struct figures_setup *s, int64_t ms);
/* figures_read - the sums over all workers; any thread, while they live */
void figures_read(const struct node *n, struct figures *f);
/* figures_put - each as a member of `out`; ages as of now_us (wall). 0 or -ENOMEM */
int figures_put(const struct figures *f, int64_t now_us, json_t *out) must_check;

#endif
