/* SPDX-License-Identifier: Apache-2.0 */
/* export.h - runs of the CDR export: claim what is new, write its files, write them again. One thread, one connection,
 * which must be free of a statement timeout: a run may have millions of rows. Memory is bounded by the number of
 * carriers.
 *
 * A run is claimed in one short transaction; from then on it is fixed which CDRs are in it. Its files are written under
 * a lock of its row, and it is finished when they are on disk under their final name. A writer that dies leaves the run
 * unfinished and unlocked; whoever comes next finishes it. Written again, anywhere, the files have the same bytes, and
 * this is checked.
 */
#ifndef BILLING_EXPORT_H
#define BILLING_EXPORT_H

#include <jansson.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/pg.h"
#include "lib/status.h"

struct export_options {
	const char *dir;	     /* [export] dir */
	const char *node;	     /* [node] id */
	const char *actor;	     /* who asked for it */
	const atomic_bool *stopping; /* NULL, or: give up with -ECANCELED when it becomes true */
};

struct export_result {
	int64_t id, rows; /* rows of cdrs.csv.gz; -1: its files stood there already */
	char path[PATH_MAX];
};

/* export_claim - a new run; cutoff is RFC 3339 text, NULL for now. 0 or an error of pg_exec */
int export_claim(struct pg *pg, const char *cutoff, const char *actor, int64_t *id, struct status *st) must_check;

/* export_write - see to it that the files of a run stand in this node's directory: finish it if need be, write them
 * again if they are missing here or `again` is set. Waits for another writer of the same run. 0; -ENOENT there is no
 * such run; -EBADMSG the bytes are not those of the first time (nothing is replaced then); -errno of a file; an error
 * of pg_exec */
int export_write(struct pg *pg, const struct export_options *o, int64_t id, bool again, struct export_result *out,
		 struct status *st) must_check;

/* export_finish_left - finish one run after `after` that is unfinished and that nobody writes now.
 *   1 and *out; 0: there is none; or as export_write */
int export_finish_left(struct pg *pg, const struct export_options *o, int64_t after, struct export_result *out,
		       struct status *st) must_check;

/* export_show - a run as /v1/exports shows it: 0 and a new reference; -ENOENT; an error of pg_exec */
int export_show(struct pg *pg, int64_t id, json_t **run, struct status *st) must_check;
/* export_list - the latest 100, newest first, as export_show; a new reference. 0 or an error of pg_exec */
int export_list(struct pg *pg, json_t **runs, struct status *st) must_check;

#endif
