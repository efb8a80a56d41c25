/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "lib/clock.h"
#include "switch/purse_priv.h"
#include "switch/purse_script.h"

#define LOOK_US (200 * 1000)

static void pass_on(struct purse *p, int64_t carrier_id, int64_t at_ms)
{
	struct account *a = purse_account(p, carrier_id);

	if (at_ms <= a->recalled_ms)
		return;
	a->recalled_ms = at_ms;
	if (a->held_micro > 0 && p->options.recall)
		p->options.recall(p->options.arg, carrier_id);
}

void purse_recall_look(struct purse *p)
{
	struct status st = {""};
	redisReply *reply;

	if (p->silent || !p->posted || atomic_load(&p->leases) == 0 || clock_mono_us() - p->looked_us < LOOK_US)
		return;
	p->looked_us = clock_mono_us();
	if (redis_command(p->redis, &reply, &st, "HGETALL " PURSE_RECALLS_KEY)) {
		purse_redis_away(p, &st);
		return;
	}
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2)
		pass_on(p, atoll(reply->element[i]->str), atoll(reply->element[i + 1]->str));
	freeReplyObject(reply);
}

void purse_recall_overdrawn(struct purse *p, const struct account *a)
{
	char key[PURSE_KEY_MAX], limit[24], carrier[24];
	const char *argv[] = {"EVAL",
			      purse_script_overdrawn,
			      "2",
			      purse_money_key(a->carrier_id, key),
			      PURSE_RECALLS_KEY,
			      purse_number(a->limit_micro, limit),
			      purse_number(a->carrier_id, carrier)};

	if (p->posted && a->held_micro > 0 && purse_redis_run(p, (int)(sizeof(argv) / sizeof(argv[0])), argv) == 1)
		p->looked_us = 0;
}
