/* SPDX-License-Identifier: Apache-2.0 */
/* store_archive.h - SQL of archiving. */
#ifndef BILLING_STORE_ARCHIVE_H
#define BILLING_STORE_ARCHIVE_H

#include "lib/pg.h"

extern const struct pg_statement store_archive_days;   /* days to keep -> day */
extern const struct pg_statement store_archive_detach; /* day */
extern const struct pg_statement store_archive_next;   /* -> name, or no row */
extern const struct pg_statement store_archive_lines;  /* name, after id -> id, line */
extern const struct pg_statement store_archive_drop;   /* name, file, rows, sha256 */

#endif
