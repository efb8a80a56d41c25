/* SPDX-License-Identifier: Apache-2.0 */
/* vendors_share.c - the vendors thread and Redis: the keys stand in routing/standing_live.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "routing/standing_live.h"
#include "switch/vendors_priv.h"

#define HEALTH_EXPIRE_S "10" /* the attempts, too */
#define HEALTH_EVERY_US (3 * 1000000LL)
#define QUALITY_EXPIRE_S "3600"
#define TALK_EXPIRE_S "2592000"
#define IN_USE_US (600 * 1000000LL) /* without a call for so long, it is left alone */

enum { KEY_MAX = QUALITY_KEY_MAX + 32 };

static int send_words(struct vendors *v, struct status *st, int argc, const char **argv)
{
	return redis_append(v->redis, st, argc, argv, NULL);
}

/* ---- telling ---- */

static int talk_tell(struct vendors *v, const struct vendors_destination *d, struct status *st)
{
	const char *argv[2 + TALK_MAX];
	char text[TALK_MAX][12], key[KEY_MAX];
	int argc = 0;

	if (d->fresh.n == 0)
		return 0;
	snprintf(key, sizeof key, STANDING_TALK_KEY, d->key);
	argv[argc++] = "LPUSH";
	argv[argc++] = key;
	for (int i = 0; i < d->fresh.n; i++) {
		snprintf(text[i], sizeof text[i], "%" PRIu32, d->fresh.ms[i]);
		argv[argc++] = text[i];
	}
	int r = send_words(v, st, argc, argv);
	if (r == 0 && d->talk.n + d->fresh.n >= TALK_MAX) /* told, or heard of: the list may be as long */
		r = send_words(v, st, 4, (const char *[]){"LTRIM", key, "0", "999"});
	if (r == 0)
		r = send_words(v, st, 3, (const char *[]){"EXPIRE", key, TALK_EXPIRE_S});
	return r;
}

static int counts_tell(struct vendors *v, const struct vendors_destination *d, struct status *st)
{
	char key[KEY_MAX], now[24];
	json_t *share = quality_book_json(&d->own, v->slot);
	char *text = json_dumps(share, JSON_COMPACT);
	int r = text != NULL ? 0 : -ENOMEM;

	snprintf(key, sizeof key, STANDING_QUALITY_KEY, d->key);
	snprintf(now, sizeof now, "%" PRId64, clock_wall_us() / 1000000);
	if (r == 0)
		r = send_words(v, st, 4, (const char *[]){"HSET", key, v->node, text});
	if (r == 0)
		r = send_words(v, st, 3, (const char *[]){"EXPIRE", key, QUALITY_EXPIRE_S});
	if (r == 0)
		r = send_words(v, st, 4, (const char *[]){"ZADD", STANDING_DESTINATIONS_KEY, now, d->key});
	if (r == 0)
		r = vendors_peers_tell(v, d, st);
	free(text);
	json_decref(share);
	return r;
}

static int trunk_tell(struct vendors *v, const char *key, const struct vendors_trunk *t, struct status *st)
{
	static const char *const forced[] = {NULL, "up", "down"};
	const struct health *h = &t->address->health;
	bool broken = atomic_load(&h->down);
	char id[24], since[CLOCK_TEXT_MAX];
	json_t *j = json_pack("{ss sb sb ss? si so ss}", "address", t->address->name, "down", broken || t->unregistered,
			      "trial", broken && !t->unregistered && health_may_try(h, clock_mono_us()), "forced",
			      forced[t->forced], "failures",
			      h->calls_failed > h->probes_failed ? h->calls_failed : h->probes_failed, "since",
			      h->since_us != 0 ? json_string(clock_format(h->since_us, since)) : json_null(), "why",
			      t->unregistered ? "not registered" : h->reason);
	char *text = j != NULL ? json_dumps(j, JSON_COMPACT) : NULL;
	snprintf(id, sizeof id, "%" PRId64, t->id);
	int r = text != NULL ? send_words(v, st, 4, (const char *[]){"HSET", key, id, text}) : -ENOMEM;
	free(text);
	json_decref(j);
	return r;
}

static int health_tell(struct vendors *v, struct status *st)
{
	char key[160];

	snprintf(key, sizeof key, STANDING_HEALTH_KEY, v->node);
	int r = send_words(v, st, 1, (const char *[]){"MULTI"});
	if (r == 0)
		r = send_words(v, st, 2, (const char *[]){"DEL", key});
	for (size_t i = 0; r == 0 && i < v->trunks; i++)
		r = trunk_tell(v, key, &v->trunk[i], st);
	if (r == 0)
		r = send_words(v, st, 3, (const char *[]){"EXPIRE", key, HEALTH_EXPIRE_S});
	return r == 0 ? send_words(v, st, 1, (const char *[]){"EXEC"}) : r;
}

static int attempts_tell(struct vendors *v, struct status *st)
{
	struct buf text = {0};
	char key[160];

	snprintf(key, sizeof key, STANDING_ATTEMPTS_KEY, v->node);
	attempts_put(v->attempts, &text);
	int r = send_words(v, st, 5, (const char *[]){"SET", key, text.text, "EX", HEALTH_EXPIRE_S});
	buf_free(&text);
	return r;
}

static int events_tell(struct vendors *v, struct status *st)
{
	json_t *e;
	size_t i;
	int r = 0;

	json_array_foreach(v->events, i, e)
	{
		char *text = json_dumps(e, JSON_COMPACT);
		if (r == 0 && text != NULL)
			r = send_words(v, st, 3, (const char *[]){"LPUSH", STANDING_EVENTS_KEY, text});
		free(text);
	}
	if (r == 0 && i > 0)
		r = send_words(v, st, 4, (const char *[]){"LTRIM", STANDING_EVENTS_KEY, "0", STANDING_EVENTS_MAX});
	return r;
}

/* A node that was started anew goes on with what it had counted within the hour. */
static int recall(struct vendors *v, struct vendors_destination *d, struct status *st)
{
	redisReply *reply;
	char key[KEY_MAX];

	snprintf(key, sizeof key, STANDING_QUALITY_KEY, d->key);
	int r = redis_command(v->redis, &reply, st, "HGET %s %s", key, v->node);
	if (r != 0)
		return r;
	if (reply->type == REDIS_REPLY_STRING) {
		json_t *share = json_loadb(reply->str, reply->len, 0, NULL);
		quality_book_read(&d->own, share, v->slot);
		json_decref(share);
	}
	freeReplyObject(reply);
	d->recalled = d->changed = true;
	return 0;
}

/* ---- hearing ---- */

static bool books_differ(const struct quality_book *a, const struct quality_book *b)
{
	return a->n != b->n || (a->n > 0 && memcmp(a->page, b->page, a->n * sizeof *a->page) != 0);
}

/* The durations: where no other node has calls they are all our own, and known. */
static int hear_talk(struct vendors *v, struct vendors_destination *d, struct status *st)
{
	int64_t ms[TALK_MAX];

	if (d->others.n == 0 && d->shared_us != 0)
		return 0;
	int n = standing_read_talk(v->redis, d->key, ms, st);
	if (n >= 0)
		d->changed |= talk_put(&d->talk, ms, n);
	return n < 0 ? n : 0;
}

static int hear_destination(struct vendors *v, struct vendors_destination *d, struct status *st)
{
	struct quality_book others = {0};
	int r = standing_read_shares(v->redis, d->key, v->node, v->slot, &others, st);

	if (r != 0) {
		quality_book_free(&others);
		return r;
	}
	d->changed |= books_differ(&others, &d->others);
	quality_book_free(&d->others);
	d->others = others;
	return hear_talk(v, d, st);
}

/* ---- each destination ---- */

/* At the end all is told that is not yet; nobody hears any more. */
static bool is_due(struct vendors *v, const struct vendors_destination *d, int64_t now_us)
{
	if (atomic_load(&v->stop))
		return d->counted;
	return (now_us - d->used_us < IN_USE_US || d->counted) &&
	       (d->shared_us == 0 || now_us - d->shared_us >= VENDORS_EVERY_US);
}

static int each_due(struct vendors *v, int64_t now_us,
		    int (*fn)(struct vendors *v, struct vendors_destination *d, struct status *st), struct status *st)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < VENDORS_BUCKETS; i++)
		for (struct vendors_destination *d = v->bucket[i]; r == 0 && d != NULL; d = d->next)
			if (is_due(v, d, now_us))
				r = fn(v, d, st);
	return r;
}

static int first_recall(struct vendors *v, struct vendors_destination *d, struct status *st)
{
	return d->recalled ? 0 : recall(v, d, st);
}

static int tell_counted(struct vendors *v, struct vendors_destination *d, struct status *st)
{
	int r = d->counted ? talk_tell(v, d, st) : 0;
	return r == 0 && d->counted ? counts_tell(v, d, st) : r;
}

static int told_then_hear(struct vendors *v, struct vendors_destination *d, struct status *st)
{
	if (d->counted)
		talk_clear(&d->fresh);
	d->counted = false;
	bool news = d->shared_us == 0 || d->stale;
	int r = news && !atomic_load(&v->stop) ? hear_destination(v, d, st) : 0;
	if (r != 0)
		return r;
	d->stale = false;
	d->shared_us = clock_mono_us();
	return 0;
}

static void state_say(struct vendors *v, int r, const struct status *st)
{
	char quoted[600];

	if (r != 0 && v->redis_up)
		log_event(LOG_LEVEL_WARN, "vendors: redis away, this node goes by what it sees itself", "why=%s",
			  log_quote(st->text, quoted, sizeof quoted));
	v->redis_up = r == 0;
}

void vendors_share(struct vendors *v)
{
	struct status st = {""};
	int64_t now_us = clock_mono_us();
	bool health = v->health_changed || now_us - v->health_us >= HEALTH_EVERY_US;
	bool attempts = v->attempted || now_us - v->attempts_us >= HEALTH_EVERY_US;
	int r = each_due(v, now_us, first_recall, &st);

	if (r == 0)
		r = each_due(v, now_us, tell_counted, &st);
	if (r == 0 && health)
		r = health_tell(v, &st);
	if (r == 0 && attempts)
		r = attempts_tell(v, &st);
	if (r == 0)
		r = events_tell(v, &st);
	int f = redis_flush(v->redis, &st);
	if (r == 0)
		r = f;
	if (r == 0) {
		if (health)
			v->health_us = now_us;
		if (attempts)
			v->attempts_us = now_us;
		v->attempted = false;
		v->health_changed = v->health_changed && !health;
		json_array_clear(v->events);
		r = vendors_peers_hear(v, &st);
	}
	if (r == 0) {
		r = each_due(v, now_us, told_then_hear, &st);
	}
	state_say(v, r, &st);
}
