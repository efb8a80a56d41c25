/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/json_text.h"

#include "lib/money.h"

void json_put_text(struct buf *out, const char *text)
{
	static const char hex[] = "0123456789abcdef";

	buf_putc(out, '"');
	for (const char *from = text;; text++) {
		unsigned char c = (unsigned char)*text;
		if (c >= ' ' && c != '"' && c != '\\')
			continue;
		buf_append(out, from, (size_t)(text - from));
		if (!c)
			break;
		if (c < ' ') {
			buf_puts(out, "\\u00");
			buf_putc(out, hex[c >> 4]);
			buf_putc(out, hex[c & 15]);
		} else {
			buf_putc(out, '\\');
			buf_putc(out, (char)c);
		}
		from = text + 1;
	}
	buf_putc(out, '"');
}

void json_put_digits(struct buf *out, uint64_t n, int least)
{
	char text[24], *p = text + sizeof text;

	for (; n || least > 0; n /= 10, least--)
		*--p = (char)('0' + n % 10);
	buf_append(out, p, (size_t)(text + sizeof text - p));
}

void json_put_integer(struct buf *out, int64_t n)
{
	if (n < 0)
		buf_putc(out, '-');
	json_put_digits(out, n < 0 ? -(uint64_t)n : (uint64_t)n, 1);
}

void json_put_money(struct buf *out, int64_t nano)
{
	uint64_t n = nano < 0 ? -(uint64_t)nano : (uint64_t)nano, fraction = n % MONEY_NANO;
	int places = MONEY_PLACES;

	while (places > 6 && fraction % 10 == 0) {
		fraction /= 10;
		places--;
	}
	buf_puts(out, nano < 0 ? "\"-" : "\"");
	json_put_digits(out, n / MONEY_NANO, 1);
	buf_putc(out, '.');
	json_put_digits(out, fraction, places);
	buf_putc(out, '"');
}
