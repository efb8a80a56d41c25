/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/shared.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "routing/snapshot.h"
#include "switch/node.h"
#include "switch/presence.h"
#include "switch/worker.h"

enum { RECONNECT_US = 500 * 1000, CONNECT_LIMIT_US = 2 * 1000000 };

/* Books `mine` of this node for each field, unless with what the other nodes show the sum passes the limit of one. */
static const char script[] =
	"local me = ARGV[1]\n"
	"local nodes = redis.call('HKEYS', '{tandem}:nodes')\n"
	"for i = 2, #ARGV, 3 do\n"
	"  local sum = tonumber(ARGV[i + 1])\n"
	"  for _, node in ipairs(nodes) do\n"
	"    if node ~= me then sum = sum + tonumber(redis.call('HGET', '{tandem}:use:' .. node, ARGV[i]) or 0) end\n"
	"  end\n"
	"  if sum > tonumber(ARGV[i + 2]) then return 0 end\n"
	"end\n"
	"for i = 2, #ARGV, 3 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end\n"
	"redis.call('EXPIRE', KEYS[1], 5)\n"
	"return 1\n";

struct shared_question {
	struct shared_question *next, **prev;
	struct shared *shared; /* NULL once dropped or answered: the reply that still comes frees it */
	shared_answer *answer;
	void *arg;
	int64_t deadline_us;
};

struct shared {
	struct worker *worker;
	struct redis_address address;
	bool has_address, up;
	redisAsyncContext *redis;
	su_wait_t wait[1];
	int wait_index, wait_events;
	int64_t tried_us;
	struct shared_question *open;
};

/* ---- hiredis on the worker's event loop ---- */

static int on_ready(struct worker *w, su_wait_t *wait, void *arg)
{
	struct shared *s = arg;
	int events = su_wait_events(wait, s->redis->c.fd);

	if (events & SU_WAIT_OUT)
		redisAsyncHandleWrite(s->redis);
	if (s->redis && events & (SU_WAIT_IN | SU_WAIT_ERR | SU_WAIT_HUP))
		redisAsyncHandleRead(s->redis);
	return 0;
}

static void wait_set(struct shared *s, int events)
{
	if (events == s->wait_events || s->wait_index <= 0)
		return;
	s->wait_events = events;
	su_root_eventmask(s->worker->root, s->wait_index, s->redis->c.fd, events);
}

static void add_read(void *arg)
{
	struct shared *s = arg;
	wait_set(s, s->wait_events | SU_WAIT_IN);
}

static void del_read(void *arg)
{
	struct shared *s = arg;
	wait_set(s, s->wait_events & ~SU_WAIT_IN);
}

static void add_write(void *arg)
{
	struct shared *s = arg;
	wait_set(s, s->wait_events | SU_WAIT_OUT);
}

static void del_write(void *arg)
{
	struct shared *s = arg;
	wait_set(s, s->wait_events & ~SU_WAIT_OUT);
}

static void cleanup(void *arg)
{
	struct shared *s = arg;
	if (s->wait_index > 0)
		su_root_deregister(s->worker->root, s->wait_index);
	s->wait_index = 0;
	s->redis = NULL;
	s->up = false;
}

static void on_connected(const redisAsyncContext *c, int status)
{
	struct shared *s = c->data;
	s->up = status == REDIS_OK; /* else hiredis frees the context, and cleanup is called */
}

static void on_disconnected(const redisAsyncContext *c, int status)
{
	struct shared *s = c->data;
	s->up = false;
}

static void connection_open(struct shared *s)
{
	const struct redis_address *a = &s->address;

	s->tried_us = clock_mono_us();
	s->redis = a->kind == REDIS_UNIX ? redisAsyncConnectUnix(a->host) : redisAsyncConnect(a->host, a->port);
	if (!s->redis)
		return;
	if (s->redis->err) {
		redisAsyncFree(s->redis);
		s->redis = NULL;
		return;
	}
	redisAsyncContext *r = s->redis;
	r->data = s;
	r->ev = (typeof(r->ev)){.data = s,
				.addRead = add_read,
				.delRead = del_read,
				.addWrite = add_write,
				.delWrite = del_write,
				.cleanup = cleanup};
	s->wait_events = SU_WAIT_IN | SU_WAIT_OUT;
	if (su_wait_create(s->wait, r->c.fd, s->wait_events) < 0 ||
	    (s->wait_index = su_root_register(s->worker->root, s->wait, on_ready, s, 0)) <= 0) {
		redisAsyncFree(r);
		return;
	}
	redisAsyncSetConnectCallback(r, on_connected);
	redisAsyncSetDisconnectCallback(r, on_disconnected);
	if (a->password[0] && a->user[0])
		redisAsyncCommand(r, NULL, NULL, "AUTH %s %s", a->user, a->password);
	else if (a->password[0])
		redisAsyncCommand(r, NULL, NULL, "AUTH %s", a->password);
	if (a->db)
		redisAsyncCommand(r, NULL, NULL, "SELECT %d", a->db);
}

/* ---- questions ---- */

static void question_close(struct shared_question *q)
{
	*q->prev = q->next;
	if (q->next)
		q->next->prev = q->prev;
	q->shared = NULL;
}

static void question_answer(struct shared_question *q, bool granted)
{
	question_close(q);
	q->answer(q->arg, granted);
}

void shared_drop(struct shared_question *q)
{
	if (q && q->shared)
		question_close(q);
}

/* No reply (connection lost) or an error one: the limit holds for this node alone. */
static void on_reply(redisAsyncContext *c, void *reply, void *arg)
{
	struct shared_question *q = arg;
	const redisReply *r = reply;

	if (q->shared)
		question_answer(q, !r || r->type != REDIS_REPLY_INTEGER || r->integer == 1);
	free(q);
}

bool shared_needed(const struct shared *s, const struct shared_limit *limit, int n)
{
	if (!s->up || !presence_others(s->worker->node->presence))
		return false;
	for (int i = 0; i < n; i++)
		if (limit[i].limit >= 0)
			return true;
	return false;
}

struct shared_question *shared_ask(struct shared *s, const struct shared_limit *limit, int n, shared_answer *answer,
				   void *arg)
{
	const char *argv[5 + 3 * SHARED_LIMITS_MAX];
	char text[SHARED_LIMITS_MAX][3][24], key[160];
	const char *node = s->worker->node->settings->node_id;
	int argc = 0;

	snprintf(key, sizeof key, "{tandem}:use:%s", node);
	argv[argc++] = "EVAL";
	argv[argc++] = script;
	argv[argc++] = "1";
	argv[argc++] = key;
	argv[argc++] = node;
	for (int i = 0; i < n; i++) {
		if (limit[i].limit < 0)
			continue;
		snprintf(text[i][0], sizeof text[i][0], "%c%lld", limit[i].kind, (long long)limit[i].id);
		snprintf(text[i][1], sizeof text[i][1], "%d", atomic_load(&limit[i].gauge->in_use));
		snprintf(text[i][2], sizeof text[i][2], "%d", limit[i].limit);
		for (int k = 0; k < 3; k++)
			argv[argc++] = text[i][k];
	}
	struct shared_question *q = xcalloc(1, sizeof *q);
	*q = (struct shared_question){.shared = s, .answer = answer, .arg = arg, .next = s->open, .prev = &s->open};
	q->deadline_us = clock_mono_us() + SHARED_WAIT_MS * 1000;
	if (q->next)
		q->next->prev = &q->next;
	s->open = q;
	if (redisAsyncCommandArgv(s->redis, on_reply, q, argc, argv, NULL) != REDIS_OK) {
		question_close(q);
		free(q);
		return NULL;
	}
	return q;
}

/* ---- life ---- */

struct shared *shared_new(struct worker *w)
{
	struct shared *s = xcalloc(1, sizeof *s);
	s->worker = w;
	return s;
}

void shared_connect(struct shared *s, const struct redis_address *address)
{
	if (s->has_address && memcmp(&s->address, address, sizeof *address) == 0)
		return;
	s->address = *address;
	s->has_address = true;
	if (s->redis)
		redisAsyncFree(s->redis);
	connection_open(s);
}

void shared_tick(struct shared *s)
{
	int64_t now = clock_mono_us();
	bool late = false;

	for (struct shared_question *q = s->open; q;) {
		if (now < q->deadline_us) {
			q = q->next;
			continue;
		}
		question_answer(q, true);
		late = true;
		q = s->open; /* the answer may have changed the list */
	}
	/* A connection that does not answer, or never came up, is given up. */
	if (s->redis && (late || (!s->up && now - s->tried_us > CONNECT_LIMIT_US)))
		redisAsyncFree(s->redis);
	if (!s->redis && s->has_address && now - s->tried_us > RECONNECT_US)
		connection_open(s);
}

void shared_free(struct shared **ps)
{
	struct shared *s = *ps;
	if (!s)
		return;
	while (s->open)
		question_answer(s->open, true);
	if (s->redis)
		redisAsyncFree(s->redis);
	free(s);
	*ps = NULL;
}
