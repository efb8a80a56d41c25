/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.h - at which times of the week a rate holds: the `schedule` of a rate, and the time zones it names.
 * Used when a deck is built and when the API checks a rate; a look-up reads what the deck made of it.
 *
 * A schedule is a JSON array of windows; it holds while one of them is open. A window: `days` (1 Monday .. 7 Sunday;
 * none: every day), `from` and `to` ("HH:MM", to may be "24:00"; default the whole day), `timezone` (IANA; default
 * UTC). A window whose `to` is not after its `from` runs past midnight and belongs to the day on which it opens.
 */
#ifndef ROUTING_SCHEDULE_H
#define ROUTING_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/status.h"

#define SCHEDULE_ZONE_MAX 64

struct schedule_window {
	uint8_t days; /* bit 0: Monday */
	uint16_t from_min, to_min;
	char zone[SCHEDULE_ZONE_MAX];
};

/* schedule_parse - 0 with *windows (the caller's: free) and *n >= 1; -EINVAL with st saying what is wrong.
 * A time zone is checked for its form only; zone_load tells whether it exists. */
int schedule_parse(const char *json, struct schedule_window **windows, size_t *n, struct status *st) must_check;

/* schedule_text - as schedule_parse, and each time zone exists; *text (malloc) then says the same in the one way that
 * is stored: days in order, everything named, so that equal schedules are equal texts */
int schedule_text(const char *json, char **text, struct status *st) must_check;

struct zone_transition {
	int64_t at_s;	  /* from here on; the first one is INT64_MIN */
	int32_t offset_s; /* east of Greenwich */
};

/* zone_load - the offsets of an IANA time zone from the system's tzdata, its rule for the future spelt out up to the
 *   year 2100. 0 with *transitions (the caller's: free), -ENOENT no such zone, -EINVAL bad file */
int zone_load(const char *name, struct zone_transition **transitions, size_t *n, struct status *st) must_check;

#endif
