/* SPDX-License-Identifier: Apache-2.0 */
/* archive.h - old days of CDRs leave the database: first detached, then written to a file and dropped.
 *
 * A file is DIR/cdrs-YYYYMMDD_N.jsonl.gz: a line a call, with its attempts and routing trace. It is whole on disk
 * before its tables are dropped; what a crash left detached, the next run writes. Their links stay as anchors, so that
 * the chains of what is kept still verify. N counts up where calls of an archived day came in later.
 */
#ifndef BILLING_ARCHIVE_H
#define BILLING_ARCHIVE_H

#include <stdint.h>

#include "lib/pg.h"
#include "lib/status.h"

/* archive_detach - take out all days that lie more than keep_days back; *days: how many. 0, or as pg_exec */
int archive_detach(struct pg *pg, int64_t keep_days, int *days, struct status *st) must_check;

struct archive_file {
	char path[4096];
	int64_t rows;
	char sha256[65];
};

/* archive_write - write the next detached day that nobody else writes, in a transaction of its own (none is under
 *   way). 1: *file is there and the tables are gone; 0: none is left; or as
 *   pg_exec, or -errno of the file */
int archive_write(struct pg *pg, const char *dir, struct archive_file *file, struct status *st) must_check;

/* archive_hash - SHA-256 of the file behind fd, as the disk has it, from its start; 0 or -EIO */
int archive_hash(int fd, char hex[static 65]) must_check;

#endif
