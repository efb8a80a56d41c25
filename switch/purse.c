/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/purse.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/lease.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/queue.h"
#include "lib/redis.h"
#include "switch/purse_script.h"

enum {
	QUEUE_SLOTS = 1 << 18,
	ASKS_MAX = QUEUE_SLOTS / 4, /* beyond, no more asks: talks and ends must always find a place */
	BUCKETS = 1 << 14,
	CARRIER_BUCKETS = 1 << 10,
	TURN_US = 100 * 1000,
	HEARTBEAT_US = 1000 * 1000,
	REDIS_TIMEOUT_MS = 500,
	OWNER_DEAD_MS = 48 * 1000,
	EPOCH_WAIT_MS = 3000,
	HELD_ASK_US = 4 * 1000000,
	KNOWN_MAX = 256,
	KEY_MAX = 160,
};

#define OWNERS_KEY "{tandem}:owners"
#define EPOCH_KEY "{tandem}:money_epoch"

enum message_kind { MESSAGE_ASK, MESSAGE_TALKS, MESSAGE_END, MESSAGE_NEWS, MESSAGE_QUIET };

struct message {
	enum message_kind kind;
	struct purse_ask *ask;
	struct uuid call;
	int64_t answered_us, micro;
	struct rate_terms terms;
	struct balance_news *news;
	struct message *next; /* of the asks that wait */
};

struct lease {
	struct lease *next;
	struct uuid call;
	int64_t carrier_id, micro, answered_us;
	struct rate_terms terms;
	bool ended, posted; /* posted: its booking is in the balance, only its end has not been heard of */
};

struct account {
	struct account *next;
	int64_t carrier_id, balance_micro, version; /* version -1: not known */
	int64_t held_micro;			    /* by this node's calls */
	bool touched;				    /* they ever held anything */
};

struct purse {
	bool admit_when_away;
	struct balance_reader *balance;
	char *node, owner[128], leases_key[KEY_MAX];
	struct queue *queue;
	pthread_t thread;
	_Atomic bool stop;
	_Atomic size_t leases;

	pthread_mutex_t mutex; /* of purse_quiet alone */
	pthread_cond_t quieted;
	bool is_quiet;

	struct redis *redis;
	bool up, posted, told_away; /* posted: this Redis has all our leases */
	char run_id[64], epoch[96];
	int64_t epoch_age_ms, epoch_seen_us, beat_us;
	struct lease *lease[BUCKETS];
	struct account *account[CARRIER_BUCKETS];
	struct message *waiting; /* asks, until the epoch is old enough */
	struct buf reaping;	 /* owners under way to be booked, each with its NUL */
};

/* ---- what is known here ---- */

static struct lease **lease_slot(struct purse *p, const struct uuid *call)
{
	uint64_t tail;

	memcpy(&tail, call->byte + 8, sizeof(tail)); /* the random half */
	struct lease **l = &p->lease[tail % BUCKETS];
	while (*l && memcmp(&(*l)->call, call, sizeof(*call)) != 0)
		l = &(*l)->next;
	return l;
}

static struct account *account_get(struct purse *p, int64_t carrier_id)
{
	struct account **a = &p->account[(uint64_t)carrier_id % CARRIER_BUCKETS];

	while (*a && (*a)->carrier_id != carrier_id)
		a = &(*a)->next;
	if (!*a) {
		*a = xcalloc(1, sizeof(**a));
		**a = (struct account){.carrier_id = carrier_id, .version = -1};
	}
	return *a;
}

static struct lease *lease_add(struct purse *p, const struct purse_ask *ask)
{
	struct lease **slot = lease_slot(p, &ask->call);

	if (!*slot) {
		*slot = xcalloc(1, sizeof(**slot));
		**slot = (struct lease){.call = ask->call, .carrier_id = ask->carrier_id};
		atomic_fetch_add(&p->leases, 1);
	}
	return *slot;
}

static void lease_remove(struct purse *p, struct lease **slot)
{
	struct lease *gone = *slot;

	account_get(p, gone->carrier_id)->held_micro -= gone->micro;
	*slot = gone->next;
	free(gone);
	atomic_fetch_sub(&p->leases, 1);
}

static void lease_set(struct purse *p, struct lease *l, int64_t micro)
{
	struct account *a = account_get(p, l->carrier_id);

	a->held_micro += micro - l->micro;
	a->touched = true;
	l->micro = micro;
}

/* What another node must know of a lease to book what was spent: "E" all, "R" nothing yet, "T answered terms". */
static const char *known_of(const struct lease *l, char out[static KNOWN_MAX])
{
	const struct rate_terms *t = &l->terms;

	if (l->ended || !l->answered_us)
		snprintf(out, KNOWN_MAX, "%s", l->ended ? "E" : "R");
	else
		snprintf(out, KNOWN_MAX, "T %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %d %d %d %d %d %d",
			 l->answered_us, t->price_n, t->initial_price_n, t->connect_fee_n, t->initial_s, t->increment_s,
			 t->grace_s, t->rounding, t->places, t->duration_rounding);
	return out;
}

/* What a lease of an owner that was last seen alive at wall_us stands for. 0: the text is none of ours or nothing
 * spent. */
static int64_t spent_of(const char *text, int64_t wall_us, int64_t *carrier_id)
{
	struct rate_terms t = {0};
	int64_t micro, answered_us, billed_s;
	int rounding, places, duration;
	struct money amount;
	char kind;

	if (sscanf(text, "%" SCNd64 " %" SCNd64 " %c", carrier_id, &micro, &kind) != 3 || kind == 'R')
		return 0;
	if (kind == 'E')
		return micro;
	if (sscanf(text, "%*d %*d T %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %d %d %d %d %d %d", &answered_us,
		   &t.price_n, &t.initial_price_n, &t.connect_fee_n, &t.initial_s, &t.increment_s, &t.grace_s,
		   &rounding, &places, &duration) != 10 ||
	    t.initial_s < 0 || t.increment_s < 1 || t.grace_s < 0)
		return micro; /* not understood: all that it held */
	t.rounding = (uint8_t)rounding;
	t.places = (uint8_t)places;
	t.duration_rounding = (uint8_t)duration;
	if (rate_call(&t, wall_us > answered_us ? (wall_us - answered_us) / 1000 : 0, &billed_s, &amount))
		return micro;
	int64_t spent = lease_micro(amount);
	return spent < micro ? spent : micro;
}

/* ---- Redis ---- */

static void went_away(struct purse *p, const struct status *st)
{
	char reason[600];

	if (p->up || !p->told_away)
		log_event(LOG_LEVEL_WARN, "redis away: leases run on, new ones are not granted", "error=%s",
			  log_quote(st->text, reason, sizeof(reason)));
	p->up = p->posted = false;
	p->told_away = true;
}

/* Run a script; its number, or INT64_MIN if Redis is away. */
static int64_t run(struct purse *p, int argc, const char **argv)
{
	struct status st = {""};
	redisReply *reply;

	if (redis_command_argv(p->redis, &reply, &st, argc, argv, NULL)) {
		went_away(p, &st);
		return INT64_MIN;
	}
	int64_t number = reply->type == REDIS_REPLY_INTEGER ? reply->integer : INT64_MIN;
	freeReplyObject(reply);
	return number;
}

static const char *number_text(int64_t n, char out[static 24])
{
	snprintf(out, 24, "%" PRId64, n);
	return out;
}

static const char *money_key(int64_t carrier_id, char out[static KEY_MAX])
{
	snprintf(out, KEY_MAX, "{tandem}:money:%" PRId64, carrier_id);
	return out;
}

static int64_t grant(struct purse *p, const struct purse_ask *a, const struct lease *l)
{
	const struct account *acc = account_get(p, a->carrier_id);
	char key[KEY_MAX], call[UUID_TEXT_MAX], limit[24], balance[24], version[24], least[24], wanted[24], carrier[24];
	char known[KNOWN_MAX] = "R";
	const char *argv[] = {"EVAL",
			      purse_script_grant,
			      "3",
			      money_key(a->carrier_id, key),
			      p->leases_key,
			      EPOCH_KEY,
			      p->epoch,
			      p->owner,
			      uuid_format(&a->call, call),
			      number_text(a->limit_micro, limit),
			      number_text(acc->balance_micro, balance),
			      number_text(acc->version, version),
			      a->first ? "1" : "0",
			      number_text(a->least_micro, least),
			      number_text(a->wanted_micro, wanted),
			      number_text(a->carrier_id, carrier),
			      l ? known_of(l, known) : known};

	return run(p, (int)(sizeof(argv) / sizeof(argv[0])), argv);
}

/* micro < 0: the lease goes. */
static void put(struct purse *p, const struct lease *l, int64_t micro)
{
	char key[KEY_MAX], call[UUID_TEXT_MAX], carrier[24], amount[24], known[KNOWN_MAX];
	const char *argv[] = {"EVAL",
			      purse_script_put,
			      "2",
			      money_key(l->carrier_id, key),
			      p->leases_key,
			      p->owner,
			      uuid_format(&l->call, call),
			      number_text(l->carrier_id, carrier),
			      number_text(micro, amount),
			      known_of(l, known)};

	if (p->posted) /* else all is posted anew, as it stands by then */
		(void)run(p, (int)(sizeof(argv) / sizeof(argv[0])), argv);
}

static void put_balance(struct purse *p, const struct account *a)
{
	char key[KEY_MAX], balance[24], version[24];
	const char *argv[] = {"EVAL",
			      purse_script_balance,
			      "1",
			      money_key(a->carrier_id, key),
			      number_text(a->balance_micro, balance),
			      number_text(a->version, version)};

	if (p->posted)
		(void)run(p, (int)(sizeof(argv) / sizeof(argv[0])), argv);
}

/* ---- asks ---- */

static void answer(struct message *m, enum purse_word word)
{
	m->ask->word = word;
	m->ask->answer(m->ask);
	free(m);
}

static void granted(struct purse *p, const struct purse_ask *a, enum purse_word word)
{
	lease_set(p, lease_add(p, a), word == PURSE_WANTED ? a->wanted_micro : a->least_micro);
}

/* Redis is away and the operator wants calls all the same: nobody can see what the other nodes hold. */
static enum purse_word grant_alone(struct purse *p, const struct purse_ask *a)
{
	const struct account *acc = account_get(p, a->carrier_id);
	const struct lease *l = *lease_slot(p, &a->call);

	if (!p->admit_when_away || acc->version < 0)
		return PURSE_AWAY;
	if (acc->balance_micro + a->limit_micro - acc->held_micro < a->least_micro - (l ? l->micro : 0))
		return PURSE_REFUSED;
	granted(p, a, PURSE_LEAST);
	return PURSE_LEAST;
}

static bool epoch_open(const struct purse *p)
{
	return p->posted && p->epoch_age_ms + (clock_mono_us() - p->epoch_seen_us) / 1000 >= EPOCH_WAIT_MS;
}

static void wait_more(struct purse *p, struct message *m)
{
	m->next = p->waiting;
	p->waiting = m;
}

static void take_ask(struct purse *p, struct message *m)
{
	const struct purse_ask *a = m->ask;

	if (!p->up) {
		answer(m, grant_alone(p, a));
		return;
	}
	if (clock_mono_us() > a->until_us) {
		answer(m, PURSE_AWAY);
		return;
	}
	if (!epoch_open(p)) {
		wait_more(p, m);
		return;
	}
	switch (grant(p, a, *lease_slot(p, &a->call))) {
	case 0:
		answer(m, PURSE_REFUSED);
		break;
	case 1:
		granted(p, a, PURSE_LEAST);
		answer(m, PURSE_LEAST);
		break;
	case 2:
		granted(p, a, PURSE_WANTED);
		answer(m, PURSE_WANTED);
		break;
	case -1: /* a carrier that has just been limited: its balance will be read within a second */
		wait_more(p, m);
		break;
	case -2: /* Redis was emptied under us */
		p->posted = false;
		p->beat_us = 0;
		wait_more(p, m);
		break;
	default:
		answer(m, grant_alone(p, a));
	}
}

static void take_waiting(struct purse *p)
{
	struct message *m = p->waiting;

	p->waiting = NULL;
	while (m) {
		struct message *next = m->next;
		take_ask(p, m);
		m = next;
	}
}

static void refuse_waiting(struct purse *p)
{
	while (p->waiting) {
		struct message *m = p->waiting;
		p->waiting = m->next;
		answer(m, PURSE_AWAY);
	}
}

/* ---- the rest of a call's life ---- */

static void take_talks(struct purse *p, const struct message *m)
{
	struct lease *l = *lease_slot(p, &m->call);

	if (!l)
		return;
	l->answered_us = m->answered_us;
	l->terms = m->terms;
	put(p, l, l->micro);
}

static void take_end(struct purse *p, const struct message *m)
{
	struct lease **slot = lease_slot(p, &m->call), *l = *slot;

	if (!l)
		return;
	l->ended = true;
	if (m->micro == 0 || l->posted) {
		put(p, l, -1);
		lease_remove(p, slot);
		return;
	}
	lease_set(p, l, m->micro);
	put(p, l, m->micro);
}

static void take_posted(struct purse *p, const struct uuid *call)
{
	struct lease **slot = lease_slot(p, call), *l = *slot;

	if (!l)
		return;
	l->posted = true;
	if (l->ended) {
		put(p, l, -1);
		lease_remove(p, slot);
	}
}

/* ---- dead owners ---- */

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
		went_away(p, &st);
		return NULL;
	}
	return reply;
}

/* To be booked first; its leases go when that is done (bury). */
static void reap(struct purse *p, const char *owner, int64_t wall_us)
{
	redisReply *reply = reaping(p, owner) ? NULL : leases_of(p, owner);

	if (!reply)
		return;
	struct balance_estate *e = xcalloc(1, sizeof(*e));
	e->owner = xstrdup(owner);
	e->spent = xcalloc(reply->elements / 2 + 1, sizeof(*e->spent));
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		struct balance_spent s = {.micro = 0};

		s.micro = spent_of(reply->element[i + 1]->str, wall_us, &s.carrier_id);
		if (s.micro > 0 && uuid_parse(reply->element[i]->str, &s.call) == 0)
			e->spent[e->n++] = s;
	}
	log_event(LOG_LEVEL_WARN, "leases of a dead node are given back", "owner=%s calls=%zu spent=%zu", owner,
		  reply->elements / 2, e->n);
	freeReplyObject(reply);
	buf_append(&p->reaping, owner, strlen(owner) + 1);
	balance_book(p->balance, e);
}

static void bury(struct purse *p, const char *owner)
{
	redisReply *reply = leases_of(p, owner);
	struct status st = {""};
	char field[160], key[KEY_MAX];
	int err = 0;

	reaping_remove(p, owner);
	if (!reply)
		return; /* the next heartbeat finds it again; what is booked is booked once */
	snprintf(field, sizeof(field), "r:%s", owner);
	for (size_t i = 0; !err && i + 1 < reply->elements; i += 2)
		err = redis_append(p->redis, &st, 3,
				   (const char *[]){"HDEL", money_key(atoll(reply->element[i + 1]->str), key), field},
				   NULL);
	freeReplyObject(reply);
	for (size_t i = 0; !err && i < CARRIER_BUCKETS; i++)
		for (const struct account *a = p->account[i]; !err && a; a = a->next)
			err = redis_append(p->redis, &st, 3,
					   (const char *[]){"HDEL", money_key(a->carrier_id, key), field}, NULL);
	snprintf(key, sizeof(key), "{tandem}:leases:%s", owner);
	if (!err)
		err = redis_append(p->redis, &st, 2, (const char *[]){"DEL", key}, NULL);
	if (!err)
		err = redis_append(p->redis, &st, 3, (const char *[]){"HDEL", OWNERS_KEY, owner}, NULL);
	int flushed = redis_flush(p->redis, &st);
	if (err || flushed)
		went_away(p, &st);
}

/* Balances first: what is let go below is booked in them. */
static void take_news(struct purse *p, struct balance_news *news)
{
	for (size_t i = 0; i < news->n; i++) {
		struct account *a = account_get(p, news->balance[i].carrier_id);

		if (news->balance[i].version <= a->version)
			continue;
		a->balance_micro = news->balance[i].micro;
		a->version = news->balance[i].version;
		put_balance(p, a);
	}
	for (size_t i = 0; i < news->n_posted; i++)
		take_posted(p, &news->posted[i]);
	for (struct balance_estate *e = news->estates; e; e = e->next)
		bury(p, e->owner);
	balance_news_free(&news);
}

/* ---- heartbeat ---- */

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
	char key[KEY_MAX], field[160], call[UUID_TEXT_MAX], known[KNOWN_MAX], text[KNOWN_MAX + 64], number[24];
	int err = redis_append(p->redis, st, 1, (const char *[]){"MULTI"}, NULL);

	if (!err)
		err = redis_append(p->redis, st, 2, (const char *[]){"DEL", p->leases_key}, NULL);
	for (size_t i = 0; i < BUCKETS; i++)
		for (const struct lease *l = p->lease[i]; !err && l; l = l->next) {
			snprintf(text, sizeof(text), "%" PRId64 " %" PRId64 " %s", l->carrier_id, l->micro,
				 known_of(l, known));
			err = redis_append(p->redis, st, 4,
					   (const char *[]){"HSET", p->leases_key, uuid_format(&l->call, call), text},
					   NULL);
		}
	snprintf(field, sizeof(field), "r:%s", p->owner);
	for (size_t i = 0; i < CARRIER_BUCKETS; i++)
		for (const struct account *a = p->account[i]; !err && a; a = a->next)
			err = redis_append(p->redis, st, 4,
					   (const char *[]){"HSET", money_key(a->carrier_id, key), field,
							    number_text(a->held_micro, number)},
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

static int beat(struct purse *p, struct status *st)
{
	char wall[24], dead[12];
	redisReply *reply;
	int err = p->up ? 0 : learn_run_id(p, st);

	if (err)
		return err;
	snprintf(dead, sizeof(dead), "%d", OWNER_DEAD_MS);
	const char *argv[] = {
		"EVAL",	   purse_script_beat, "2", OWNERS_KEY, EPOCH_KEY, p->owner, number_text(clock_wall_us(), wall),
		p->run_id, p->node,	      dead};
	err = redis_command_argv(p->redis, &reply, st, (int)(sizeof(argv) / sizeof(argv[0])), argv, NULL);
	if (err)
		return err;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 3) {
		freeReplyObject(reply);
		return status_set(st, -EIO, "redis: a script's answer cannot be understood");
	}
	take_epoch(p, reply);
	p->up = true;
	if (!p->posted)
		err = post_all(p, st);
	for (size_t i = 3; !err && i + 1 < reply->elements; i += 2)
		reap(p, reply->element[i]->str, atoll(reply->element[i + 1]->str));
	freeReplyObject(reply);
	if (!err && !p->posted) {
		p->posted = true;
		for (size_t i = 0; i < CARRIER_BUCKETS; i++)
			for (const struct account *a = p->account[i]; a; a = a->next)
				if (a->version >= 0)
					put_balance(p, a);
	}
	return err;
}

/* For those who look at a carrier: PostgreSQL is told what its calls hold here. */
static void show(struct purse *p)
{
	struct balance_hold *holds = NULL;
	size_t n = 0, slots = 0;

	for (size_t i = 0; i < CARRIER_BUCKETS; i++)
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

static void heartbeat(struct purse *p)
{
	struct status st = {""};

	if (clock_mono_us() - p->beat_us < (p->up ? HEARTBEAT_US : HEARTBEAT_US / 2))
		return;
	p->beat_us = clock_mono_us();
	show(p);
	if (beat(p, &st))
		went_away(p, &st);
	else if (p->told_away) {
		log_event(LOG_LEVEL_INFO, "leases are granted again", "epoch=%s", p->epoch);
		p->told_away = false;
	}
}

/* ---- the thread ---- */

static void take_quiet(struct purse *p)
{
	refuse_waiting(p);
	pthread_mutex_lock(&p->mutex);
	p->is_quiet = true;
	pthread_cond_signal(&p->quieted);
	pthread_mutex_unlock(&p->mutex);
}

static void take(struct purse *p, struct message *m)
{
	switch (m->kind) {
	case MESSAGE_ASK:
		take_ask(p, m);
		return; /* it is the answer's now */
	case MESSAGE_TALKS:
		take_talks(p, m);
		break;
	case MESSAGE_END:
		take_end(p, m);
		break;
	case MESSAGE_NEWS:
		take_news(p, m->news);
		break;
	case MESSAGE_QUIET:
		take_quiet(p);
		break;
	}
	free(m);
}

static void *purse_thread(void *arg)
{
	struct purse *p = arg;
	struct message *m;

	pthread_setname_np(pthread_self(), "purse");
	while (!atomic_load(&p->stop)) {
		heartbeat(p);
		take_waiting(p);
		queue_wait(p->queue, TURN_US);
		while ((m = queue_pop(p->queue))) {
			take(p, m);
			heartbeat(p);
		}
	}
	while ((m = queue_pop(p->queue)))
		take(p, m);
	refuse_waiting(p);
	return NULL;
}

/* ---- from other threads ---- */

static int message_push(struct purse *p, const struct message *m)
{
	struct message *copy = xcalloc(1, sizeof(*copy));

	*copy = *m;
	int err = queue_push(p->queue, copy);
	if (err)
		free(copy);
	return err;
}

int purse_ask(struct purse *p, struct purse_ask *ask)
{
	ask->until_us = clock_mono_us() + HELD_ASK_US;
	if (queue_depth(p->queue) > ASKS_MAX)
		return -EAGAIN;
	return message_push(p, &(struct message){.kind = MESSAGE_ASK, .ask = ask});
}

/* A lost one would hold money until the next start; there is room for three times the asks. */
static void must_push(struct purse *p, const struct message *m)
{
	if (message_push(p, m))
		log_event(LOG_LEVEL_ERROR, "leases: the queue was full", "kind=%d", m->kind);
}

void purse_talks(struct purse *p, const struct uuid *call, int64_t answered_us, const struct rate_terms *terms)
{
	must_push(p,
		  &(struct message){.kind = MESSAGE_TALKS, .call = *call, .answered_us = answered_us, .terms = *terms});
}

void purse_end(struct purse *p, const struct uuid *call, int64_t micro)
{
	must_push(p, &(struct message){.kind = MESSAGE_END, .call = *call, .micro = micro});
}

/* On the reader's thread. */
static void on_news(void *arg, struct balance_news *news)
{
	struct purse *p = arg;
	const struct message m = {.kind = MESSAGE_NEWS, .news = news};

	if (message_push(p, &m)) {
		log_event(LOG_LEVEL_ERROR, "leases: the queue was full", "kind=%d", m.kind);
		balance_news_free(&news);
	}
}

void purse_posted(struct purse *p, struct uuid *ids, size_t n)
{
	if (atomic_load(&p->leases) > 0)
		balance_posted(p->balance, ids, n);
	else
		free(ids); /* no call holds anything: nobody waits for them */
}

/* ---- life ---- */

static void purse_free(struct purse *p)
{
	for (size_t i = 0; i < BUCKETS; i++)
		while (p->lease[i])
			lease_remove(p, &p->lease[i]);
	for (size_t i = 0; i < CARRIER_BUCKETS; i++)
		while (p->account[i]) {
			struct account *a = p->account[i];
			p->account[i] = a->next;
			free(a);
		}
	redis_free(&p->redis);
	if (p->queue)
		queue_free(&p->queue);
	buf_free(&p->reaping);
	pthread_mutex_destroy(&p->mutex);
	pthread_cond_destroy(&p->quieted);
	free(p->node);
	free(p);
}

int purse_start(struct purse **out, const struct purse_options *o, struct status *st)
{
	struct purse *p = xcalloc(1, sizeof(*p));
	int err = queue_new(&p->queue, QUEUE_SLOTS);

	p->admit_when_away = o->admit_when_away;
	p->node = xstrdup(o->node);
	snprintf(p->owner, sizeof(p->owner), "%s/%" PRId64, o->node, clock_wall_us());
	snprintf(p->leases_key, sizeof(p->leases_key), "{tandem}:leases:%s", p->owner);
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->quieted, NULL);
	p->redis = redis_new(o->redis_url, REDIS_TIMEOUT_MS);
	if (err)
		status_set(st, err, "cannot start the purse: %s", strerror(-err));
	else
		err = balance_start(
			&p->balance,
			&(struct balance_options){.database_url = o->database_url, .tell = on_news, .arg = p}, st);
	if (!err) {
		err = -pthread_create(&p->thread, NULL, purse_thread, p);
		if (err)
			status_set(st, err, "cannot start the purse: %s", strerror(-err));
	}
	if (err) {
		balance_stop(&p->balance);
		purse_free(p);
		return err;
	}
	*out = p;
	return 0;
}

void purse_quiet(struct purse *p)
{
	must_push(p, &(struct message){.kind = MESSAGE_QUIET});
	pthread_mutex_lock(&p->mutex);
	while (!p->is_quiet)
		pthread_cond_wait(&p->quieted, &p->mutex);
	p->is_quiet = false;
	pthread_mutex_unlock(&p->mutex);
}

void purse_stop(struct purse **p)
{
	if (!*p)
		return;
	balance_stop(&(*p)->balance);
	atomic_store(&(*p)->stop, true);
	queue_wake((*p)->queue);
	pthread_join((*p)->thread, NULL);
	if ((*p)->up && atomic_load(&(*p)->leases) == 0)
		bury(*p, (*p)->owner); /* nothing is held: this owner was never there */
	purse_free(*p);
	*p = NULL;
}
