/* SPDX-License-Identifier: Apache-2.0 */
/* export_dir.h - the directory of an export run: BASE/YYYY-MM-DD/RUN. It appears whole or not at all: everything is
 * written to a directory beside it, brought to disk, and renamed. Only one writer of a run at a time (the caller sees
 * to it); what an earlier one left behind is removed.
 */
#ifndef BILLING_EXPORT_DIR_H
#define BILLING_EXPORT_DIR_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/status.h"

struct export_dir {
	char path[PATH_MAX]; /* where it will be */
	char run[24], temporary[48];
	int day_fd, base_fd;
	int fd; /* the temporary directory: files are made here */
};

/* export_dir_path - BASE/YYYY-MM-DD/RUN; 0 or -ENAMETOOLONG */
int export_dir_path(const char *base, const char *day, int64_t run, char out[static PATH_MAX],
		    struct status *st) must_check;

/* export_dir_open - day is "YYYY-MM-DD". 0, or -errno with st; nothing is left open then. */
int export_dir_open(struct export_dir *d, const char *base, const char *day, int64_t run, struct status *st) must_check;
/* export_dir_publish - all files are written and on disk: give the directory its name, in place of one that is there */
int export_dir_publish(struct export_dir *d, struct status *st) must_check;
/* export_dir_close - what was not published is removed */
void export_dir_close(struct export_dir *d);

#endif
