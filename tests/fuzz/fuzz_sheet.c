/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_sheet.c - a rate sheet: what is read does not depend on the pieces it comes in, and what was taken for a rate
 * makes a line of COPY text for each of its prefixes.
 */
#include <string.h>

#include "billing/ratesheet_parse.h"
#include "lib/csv.h"
#include "tests/fuzz/fuzz.h"

#define NOW_US 1767225600000000

struct reading {
	struct sheet_header header;
	bool has_header;
	struct buf rows; /* COPY text */
};

static int on_record(void *arg, int64_t line, char **fields, size_t n)
{
	struct reading *r = arg;
	struct sheet_row row;
	struct status st;

	if (!r->has_header) {
		r->has_header = true;
		return sheet_header_read(fields, n, &r->header, &st);
	}
	if (sheet_row_read(&r->header, fields, n, NOW_US, &row, &st) != 0) {
		fuzz_must(st.text[0]);
		return 0;
	}
	size_t before = r->rows.len;
	char prefix[DIGITS_MAX + 1];
	struct codes_walk walk;
	codes_walk_begin(&row.codes, &walk);
	while (codes_next(&walk, prefix))
		sheet_row_put(&r->rows, line, prefix, &row);
	fuzz_must(r->rows.len > before && r->rows.text[r->rows.len - 1] == '\n');
	int lines = 0;
	for (size_t i = before; i < r->rows.len; i++)
		lines += r->rows.text[i] == '\n';
	fuzz_must(lines == row.codes.n);
	return 0;
}

static int sheet_read(struct reading *r, const uint8_t *bytes, size_t len, size_t piece)
{
	struct csv_reader *csv = csv_reader_new(on_record, r);
	struct status st = {""};
	int e = 0;

	*r = (struct reading){0};
	for (size_t at = 0; at < len && e == 0; at += piece)
		e = csv_feed(csv, (const char *)bytes + at, len - at < piece ? len - at : piece, &st);
	if (e == 0)
		e = csv_end(csv, &st);
	csv_reader_free(&csv);
	return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct reading whole, pieces;
	int a = sheet_read(&whole, bytes, len, len ? len : 1);
	int b = sheet_read(&pieces, bytes, len, 3);

	fuzz_must(a == b);
	fuzz_must(whole.rows.len == pieces.rows.len &&
		  (whole.rows.len == 0 || memcmp(whole.rows.text, pieces.rows.text, whole.rows.len) == 0));
	buf_free(&whole.rows);
	buf_free(&pieces.rows);
	return 0;
}
