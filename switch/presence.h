/* SPDX-License-Identifier: Apache-2.0 */
/* presence.h - shows this node to the others in Redis (cluster/live.h): its figures, its live calls (callboard.h), its
 * use of limits (usage.h); hears what others use, and commands. One thread, which owns all of these and the connection.
 *
 * Redis away: nothing waits for it. The present state is written again as a whole when it is back.
 */
#ifndef SWITCH_PRESENCE_H
#define SWITCH_PRESENCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/gauge.h"
#include "lib/redis.h"
#include "lib/status.h"
#include "lib/uuid.h"
#include "switch/callboard.h"

struct audit;
struct figures;
struct presence;

struct presence_options {
	const char *redis_url, *node; /* copied */
	struct gauge_table *gauges;
	json_t *(*registrations)(void *arg);				  /* what this node keeps with vendors; new */
	void (*connected)(void *arg, const struct redis_address *master); /* after each connect; numeric address */
	void (*hangup)(void *arg, const struct uuid *call);		  /* on presence's thread */
	void (*figures)(void *arg, struct figures *f);
	struct audit *audit; /* looks once a second, and when told to; NULL: none */
	void *arg;
};

/* presence_start - Redis may be away. 0, or -errno with st */
int presence_start(struct presence **p, const struct presence_options *o, struct status *st) must_check;
void presence_stop(struct presence **p); /* takes this node's keys away */

/* presence_show - [any thread] as callboard_show */
void presence_show(struct presence *p, const struct callboard_call *call);
int presence_others(const struct presence *p); /* [any thread] how many other nodes live, as last heard */

#endif
