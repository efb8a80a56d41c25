/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/utf8.h"

#include <stdbool.h>
#include <string.h>

/* How many bytes a character that begins with this one has; 0: none begins so. */
static size_t length_by(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* The bytes that follow are read one by one: the NUL at the text's end is none of them. *cut: it ends there. */
static size_t character(const unsigned char *s, bool *cut)
{
	unsigned char least = 0x80, most = 0xbf; /* of the second byte */
	size_t n = length_by(s[0]);

	*cut = false;
	if (s[0] == 0xe0)
		least = 0xa0; /* overlong */
	else if (s[0] == 0xed)
		most = 0x9f; /* surrogates */
	else if (s[0] == 0xf0)
		least = 0x90; /* overlong */
	else if (s[0] == 0xf4)
		most = 0x8f; /* past U+10FFFF */
	for (size_t i = 1; i < n; i++) {
		*cut = s[i] == '\0';
		if (s[i] < least || s[i] > most)
			return 0;
		least = 0x80;
		most = 0xbf;
	}
	return n;
}

size_t utf8_character(const char *text)
{
	bool cut;

	return character((const unsigned char *)text, &cut);
}

void utf8_mend(char *text)
{
	bool cut;

	while (*text != '\0') {
		size_t n = character((const unsigned char *)text, &cut);
		if (n == 0)
			*text = cut ? '\0' : '?';
		text += n > 0 ? n : !cut;
	}
}
