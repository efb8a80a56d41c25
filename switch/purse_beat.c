/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "switch/purse_priv.h"
#include "switch/purse_script.h"

#define HEARTBEAT_US (1000 * 1000)
#define TWIN_US (10 * 1000 * 1000LL) /* so long after its death, an earlier run cannot look alive any more */
#define TWIN_TOLD_US (60 * 1000 * 1000LL)

/* Which Redis this is: it changes with each restart and with a replica's promotion. */
static int learn_run_id(struct purse *p, struct status *st)
{
	redisReply *reply;
	int err = redis_command(p->redis, &reply, st, "INFO server");

	if (err)
		return err;
	const char *at = reply->type == REDIS_REPLY_STRING ? strstr(reply->str, "run_id:") : NULL;
	if (at)
		snprintf(p->run_id, sizeof(p->run_id), "%.*s", (int)strcspn(at + 7, "\r\n"), at + 7);
	else
		err = status_set(st, -EIO, "redis: INFO names no run_id");
	freeReplyObject(reply);
	return err;
}

/* All that this node's calls hold, as one transaction. */
static int post_all(struct purse *p, struct status *st)
{
	char key[PURSE_KEY_MAX], field[160], call[UUID_TEXT_MAX], known[PURSE_KNOWN_MAX], text[PURSE_KNOWN_MAX + 64],
		number[24];
	int err = redis_append(p->redis, st, 1, (const char *[]){"MULTI"}, NULL);

	if (!err)
		err = redis_append(p->redis, st, 2, (const char *[]){"DEL", p->leases_key}, NULL);
	for (size_t i = 0; i < PURSE_BUCKETS; i++)
		for (const struct lease *l = p->lease[i]; !err && l; l = l->next) {
			snprintf(text, sizeof(text), "%" PRId64 " %" PRId64 " %s", l->carrier_id, l->micro,
				 purse_lease_known(l, known));
			err = redis_append(p->redis, st, 4,
					   (const char *[]){"HSET", p->leases_key, uuid_format(&l->call, call), text},
					   NULL);
		}
	snprintf(field, sizeof(field), "r:%s", p->owner);
	for (size_t i = 0; i < PURSE_CARRIER_BUCKETS; i++)
		for (const struct account *a = p->account[i]; !err && a; a = a->next)
			err = redis_append(p->redis, st, 4,
					   (const char *[]){"HSET", purse_money_key(a->carrier_id, key), field,
							    purse_number(a->held_micro, number)},
					   NULL);
	if (!err)
		err = redis_append(p->redis, st, 1, (const char *[]){"EXEC"}, NULL);
	int flushed = redis_flush(p->redis, st);
	return err ? err : flushed;
}

static void take_epoch(struct purse *p, const redisReply *reply)
{
	const char *epoch = reply->element[1]->str;

	if (strcmp(p->epoch, epoch) != 0 || reply->element[0]->integer == 0)
		p->posted = false; /* another Redis, or one that thinks us dead */
	snprintf(p->epoch, sizeof(p->epoch), "%s", epoch);
	p->epoch_age_ms = reply->element[2]->integer;
	p->epoch_seen_us = clock_mono_us();
}

/* Another process with the same node id: each would take the other's calls for its own. */
static void look_at_twins(struct purse *p, int64_t twins)
{
	static struct log_limit every = {.interval_us = TWIN_TOLD_US};
	int64_t now_us = clock_mono_us();
	uint64_t skipped;

	if (twins == 0)
		p->twin_us = 0;
	else if (p->twin_us == 0)
		p->twin_us = now_us;
	else if (now_us - p->twin_us >= TWIN_US && log_limit(&every, now_us, &skipped))
		log_event(LOG_LEVEL_ERROR, "another tandemd has this node's id: give each an id of its own", "id=%s",
			  p->node);
}

static int beat(struct purse *p, struct status *st)
{
	char wall[24], dead[12], earlier[12];
	redisReply *reply;
	int err = p->up ? 0 : learn_run_id(p, st);

	if (err)
		return err;
	snprintf(dead, sizeof(dead), "%d", PURSE_OWNER_DEAD_MS);
	snprintf(earlier, sizeof(earlier), "%d", PURSE_EARLIER_DEAD_MS);
	const char *argv[] = {"EVAL",
			      purse_script_beat,
			      "2",
			      PURSE_OWNERS_KEY,
			      PURSE_EPOCH_KEY,
			      p->owner,
			      purse_number(clock_wall_us(), wall),
			      p->run_id,
			      p->node,
			      dead,
			      earlier};
	err = redis_command_argv(p->redis, &reply, st, (int)(sizeof(argv) / sizeof(argv[0])), argv, NULL);
	if (err)
		return err;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 4) {
		freeReplyObject(reply);
		return status_set(st, -EIO, "redis: a script's answer cannot be understood");
	}
	take_epoch(p, reply);
	look_at_twins(p, reply->element[3]->integer);
	p->up = true;
	if (!p->posted)
		err = post_all(p, st);
	for (size_t i = 4; !err && i + 1 < reply->elements; i += 2)
		purse_estate_reap(p, reply->element[i]->str, atoll(reply->element[i + 1]->str));
	freeReplyObject(reply);
	if (!err && !p->posted) {
		p->posted = true;
		for (size_t i = 0; i < PURSE_CARRIER_BUCKETS; i++)
			for (const struct account *a = p->account[i]; a; a = a->next)
				if (a->version >= 0)
					purse_redis_balance(p, a);
	}
	return err;
}

/* For those who look at a carrier: PostgreSQL is told what its calls hold here. */
static void show(struct purse *p)
{
	struct balance_hold *holds = NULL;
	size_t n = 0, slots = 0;

	for (size_t i = 0; i < PURSE_CARRIER_BUCKETS; i++)
		for (const struct account *a = p->account[i]; a; a = a->next) {
			if (!a->touched)
				continue;
			if (n == slots) {
				slots = slots ? 2 * slots : 64;
				holds = xrealloc(holds, slots * sizeof(*holds));
			}
			holds[n++] = (struct balance_hold){.carrier_id = a->carrier_id, .micro = a->held_micro};
		}
	if (n)
		balance_show(p->balance, p->owner, holds, n);
}

void purse_beat(struct purse *p)
{
	struct status st = {""};

	if (clock_mono_us() - p->beat_us < (p->up ? HEARTBEAT_US : HEARTBEAT_US / 2))
		return;
	p->beat_us = clock_mono_us();
	show(p);
	if (beat(p, &st))
		purse_redis_away(p, &st);
	else if (p->told_away) {
		log_event(LOG_LEVEL_INFO, "leases are granted again", "epoch=%s", p->epoch);
		p->told_away = false;
	}
}
