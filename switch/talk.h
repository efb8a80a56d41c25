/* SPDX-License-Identifier: Apache-2.0 */
/* talk.h - the durations of the last answered calls to a destination. Grows with them, to TALK_MAX. One thread at a
 * time. Zeroed it is empty.
 */
#ifndef SWITCH_TALK_H
#define SWITCH_TALK_H

#include <stdbool.h>
#include <stdint.h>

#include "routing/standing.h"

#define TALK_MAX STANDING_DURATIONS_MAX

struct talk {
	uint32_t *ms; /* the oldest first */
	int n, slots;
};

void talk_add(struct talk *t, int64_t ms); /* in milliseconds; beyond TALK_MAX the oldest goes */
void talk_clear(struct talk *t);	   /* gives its memory back */
/* talk_put - replace all by ms[0..n), the latest first; true if that changed anything */
bool talk_put(struct talk *t, const int64_t *ms, int n);
/* talk_read - the latest first; returns how many */
int talk_read(const struct talk *t, int64_t ms[static TALK_MAX]);

#endif
