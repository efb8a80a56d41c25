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

struct rate_version_restore {
	int64_t deck_id, version;
	int64_t import_id; /* whose job it is: a dry run's changes are written down for it; 0: none */
	bool dry_run;	   /* report only */
	const char *actor; /* for the audit log */
};

/* rate_version_restore - from now on the deck's rates are those that it had right after that version; past ones stay.
 *   pg: with no transaction under way. report has the counts and no errors; nothing to free. -ENOENT: the deck has no
 *   such version; else as pg_exec. */
int rate_version_restore(struct pg *pg, const struct rate_version_restore *o, struct ratesheet_report *report,
			 struct status *st) must_check;

#endif
