/* SPDX-License-Identifier: Apache-2.0 */
/* standing_live.h - what the nodes keep in Redis about vendors, and how a look-up decides by it. Blocking.
 *
 *   {tandem}:health:NODE          10 s; hash: egress trunk id -> JSON, as trunk_tell in switch/ writes it
 *   {tandem}:quality:DESTINATION  an hour; hash: NODE -> its share (quality.h)
 *   {tandem}:talk:DESTINATION     30 days; list: milliseconds of the last answered calls, the latest first
 *   {tandem}:destinations         sorted set: DESTINATION by the second of its last call
 *   {tandem}:told:NODE            an hour; sorted set: DESTINATION by a number that rises whenever the node tells
 *   {tandem}:use:NODE             some seconds; hash: t TRUNK or c CARRIER -> channels in use there
 *   {tandem}:vendor-events        list: JSON {at, node, trunk_id, destination, event, reason}, the latest first
 *   {tandem}:attempts:NODE        10 s; JSON: egress trunk id -> SIP code -> attempts since its start; -1: others
 *
 * DESTINATION as quality_key says. All of it may be lost: then nothing is known until
 * calls tell again.
 */
#ifndef ROUTING_STANDING_LIVE_H
#define ROUTING_STANDING_LIVE_H

#include "lib/pg.h"
#include "lib/redis.h"
#include "routing/quality.h"
#include "routing/route.h"
#include "routing/standing.h"

#define STANDING_NODES_KEY "{tandem}:nodes" /* cluster/live.h: the fields are the nodes' names */
#define STANDING_HEALTH_KEY "{tandem}:health:%s"
#define STANDING_ATTEMPTS_KEY "{tandem}:attempts:%s"
#define STANDING_QUALITY_KEY "{tandem}:quality:%s"
#define STANDING_TALK_KEY "{tandem}:talk:%s"
#define STANDING_TOLD_KEY "{tandem}:told:%s"
#define STANDING_DESTINATIONS_KEY "{tandem}:destinations"
#define STANDING_USE_KEY "{tandem}:use:%s"
#define STANDING_EVENTS_KEY "{tandem}:vendor-events"
#define STANDING_EVENTS_MAX "999" /* index of the last one kept */

/* standing_read_shares - add the shares of all nodes but `but` (NULL: of all) to book. 0, or as redis_command
 * standing_read_talk - the last durations, the latest first; returns how many, or as redis_command
 * standing_read_health - append each node's trunks as {node, trunk_id, ...} to a JSON array */
int standing_read_shares(struct redis *r, const char *key, const char *but, int64_t now_slot, struct quality_book *book,
			 struct status *st) must_check;
int standing_read_talk(struct redis *r, const char *key, int64_t ms[static STANDING_DURATIONS_MAX],
		       struct status *st) must_check;
int standing_read_health(struct redis *r, json_t *trunks, struct status *st) must_check;
/* standing_read_attempts - each node's, as {node: what is in its key} in a JSON object. 0, or as redis_command */
int standing_read_attempts(struct redis *r, json_t *nodes, struct status *st) must_check;

/* standing_use_add - the channels in use on that node, added to sum, an object "t12" -> channels. 0, or as
 * redis_command standing_use_set - put such sums into the gauges' `elsewhere`; 0 into those that are not in it */
int standing_use_add(struct redis *r, const char *node, json_t *sum, struct status *st) must_check;
void standing_use_set(json_t *sum, struct gauge_table *gauges);

/* standing_read_use - the channels in use on all nodes, into gauges that no process counts in itself. 0, or as
 * redis_command: then they are partly set */
int standing_read_use(struct redis *r, struct gauge_table *gauges, struct status *st) must_check;

/* standing_decide - route_decide by what the nodes know now: a vendor is down where all nodes that watch it say so.
 *   q->standing is set for the decision only. With Redis away (or q->now false) what it knows is left out.
 *   pg may be NULL; gauges: those of q->snap, filled here (NULL: channels are not looked at). How many calls a vendor
 *   got in the last second a node tells nobody. returns the outcome, as it stands in route */
enum route_outcome standing_decide(struct route *route, struct route_query *q, struct redis *redis, struct pg *pg,
				   struct gauge_table *gauges);

#endif
