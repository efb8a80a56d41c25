/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/copy.h"

#include <string.h>

void copy_put(struct buf *out, const char *text)
{
	if (text == NULL) {
		buf_puts(out, "\\N");
		return;
	}
	for (;;) {
		size_t plain = strcspn(text, "\t\n\r\\");

		buf_append(out, text, plain);
		text += plain;
		if (*text == '\0')
			return;
		buf_putc(out, '\\');
		buf_putc(out, *text == '\t' ? 't' : *text == '\n' ? 'n' : *text == '\r' ? 'r' : '\\');
		text++;
	}
}
