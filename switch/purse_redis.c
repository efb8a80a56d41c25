/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "switch/purse_priv.h"
#include "switch/purse_script.h"

#define TOLD_MAX 128 /* beyond, their answers are read */

void purse_redis_away(struct purse *p, const struct status *st)
{
	char reason[600];

	if (p->up || !p->told_away)
		log_event(LOG_LEVEL_WARN, "redis away: leases run on, new ones are not granted", "error=%s",
			  log_quote(st->text, reason, sizeof(reason)));
	p->up = p->posted = false;
	p->told_away = true;
}

int64_t purse_redis_run(struct purse *p, int argc, const char **argv)
{
	struct status st = {""};
	redisReply *reply;

	p->told = 0;
	if (redis_command_argv(p->redis, &reply, &st, argc, argv, NULL)) {
		purse_redis_away(p, &st);
		return INT64_MIN;
	}
	int64_t number = reply->type == REDIS_REPLY_INTEGER ? reply->integer : INT64_MIN;
	freeReplyObject(reply);
	return number;
}

void purse_redis_settle(struct purse *p)
{
	struct status st = {""};

	p->told = 0;
	if (redis_flush(p->redis, &st))
		purse_redis_away(p, &st);
}

/* What needs no answer goes with the next command, or with what else was told. */
static void tell(struct purse *p, int argc, const char **argv)
{
	struct status st = {""};

	if (redis_append(p->redis, &st, argc, argv, NULL))
		purse_redis_away(p, &st);
	else if (++p->told >= TOLD_MAX)
		purse_redis_settle(p);
}

const char *purse_number(int64_t n, char out[static 24])
{
	snprintf(out, 24, "%" PRId64, n);
	return out;
}

const char *purse_money_key(int64_t carrier_id, char out[static PURSE_KEY_MAX])
{
	snprintf(out, PURSE_KEY_MAX, "{tandem}:money:%" PRId64, carrier_id);
	return out;
}

int64_t purse_redis_grant(struct purse *p, const struct purse_ask *a, const struct lease *l)
{
	const struct account *acc = purse_account(p, a->carrier_id);
	char key[PURSE_KEY_MAX], call[UUID_TEXT_MAX], limit[24], balance[24], version[24], least[24], wanted[24],
		carrier[24];
	char known[PURSE_KNOWN_MAX] = "R";
	const char *argv[] = {"EVAL",
			      purse_script_grant,
			      "4",
			      purse_money_key(a->carrier_id, key),
			      p->leases_key,
			      PURSE_EPOCH_KEY,
			      PURSE_RECALLS_KEY,
			      p->epoch,
			      p->owner,
			      uuid_format(&a->call, call),
			      purse_number(a->limit_micro, limit),
			      purse_number(acc->balance_micro, balance),
			      purse_number(acc->version, version),
			      a->first ? "1" : "0",
			      purse_number(a->least_micro, least),
			      purse_number(a->wanted_micro, wanted),
			      purse_number(a->carrier_id, carrier),
			      l ? purse_lease_known(l, known) : known};

	return purse_redis_run(p, (int)(sizeof(argv) / sizeof(argv[0])), argv);
}

void purse_redis_put(struct purse *p, const struct lease *l, int64_t micro)
{
	char key[PURSE_KEY_MAX], call[UUID_TEXT_MAX], carrier[24], amount[24], known[PURSE_KNOWN_MAX];
	const char *argv[] = {"EVAL",
			      purse_script_put,
			      "2",
			      purse_money_key(l->carrier_id, key),
			      p->leases_key,
			      p->owner,
			      uuid_format(&l->call, call),
			      purse_number(l->carrier_id, carrier),
			      purse_number(micro, amount),
			      purse_lease_known(l, known)};

	if (p->posted) /* else all is posted anew, as it stands by then */
		tell(p, (int)(sizeof(argv) / sizeof(argv[0])), argv);
}

void purse_redis_balance(struct purse *p, const struct account *a)
{
	char key[PURSE_KEY_MAX], balance[24], version[24];
	const char *argv[] = {"EVAL",
			      purse_script_balance,
			      "1",
			      purse_money_key(a->carrier_id, key),
			      purse_number(a->balance_micro, balance),
			      purse_number(a->version, version)};

	if (p->posted)
		tell(p, (int)(sizeof(argv) / sizeof(argv[0])), argv);
}

int64_t purse_redis_version(struct purse *p, const struct account *a)
{
	char key[PURSE_KEY_MAX];
	const char *argv[] = {"EVAL", purse_script_version, "1", purse_money_key(a->carrier_id, key)};

	return purse_redis_run(p, (int)(sizeof(argv) / sizeof(argv[0])), argv);
}
