/* SPDX-License-Identifier: Apache-2.0 */
/* json_text.h - pieces of JSON written as text, without a tree in between and without printf: for what is written at
 * every call. Elsewhere jansson does it. Text must be UTF-8.
 */
#ifndef LIB_JSON_TEXT_H
#define LIB_JSON_TEXT_H

#include <stdint.h>

#include "lib/buf.h"

void json_put_text(struct buf *out, const char *text); /* in quotes, escaped */
void json_put_integer(struct buf *out, int64_t n);
void json_put_digits(struct buf *out, uint64_t n, int least); /* the digits of n, at least that many */
void json_put_money(struct buf *out, int64_t nano);	      /* "0.012500": as money_format with 6 places, in quotes */

#endif
