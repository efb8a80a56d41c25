/* SPDX-License-Identifier: Apache-2.0 */
/* thread.h - how a thread introduces itself to the system. */
#ifndef LIB_THREAD_H
#define LIB_THREAD_H

/* thread_settle - called by a thread at its start: its name (15 bytes at most), and how far it steps back behind the
 * others when the processor is short (nice value; below 0 it steps forward, where that is
 * allowed). One that steps back also never pushes another off its processor when it is woken (SCHED_BATCH). Work that
 * may wait a second must not take from what answers SIP. */
void thread_settle(const char *name, int nice);

/* thread_hasten - called by a thread that is woken thousands of times a second for little work each time: it asks for
 * short turns, which the kernel (from 6.12 on) gives sooner. Needs no rights. */
void thread_hasten(void);

/* session_settle - how far a process that leads a session of its own steps back, or forward where that is allowed,
 * among the sessions of this machine. Without systemd the kernel weighs these: a thread's nice value counts only
 * within. */
void session_settle(int nice);

/* process_settle - called before other threads start, which inherit it: how far the process and its session step back
 * (1..19). 0: nothing is done. */
void process_settle(int nice);

#endif
