/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - one logfmt line an event, on standard error or in the journal. Any thread.
 *
 *   log_event(LOG_LEVEL_WARN, "database away", "url=%s retry_s=%d", host, 1);
 * prints
 *   ts=2026-01-31T23:59:59.123Z level=warn msg="database away" url=db1 retry_s=1
 * A value that may hold blanks, quotes or bytes from outside goes through log_quote.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "lib/status.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);
int log_level_parse(const char *name, enum log_level *level) must_check; /* error|warn|info|debug */
void log_event(enum log_level level, const char *what, const char *fmt, ...) printf_like(3, 4);

/* log_quote - text in double quotes, escapes for ", \ and control bytes, cut to size; returns out */
const char *log_quote(const char *text, char *out, size_t size);

/* log_limit - at most one true per interval for this place, counting the rest:
 *   static struct log_limit every = {.interval_us = 10 * 1000000};
 *   if (log_limit(&every, clock_mono_us(), &skipped)) log_event(...);  */
struct log_limit {
	int64_t interval_us;
	_Atomic int64_t next_us;
	_Atomic uint64_t skipped;
};
int log_limit(struct log_limit *limit, int64_t mono_us, uint64_t *skipped);

#endif
