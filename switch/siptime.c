/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/siptime.h"

#include <stdint.h>

#include <sofia-sip/su_time.h>

#include "lib/clock.h"

#define US_A_SECOND 1000000
#define NTP_EPOCH 2208988800U /* seconds from 1900, where the library counts from, to 1970 */

static int64_t ahead_us; /* of the monotonic clock */

void siptime_start(void)
{
	ahead_us = clock_wall_us() - clock_mono_us();
}

/* Takes the place of the library's function of that name. */
void su_time(su_time_t *tv)
{
	int64_t now_us = clock_mono_us() + ahead_us;

	if (!tv)
		return;
	tv->tv_sec = (unsigned long)(now_us / US_A_SECOND) + NTP_EPOCH;
	tv->tv_usec = (unsigned long)(now_us % US_A_SECOND);
}
