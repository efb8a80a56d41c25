/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "switch/purse_priv.h"

static bool reaping(const struct purse *p, const char *owner)
{
	for (size_t at = 0; at < p->reaping.len; at += strlen(p->reaping.text + at) + 1)
		if (strcmp(p->reaping.text + at, owner) == 0)
			return true;
	return false;
}

static void reaping_remove(struct purse *p, const char *owner)
{
	struct buf left = {0};

	for (size_t at = 0; at < p->reaping.len; at += strlen(p->reaping.text + at) + 1)
		if (strcmp(p->reaping.text + at, owner) != 0)
			buf_append(&left, p->reaping.text + at, strlen(p->reaping.text + at) + 1);
	buf_free(&p->reaping);
	p->reaping = left;
}

static redisReply *leases_of(struct purse *p, const char *owner)
{
	struct status st = {""};
	redisReply *reply;

	if (redis_command(p->redis, &reply, &st, "HGETALL {tandem}:leases:%s", owner)) {
		purse_redis_away(p, &st);
		return NULL;
	}
	return reply;
}

/* To be booked first; its leases go when that is done (bury). */
void purse_estate_reap(struct purse *p, const char *owner, int64_t wall_us)
{
	redisReply *reply = reaping(p, owner) ? NULL : leases_of(p, owner);

	if (!reply)
		return;
	struct balance_estate *e = xcalloc(1, sizeof(*e));
	e->owner = xstrdup(owner);
	e->spent = xcalloc(reply->elements / 2 + 1, sizeof(*e->spent));
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		struct balance_spent s = {.micro = 0};

		s.micro = purse_lease_spent(reply->element[i + 1]->str, wall_us, &s.carrier_id);
		if (s.micro > 0 && uuid_parse(reply->element[i]->str, &s.call) == 0)
			e->spent[e->n++] = s;
	}
	log_event(LOG_LEVEL_WARN, "leases of a dead node are given back", "owner=%s calls=%zu spent=%zu", owner,
		  reply->elements / 2, e->n);
	freeReplyObject(reply);
	buf_append(&p->reaping, owner, strlen(owner) + 1);
	balance_book(p->balance, e);
}

void purse_estate_bury(struct purse *p, const char *owner)
{
	redisReply *reply = leases_of(p, owner);
	struct status st = {""};
	char field[160], key[PURSE_KEY_MAX];
	int err = 0;

	reaping_remove(p, owner);
	if (!reply)
		return; /* the next heartbeat finds it again; what is booked is booked once */
	snprintf(field, sizeof(field), "r:%s", owner);
	for (size_t i = 0; !err && i + 1 < reply->elements; i += 2)
		err = redis_append(
			p->redis, &st, 3,
			(const char *[]){"HDEL", purse_money_key(atoll(reply->element[i + 1]->str), key), field}, NULL);
	freeReplyObject(reply);
	for (size_t i = 0; !err && i < PURSE_CARRIER_BUCKETS; i++)
		for (const struct account *a = p->account[i]; !err && a; a = a->next)
			err = redis_append(p->redis, &st, 3,
					   (const char *[]){"HDEL", purse_money_key(a->carrier_id, key), field}, NULL);
	snprintf(key, sizeof(key), "{tandem}:leases:%s", owner);
	if (!err)
		err = redis_append(p->redis, &st, 2, (const char *[]){"DEL", key}, NULL);
	if (!err)
		err = redis_append(p->redis, &st, 3, (const char *[]){"HDEL", PURSE_OWNERS_KEY, owner}, NULL);
	int flushed = redis_flush(p->redis, &st);
	if (err || flushed)
		purse_redis_away(p, &st);
}
