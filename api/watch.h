/* SPDX-License-Identifier: Apache-2.0 */
/* watch.h - a thread that asks every second whether PostgreSQL and Redis are there, says each change once in the log,
 * and feeds systemd's watchdog. */
#ifndef API_WATCH_H
#define API_WATCH_H

#include "api/service.h"

struct watch;

struct watch *watch_start(struct service *service); /* NULL: no thread to be had */
void watch_stop(struct watch **w);

#endif
