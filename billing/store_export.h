/* SPDX-License-Identifier: Apache-2.0 */
/* store_export.h - the statements of exports. What they mean stands in sql/0010_exports.sql. */
#ifndef BILLING_STORE_EXPORT_H
#define BILLING_STORE_EXPORT_H

#include "lib/pg.h"

extern const struct pg_statement store_export_claim; /* cut-off or null, actor -> id */
/* store_export_next - an unfinished run after this id that nobody writes now, locked -> id; no row: none */
extern const struct pg_statement store_export_next;
/* store_export_lock - id, locked; waits for who writes it -> day, cut-off, created_at, finished */
extern const struct pg_statement store_export_lock;
extern const struct pg_statement store_export_carriers; /* id -> carrier, currency, format and columns of both sides */
extern const struct pg_statement store_export_open;	/* id: opens the cursor of its CDRs */
extern const struct pg_statement store_export_fetch;	/* -> the next rows: EXPORT_COLUMNS as text; none: the end */
extern const struct pg_statement store_export_open_rerates; /* id: opens the cursor of its corrections */
/* store_export_fetch_rerates - -> carrier, CDR, old, new, difference, currency; in the order of the carriers */
extern const struct pg_statement store_export_fetch_rerates;
extern const struct pg_statement
	store_export_root; /* run -> day, root, signature, public key in hexadecimal; no row: none */
extern const struct pg_statement store_export_file_put; /* run, name, rows, amount, currency, bytes, sha256 */
extern const struct pg_statement store_export_file_get; /* run, name -> sha256 */
extern const struct pg_statement store_export_finish;	/* run, node */
extern const struct pg_statement
	store_export_delivery_take; /* also by command? -> run, name, carrier, target or null */
extern const struct pg_statement store_export_delivery_done; /* run, name, problem or null */
extern const struct pg_statement store_export_wish;	     /* carrier, side, format, columns, target or null */
extern const struct pg_statement store_export_show;	     /* run -> as JSON */
extern const struct pg_statement store_export_list;	     /* -> the latest 100 as JSON */

#endif
