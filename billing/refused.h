/* SPDX-License-Identifier: Apache-2.0 */
/* refused.h - CDRs that PostgreSQL would not have: listed in cdr_refused by the nodes, and tried again on demand.
 * Each is stored by cdr_ingest() as at first: with its bookings, exactly once, however often it is tried.
 */
#ifndef BILLING_REFUSED_H
#define BILLING_REFUSED_H

#include <jansson.h>

#include "lib/pg.h"
#include "lib/status.h"

/* refused_list - a new array of {id, node, chain_id, chain_seq, refused_at, reason}, oldest first. 0 or as pg_exec */
int refused_list(struct pg *pg, json_t **list, struct status *st) must_check;

struct refused_result {
	int64_t stored, refused; /* refused: again */
	struct status why;	 /* of the first that was refused again */
};

/* refused_retry - try all of them, each by itself. 0, or -errno when the database went away in between */
int refused_retry(struct pg *pg, struct refused_result *result, struct status *st) must_check;

#endif
