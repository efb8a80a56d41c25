/* SPDX-License-Identifier: Apache-2.0 */
/* migrate.h - the numbered migrations of this directory, compiled in, and how a database is brought up to date. */
#ifndef SQL_MIGRATE_H
#define SQL_MIGRATE_H

#include "lib/pg.h"
#include "lib/status.h"

/* migrate_run - apply what is missing, each migration in its own transaction, under an advisory lock: safe to repeat
 * and to run twice at once. *applied counts; a database newer than this program is refused (-EPROTO). */
int migrate_run(struct pg *pg, int *applied, struct status *st) must_check;
/* migrate_check - 0 if the database is at this program's version; -EPROTO with the two numbers and what to do */
int migrate_check(struct pg *pg, struct status *st) must_check;

#endif
