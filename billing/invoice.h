/* SPDX-License-Identifier: Apache-2.0 */
/* invoice.h - bills: drafted, issued, made void; and as JSON, CSV and PDF. What they mean stands in
 * sql/0012_invoices.sql. One connection, one thread at a time; each function that changes something is one transaction.
 */
#ifndef BILLING_INVOICE_H
#define BILLING_INVOICE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/pg.h"
#include "lib/status.h"

struct invoice_order {
	int64_t carrier_id;
	bool sell;		  /* the carrier owes us; else we owe the carrier */
	const char *first, *last; /* days "YYYY-MM-DD" of the carrier's time zone, both included */
	const json_t *taxes;	  /* [{"name", "percent"}], percent a decimal in text; NULL: none */
	const char *note;	  /* printed on it; NULL: none */
};

/* invoice_taxes_check - 0, or -EINVAL with st saying what is wrong: at most 8, each with a name and a percentage of 0
 * to 100 with at most 4 decimals */
int invoice_taxes_check(const json_t *taxes, struct status *st) must_check;

/* All: 0; -ENOENT there is no such carrier or invoice; -EINVAL it is not in the state for that, or a day or tax is
 * wrong; an error of pg_exec. actor goes to the audit log. */
int invoice_draft(struct pg *pg, const struct invoice_order *o, const char *actor, int64_t *id,
		  struct status *st) must_check;
int invoice_issue(struct pg *pg, int64_t id, const char *actor, struct status *st) must_check;
int invoice_void(struct pg *pg, int64_t id, const char *actor, struct status *st) must_check;
/* invoice_show, invoice_list - as /v1/invoices shows them; new references. carrier_id 0: of all; the latest 100. */
int invoice_show(struct pg *pg, int64_t id, json_t **invoice, struct status *st) must_check;
int invoice_list(struct pg *pg, int64_t carrier_id, json_t **invoices, struct status *st) must_check;

/* invoice_put_csv - a header and the lines, then a line for net, each tax and the total; kinds as in JSON, and net,
 * tax, total. Names that a spreadsheet would run as formulas have an apostrophe in front (csv_put_guarded). */
void invoice_put_csv(struct buf *out, const json_t *invoice);
struct invoice_fonts {
	const char *plain, *bold; /* TrueType files; one file for both will do */
};

/* invoice_put_pdf - the same on pages of A4, with the words of an invoice. The same invoice and fonts give the same
 * bytes. 0; -EIO a font cannot be read, or the PDF library failed: st says which and how
 */
int invoice_put_pdf(struct buf *out, const json_t *invoice, const struct invoice_fonts *fonts,
		    struct status *st) must_check;

#endif
