/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/uuid.h"

#include <errno.h>

#include "lib/random.h"

void uuid_make(struct uuid *u, int64_t wall_us)
{
	uint64_t ms = (uint64_t)(wall_us / 1000);

	random_bytes(u->byte + 6, sizeof(u->byte) - 6);
	for (int i = 5; i >= 0; i--, ms >>= 8)
		u->byte[i] = (uint8_t)ms;
	u->byte[6] = (uint8_t)(0x70 | (u->byte[6] & 0x0f)); /* version 7 */
	u->byte[8] = (uint8_t)(0x80 | (u->byte[8] & 0x3f)); /* variant of RFC 9562 */
}

char *uuid_format(const struct uuid *u, char out[static UUID_TEXT_MAX])
{
	static const char hex[] = "0123456789abcdef";
	char *p = out;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[u->byte[i] >> 4];
		*p++ = hex[u->byte[i] & 15];
	}
	*p = '\0';
	return out;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int uuid_parse(const char *text, struct uuid *u)
{
	struct uuid parsed;

	for (int i = 0; i < 16; i++) {
		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return -EINVAL;
		int high = hex_value(text[0]);
		int low = high >= 0 ? hex_value(text[1]) : -1;
		if (low < 0)
			return -EINVAL;
		parsed.byte[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	if (*text != '\0')
		return -EINVAL;
	*u = parsed;
	return 0;
}

int64_t uuid_wall_ms(const struct uuid *u)
{
	int64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | u->byte[i];
	return ms;
}
