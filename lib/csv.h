/* SPDX-License-Identifier: Apache-2.0 */
/* csv.h - a stream of CSV records (RFC 4180, and what people really send): UTF-8 with or without BOM, ',' or ';' or tab
 * (taken from the first line, outside quotes), CRLF or LF, quoted fields with doubled quotes and line breaks.
 * Memory is bounded by the longest record (1 MiB).
 */
#ifndef LIB_CSV_H
#define LIB_CSV_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/status.h"

struct csv_reader;
/* on_record - fields[0..n) are NUL-terminated and valid during the call; line is where the record starts (1 = first).
 *             A return other than 0 ends the parse and is handed back. */
typedef int csv_record_fn(void *arg, int64_t line, char **fields, size_t n);

struct csv_reader *csv_reader_new(csv_record_fn *on_record, void *arg);
void csv_reader_free(struct csv_reader **r);
/* csv_feed/csv_end - 0, what on_record returned, or -EINVAL with st saying line and what is wrong
 *                    (unterminated quote, bytes after a closing quote, invalid UTF-8, NUL, record too long).
 *                    Blank lines are skipped. */
int csv_feed(struct csv_reader *r, const char *bytes, size_t len, struct status *st) must_check;
int csv_end(struct csv_reader *r, struct status *st) must_check;

void csv_put(struct buf *out, const char *field); /* quoted only where needed; no separator; NULL = empty */
/* csv_put_guarded - the same for people's spreadsheets: text that one would run as a formula (= + - @ at its start)
 * gets an apostrophe in front; numbers stay, "+4930" and "-0.5" too. Not for files that programs read back. */
void csv_put_guarded(struct buf *out, const char *field);

#endif
