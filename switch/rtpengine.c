/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/rtpengine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/random.h"
#include "switch/dns.h"
#include "switch/node.h"
#include "switch/worker.h"

enum {
	COOKIE_CHARS = 16,
	REPEAT_US = 200 * 1000, /* doubled each time */
	PING_DOWN_US = 1000 * 1000,
	PING_IDLE_US = 5 * 1000 * 1000,
	DATAGRAM_MAX = 65535,
};

struct rtpengine_question {
	struct rtpengine_question *next, **prev;
	struct rtpengine *engine;
	int instance;
	bool movable; /* any instance may answer */
	char cookie[COOKIE_CHARS + 1];
	char *text; /* cookie and JSON, as sent */
	size_t len;
	int64_t repeat_us, gap_us, deadline_us;
	rtpengine_done *done; /* NULL: nobody wants the answer */
	void *arg;
};

struct instance {
	struct rtpengine *engine;
	int index;
	char host[256]; /* as the settings write it */
	int port;
	struct dns_question *looking;
	su_wait_t wait[1];
	int fd, registered; /* -1: no socket; <= 0: not on the loop */
	bool down;
	int64_t heard_us, ping_us;
};

struct rtpengine {
	struct worker *worker;
	struct instance instance[RTPENGINE_MAX];
	int instances, turn;
	struct rtpengine_question *open;
	char datagram[DATAGRAM_MAX + 1];
};

/* ---- questions ---- */

static void question_close(struct rtpengine_question *q)
{
	*q->prev = q->next;
	if (q->next)
		q->next->prev = q->prev;
	free(q->text);
	free(q);
}

static void question_answer(struct rtpengine_question *q, const json_t *answer)
{
	rtpengine_done *done = q->done;
	void *arg = q->arg;
	int instance = q->instance;

	question_close(q);
	if (done)
		done(arg, answer, instance);
}

/* What cannot be sent now is sent by the next repeat, or runs into its limit. */
static void question_send(struct rtpengine_question *q, int64_t now_us)
{
	const struct instance *i = &q->engine->instance[q->instance];

	if (i->fd >= 0 && send(i->fd, q->text, q->len, MSG_DONTWAIT) < 0 && errno == ECONNREFUSED)
		(void)send(i->fd, q->text, q->len, MSG_DONTWAIT); /* that was an earlier datagram's error */
	q->repeat_us = now_us + q->gap_us;
	q->gap_us *= 2;
}

static void question_begin(struct rtpengine_question *q, int instance)
{
	int64_t now_us = clock_mono_us();

	q->instance = instance;
	q->gap_us = REPEAT_US;
	q->deadline_us = now_us + RTPENGINE_LIMIT_MS * 1000;
	question_send(q, now_us);
}

/* The next in turn that is up; -1: none. */
static int instance_pick(struct rtpengine *r)
{
	for (int n = 0; n < r->instances; n++) {
		int i = r->turn++ % r->instances;
		if (!r->instance[i].down)
			return i;
	}
	return -1;
}

static struct rtpengine_question *question_new(struct rtpengine *r, int instance, const json_t *command)
{
	struct rtpengine_question *q = xcalloc(1, sizeof *q);
	char *json = json_dumps(command, JSON_COMPACT);

	if (!json)
		abort(); /* out of memory, as in xcalloc */
	*q = (struct rtpengine_question){.engine = r, .next = r->open, .prev = &r->open};
	if (q->next)
		q->next->prev = &q->next;
	r->open = q;
	random_token(q->cookie, COOKIE_CHARS);
	q->len = COOKIE_CHARS + 1 + strlen(json);
	q->text = xcalloc(1, q->len + 1);
	snprintf(q->text, q->len + 1, "%s %s", q->cookie, json);
	free(json);
	question_begin(q, instance);
	return q;
}

struct rtpengine_question *rtpengine_ask(struct rtpengine *r, int instance, json_t *command, rtpengine_done *done,
					 void *arg)
{
	struct rtpengine_question *q = NULL;
	bool movable = instance == RTPENGINE_ANY;

	if (movable)
		instance = instance_pick(r);
	if (instance >= 0 && !r->instance[instance].down) {
		q = question_new(r, instance, command);
		q->movable = movable;
		q->done = done;
		q->arg = arg;
	}
	json_decref(command);
	return done ? q : NULL;
}

int rtpengine_asked(const struct rtpengine_question *q)
{
	return q->instance;
}

void rtpengine_drop(struct rtpengine_question *q)
{
	if (q)
		question_close(q);
}

/* ---- up and down ---- */

static void instance_close(struct instance *i)
{
	if (i->registered > 0)
		su_root_deregister(i->engine->worker->root, i->registered);
	if (i->fd >= 0)
		close(i->fd);
	i->registered = 0;
	i->fd = -1;
}

static void instance_up(struct instance *i)
{
	char quoted[300];

	i->heard_us = clock_mono_us();
	if (!i->down)
		return;
	i->down = false;
	if (atomic_fetch_sub(&i->engine->worker->node->rtpengine.down[i->index], 1) == 1)
		log_event(LOG_LEVEL_INFO, "rtpengine answers again", "host=%s port=%d",
			  log_quote(i->host, quoted, sizeof quoted), i->port);
}

static struct rtpengine_question *question_of(struct instance *i)
{
	for (struct rtpengine_question *q = i->engine->open; q; q = q->next)
		if (q->instance == i->index)
			return q;
	return NULL;
}

/* What waits for it goes to another one that is up, or has no answer. */
static void instance_down(struct instance *i)
{
	struct rtpengine *r = i->engine;
	char quoted[300];

	if (!i->down && atomic_fetch_add(&r->worker->node->rtpengine.down[i->index], 1) == 0)
		log_event(LOG_LEVEL_WARN, "rtpengine does not answer", "host=%s port=%d",
			  log_quote(i->host, quoted, sizeof quoted), i->port);
	i->down = true;
	i->ping_us = clock_mono_us() + PING_DOWN_US;
	if (!dns_is_numeric(i->host))
		instance_close(i);				    /* its name may have moved */
	for (struct rtpengine_question *q; (q = question_of(i));) { /* an answer may change the list */
		int other = q->movable ? instance_pick(r) : -1;
		if (other >= 0)
			question_begin(q, other);
		else
			question_answer(q, NULL);
	}
}

/* ---- the wire ---- */

static void datagram_take(struct rtpengine *r, char *text, size_t len)
{
	struct rtpengine_question *q = r->open;

	if (len <= COOKIE_CHARS || text[COOKIE_CHARS] != ' ')
		return;
	while (q && memcmp(q->cookie, text, COOKIE_CHARS) != 0)
		q = q->next;
	if (!q)
		return; /* of a question that was dropped, or a second answer */
	json_t *answer = json_loadb(text + COOKIE_CHARS + 1, len - COOKIE_CHARS - 1, 0, NULL);
	question_answer(q, answer);
	json_decref(answer);
}

static int on_ready(struct worker *w, su_wait_t *wait, void *arg)
{
	struct instance *i = arg;
	struct rtpengine *r = i->engine;

	while (i->fd >= 0) {
		ssize_t n = recv(i->fd, r->datagram, DATAGRAM_MAX, MSG_DONTWAIT);
		if (n < 0 && errno == ECONNREFUSED)
			instance_down(i);
		if (n < 0)
			break;
		instance_up(i);
		datagram_take(r, r->datagram, (size_t)n);
	}
	return 0;
}

static int address_of(const struct dns_target *at, struct sockaddr_storage *out, socklen_t *len)
{
	char bare[64];

	memset(out, 0, sizeof *out);
	if (at->host[0] == '[') {
		struct sockaddr_in6 *a = (void *)out;
		snprintf(bare, sizeof bare, "%.*s", (int)strcspn(at->host + 1, "]"), at->host + 1);
		a->sin6_family = AF_INET6;
		a->sin6_port = htons((uint16_t)at->port);
		*len = sizeof *a;
		return inet_pton(AF_INET6, bare, &a->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	struct sockaddr_in *a = (void *)out;
	a->sin_family = AF_INET;
	a->sin_port = htons((uint16_t)at->port);
	*len = sizeof *a;
	return inet_pton(AF_INET, at->host, &a->sin_addr) == 1 ? 0 : -EINVAL;
}

static void instance_connect(struct instance *i, const struct dns_target *at)
{
	struct sockaddr_storage address;
	socklen_t len;

	if (address_of(at, &address, &len))
		return;
	i->fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (i->fd < 0)
		return;
	if (connect(i->fd, (const struct sockaddr *)&address, len) == 0 &&
	    su_wait_create(i->wait, i->fd, SU_WAIT_IN) == 0)
		i->registered = su_root_register(i->engine->worker->root, i->wait, on_ready, i, 0);
	if (i->registered <= 0)
		instance_close(i);
}

static void on_resolved(void *arg, const struct dns_answer *answer)
{
	struct instance *i = arg;

	i->looking = NULL;
	if (answer->n > 0 && i->fd < 0)
		instance_connect(i, &answer->target[0]);
}

static void instance_open(struct instance *i)
{
	struct dns_target at = {.port = i->port};

	if (dns_is_numeric(i->host)) {
		snprintf(at.host, sizeof at.host, "%.63s", i->host);
		instance_connect(i, &at);
	} else if (!i->looking) {
		i->looking = dns_ask(i->engine->worker->dns, i->host, i->port, TRUNK_UDP, on_resolved, i);
	}
}

/* ---- time ---- */

static void ping(struct instance *i, int64_t now_us)
{
	json_t *command = json_pack("{ss}", "command", "ping");

	i->ping_us = now_us + (i->down ? PING_DOWN_US : PING_IDLE_US);
	if (i->fd < 0)
		instance_open(i);
	if (command)
		question_new(i->engine, i->index, command);
	json_decref(command);
}

void rtpengine_tick(struct rtpengine *r)
{
	int64_t now_us = clock_mono_us();
	struct rtpengine_question *q = r->open;

	while (q) {
		if (now_us < q->deadline_us) {
			if (now_us >= q->repeat_us)
				question_send(q, now_us);
			q = q->next;
			continue;
		}
		struct instance *i = &r->instance[q->instance];
		if (now_us - i->heard_us >= RTPENGINE_LIMIT_MS * 1000)
			instance_down(i);
		else
			question_answer(q, NULL); /* it lives, but this one it did not answer */
		q = r->open;			  /* the answers may have changed the list */
	}
	for (int k = 0; k < r->instances; k++)
		if (now_us >= r->instance[k].ping_us)
			ping(&r->instance[k], now_us);
}

/* ---- life ---- */

static int instance_add(struct rtpengine *r, const char *item, struct status *st)
{
	const char *colon = strrchr(item, ':');
	struct instance *i = &r->instance[r->instances];

	if (r->instances == RTPENGINE_MAX)
		return status_set(st, -E2BIG, "[media] rtpengine names more than %d", RTPENGINE_MAX);
	if (!colon || colon - item >= (ptrdiff_t)sizeof i->host)
		return status_set(st, -EINVAL, "[media] rtpengine = %s is not host:port", item);
	*i = (struct instance){.engine = r, .index = r->instances, .fd = -1, .port = atoi(colon + 1)};
	memcpy(i->host, item, (size_t)(colon - item));
	r->instances++;
	instance_open(i);
	return 0;
}

int rtpengine_new(struct rtpengine **out, struct worker *w, const char *list, struct status *st)
{
	struct rtpengine *r = xcalloc(1, sizeof *r);
	char *copy = xstrdup(list), *save = NULL;
	int err = 0;

	r->worker = w;
	r->turn = w->index; /* workers begin at different ones */
	for (char *p = strtok_r(copy, ", \t", &save); p && !err; p = strtok_r(NULL, ", \t", &save))
		err = instance_add(r, p, st);
	free(copy);
	if (err)
		rtpengine_free(&r);
	else
		*out = r;
	return err;
}

void rtpengine_free(struct rtpengine **pr)
{
	struct rtpengine *r = *pr;

	if (!r)
		return;
	while (r->open)
		question_close(r->open);
	for (int k = 0; k < r->instances; k++) {
		dns_drop(r->instance[k].looking);
		instance_close(&r->instance[k]);
	}
	free(r);
	*pr = NULL;
}
