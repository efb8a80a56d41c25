/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* All of this is without effect where it is not allowed or not known: then all are equal, as they were. */

static void step(int nice)
{
	const struct sched_param none = {0};

	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), nice);
	if (nice > 0)
		(void)sched_setscheduler(0, SCHED_BATCH, &none);
}

void thread_settle(const char *name, int nice)
{
	(void)pthread_setname_np(pthread_self(), name);
	step(nice);
}

/* As linux/sched/types.h has it since 3.14; glibc names it from 2.41 on. */
struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

#define TURN_NS 100000 /* the shortest that there is */

void thread_hasten(void)
{
	struct sched_attributes a = {.size = sizeof(a)};

	a.nice = getpriority(PRIO_PROCESS, (id_t)gettid());
	a.policy = SCHED_OTHER;
	a.runtime_ns = TURN_NS;
	(void)syscall(SYS_sched_setattr, 0, &a, 0);
}

/* Without systemd the kernel weighs sessions, not processes (sched_autogroup): a session of our own has a nice value of
 * its own, and only that counts beyond it. */
void session_settle(int nice)
{
	FILE *f = getsid(0) == getpid() ? fopen("/proc/self/autogroup", "w") : NULL;

	if (f == NULL)
		return;
	(void)fprintf(f, "%d", nice);
	(void)fclose(f);
}

void process_settle(int nice)
{
	if (nice == 0)
		return;
	step(nice);
	session_settle(nice);
}
