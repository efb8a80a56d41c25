/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/thread.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

void thread_settle(const char *name, int nice)
{
	(void)pthread_setname_np(pthread_self(), name);
	/* Without effect where it is not allowed: then all are equal, as they were. */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), nice);
}
