/* SPDX-License-Identifier: Apache-2.0 */
/* base64url.h - RFC 4648 section 5 without padding. Pure. */
#ifndef API_BASE64URL_H
#define API_BASE64URL_H

#include <stddef.h>

size_t base64url_length(size_t len);				 /* characters for len bytes */
void base64url_encode(const void *bytes, size_t len, char *out); /* NUL added */
long base64url_decode(const char *text, char *out); /* bytes written (at most strlen(text)), or -1 if it is none */

#endif
