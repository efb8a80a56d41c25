/* SPDX-License-Identifier: Apache-2.0 */
/* store_invoice.h - the statements of invoices. What they mean stands in sql/0012_invoices.sql. */
#ifndef BILLING_STORE_INVOICE_H
#define BILLING_STORE_INVOICE_H

#include "lib/pg.h"

extern const struct pg_statement store_invoice_draft; /* carrier, side, first day, last day, taxes, note -> id */
extern const struct pg_statement store_invoice_issue; /* id -> done */
extern const struct pg_statement store_invoice_void;  /* id -> done */
extern const struct pg_statement store_invoice_show;  /* id -> as JSON */
extern const struct pg_statement store_invoice_list;  /* carrier or null -> the latest 100 as JSON */
extern const struct pg_statement store_invoice_audit; /* actor, action, id: with the invoice as it is then */

#endif
