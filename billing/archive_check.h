/* SPDX-License-Identifier: Apache-2.0 */
/* archive_check.h - are the links that left with an archived day where they are said to be?
 *
 * Whoever deletes records may put an anchor in their place, as an archive does. Then the day has more links than its
 * files have calls; or the database was made to say that there are such files, which are not there.
 */
#ifndef BILLING_ARCHIVE_CHECK_H
#define BILLING_ARCHIVE_CHECK_H

#include "billing/chain.h"
#include "lib/pg.h"

/* archive_check - findings go to report. dir: where all the files are, to be read and compared; NULL: they are not
 * looked at. 0, or as pg_exec */
int archive_check(struct pg *pg, const char *dir, struct chain_report *report, struct status *st) must_check;

#endif
