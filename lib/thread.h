/* SPDX-License-Identifier: Apache-2.0 */
/* thread.h - how a thread introduces itself to the system. */
#ifndef LIB_THREAD_H
#define LIB_THREAD_H

/* thread_settle - called by a thread at its start: its name (15 bytes at most), and how far it steps back behind the
 * others when the processor is short (nice value, 0..19). Work that may wait a second must not take from what answers
 * SIP. */
void thread_settle(const char *name, int nice);

#endif
