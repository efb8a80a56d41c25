/* SPDX-License-Identifier: Apache-2.0 */
#include "api/base64url.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_length(size_t len)
{
	return len / 3 * 4 + (len % 3 != 0 ? len % 3 + 1 : 0);
}

void base64url_encode(const void *bytes, size_t len, char *out)
{
	const unsigned char *in = bytes;

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		unsigned v =
			(unsigned)in[i] << 16 | (left > 1 ? (unsigned)in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0);
		*out++ = alphabet[v >> 18];
		*out++ = alphabet[v >> 12 & 63];
		if (left > 1)
			*out++ = alphabet[v >> 6 & 63];
		if (left > 2)
			*out++ = alphabet[v & 63];
	}
	*out = '\0';
}

long base64url_decode(const char *text, char *out)
{
	size_t len = strlen(text);
	unsigned v = 0;
	int bits = 0;
	long n = 0;

	if (len % 4 == 1)
		return -1;
	for (; *text != '\0'; text++) {
		const char *at = strchr(alphabet, *text);
		if (at == NULL)
			return -1;
		v = v << 6 | (unsigned)(at - alphabet);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (char)(v >> bits & 0xff);
		}
	}
	return (v & ((1u << bits) - 1)) == 0 ? n : -1;
}
