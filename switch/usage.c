/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/usage.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/live.h"
#include "routing/standing_live.h"

#define ALIVE_KEY "{tandem}:alive:%s" /* there while the node is */
#define EXPIRE_S "5"

enum { KEY_MAX = 160 };

struct usage {
	char *node;
	struct gauge_table *gauges;
	char key[KEY_MAX], alive_key[KEY_MAX];
	struct buf told; /* what Redis has of ours */
	_Atomic int others;
};

struct usage *usage_new(const char *node, struct gauge_table *gauges)
{
	struct usage *u = xcalloc(1, sizeof *u);

	u->node = xstrdup(node);
	u->gauges = gauges;
	snprintf(u->key, sizeof u->key, STANDING_USE_KEY, node);
	snprintf(u->alive_key, sizeof u->alive_key, ALIVE_KEY, node);
	return u;
}

void usage_free(struct usage **pu)
{
	struct usage *u = *pu;

	if (!u)
		return;
	buf_free(&u->told);
	free(u->node);
	free(u);
	*pu = NULL;
}

int usage_others(const struct usage *u)
{
	return atomic_load_explicit(&u->others, memory_order_relaxed);
}

const char *usage_key(const struct usage *u)
{
	return u->key;
}

const struct buf *usage_told(const struct usage *u)
{
	return &u->told;
}

/* ---- ours ---- */

struct counted {
	struct buf words; /* "t12 3 c4 1 ...", NUL between */
	int argc;
};

static void count_add(void *arg, char kind, int64_t id, struct gauge *g)
{
	struct counted *c = arg;
	int32_t n = atomic_load(&g->in_use);
	if (n == 0 || kind == 'n')
		return;
	buf_printf(&c->words, "%c%lld", kind, (long long)id);
	buf_putc(&c->words, '\0');
	buf_printf(&c->words, "%d", n);
	buf_putc(&c->words, '\0');
	c->argc += 2;
}

/* In one transaction: a question of another node must never see it half. */
static int counted_write(const struct usage *u, const struct counted *c, struct redis *redis, struct status *st)
{
	const char **argv = xcalloc((size_t)c->argc + 2, sizeof *argv);
	int n = 0;

	argv[n++] = "HSET";
	argv[n++] = u->key;
	for (const char *word = c->words.text; n < c->argc + 2; word += strlen(word) + 1)
		argv[n++] = word;
	int r = redis_append(redis, st, 1, (const char *[]){"MULTI"}, NULL);
	if (r == 0)
		r = redis_append(redis, st, 2, (const char *[]){"DEL", u->key}, NULL);
	if (r == 0 && c->argc)
		r = redis_append(redis, st, n, argv, NULL);
	if (r == 0)
		r = redis_append(redis, st, 3, (const char *[]){"EXPIRE", u->key, EXPIRE_S}, NULL);
	if (r == 0)
		r = redis_append(redis, st, 1, (const char *[]){"EXEC"}, NULL);
	free(argv);
	return r;
}

static bool same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->text, b->text, a->len) == 0);
}

int usage_tell(struct usage *u, struct redis *redis, bool beat, struct status *st)
{
	struct counted c = {.argc = 0};
	int r = 0;

	if (beat)
		r = redis_append(redis, st, 5, (const char *[]){"SET", u->alive_key, "1", "EX", EXPIRE_S}, NULL);
	gauge_each(u->gauges, count_add, &c);
	if (r == 0 && (beat || !same(&c.words, &u->told)))
		r = counted_write(u, &c, redis, st);
	buf_free(&u->told);
	u->told = c.words;
	return r;
}

int usage_clear(const struct usage *u, struct redis *redis, struct status *st)
{
	return redis_append(redis, st, 3, (const char *[]){"DEL", u->key, u->alive_key}, NULL);
}

/* ---- theirs ---- */

/* 1 if that node showed itself in the last seconds, 0 if not, or as redis_command */
static int node_lives(struct redis *redis, const char *node, struct status *st)
{
	redisReply *reply;
	int r = redis_command(redis, &reply, st, "EXISTS " ALIVE_KEY, node);
	if (r)
		return r;
	r = reply->integer == 1;
	freeReplyObject(reply);
	return r;
}

int usage_hear(struct usage *u, struct redis *redis, struct status *st)
{
	redisReply *reply;
	int others = 0, r = redis_command(redis, &reply, st, "HKEYS %s", LIVE_NODES_KEY);
	if (r)
		return r;
	json_t *sum = json_object();
	for (size_t i = 0; r >= 0 && reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
		const char *node = reply->element[i]->str;
		if (strcmp(node, u->node) == 0)
			continue;
		r = node_lives(redis, node, st);
		if (r > 0) {
			others++;
			r = standing_use_add(redis, node, sum, st);
		}
	}
	if (r >= 0) {
		standing_use_set(sum, u->gauges);
		atomic_store(&u->others, others);
		r = 0;
	}
	json_decref(sum);
	freeReplyObject(reply);
	return r;
}
