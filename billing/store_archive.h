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
extern const struct pg_statement
	store_archive_said; /* -> day, links that are said to be archived, calls of its files */
extern const struct pg_statement store_archive_files; /* -> name, rows, sha256 of those that were not brought back */

extern const struct pg_statement store_restore_day; /* name, SHA-256; by itself, before the transaction */
extern const char store_restore_begin[];	    /* a transaction, with an empty stage */
extern const char store_restore_copy[];		    /* COPY of lines */
extern const char store_restore_end[];		    /* all of it */
extern const char store_restore_undo[];		    /* or nothing */
extern const struct pg_statement store_restore;	    /* name, SHA-256 -> calls, first moment of the day, of the next */

#endif
