/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.h - what is UTF-8 and what is not (RFC 3629, the table of its section 4). Pure. Any thread. */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

#include <stddef.h>

/* utf8_character - bytes of the well-formed character that text begins with, 1 to 4; 0 if it begins with none. Text
 * ends with NUL, which counts as a character of its own */
size_t utf8_character(const char *text);
/* utf8_mend - in place: each byte that belongs to no character becomes '?'; a last character that was cut is left out
 */
void utf8_mend(char *text);

#endif
