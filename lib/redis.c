/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/redis.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "lib/buf.h"
#include "lib/clock.h"

#define RETRY_US 500000
#define REDIS_PORT 6379
#define SENTINEL_PORT 26379
#define RESOLVE_TIMEOUT_MS 1000

struct redis {
	struct redis_address address;
	struct redis_address peer; /* as connected: numeric */
	int timeout_ms;
	redisContext *context;
	int64_t next_try_us;
	struct status last; /* why there is no connection */
	int appended;
};

/* --- addresses --- */

static int hex_digit(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
					    : -1;
}

/* from[0..len) with %XX undone */
static int decode(const char *from, size_t len, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = from[i];

		if (c == '%') {
			if (len - i < 3)
				return -EINVAL;
			int high = hex_digit(from[i + 1]), low = hex_digit(from[i + 2]);
			if (high < 0 || low < 0 || (high == 0 && low == 0))
				return -EINVAL;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (n + 1 >= size)
			return -EINVAL;
		out[n++] = c;
	}
	out[n] = '\0';
	return 0;
}

static int parse_number(const char *text, size_t len, int max, int *out)
{
	int value = 0;

	if (len == 0 || len > 5)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return -EINVAL;
		value = value * 10 + (text[i] - '0');
	}
	if (value > max)
		return -EINVAL;
	*out = value;
	return 0;
}

/* host[:port], IPv6 in brackets */
static int parse_host(const char *text, size_t len, int default_port, char host[static 256], int *port)
{
	const char *end = text + len, *host_end, *colon;

	*port = default_port;
	if (len > 0 && *text == '[') {
		host_end = memchr(text, ']', len);
		if (host_end == NULL)
			return -EINVAL;
		text++;
		colon = host_end + 1 < end ? host_end + 1 : NULL;
		if (colon != NULL && *colon != ':')
			return -EINVAL;
	} else {
		colon = memchr(text, ':', len);
		host_end = colon != NULL ? colon : end;
	}
	if (host_end == text || host_end - text > 255)
		return -EINVAL;
	if (colon != NULL && (parse_number(colon + 1, (size_t)(end - colon - 1), 65535, port) != 0 || *port == 0))
		return -EINVAL;
	snprintf(host, 256, "%.*s", (int)(host_end - text), text);
	return 0;
}

/* [[user]:password@]; *rest is what follows. A name without a colon is a password, too, as redis-cli takes it. */
static int parse_login(const char *text, struct redis_address *out, const char **rest)
{
	size_t authority = strcspn(text, "/?");
	const char *at = memrchr(text, '@', authority);

	*rest = text;
	if (at == NULL)
		return 0;
	*rest = at + 1;

	const char *colon = memchr(text, ':', (size_t)(at - text));
	if (colon == NULL)
		return decode(text, (size_t)(at - text), out->password, sizeof(out->password));
	if (decode(text, (size_t)(colon - text), out->user, sizeof(out->user)) != 0)
		return -EINVAL;
	return decode(colon + 1, (size_t)(at - colon - 1), out->password, sizeof(out->password));
}

static int parse_db(const char *text, int *db)
{
	return *text == '\0' ? 0 : parse_number(text, strlen(text), 65535, db);
}

static int parse_tcp(const char *rest, struct redis_address *out)
{
	size_t len;

	if (parse_login(rest, out, &rest) != 0)
		return -EINVAL;
	len = strcspn(rest, "/?");
	if (parse_host(rest, len, REDIS_PORT, out->host, &out->port) != 0)
		return -EINVAL;
	rest += len;
	if (*rest == '/')
		return parse_db(rest + 1, &out->db);
	return *rest == '\0' ? 0 : -EINVAL;
}

static int parse_unix(const char *rest, struct redis_address *out)
{
	size_t len = strcspn(rest, "?");

	if (*rest != '/' || decode(rest, len, out->host, sizeof(out->host)) != 0)
		return -EINVAL;
	rest += len;
	if (strncmp(rest, "?db=", 4) == 0)
		return rest[4] != '\0' ? parse_db(rest + 4, &out->db) : -EINVAL;
	return *rest == '\0' ? 0 : -EINVAL;
}

static int parse_sentinel(const char *rest, struct redis_address *out)
{
	char host[256];
	int port;

	if (parse_login(rest, out, &rest) != 0)
		return -EINVAL;

	size_t len = strcspn(rest, "/");
	if (rest[len] != '/' || len >= sizeof(out->host))
		return -EINVAL;
	snprintf(out->host, sizeof(out->host), "%.*s", (int)len, rest);
	for (const char *p = out->host;;) {
		size_t one = strcspn(p, ",");

		if (parse_host(p, one, SENTINEL_PORT, host, &port) != 0)
			return -EINVAL;
		if (p[one] == '\0')
			break;
		p += one + 1;
	}
	rest += len + 1;
	len = strcspn(rest, "/");
	if (len == 0 || decode(rest, len, out->master, sizeof(out->master)) != 0)
		return -EINVAL;
	return rest[len] == '/' ? parse_db(rest + len + 1, &out->db) : 0;
}

int redis_address_parse(const char *url, struct redis_address *out, struct status *st)
{
	static const struct {
		const char *scheme;
		int kind;
		int (*parse)(const char *rest, struct redis_address *out);
		const char *form;
	} schemes[] = {
		{"redis://", REDIS_TCP, parse_tcp, "redis://[[user]:password@]host[:port][/db]"},
		{"unix://", REDIS_UNIX, parse_unix, "unix:///path[?db=N]"},
		{"redis+sentinel://", REDIS_SENTINEL, parse_sentinel,
		 "redis+sentinel://host[:port],host[:port]/name[/db]"},
	};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i].scheme);

		if (strncmp(url, schemes[i].scheme, len) != 0)
			continue;
		memset(out, 0, sizeof(*out));
		if (schemes[i].parse(url + len, out) != 0) /* the URL may hold a password: not in the message */
			return status_set(st, -EINVAL, "is not a Redis URL of the form %s", schemes[i].form);
		out->kind = schemes[i].kind;
		return 0;
	}
	return status_set(st, -EINVAL, "is not a Redis URL; it begins with redis://, unix:// or redis+sentinel://");
}

/* --- connections --- */

static struct timeval to_timeval(int ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static int open_context(const struct redis_address *a, int timeout_ms, redisContext **out, struct status *st)
{
	struct timeval limit = to_timeval(timeout_ms);
	redisContext *c = a->kind == REDIS_UNIX ? redisConnectUnixWithTimeout(a->host, limit)
						: redisConnectWithTimeout(a->host, a->port, limit);

	if (c == NULL)
		return status_set(st, -ENOTCONN, "redis: out of memory");
	if (c->err == 0 && redisSetTimeout(c, limit) == REDIS_OK) {
		(void)fcntl(c->fd, F_SETFD, FD_CLOEXEC); /* hiredis leaves it open to programs that we run */
		(void)redisEnableKeepAlive(c);		 /* a Unix socket has none */
		*out = c;
		return 0;
	}
	if (a->kind == REDIS_UNIX)
		status_set(st, -ENOTCONN, "redis: %.200s: %.128s", a->host, c->errstr);
	else
		status_set(st, -ENOTCONN, "redis: %.200s:%d: %.128s", a->host, a->port, c->errstr);
	redisFree(c);
	return -ENOTCONN;
}

static int ask_sentinel(const char *host, int port, const struct redis_address *a, struct redis_address *master,
			struct status *st)
{
	struct redis_address sentinel = {.kind = REDIS_TCP, .port = port};
	redisContext *c;

	snprintf(sentinel.host, sizeof(sentinel.host), "%s", host);

	int err = open_context(&sentinel, RESOLVE_TIMEOUT_MS, &c, st);
	if (err != 0)
		return err;

	redisReply *reply = redisCommand(c, "SENTINEL get-master-addr-by-name %s", a->master);
	if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
	    parse_number(reply->element[1]->str, reply->element[1]->len, 65535, &master->port) == 0) {
		snprintf(master->host, sizeof(master->host), "%s", reply->element[0]->str);
	} else {
		err = status_set(st, -ENOTCONN, "redis: sentinel %s:%d knows no master \"%s\"", host, port, a->master);
	}
	if (reply != NULL)
		freeReplyObject(reply);
	redisFree(c);
	return err;
}

int redis_address_resolve(const struct redis_address *a, struct redis_address *master, struct status *st)
{
	int err = -ENOTCONN;

	*master = *a;
	if (a->kind != REDIS_SENTINEL)
		return 0;
	master->kind = REDIS_TCP;
	for (const char *p = a->host; err != 0;) {
		size_t len = strcspn(p, ",");
		char host[256];
		int port;

		err = parse_host(p, len, SENTINEL_PORT, host, &port);
		if (err == 0)
			err = ask_sentinel(host, port, a, master, st);
		if (p[len] == '\0')
			break;
		p += len + 1;
	}
	return err;
}

/* one command on a new connection, before anyone else may use it; what: named in the error */
static int greet(redisContext *c, const char *what, redisReply *reply, struct status *st)
{
	int err = 0;

	if (reply == NULL)
		err = status_set(st, -ENOTCONN, "redis: %s: %.128s", what, c->errstr);
	else if (reply->type == REDIS_REPLY_ERROR)
		err = status_set(st, -ENOTCONN, "redis: %s: %.200s", what, reply->str);
	if (reply != NULL)
		freeReplyObject(reply);
	return err;
}

static int check_role(redisContext *c, struct status *st)
{
	redisReply *reply = redisCommand(c, "ROLE");
	int err = 0;

	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
	    strcmp(reply->element[0]->str, "master") != 0)
		err = status_set(st, -ENOTCONN,
				 "redis: what the Sentinels name as master is none (a failover is under way)");
	if (reply != NULL)
		freeReplyObject(reply);
	return err;
}

static int log_in(redisContext *c, const struct redis_address *a, struct status *st)
{
	int err = 0;

	if (a->user[0] != '\0')
		err = greet(c, "AUTH", redisCommand(c, "AUTH %s %s", a->user, a->password), st);
	else if (a->password[0] != '\0')
		err = greet(c, "AUTH", redisCommand(c, "AUTH %s", a->password), st);
	if (err == 0 && a->db != 0)
		err = greet(c, "SELECT", redisCommand(c, "SELECT %d", a->db), st);
	return err;
}

/* a host name, as the address that it led to */
static void numeric_host(int fd, struct redis_address *a)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	if (a->kind == REDIS_TCP && getpeername(fd, (struct sockaddr *)&peer, &len) == 0)
		(void)getnameinfo((struct sockaddr *)&peer, len, a->host, sizeof(a->host), NULL, 0, NI_NUMERICHOST);
}

static int connect_now(struct redis *r, struct status *st)
{
	struct redis_address master;
	redisContext *c = NULL;
	int err = redis_address_resolve(&r->address, &master, st);

	if (err == 0)
		err = open_context(&master, r->timeout_ms, &c, st);
	if (err != 0)
		return err;
	err = log_in(c, &master, st);
	if (err == 0 && r->address.kind == REDIS_SENTINEL)
		err = check_role(c, st);
	if (err != 0) {
		redisFree(c);
		return err;
	}
	r->context = c;
	r->peer = master;
	numeric_host(c->fd, &r->peer);
	return 0;
}

const struct redis_address *redis_peer(const struct redis *r)
{
	return &r->peer;
}

struct redis *redis_new(const char *url, int timeout_ms)
{
	struct redis *r = xcalloc(1, sizeof(*r));
	struct status st;

	if (redis_address_parse(url, &r->address, &st) != 0)
		abort(); /* checked when the settings were read */
	r->timeout_ms = timeout_ms;
	return r;
}

void redis_drop(struct redis *r)
{
	if (r->context != NULL)
		redisFree(r->context);
	r->context = NULL;
	r->appended = 0;
}

void redis_free(struct redis **r)
{
	if (*r == NULL)
		return;
	redis_drop(*r);
	free(*r);
	*r = NULL;
}

redisContext *redis_raw(struct redis *r)
{
	return r->context;
}

int redis_connect(struct redis *r, struct status *st)
{
	struct status why = {""};

	if (r->context != NULL)
		return 0;
	if (clock_mono_us() < r->next_try_us)
		return status_set(st, -ENOTCONN, "%s", r->last.text);
	if (connect_now(r, &why) != 0) {
		r->last = why;
		r->next_try_us = clock_mono_us() + RETRY_US;
		return status_set(st, -ENOTCONN, "%s", why.text);
	}
	r->next_try_us = 0;
	return 0;
}

/* the connection failed in the middle of a command */
static int broken(struct redis *r, struct status *st)
{
	bool late = r->context->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ETIMEDOUT);
	int err = late ? -ETIMEDOUT : -ENOTCONN;

	status_set(&r->last, err, "redis: %.128s", late ? "no answer in time" : r->context->errstr);
	redis_drop(r);
	return status_set(st, err, "%s", r->last.text);
}

/* These answers mean that this server is the wrong one, or not yet one: connect anew next time. */
static bool turned_away(const char *text)
{
	return strncmp(text, "READONLY", 8) == 0 || strncmp(text, "LOADING", 7) == 0 ||
	       strncmp(text, "MASTERDOWN", 10) == 0;
}

static int error_reply(struct redis *r, const redisReply *reply, struct status *st)
{
	int err = turned_away(reply->str) ? -ENOTCONN : -EIO;

	status_set(st, err, "redis: %.300s", reply->str);
	return err;
}

static int answer(struct redis *r, redisReply *got, redisReply **reply, struct status *st)
{
	if (got == NULL)
		return broken(r, st);
	if (got->type == REDIS_REPLY_ERROR) {
		int err = error_reply(r, got, st);

		freeReplyObject(got);
		if (err == -ENOTCONN)
			redis_drop(r);
		return err;
	}
	if (reply != NULL)
		*reply = got;
	else
		freeReplyObject(got);
	return 0;
}

int redis_command(struct redis *r, redisReply **reply, struct status *st, const char *fmt, ...)
{
	int err = redis_connect(r, st);
	va_list args;

	if (err == 0)
		err = redis_flush(r, st);
	if (err != 0)
		return err;
	va_start(args, fmt);
	redisReply *got = redisvCommand(r->context, fmt, args);
	va_end(args);
	return answer(r, got, reply, st);
}

int redis_command_argv(struct redis *r, redisReply **reply, struct status *st, int argc, const char **argv,
		       const size_t *len)
{
	int err = redis_append(r, st, argc, argv, len);
	void *got = NULL;

	if (err != 0)
		return err;
	r->appended--; /* the last answer is the command's */
	err = redis_flush(r, st);
	if (err != 0 && r->context == NULL)
		return err;
	if (redisGetReply(r->context, &got) != REDIS_OK)
		return broken(r, st);
	if (err == 0)
		return answer(r, got, reply, st);
	freeReplyObject(got);
	return err;
}

int redis_append(struct redis *r, struct status *st, int argc, const char **argv, const size_t *len)
{
	int err = redis_connect(r, st);

	if (err != 0)
		return err;
	if (redisAppendCommandArgv(r->context, argc, argv, len) != REDIS_OK)
		return broken(r, st);
	r->appended++;
	return 0;
}

int redis_flush(struct redis *r, struct status *st)
{
	int result = 0;

	while (r->appended > 0) {
		void *reply = NULL;

		if (redisGetReply(r->context, &reply) != REDIS_OK)
			return broken(r, st);
		r->appended--;
		if (((redisReply *)reply)->type == REDIS_REPLY_ERROR && result == 0)
			result = error_reply(r, reply, st);
		freeReplyObject(reply);
	}
	if (result == -ENOTCONN)
		redis_drop(r);
	return result;
}
