/* SPDX-License-Identifier: Apache-2.0 */
/* export_file.h - a compressed file of an export run. The same lines give the same bytes: gzip with a fixed level, no
 * time and no name in its header. Some 200 KB of memory each, and no open descriptor between writes: there may be two
 * for each of thousands of carriers. One thread at a time.
 */
#ifndef BILLING_EXPORT_FILE_H
#define BILLING_EXPORT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/status.h"

#define EXPORT_NAME_MAX 64
#define EXPORT_SHA256_MAX 65

struct export_file;

struct export_seal {
	int64_t bytes; /* compressed */
	char sha256[EXPORT_SHA256_MAX];
};

/* export_file_new - `name` (copied) in the directory dir_fd (borrowed: it must outlive the file); it must not exist
 * yet, which the first write finds out. Never NULL */
struct export_file *export_file_new(int dir_fd, const char *name);
/* export_file_write, export_file_seal - 0, or -errno with st naming the file. seal: everything is on disk. */
int export_file_write(struct export_file *f, const char *bytes, size_t len, struct status *st) must_check;
int export_file_seal(struct export_file *f, struct export_seal *out, struct status *st) must_check;
void export_file_free(struct export_file **f); /* what was written stays */

#endif
