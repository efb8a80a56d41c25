/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exposition.h"

void exposition_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void exposition_label(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			buf_putc(out, '\\');
		if (*text == '\n')
			buf_puts(out, "\\n");
		else
			buf_putc(out, *text);
	}
}

void exposition_gauge(struct buf *out, const char *name, const char *help, double value)
{
	exposition_head(out, name, "gauge", help);
	buf_printf(out, "%s %.15g\n", name, value);
}
