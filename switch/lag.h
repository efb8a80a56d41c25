/* SPDX-License-Identifier: Apache-2.0 */
/* lag.h - how long datagrams wait in their socket before this thread reads them: the kernel stamps each when it comes.
 *
 * The library reads through its exported su_vrecv(); this module defines that function, and the linker takes ours.
 */
#ifndef SWITCH_LAG_H
#define SWITCH_LAG_H

#include <stdint.h>

/* lag_watch - have the kernel stamp what comes to this datagram socket */
void lag_watch(int fd);

/* lag_late_us - for how long now has every datagram that this thread read waited for LAG_LATE_US or more? 0: the last
 * one had not. Streams don't count. */
int64_t lag_late_us(void);

#define LAG_LATE_US (300 * 1000LL) /* well below T1: nobody has repeated it yet */

#endif
