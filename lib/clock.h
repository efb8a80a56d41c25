/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - what time it is, and how times are written.
 * Any thread. Wall time is microseconds since 1970-01-01 UTC; 0 stands for "none".
 */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "lib/status.h"

#define CLOCK_TEXT_MAX 32 /* "2026-01-31T23:59:59.123Z" and its NUL, with room */

int64_t clock_wall_us(void); /* wall clock */
int64_t clock_mono_us(void); /* monotonic clock; for durations only */
int64_t clock_mono_ns(void); /* the same, finer; for measuring code */

/* clock_format - RFC 3339 in UTC with milliseconds; returns out. An absent time (0) gives "". */
char *clock_format(int64_t wall_us, char out[static CLOCK_TEXT_MAX]);

/* clock_parse - RFC 3339 with any offset and fraction, `YYYY-MM-DD`, or `YYYY-MM-DD HH:MM[:SS]` (UTC).
 *   returns 0, -EINVAL for anything else (also dates that do not exist). */
int clock_parse(const char *text, int64_t *wall_us) must_check;

#endif
