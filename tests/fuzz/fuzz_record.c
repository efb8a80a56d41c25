/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_record.c - a record as the spool keeps it: what can be read is written the same again, and is rated without
 * harm. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "billing/cdr_row.h"
#include "tests/fuzz/fuzz.h"

static void row_check(const struct cdr *c)
{
	struct buf row = {0}, attempts = {0};
	size_t lines = 0;

	cdr_row_put(&row, c);
	fuzz_must(row.len && !memchr(row.text, '\n', row.len));
	cdr_row_put_attempts(&attempts, c);
	for (size_t i = 0; i < attempts.len; i++)
		lines += attempts.text[i] == '\n';
	fuzz_must(lines == (size_t)c->attempts);
	buf_free(&row);
	buf_free(&attempts);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = fuzz_text(bytes, len), fit[CDR_TEXT_MAX + 1];
	struct cdr *c = NULL, *again = NULL;
	struct buf first = {0}, second = {0};

	fuzz_must(cdr_text_fit(text, fit) == strlen(fit));
	int e = cdr_row_unpack(text, &c);
	fuzz_must(e == 0 || e == -EBADMSG);
	if (e == 0) {
		fuzz_must(c->attempts >= 0 && c->attempts <= CDR_ATTEMPTS_MAX);
		row_check(c);
		cdr_row_pack(&first, c);
		fuzz_must(cdr_row_unpack(first.text, &again) == 0);
		cdr_row_pack(&second, again);
		fuzz_must(first.len == second.len && memcmp(first.text, second.text, first.len) == 0);
		if (cdr_rate(c) != 0)
			fuzz_must(c->sell.amount.nano == 0 && c->buy.amount.nano == 0);
		cdr_free(&again);
		cdr_free(&c);
	}
	buf_free(&first);
	buf_free(&second);
	free(text);
	return 0;
}
