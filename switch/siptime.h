/* SPDX-License-Identifier: Apache-2.0 */
/* siptime.h - the clock of the SIP library's timers: one that nobody can set.
 *
 * Retransmissions, session timers, limits of calls and the cut-off of prepaid ones are timers of the library, and it
 * reads the wall clock for them. Set an hour back, that would hold up all of them for an hour; set forward, each would
 * fire at once. The library reads it through its exported su_time(); this module defines that function, and the linker
 * takes ours: the wall clock as siptime_start found it, plus what the monotonic clock has measured since.
 */
#ifndef SWITCH_SIPTIME_H
#define SWITCH_SIPTIME_H

/* siptime_start - once, before the first other thread and the first call of the library */
void siptime_start(void);

#endif
