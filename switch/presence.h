/* SPDX-License-Identifier: Apache-2.0 */
/* presence.h - shows this node to the others in Redis (cluster/live.h): its live calls, its figures, its use of limits;
 * hears what others use, and commands. One thread; the SIP threads only push copies into its queue.
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
#include "tariff/rate.h"

struct audit;
struct figures;
struct presence;

enum presence_state { PRESENCE_ROUTING, PRESENCE_RINGING, PRESENCE_ANSWERED, PRESENCE_ENDED };

struct presence_call { /* a copy of what is shown of a call */
	struct uuid id;
	enum presence_state state;
	bool proxied; /* its trunk's mode is proxy */
	int64_t started_us, answered_us;
	int64_t ingress_trunk_id, ingress_carrier_id, egress_trunk_id, egress_carrier_id; /* 0: none */
	char calling[36], called[36], destination[64];
	struct rate_terms buy;
	char currency[4]; /* of buy; "" none yet */
};

struct presence_options {
	const char *redis_url, *node;
	struct gauge_table *gauges;
	json_t *(*registrations)(void *arg);				  /* what this node keeps with vendors; new */
	void (*connected)(void *arg, const struct redis_address *master); /* after each connect; numeric address */
	void (*hangup)(void *arg, const struct uuid *call);		  /* on presence's thread */
	void (*figures)(void *arg, struct figures *f);
	struct audit *audit; /* looks once a second, and when told to; NULL: none */
	void *arg;
};

int presence_start(struct presence **p, const struct presence_options *o, struct status *st) must_check;
void presence_stop(struct presence **p); /* takes this node's keys away */

/* presence_show - [any thread] takes a copy; never blocks. A full queue drops it, counts it, and it is logged. */
void presence_show(struct presence *p, const struct presence_call *call);
bool presence_up(struct presence *p);
int presence_others(struct presence *p); /* [any thread] how many other nodes live, as last heard */

#endif
