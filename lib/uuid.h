/* SPDX-License-Identifier: Apache-2.0 */
/* uuid.h - UUIDv7 (RFC 9562 section 5.7): 48 bits of milliseconds, the rest random. Any thread.
 */
#ifndef LIB_UUID_H
#define LIB_UUID_H

#include <stdint.h>

#include "lib/status.h"

#define UUID_TEXT_MAX 37

struct uuid {
	uint8_t byte[16];
};

void uuid_make(struct uuid *u, int64_t wall_us);			 /* carries wall_us / 1000 */
char *uuid_format(const struct uuid *u, char out[static UUID_TEXT_MAX]); /* lower case with dashes; returns out */
int uuid_parse(const char *text, struct uuid *u) must_check;		 /* 0 or -EINVAL */
int64_t uuid_wall_ms(const struct uuid *u);				 /* the milliseconds it carries */

#endif
