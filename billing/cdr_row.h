/* SPDX-License-Identifier: Apache-2.0 */
/* cdr_row.h - a CDR as text: the row that COPY takes, and the whole record as the spool keeps it.
 * One table of fields feeds the column list, the writer, the reader and the copier. Pure, any thread.
 */
#ifndef BILLING_CDR_ROW_H
#define BILLING_CDR_ROW_H

#include "billing/cdr.h"
#include "lib/buf.h"
#include "lib/status.h"

#define CDR_TEXT_MAX 255 /* bytes of a text column */

/* cdr_row_put_columns, cdr_row_put_attempt_columns - what COPY is told: the columns of cdr_row_put_whole, or of
 * cdr_row_put_attempts, in their order, separated by commas */
void cdr_row_put_columns(struct buf *out);
void cdr_row_put_attempt_columns(struct buf *out);

/* cdr_row_put - one line of COPY text, the columns of section 5 up to `lrn`, and what came later only where the call
 * has it: so the lines that earlier versions wrote, and their hashes, still hold; no line end.
 * cdr_row_put_whole - such a line, of this version or an earlier one, with each column that COPY is told */
void cdr_row_put(struct buf *out, const struct cdr *c);
void cdr_row_put_whole(struct buf *out, const char *line);
/* cdr_row_put_attempts - a line an attempt, each with its line end; nothing if there was none */
void cdr_row_put_attempts(struct buf *out, const struct cdr *c);
/* cdr_row_pack/unpack - everything, to be read back; times keep their milliseconds.
 *   unpack returns 0 and a new CDR, or -EBADMSG: the text is not what this version's cdr_row_pack wrote, or the one's
 *   before */
void cdr_row_pack(struct buf *out, const struct cdr *c);
int cdr_row_unpack(const char *text, struct cdr **out) must_check;

/* cdr_row_own_text - every text that c points to is copied into its arena */
void cdr_row_own_text(struct cdr *c);

/* cdr_text_fit - text made fit for the database (see cdr_text); returns its length */
size_t cdr_text_fit(const char *text, char out[static CDR_TEXT_MAX + 1]);

#endif
