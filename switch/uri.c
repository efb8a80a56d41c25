/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/uri.h"

#include <ctype.h>
#include <string.h>

/* RFC 3261 section 25.1: `unreserved`; of `user-unreserved` only '+', which numbers begin with: the others are rare,
 * and
 * ";" and "?" are read as something else by many. */
static bool goes_as_it_is(unsigned char c)
{
	return c < 0x80 && (isalnum(c) || strchr("-_.!~*'()+", c));
}

char *uri_user_escape(su_home_t *home, const char *user)
{
	static const char digit[] = "0123456789ABCDEF";
	char *out = su_alloc(home, (isize_t)(3 * strlen(user) + 1)), *to = out;

	if (!out)
		return NULL;
	for (; *user; user++) {
		unsigned char c = (unsigned char)*user;
		if (goes_as_it_is(c)) {
			*to++ = *user;
			continue;
		}
		*to++ = '%';
		*to++ = digit[c >> 4];
		*to++ = digit[c & 15];
	}
	*to = '\0';
	return out;
}
