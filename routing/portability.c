/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/portability.h"

#include <ares.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"

enum { ANSWER_MAX = 4096, ADDRESS_US = 60 * 1000 * 1000 };

struct portability {
	struct portability_options o;
	char *host, *port, *path;      /* of http: the path with %s */
	char *zone;		       /* of enum:; NULL: http */
	struct ares_addrinfo *address; /* of http: what the host's name said last; NULL: nothing yet */
	int64_t address_until_us;      /* then it is asked for again */
	ares_channel channel;
	bool has_channel;
};

struct portability_desk {
	struct portability_options o;
	pthread_mutex_t lock;
	int seats;
	struct portability *free[PORTABILITY_SEATS_MAX]; /* under lock; free[0..seats) */
};

/* ---- where to ask ---- */

static int lookup_parse(const char *lookup, struct portability *p)
{
	static const char http[] = "http://";

	if (strncmp(lookup, "enum:", 5) == 0 && lookup[5] != '\0') {
		p->zone = xstrdup(lookup + 5);
		return 0;
	}
	if (strncmp(lookup, http, sizeof http - 1) != 0)
		return -EINVAL;
	const char *host = lookup + sizeof http - 1, *path = strchr(host, '/');
	const char *number = path != NULL ? strstr(path, "%s") : NULL;
	if (number == NULL || strchr(path, '%') != number || strchr(number + 1, '%') != NULL)
		return -EINVAL;
	size_t len = (size_t)(path - host), name = strcspn(host, host[0] == '[' ? "]" : ":/");
	p->host = host[0] == '[' ? strndup(host + 1, name - 1) : strndup(host, name);
	const char *colon = memchr(host + name, ':', len > name ? len - name : 0);
	p->port = colon != NULL ? strndup(colon + 1, (size_t)(path - colon - 1)) : strdup("80");
	p->path = strdup(path);
	return p->host != NULL && p->host[0] != '\0' && p->port != NULL && p->path != NULL &&
			       strspn(p->port, "0123456789") == strlen(p->port)
		       ? 0
		       : -EINVAL;
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

/* ---- DNS, within the time that is left ---- */

static int64_t left_ms(int64_t deadline_us)
{
	int64_t left_us = deadline_us - clock_mono_us();
	return left_us > 0 ? left_us / 1000 : 0;
}

static void channel_turn(ares_channel channel, int wait_ms)
{
	ares_socket_t fd[ARES_GETSOCK_MAXNUM];
	struct pollfd wait[ARES_GETSOCK_MAXNUM];
	unsigned bits = (unsigned)ares_getsock(channel, fd, ARES_GETSOCK_MAXNUM);
	int n = 0;

	/* the library's own macros shift a signed 1 by 31 for the last one */
	for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
		bool readable = bits >> i & 1, writable = bits >> (i + ARES_GETSOCK_MAXNUM) & 1;
		if (readable || writable)
			wait[n++] =
				(struct pollfd){.fd = fd[i], .events = (short)(writable ? POLLIN | POLLOUT : POLLIN)};
	}
	(void)poll(wait, (nfds_t)n, wait_ms);
	for (int i = 0; i < n; i++)
		ares_process_fd(channel, wait[i].revents & (POLLIN | POLLERR | POLLHUP) ? wait[i].fd : ARES_SOCKET_BAD,
				wait[i].revents & POLLOUT ? wait[i].fd : ARES_SOCKET_BAD);
	ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* its own time limits */
}

/* Until the question is answered, or its time is over: then it is called off, which answers it, too. */
static int channel_wait(struct portability *p, const bool *done, int64_t deadline_us)
{
	while (!*done && clock_mono_us() < deadline_us) {
		int64_t wait_ms = left_ms(deadline_us);
		channel_turn(p->channel, wait_ms < 20 ? (int)wait_ms : 20);
	}
	if (*done)
		return 0;
	ares_cancel(p->channel);
	return -ETIMEDOUT;
}

struct address_answer {
	bool done;
	int status;
	struct ares_addrinfo *info;
};

static void on_address(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct address_answer *a = arg;

	a->done = true;
	a->status = status;
	a->info = info;
}

/* The host's addresses, at most a minute old; older ones serve where DNS doesn't answer, which may then take half of
 * the time that is left. */
static int host_resolve(struct portability *p, int64_t deadline_us)
{
	const struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct address_answer a = {.done = false};
	int64_t now_us = clock_mono_us();

	if (p->address != NULL && now_us < p->address_until_us)
		return 0;
	if (p->address != NULL)
		deadline_us = now_us + (deadline_us - now_us) / 2;
	ares_getaddrinfo(p->channel, p->host, p->port, &hints, on_address, &a);
	int err = channel_wait(p, &a.done, deadline_us);
	if (err == 0 && (a.status != ARES_SUCCESS || a.info->nodes == NULL))
		err = a.status == ARES_ETIMEOUT ? -ETIMEDOUT : -EHOSTUNREACH;
	if (err == 0) {
		ares_freeaddrinfo(p->address);
		p->address = a.info;
	} else if (a.info != NULL) {
		ares_freeaddrinfo(a.info);
	}
	if (p->address == NULL)
		return err;
	p->address_until_us = clock_mono_us() + ADDRESS_US;
	return 0;
}

/* ---- HTTP ---- */

static int wait_for(int fd, short events, int64_t deadline_us)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t wait_ms = left_ms(deadline_us);
	int r = wait_ms > 0 ? poll(&p, 1, (int)wait_ms) : 0;
	return r > 0 ? 0 : r == 0 ? -ETIMEDOUT : -errno;
}

static int address_connect(const struct ares_addrinfo_node *a, int64_t deadline_us)
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

/* The first address that takes the connection; none may use up the time of those behind it. */
static int http_connect(const struct ares_addrinfo *info, int64_t deadline_us)
{
	int fd = -EHOSTUNREACH, left = 0;

	for (const struct ares_addrinfo_node *a = info->nodes; a != NULL; a = a->ai_next)
		left++;
	for (const struct ares_addrinfo_node *a = info->nodes; a != NULL && fd < 0; a = a->ai_next) {
		int64_t now_us = clock_mono_us();
		fd = address_connect(a, now_us + (deadline_us - now_us) / left--);
	}
	return fd;
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

static int http_ask(struct portability *p, const char *number, int64_t deadline_us, char lrn[static DIGITS_MAX + 1])
{
	char answer[ANSWER_MAX];
	struct buf request = {0};
	const char *at = strstr(p->path, "%s");

	int err = host_resolve(p, deadline_us);
	if (err != 0)
		return err;
	int fd = http_connect(p->address, deadline_us);
	if (fd < 0)
		return fd;
	buf_printf(&request, "GET %.*s%s%s HTTP/1.0\r\nHost: %s:%s\r\nAccept: application/json, text/plain\r\n\r\n",
		   (int)(at - p->path), p->path, number, at + 2, p->host, p->port);
	err = http_talk(fd, request.text, answer, deadline_us);
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
		e->err = status == ARES_ETIMEOUT ? -ETIMEDOUT : -EPROTO;
		return;
	}
	for (struct ares_naptr_reply *n = list; n != NULL && e->lrn[0] == '\0' && e->err == 0; n = n->next)
		if (n->regexp != NULL)
			e->err = rn_of((const char *)n->regexp, e->lrn);
	ares_free_data(list);
}

static int enum_ask(struct portability *p, const char *number, int64_t deadline_us, char lrn[static DIGITS_MAX + 1])
{
	struct enum_answer e = {.lrn = lrn};
	struct buf name = {0};

	lrn[0] = '\0';
	for (size_t i = strlen(number); i-- > 0;)
		buf_printf(&name, "%c.", number[i]);
	buf_puts(&name, p->zone);
	ares_query(p->channel, name.text, 1 /* IN */, 35 /* NAPTR */, on_naptr, &e);
	buf_free(&name);
	int err = channel_wait(p, &e.done, deadline_us);
	return err != 0 ? err : e.err;
}

/* ---- the cache ---- */

bool portability_cached(struct redis *redis, const char *number, char lrn[static DIGITS_MAX + 1])
{
	redisReply *reply;
	bool found = false;

	if (redis == NULL || redis_command(redis, &reply, NULL, "GET {tandem}:lrn:%s", number) != 0)
		return false;
	if (reply->type == REDIS_REPLY_STRING)
		found = number_copy(reply->str, reply->len, lrn) == 0;
	freeReplyObject(reply);
	return found;
}

static void keep(struct redis *redis, const char *number, const char *lrn, int64_t cache_ms)
{
	redisReply *reply;
	if (cache_ms > 0 &&
	    redis_command(redis, &reply, NULL, "SET {tandem}:lrn:%s %s PX %lld", number, lrn, (long long)cache_ms) == 0)
		freeReplyObject(reply); /* else Redis is away, which others say */
}

/* ---- a question ---- */

int portability_ask(struct portability *p, struct redis *redis, const char *number, int64_t deadline_us,
		    char lrn[static DIGITS_MAX + 1])
{
	int err = p->zone != NULL ? enum_ask(p, number, deadline_us, lrn) : http_ask(p, number, deadline_us, lrn);
	if (err == 0)
		keep(redis, number, lrn, p->o.cache_ms);
	else
		lrn[0] = '\0';
	return err;
}

bool portability_wants(const char *prefixes, const char *number)
{
	if (prefixes[strspn(prefixes, ", \t")] == '\0')
		return true;
	for (const char *p = prefixes; *(p += strspn(p, ", \t")) != '\0';) {
		size_t len = strcspn(p, ", \t");
		if (strncmp(number, p, len) == 0)
			return true;
		p += len;
	}
	return false;
}

/* Is there anything to ask for? If Redis knows the answer already, it is in lrn. */
static bool look_open(const struct portability_options *o, struct redis *redis, const char *number,
		      char lrn[static DIGITS_MAX + 1])
{
	lrn[0] = '\0';
	return o->lookup[0] != '\0' && portability_wants(o->prefixes, number) &&
	       !portability_cached(redis, number, lrn);
}

static int look_ask(struct portability *p, struct redis *redis, const char *number, char lrn[static DIGITS_MAX + 1],
		    struct status *st)
{
	int err = portability_ask(p, redis, number, clock_mono_us() + p->o.timeout_ms * 1000, lrn);
	return err == 0 ? 0
			: status_set(st, err, "the look-up of ported numbers: %s",
				     err == -EHOSTUNREACH ? "its name or address is not reached" : strerror(-err));
}

static void look_close(const char *number, char lrn[static DIGITS_MAX + 1])
{
	if (strcmp(lrn, number) == 0)
		lrn[0] = '\0';
}

int portability_look(const struct portability_options *o, struct redis *redis, const char *number,
		     char lrn[static DIGITS_MAX + 1], struct status *st)
{
	struct portability *p = NULL;
	int err = 0;

	if (look_open(o, redis, number, lrn)) {
		err = portability_new(&p, o, st);
		if (err == 0)
			err = look_ask(p, redis, number, lrn, st);
		portability_free(&p);
	}
	look_close(number, lrn);
	return err;
}

/* ---- many threads, few of which may wait ---- */

static struct portability *seat_take(struct portability_desk *d)
{
	pthread_mutex_lock(&d->lock);
	struct portability *p = d->seats > 0 ? d->free[--d->seats] : NULL;
	pthread_mutex_unlock(&d->lock);
	return p;
}

static void seat_give(struct portability_desk *d, struct portability *p)
{
	pthread_mutex_lock(&d->lock);
	d->free[d->seats++] = p;
	pthread_mutex_unlock(&d->lock);
}

int portability_desk_look(struct portability_desk *d, struct redis *redis, const char *number,
			  char lrn[static DIGITS_MAX + 1], struct status *st)
{
	int err = 0;

	if (look_open(&d->o, redis, number, lrn)) {
		struct portability *p = seat_take(d);
		if (p != NULL) {
			err = look_ask(p, redis, number, lrn, st);
			seat_give(d, p);
		} else {
			err = status_set(st, -EBUSY, "the look-up of ported numbers: too many wait for it already");
		}
	}
	look_close(number, lrn);
	return err;
}

int portability_desk_new(struct portability_desk **out, const struct portability_options *o, int seats,
			 struct status *st)
{
	struct portability_desk *d = xcalloc(1, sizeof *d);
	int err = 0;

	assert(seats > 0 && seats <= PORTABILITY_SEATS_MAX);
	d->o = *o;
	pthread_mutex_init(&d->lock, NULL);
	for (; o->lookup[0] != '\0' && d->seats < seats && err == 0; d->seats += err == 0)
		err = portability_new(&d->free[d->seats], o, st);
	*out = d;
	if (err != 0)
		portability_desk_free(out);
	return err;
}

void portability_desk_free(struct portability_desk **dp)
{
	struct portability_desk *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	for (int i = 0; i < d->seats; i++)
		portability_free(&d->free[i]);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

/* ---- life ---- */

static int channel_make(struct portability *p)
{
	struct ares_options options = {.timeout = (int)p->o.timeout_ms, .tries = 1};

	p->has_channel = ares_init_options(&p->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) == ARES_SUCCESS;
	if (!p->has_channel ||
	    (p->o.dns_servers[0] != '\0' && ares_set_servers_ports_csv(p->channel, p->o.dns_servers) != ARES_SUCCESS))
		return -EINVAL;
	return 0;
}

int portability_new(struct portability **out, const struct portability_options *o, struct status *st)
{
	*out = NULL;
	if (o->lookup[0] == '\0')
		return 0;
	struct portability *p = xcalloc(1, sizeof *p);
	p->o = *o;
	int err = lookup_parse(o->lookup, p);
	if (err == 0)
		err = channel_make(p);
	if (err != 0)
		err = status_set(st, err, "[portability] lookup is not usable");
	if (err != 0)
		portability_free(&p);
	*out = p;
	return err;
}

void portability_free(struct portability **pp)
{
	struct portability *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	free(p->host);
	free(p->port);
	free(p->path);
	free(p->zone);
	ares_freeaddrinfo(p->address);
	if (p->has_channel)
		ares_destroy(p->channel);
	free(p);
}
