/* SPDX-License-Identifier: Apache-2.0 */
/* digits.h - telephone numbers as text: pure helpers. */
#ifndef LIB_DIGITS_H
#define LIB_DIGITS_H

#include <stdbool.h>
#include <stddef.h>

#define DIGITS_MAX 32 /* the longest number that is carried */

bool digits_only(const char *text);				 /* at least one character, all '0'..'9' */
bool digits_starts_with(const char *number, const char *prefix); /* an empty prefix matches all */

#endif
