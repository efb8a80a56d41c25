/* SPDX-License-Identifier: Apache-2.0 */
/* sheetdate.h - dates as rate sheets write them. Pure: no I/O, no clock. Any thread.
 *
 *   2026-01-31  2026/01/31  20260131  31.01.2026  31-Jan-2026  31 January 2026
 *
 * each alone, or followed by a blank and HH:MM[:SS] (UTC); and RFC 3339. Month names are English, in any case, three
 * letters or whole. 01/02/2026 is refused: nobody can tell which of both is the month.
 */
#ifndef BILLING_SHEETDATE_H
#define BILLING_SHEETDATE_H

#include <stdint.h>

#include "lib/status.h"

/* For messages: all that one may write. */
#define SHEETDATE_STYLES                                                                                               \
	"2026-01-31, 2026/01/31, 20260131, 31.01.2026, 31-Jan-2026 or 31 January 2026, each alone or followed by "     \
	"23:59 or "                                                                                                    \
	"23:59:59, or RFC 3339 such as 2026-01-31T23:59:59Z"

/* sheetdate_parse - text has no blanks at its ends. 0, or -EINVAL; *wall_us in UTC, unchanged on error */
int sheetdate_parse(const char *text, int64_t *wall_us) must_check;

#endif
