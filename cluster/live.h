/* SPDX-License-Identifier: Apache-2.0 */
/* live.h - what the nodes show each other in Redis: live calls, nodes, commands. For readers (API, CLI): blocking.
 *
 *   {tandem}:nodes               hash: node -> JSON {node, started_at, at, calls, cps, ...}; older than 5 s = dead
 *   {tandem}:calls:NODE          hash: call id -> JSON of the call; expires 10 s after its node died. Once answered it
 *                                has "_terms", the buy side's rate terms: live_calls makes cost_so_far from them
 *   {tandem}:commands:NODE       stream: {command, call}: "hangup", "audit". A node shows the id of the last audit
 *                                that it made on command as "_audited"
 *   {tandem}:events              pub/sub: JSON arrays of {"event", "call": {...}}; the events are call.started,
 *                                call.updated, call.ended
 *
 * A call: id, node, state (routing|ringing|answered), mode (b2bua|proxy), ingress_trunk_id, ingress_carrier_id,
 * egress_trunk_id, egress_carrier_id, calling, called, destination, started_at, answered_at, cost_so_far (money text or
 * null), currency.
 */
#ifndef CLUSTER_LIVE_H
#define CLUSTER_LIVE_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/redis.h"
#include "lib/status.h"

#define LIVE_NODES_KEY "{tandem}:nodes"
#define LIVE_CALLS_KEY "{tandem}:calls:%s"
#define LIVE_COMMANDS_KEY "{tandem}:commands:%s"
#define LIVE_EVENTS_CHANNEL "{tandem}:events"
#define LIVE_AUDITED "_audited"
#define LIVE_NODE_DEAD_US (5 * 1000000LL)
#define LIVE_NODE_FORGOTTEN_US (3600 * 1000000LL)

/* live_calls - all live calls of all living nodes, oldest first, as a new JSON array. cost_so_far is as of now.
 *   0; else as redis_command */
int live_calls(struct redis *r, json_t **calls, struct status *st) must_check;
int live_nodes(struct redis *r, json_t **nodes, struct status *st) must_check;
/* live_nodes_seen - those, too, that have been silent for less than LIVE_NODE_FORGOTTEN_US; live_node_lives tells */
int live_nodes_seen(struct redis *r, json_t **nodes, struct status *st) must_check;
bool live_node_lives(const json_t *node);

struct live_filter { /* which calls are meant; each NULL: any. Ids are in decimal */
	const char *node, *state, *ingress_trunk_id, *egress_trunk_id;
	const char *carrier_id, *trunk_id; /* on either side */
	const char *called, *calling;	   /* exactly */
	const char *called_prefix;	   /* digits; a leading '+' of the number aside */
};
bool live_call_passes(const json_t *call, const struct live_filter *f);

/* live_audit - let all living nodes compare their counts with their calls now; their objects as live_nodes gives them,
 * with audit_differences and audit, and without those of a node that did not within limit_ms. */
int live_audit(struct redis *r, int limit_ms, json_t **nodes, struct status *st) must_check;
/* live_hangup - tell the call's node to end it. 0 told, -ENOENT no such live call, -EPERM a proxied one: only its ends
 * can hang it up */
int live_hangup(struct redis *r, const char *call_id, struct status *st) must_check;
/* live_take_proxied - moves the proxied ones out of these calls, into a new array: nobody but their ends can hang them
 * up */
json_t *live_take_proxied(json_t *calls);
/* live_hangup_all - tell the nodes to end these calls, as live_calls gave them; one that has ended since is none any
 *   more, and proxied ones are left out. A node ends some hundreds a second. 0 told, and *told (not NULL) counts them,
 * on an error, too */
int live_hangup_all(struct redis *r, const json_t *calls, size_t *told, struct status *st) must_check;

#endif
