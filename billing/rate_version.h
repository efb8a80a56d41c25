/* SPDX-License-Identifier: Apache-2.0 */
/* rate_version.h - what a rate deck was after each import, and back to it. Blocking. */
#ifndef BILLING_RATE_VERSION_H
#define BILLING_RATE_VERSION_H

#include "billing/ratesheet.h"

struct rate_version {
	int64_t id, rolled_back_to; /* 0: an import */
	const char *at, *actor;	    /* borrowed during the call; RFC 3339 */
	int64_t added, changed, ended, unchanged;
};

/* rate_version_each - tell of a deck's versions, newest first, at most 1000. 0, or as pg_exec. */
int rate_version_each(struct pg *pg, int64_t deck_id, void (*tell)(void *arg, const struct rate_version *v), void *arg,
		      struct status *st) must_check;

/* rate_version_restore - from now on the deck's rates are those that it had right after that version; past ones stay.
 *   report has the counts and no errors; nothing to free. -ENOENT: the deck has no such version; else as pg_exec. */
int rate_version_restore(struct pg *pg, int64_t deck_id, int64_t version, const char *actor,
			 struct ratesheet_report *report, struct status *st) must_check;

#endif
