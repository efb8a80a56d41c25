/* SPDX-License-Identifier: Apache-2.0 */
/* Which destinations have the other nodes told of since we looked last? Each node keeps their names in a sorted set of
 * its own, by a number that only rises, so that the others need not read every destination again and again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "routing/standing_live.h"
#include "switch/vendors_priv.h"

#define TOLD_EXPIRE_S "3600" /* what counts slides over an hour */
#define TOLD_KEPT "-20001"   /* index of the last one that goes: the newest 20,000 stay */
#define TRIM_EVERY 1000	     /* names told between two cuts */

static char *told_key(const char *node, char out[static 160])
{
	snprintf(out, 160, STANDING_TOLD_KEY, node);
	return out;
}

int vendors_peers_tell(struct vendors *v, const struct vendors_destination *d, struct status *st)
{
	char key[160], number[24];
	int64_t now_us = clock_wall_us();

	v->told = now_us > v->told ? now_us : v->told + 1;
	snprintf(number, sizeof number, "%" PRId64, v->told);
	told_key(v->node, key);
	int r = redis_append(v->redis, st, 4, (const char *[]){"ZADD", key, number, d->key}, NULL);
	if (r == 0 && v->told_names++ % TRIM_EVERY == 0)
		r = redis_append(v->redis, st, 4, (const char *[]){"ZREMRANGEBYRANK", key, "0", TOLD_KEPT}, NULL);
	return r == 0 ? redis_append(v->redis, st, 3, (const char *[]){"EXPIRE", key, TOLD_EXPIRE_S}, NULL) : r;
}

static struct vendors_peer *peer_get(struct vendors *v, const char *name)
{
	struct vendors_peer *p = v->peers;

	while (p != NULL && strcmp(p->name, name) != 0)
		p = p->next;
	if (p != NULL)
		return p;
	p = xcalloc(1, sizeof *p);
	p->name = xstrdup(name);
	p->next = v->peers;
	v->peers = p;
	return p;
}

static int hear_peer(struct vendors *v, struct vendors_peer *p, struct status *st)
{
	redisReply *reply;
	char key[160];
	int r = redis_command(v->redis, &reply, st, "ZRANGEBYSCORE %s (%lld +inf WITHSCORES", told_key(p->name, key),
			      (long long)p->heard);

	if (r != 0)
		return r;
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
		struct vendors_destination *d = vendors_destination(v, reply->element[i]->str);
		if (d != NULL)
			d->stale = true;
		p->heard = strtoll(reply->element[i + 1]->str, NULL, 10);
	}
	freeReplyObject(reply);
	return 0;
}

int vendors_peers_hear(struct vendors *v, struct status *st)
{
	redisReply *nodes;
	int r = redis_command(v->redis, &nodes, st, "HKEYS %s", STANDING_NODES_KEY);

	if (r != 0)
		return r;
	for (size_t i = 0; r == 0 && nodes->type == REDIS_REPLY_ARRAY && i < nodes->elements; i++)
		if (strcmp(nodes->element[i]->str, v->node) != 0)
			r = hear_peer(v, peer_get(v, nodes->element[i]->str), st);
	freeReplyObject(nodes);
	return r;
}

void vendors_peers_free(struct vendors *v)
{
	while (v->peers != NULL) {
		struct vendors_peer *p = v->peers;
		v->peers = p->next;
		free(p->name);
		free(p);
	}
}
