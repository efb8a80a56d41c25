/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/lrn.h"

#include <ares.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/queue.h"
#include "lib/redis.h"

enum { QUEUE_SLOTS = 1024, ANSWER_MAX = 4096, WAIT_US = 200 * 1000 };

struct question {
	int worker;
	struct uuid call;
	int64_t deadline_us;
	char number[DIGITS_MAX + 1];
};

struct asker { /* one thread */
	struct lrn *lrn;
	pthread_t thread;
	bool started;
	struct queue *queue;
	struct redis *redis;
	ares_channel channel;
	bool has_channel;
};

struct lrn {
	struct lrn_options o;
	char *host, *port, *path; /* of http: the path with %s */
	char *zone;		  /* of enum:; NULL: http */
	struct addrinfo *address;
	struct asker asker[LRN_THREADS];
	_Atomic unsigned next;
	_Atomic int failures;
	_Atomic int64_t rest_until_us;
	_Atomic bool stop;
};

/* ---- where to ask ---- */

static int lookup_parse(const char *lookup, struct lrn *l)
{
	static const char http[] = "http://";

	if (strncmp(lookup, "enum:", 5) == 0 && lookup[5] != '\0') {
		l->zone = xstrdup(lookup + 5);
		return 0;
	}
	if (strncmp(lookup, http, sizeof http - 1) != 0)
		return -EINVAL;
	const char *host = lookup + sizeof http - 1, *path = strchr(host, '/');
	const char *number = path != NULL ? strstr(path, "%s") : NULL;
	if (number == NULL || strchr(path, '%') != number || strchr(number + 1, '%') != NULL)
		return -EINVAL;
	size_t len = (size_t)(path - host), name = strcspn(host, host[0] == '[' ? "]" : ":/");
	l->host = host[0] == '[' ? strndup(host + 1, name - 1) : strndup(host, name);
	const char *colon = memchr(host + name, ':', len > name ? len - name : 0);
	l->port = colon != NULL ? strndup(colon + 1, (size_t)(path - colon - 1)) : strdup("80");
	l->path = strdup(path);
	return l->host != NULL && l->host[0] != '\0' && l->port != NULL && l->path != NULL &&
			       strspn(l->port, "0123456789") == strlen(l->port)
		       ? 0
		       : -EINVAL;
}

static void lookup_free(struct lrn *l)
{
	free(l->host);
	free(l->port);
	free(l->path);
	free(l->zone);
	if (l->address != NULL)
		freeaddrinfo(l->address);
}

/* Digits only, a leading + aside; anything else is no number. */
static int number_copy(const char *text, size_t len, char out[static DIGITS_MAX + 1])
{
	if (len > 0 && text[0] == '+') {
		text++;
		len--;
	}
	if (len > DIGITS_MAX)
		return -EPROTO;
	memcpy(out, text, len);
	out[len] = '\0';
	return len == 0 || digits_only(out) ? 0 : -EPROTO;
}

/* ---- HTTP ---- */

static int wait_for(int fd, short events, int64_t deadline_us)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t left_ms = (deadline_us - clock_mono_us()) / 1000;
	int r = left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;
	return r > 0 ? 0 : r == 0 ? -ETIMEDOUT : -errno;
}

static int http_connect(const struct addrinfo *a, int64_t deadline_us)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err = 0;
	socklen_t len = sizeof err;

	if (fd < 0)
		return -errno;
	if (connect(fd, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS)
		err = -errno;
	else if ((err = wait_for(fd, POLLOUT, deadline_us)) == 0 &&
		 getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0)
		err = -err;
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

static int http_talk(int fd, const char *request, char answer[static ANSWER_MAX], int64_t deadline_us)
{
	size_t len = strlen(request), at = 0;
	int err;

	while (at < len) {
		ssize_t n = send(fd, request + at, len - at, MSG_NOSIGNAL);
		if (n > 0)
			at += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			return -errno;
		else if ((err = wait_for(fd, POLLOUT, deadline_us)) != 0)
			return err;
	}
	for (at = 0; at < ANSWER_MAX - 1;) {
		ssize_t n = recv(fd, answer + at, ANSWER_MAX - 1 - at, 0);
		if (n == 0)
			break;
		if (n > 0)
			at += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			return -errno;
		else if ((err = wait_for(fd, POLLIN, deadline_us)) != 0)
			return err;
	}
	answer[at] = '\0';
	return 0;
}

static int http_read(const char *answer, char lrn[static DIGITS_MAX + 1])
{
	int status = 0;
	const char *body = strstr(answer, "\r\n\r\n");

	lrn[0] = '\0';
	if (sscanf(answer, "HTTP/1.%*d %d", &status) != 1 || body == NULL)
		return -EPROTO;
	if (status == 404 || status == 204)
		return 0;
	if (status != 200)
		return -EPROTO;
	body += 4;
	body += strspn(body, " \t\r\n");
	if (*body != '{')
		return number_copy(body, strcspn(body, " \t\r\n"), lrn);
	json_t *j = json_loads(body, 0, NULL);
	const json_t *value = json_object_get(j, "lrn");
	const char *text = json_string_value(value);
	int err = text != NULL ? number_copy(text, strlen(text), lrn) : json_is_null(value) ? 0 : -EPROTO;
	json_decref(j);
	return err;
}

static int http_ask(const struct lrn *l, const struct question *q, char lrn[static DIGITS_MAX + 1])
{
	char answer[ANSWER_MAX];
	struct buf request = {0};
	const char *at = strstr(l->path, "%s");
	int fd = -EHOSTUNREACH;

	for (const struct addrinfo *a = l->address; a != NULL && fd < 0; a = a->ai_next)
		fd = http_connect(a, q->deadline_us);
	if (fd < 0)
		return fd;
	buf_printf(&request, "GET %.*s%s%s HTTP/1.0\r\nHost: %s:%s\r\nAccept: application/json, text/plain\r\n\r\n",
		   (int)(at - l->path), l->path, q->number, at + 2, l->host, l->port);
	int err = http_talk(fd, request.text, answer, q->deadline_us);
	close(fd);
	buf_free(&request);
	return err != 0 ? err : http_read(answer, lrn);
}

/* ---- ENUM ---- */

struct enum_answer {
	bool done;
	int err;
	char *lrn;
};

/* "!^.*$!tel:+12125550100;npdi;rn=+12129990000!": what stands behind rn= */
static int rn_of(const char *regexp, char *lrn)
{
	const char *rn = strstr(regexp, ";rn=");
	return rn != NULL ? number_copy(rn + 4, strspn(rn + 4, "+0123456789"), lrn) : 0;
}

static void on_naptr(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
	struct enum_answer *e = arg;
	struct ares_naptr_reply *list = NULL;

	e->done = true;
	if (status == ARES_ENOTFOUND || status == ARES_ENODATA)
		return; /* not ported */
	if (status != ARES_SUCCESS || ares_parse_naptr_reply(answer, len, &list) != ARES_SUCCESS) {
		e->err = -EPROTO;
		return;
	}
	for (struct ares_naptr_reply *n = list; n != NULL && e->lrn[0] == '\0' && e->err == 0; n = n->next)
		if (n->regexp != NULL)
			e->err = rn_of((const char *)n->regexp, e->lrn);
	ares_free_data(list);
}

static int enum_ask(struct asker *a, const struct question *q, char lrn[static DIGITS_MAX + 1])
{
	struct enum_answer e = {.lrn = lrn};
	struct buf name = {0};

	lrn[0] = '\0';
	for (size_t i = strlen(q->number); i-- > 0;)
		buf_printf(&name, "%c.", q->number[i]);
	buf_puts(&name, a->lrn->zone);
	ares_query(a->channel, name.text, 1 /* IN */, 35 /* NAPTR */, on_naptr, &e);
	buf_free(&name);
	while (!e.done && clock_mono_us() < q->deadline_us) {
		ares_socket_t fd[ARES_GETSOCK_MAXNUM];
		struct pollfd p[ARES_GETSOCK_MAXNUM];
		int bits = ares_getsock(a->channel, fd, ARES_GETSOCK_MAXNUM), n = 0;
		for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++)
			if (ARES_GETSOCK_READABLE(bits, i) || ARES_GETSOCK_WRITABLE(bits, i))
				p[n++] = (struct pollfd){
					.fd = fd[i],
					.events = (short)(ARES_GETSOCK_WRITABLE(bits, i) ? POLLIN | POLLOUT : POLLIN)};
		int64_t left_ms = (q->deadline_us - clock_mono_us()) / 1000;
		(void)poll(p, (nfds_t)n, left_ms < 20 ? (int)(left_ms > 0 ? left_ms : 0) : 20);
		for (int i = 0; i < n; i++)
			ares_process_fd(a->channel,
					p[i].revents & (POLLIN | POLLERR | POLLHUP) ? p[i].fd : ARES_SOCKET_BAD,
					p[i].revents & POLLOUT ? p[i].fd : ARES_SOCKET_BAD);
		ares_process_fd(a->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* its own time limits */
	}
	if (!e.done) {
		ares_cancel(a->channel); /* calls on_naptr, which writes to e */
		e.err = -ETIMEDOUT;
	}
	return e.err;
}

/* ---- a question ---- */

static bool cached(struct asker *a, const struct question *q, char lrn[static DIGITS_MAX + 1])
{
	redisReply *reply;
	bool found = false;

	if (redis_command(a->redis, &reply, NULL, "GET {tandem}:lrn:%s", q->number) != 0)
		return false;
	if (reply->type == REDIS_REPLY_STRING)
		found = number_copy(reply->str, reply->len, lrn) == 0;
	freeReplyObject(reply);
	return found;
}

static void keep(struct asker *a, const struct question *q, const char *lrn)
{
	redisReply *reply;
	if (a->lrn->o.cache_ms > 0 && redis_command(a->redis, &reply, NULL, "SET {tandem}:lrn:%s %s PX %lld", q->number,
						    lrn, (long long)a->lrn->o.cache_ms) == 0)
		freeReplyObject(reply); /* else Redis is away, which others say */
}

static void note(struct lrn *l, int err)
{
	if (err == 0) {
		if (atomic_exchange(&l->failures, 0) >= LRN_FAILURES)
			log_event(LOG_LEVEL_INFO, "portability look-up back", NULL);
		return;
	}
	int n = atomic_fetch_add(&l->failures, 1) + 1;
	if (n < LRN_FAILURES)
		return;
	atomic_store(&l->rest_until_us, clock_mono_us() + LRN_REST_US);
	if (n == LRN_FAILURES)
		log_event(LOG_LEVEL_WARN, "portability look-up away, calls go by the dialled number", "why=\"%s\"",
			  strerror(-err));
}

static void answer(struct asker *a, const struct question *q)
{
	struct lrn *l = a->lrn;
	char lrn[DIGITS_MAX + 1] = "";

	if (clock_mono_us() < q->deadline_us && !cached(a, q, lrn)) {
		int err = l->zone != NULL ? enum_ask(a, q, lrn) : http_ask(l, q, lrn);
		note(l, err);
		if (err == 0)
			keep(a, q, lrn);
		else
			lrn[0] = '\0';
	}
	l->o.answer(l->o.arg, q->worker, &q->call, lrn);
}

static void *asker_run(void *arg)
{
	struct asker *a = arg;
	struct question *q;

	while (!atomic_load(&a->lrn->stop)) {
		queue_wait(a->queue, WAIT_US);
		while (!atomic_load(&a->lrn->stop) && (q = queue_pop(a->queue)) != NULL) {
			answer(a, q);
			free(q);
		}
	}
	return NULL;
}

bool lrn_ask(struct lrn *l, int worker, const struct uuid *call, const char *number)
{
	int64_t now_us = clock_mono_us();

	if (l == NULL || now_us < atomic_load_explicit(&l->rest_until_us, memory_order_relaxed))
		return false;
	struct question *q = xcalloc(1, sizeof *q);
	*q = (struct question){.worker = worker, .call = *call, .deadline_us = now_us + l->o.timeout_ms * 1000};
	snprintf(q->number, sizeof q->number, "%s", number);
	unsigned at = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed) % LRN_THREADS;
	if (queue_push(l->asker[at].queue, q) == 0)
		return true;
	free(q);
	return false;
}

/* ---- life ---- */

static int asker_start(struct asker *a, struct lrn *l, struct status *st)
{
	a->lrn = l;
	a->redis = redis_new(l->o.redis_url, (int)l->o.timeout_ms);
	int err = queue_new(&a->queue, QUEUE_SLOTS);
	if (err == 0 && l->zone != NULL) {
		struct ares_options options = {.timeout = (int)l->o.timeout_ms, .tries = 1};
		a->has_channel =
			ares_init_options(&a->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) == ARES_SUCCESS;
		if (!a->has_channel || (l->o.dns_servers[0] != '\0' &&
					ares_set_servers_ports_csv(a->channel, l->o.dns_servers) != ARES_SUCCESS))
			err = -EINVAL;
	}
	if (err == 0)
		err = -pthread_create(&a->thread, NULL, asker_run, a);
	a->started = err == 0;
	return err == 0 ? 0 : status_set(st, err, "cannot start a portability look-up: %s", strerror(-err));
}

int lrn_start(struct lrn **out, const struct lrn_options *o, struct status *st)
{
	*out = NULL;
	if (o->lookup[0] == '\0')
		return 0;
	struct lrn *l = xcalloc(1, sizeof *l);
	l->o = *o;
	int err = lookup_parse(o->lookup, l);
	if (err == 0 && l->zone == NULL) {
		const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
		int code = getaddrinfo(l->host, l->port, &hints, &l->address);
		if (code != 0)
			err = status_set(st, -EHOSTUNREACH, "[portability] lookup: %s: %s", l->host,
					 gai_strerror(code));
	} else if (err != 0) {
		err = status_set(st, err, "[portability] lookup is not usable");
	}
	for (int i = 0; err == 0 && i < LRN_THREADS; i++)
		err = asker_start(&l->asker[i], l, st);
	*out = l;
	if (err != 0)
		lrn_stop(out);
	return err;
}

void lrn_quiet(struct lrn *l)
{
	if (l == NULL || atomic_exchange(&l->stop, true))
		return;
	for (int i = 0; i < LRN_THREADS; i++)
		if (l->asker[i].started) {
			queue_wake(l->asker[i].queue);
			pthread_join(l->asker[i].thread, NULL);
		}
}

void lrn_stop(struct lrn **lp)
{
	struct lrn *l = *lp;
	struct question *q;

	*lp = NULL;
	if (l == NULL)
		return;
	lrn_quiet(l);
	for (int i = 0; i < LRN_THREADS; i++) {
		struct asker *a = &l->asker[i];
		while (a->queue != NULL && (q = queue_pop(a->queue)) != NULL)
			free(q);
		queue_free(&a->queue);
		redis_free(&a->redis);
		if (a->has_channel)
			ares_destroy(a->channel);
	}
	lookup_free(l);
	free(l);
}
