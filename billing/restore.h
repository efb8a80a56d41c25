/* SPDX-License-Identifier: Apache-2.0 */
/* restore.h - an archived day of CDRs comes back from its file into the database.
 *
 * The file must be what archive_write wrote: by its name, its SHA-256, and the links of its calls, which must fit
 * between those around them. Its calls are then listed, exported, re-rated and verified as ever; they are in the export
 * runs that they were in before, and nothing is booked again.
 */
#ifndef BILLING_RESTORE_H
#define BILLING_RESTORE_H

#include <stdint.h>

#include "lib/pg.h"
#include "lib/status.h"

/* restore_file - all of it or nothing; *calls: how many came back, 0: they were here already.
 *   0; -EBADMSG it is no such file, or not what was written, or a link does not hold, with st saying which; -errno of
 * the file; else as pg_exec */
int restore_file(struct pg *pg, const char *path, int64_t *calls, struct status *st) must_check;

#endif
