/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/digits.h"

#include <string.h>

bool digits_only(const char *text)
{
	return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

bool digits_starts_with(const char *number, const char *prefix)
{
	while (*prefix != '\0') {
		if (*number++ != *prefix++)
			return false;
	}
	return true;
}
