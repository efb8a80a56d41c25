/* SPDX-License-Identifier: Apache-2.0 */
#include "api/server.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/auth.h"
#include "api/deadlines.h"
#include "api/endpoint.h"
#include "api/events.h"
#include "api/handlers.h"
#include "api/listen.h"
#include "api/metrics.h"
#include "api/pool.h"
#include "api/refusals.h"
#include "api/request.h"
#include "api/sheet.h"
#include "api/static.h"
#include "api/tls.h"
#include "lib/clock.h"
#include "lib/log.h"

#define IO_THREADS 2
#define CONNECTIONS_MAX 1024
#define CONNECTION_MEMORY (32 * 1024) /* request line and headers must fit */
#define IDLE_S 30
#define HEADER_LIMIT_US (20 * 1000000LL) /* also an idle keep-alive connection */
#define BODY_LIMIT_US (60 * 1000000LL)
#define CSV_LIMIT_US (900 * 1000000LL)
#define ANSWER_LIMIT_US (300 * 1000000LL)
#define STREAM_RETRY_S 2
#define DISCARD_MAX (64LL * 1024 * 1024) /* of a body that is refused: beyond, the connection is closed */

struct server {
	struct service *service;
	struct MHD_Daemon *daemon;
	int fd, port;
	bool tls;
	struct deadlines *deadlines;
	_Atomic int under_way; /* requests whose headers are in and whose answer is not out; streams aside */
	_Atomic bool quiet;    /* it stops: each answer is the last one of its connection */
};

enum phase {
	PHASE_HEADERS, /* next: the headers are in */
	PHASE_ADMIT,   /* suspended: may the caller send a body? */
	PHASE_BODY,
	PHASE_DISCARD, /* the answer is known; the rest of the body is read and forgotten */
	PHASE_RUN,     /* suspended: a worker has it */
	PHASE_SENT,
};

struct exchange {
	struct server *server;
	struct request *request;
	struct MHD_Connection *connection;
	struct deadline *deadline; /* of the connection */
	enum phase phase;
	bool counted; /* in under_way */
	bool streams; /* events */
};

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct server *s = cls;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		*context = deadline_new(s->deadlines, info->connect_fd, HEADER_LIMIT_US);
		return;
	}
	struct deadline *d = *context;
	deadline_free(&d);
	*context = NULL;
}

static uint64_t address_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	uint64_t address = 0;

	if (info == NULL || info->client_addr == NULL)
		return 0;
	const struct sockaddr *sa = info->client_addr;
	if (sa->sa_family == AF_INET) {
		memcpy(&address, &((const struct sockaddr_in *)sa)->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		const struct in6_addr *six = &((const struct sockaddr_in6 *)sa)->sin6_addr;
		if (IN6_IS_ADDR_V4MAPPED(six)) /* an IPv4 peer of a listener on [::] */
			memcpy(&address, six->s6_addr + 12, 4);
		else
			memcpy(&address, six, 8);
	}
	return address;
}

static void *on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
	struct server *s = cls;
	struct exchange *x = xcalloc(1, sizeof(*x));
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	x->server = s;
	x->connection = connection;
	x->deadline = info != NULL ? info->socket_context : NULL;
	x->request = request_new(s->service, target);
	x->request->address = address_of(connection);
	return x;
}

static void uncount(struct exchange *x)
{
	if (x->counted)
		x->server->under_way--;
	x->counted = false;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode code)
{
	struct exchange *x = *context;

	(void)cls;
	(void)connection;
	(void)code;
	if (x == NULL)
		return;
	uncount(x);
	if (x->streams)
		events_leave(x->server->service->events, x->connection);
	deadline_set(x->deadline, HEADER_LIMIT_US);
	request_free(&x->request);
	free(x);
	*context = NULL;
}

/* Sending */

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
	if (value != NULL)
		(void)MHD_add_response_header(response, name, value); /* fails only without memory */
}

static struct MHD_Response *stream_open(struct exchange *x)
{
	struct request *r = x->request;
	const struct events_seat seat = {
		.connection = x->connection, .deadline = x->deadline, .key_id = r->caller.key_id};
	enum events_refusal why;

	deadline_set(x->deadline, 0); /* before it is there for others, who may set one */
	struct MHD_Response *response = events_response(x->server->service->events, &seat, &why);
	if (response == NULL) {
		r->answer.streams = false;
		r->answer.retry_after_s = STREAM_RETRY_S;
		if (why == EVENTS_AWAY)
			request_problem(r, 503, "Redis is away: nothing is heard of live calls.");
		else if (why == EVENTS_FULL)
			request_problem(r, 503, "All %d event streams are taken; try again later.", EVENTS_STREAMS_MAX);
		else
			request_problem(r, 429, "This API key has %d event streams open, and gets no more.",
					EVENTS_STREAMS_OF_KEY_MAX);
		return NULL;
	}
	x->streams = true;
	uncount(x);
	return response;
}

static struct MHD_Response *sheet_open(struct exchange *x)
{
	struct MHD_Response *response = NULL;

	if (x->request->answer.status != 200)
		return NULL;
	response = sheet_response(x->request, x->connection);
	if (response == NULL)
		request_problem(x->request, 503, "Too many listings are being sent; try again.");
	deadline_set(x->deadline, CSV_LIMIT_US);
	return response;
}

static enum MHD_Result send_answer(struct exchange *x)
{
	struct answer *a = &x->request->answer;
	struct MHD_Response *response = a->streams			 ? stream_open(x)
					: x->request->sheet.next != NULL ? sheet_open(x)
									 : NULL;
	char number[16], attachment[100];

	if (response == NULL && a->has_file) {
		response = MHD_create_response_from_fd64((uint64_t)a->file_bytes, a->file_fd);
		a->has_file = response == NULL; /* the response closes it */
		deadline_set(x->deadline, CSV_LIMIT_US);
	} else if (response == NULL) {
		size_t len = a->type != NULL ? a->body.len : 0;
		response = MHD_create_response_from_buffer(len, len > 0 ? buf_steal(&a->body) : NULL,
							   len > 0 ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
		deadline_set(x->deadline, ANSWER_LIMIT_US);
	}
	if (response == NULL)
		return MHD_NO;
	add_header(response, "Content-Type", a->type);
	add_header(response, "Location", a->location);
	add_header(response, "ETag", a->etag);
	add_header(response, "Allow", a->allow);
	if (a->file_name != NULL) {
		snprintf(attachment, sizeof(attachment), "attachment; filename=\"%.64s\"", a->file_name);
		add_header(response, "Content-Disposition", attachment);
	}
	add_header(response, "Cache-Control", a->kept ? "private, no-cache" : "no-store");
	if (a->kept)
		add_header(response, "Vary", "Accept-Encoding");
	if (a->gzipped)
		add_header(response, "Content-Encoding", "gzip");
	if (a->page) {
		add_header(response, "Content-Security-Policy", STATIC_POLICY);
		add_header(response, "Referrer-Policy", "no-referrer");
	}
	add_header(response, "X-Content-Type-Options", "nosniff");
	if (a->status == 401)
		add_header(response, "WWW-Authenticate", "Bearer");
	if (a->retry_after_s > 0) {
		snprintf(number, sizeof(number), "%d", a->retry_after_s);
		add_header(response, "Retry-After", number);
	}
	if (a->streams || a->closes || x->server->quiet) /* a stream's end is seen at once, through proxies, too */
		add_header(response, "Connection", "close");
	x->phase = PHASE_SENT;
	metrics_count(x->server->service->metrics, x->request);
	enum MHD_Result rc = refusals_pass(x->connection, (unsigned)a->status, response);
	MHD_destroy_response(response);
	return rc;
}

/* Reading */

static const char *header(struct exchange *x, const char *name)
{
	const char *value = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);

	return value != NULL ? arena_strdup(x->request->arena, value) : NULL;
}

static void on_done(struct request *r)
{
	struct exchange *x = r->done_arg;

	MHD_resume_connection(x->connection);
}

/* Suspended before it is submitted: a worker may be done, and resume it, before this returns. */
static enum MHD_Result submit(struct exchange *x, enum phase phase)
{
	struct request *r = x->request;

	x->phase = phase;
	r->admit_only = phase == PHASE_ADMIT;
	r->done = on_done;
	r->done_arg = x;
	deadline_set(x->deadline, 0);
	MHD_suspend_connection(x->connection);
	if (pool_submit(x->server->service->pool, r) != 0) {
		request_problem(r, 503, "Too many requests wait; try again.");
		MHD_resume_connection(x->connection);
	}
	return MHD_YES;
}

static int64_t content_length(struct exchange *x, bool *chunked)
{
	const char *length = header(x, "Content-Length");

	*chunked = header(x, "Transfer-Encoding") != NULL;
	return length != NULL ? strtoll(length, NULL, 10) : 0;
}

static int64_t body_max(const struct request *r)
{
	return r->endpoint->flags & ENDPOINT_CSV ? REQUEST_CSV_MAX : REQUEST_JSON_MAX;
}

static bool type_fits(const struct request *r)
{
	const char *t = r->content_type;

	if (!(r->endpoint->flags & ENDPOINT_CSV))
		return t == NULL || strncasecmp(t, "multipart/", 10) != 0;
	return t == NULL || strncasecmp(t, "text/", 5) == 0 || strncasecmp(t, "application/csv", 15) == 0 ||
	       strncasecmp(t, "application/octet-stream", 24) == 0;
}

static enum MHD_Result count_length(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	int *told = cls;

	(void)kind;
	(void)value;
	*told += strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Transfer-Encoding") == 0;
	return MHD_YES;
}

/* Is it said more than once where the body ends (RFC 9112 section 6.3)? A proxy in front may have believed the other
 * one, and taken for a body what would be the next request here. */
static bool length_is_ambiguous(struct exchange *x)
{
	int told = 0;

	MHD_get_connection_values(x->connection, MHD_HEADER_KIND, count_length, &told);
	return told > 1;
}

/* What can be refused by the request line and headers alone. False after an answer. Without a key nobody is told what
 * is there under /v1 and what is not. */
static bool acceptable(struct exchange *x)
{
	struct request *r = x->request;

	if (r->bad_target) {
		request_problem(r, 400, "The request target is not well-formed.");
		return false;
	}
	if (endpoint_find(r, &r->allow) != 0) {
		r->endpoint = &endpoint_nowhere;
		if (r->segments == 0 || strcmp(r->segment[0], "v1") != 0) {
			r->endpoint->run(r);
			return false;
		}
	}
	if ((r->endpoint->flags & ENDPOINT_OPEN) || r->bearer != NULL)
		return true;
	request_problem_unauthorized(r, "An API key is needed: Authorization: Bearer KEY.");
	return false;
}

/* Of a body that is announced and that the caller may send: do its length and type fit? False after an answer. */
static bool body_fits(struct exchange *x)
{
	struct request *r = x->request;
	const char *coding = header(x, "Content-Encoding");
	bool chunked;

	if (content_length(x, &chunked) > body_max(r))
		request_problem(r, 413, "The body may have at most %" PRId64 " bytes.", body_max(r));
	else if (coding != NULL && strcasecmp(coding, "identity") != 0)
		request_problem(r, 415, "The body must come as it is: Content-Encoding is not taken.");
	else if (!type_fits(r))
		request_problem(r, 415, "The body must be %s.",
				r->endpoint->flags & ENDPOINT_CSV ? "text/csv" : "application/json");
	else
		return true;
	return false;
}

static void digest_open(struct request *r)
{
	if (r->idempotency_key == NULL)
		return;
	r->digest = EVP_MD_CTX_new();
	if (r->digest == NULL || EVP_DigestInit_ex(r->digest, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestUpdate(r->digest, r->method_name, strlen(r->method_name) + 1) != 1 ||
	    EVP_DigestUpdate(r->digest, r->target, strlen(r->target) + 1) != 1)
		abort();
}

/* A file without a name: gone with the last descriptor, whatever happens to us. */
static int body_file(void)
{
	const char *dir = getenv("TMPDIR");
	char path[512];

	if (dir == NULL || *dir == '\0')
		dir = "/var/tmp";
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	if (snprintf(path, sizeof(path), "%s/tandem-import-XXXXXX", dir) >= (int)sizeof(path))
		return -1;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

/* Send a refusal. A peer that is sending already would meet a closed connection before it reads the answer: let it
 * finish, within limits, and forget what it sends. One that asks first (Expect) is told at once. */
static enum MHD_Result refuse(struct exchange *x)
{
	bool chunked;
	int64_t length = content_length(x, &chunked);

	if ((length == 0 && !chunked) || length > DISCARD_MAX || header(x, "Expect") != NULL)
		return send_answer(x);
	deadline_set(x->deadline, BODY_LIMIT_US);
	x->phase = PHASE_DISCARD;
	return MHD_YES;
}

static enum MHD_Result on_headers(struct exchange *x, const char *method)
{
	struct request *r = x->request;

	x->counted = true;
	x->server->under_way++;
	r->method_name = arena_strdup(r->arena, method);
	r->method = request_method_parse(method);
	r->bearer = auth_header(header(x, "Authorization"));
	r->if_match = header(x, "If-Match");
	r->if_none_match = header(x, "If-None-Match");
	r->accept_encoding = header(x, "Accept-Encoding");
	r->content_type = header(x, "Content-Type");
	if (length_is_ambiguous(x)) {
		request_problem(r, 400, "It must be said once how long the body is.");
		r->answer.closes = true;
		return send_answer(x);
	}
	if (!acceptable(x))
		return refuse(x);
	r->sheet.wanted = sheet_wanted(r, header(x, "Accept"));
	if (r->method == REQUEST_POST)
		r->idempotency_key = header(x, "Idempotency-Key");
	digest_open(r);
	if (r->method != REQUEST_POST && r->method != REQUEST_PATCH) {
		x->phase = PHASE_BODY; /* it has none, or one that nobody reads */
		return MHD_YES;
	}
	return submit(x, PHASE_ADMIT);
}

static enum MHD_Result on_admitted(struct exchange *x)
{
	struct request *r = x->request;
	bool csv = (r->endpoint->flags & ENDPOINT_CSV) != 0;

	if (r->answer.status != 0 || !body_fits(x))
		return refuse(x);
	if (csv && (r->body_fd = body_file()) < 0) {
		log_event(LOG_LEVEL_ERROR, "no room for an upload", "errno=%d", errno);
		request_problem(r, 503, "There is no room for the upload now.");
		return refuse(x);
	}
	r->authorized = false; /* looked at again when the body is there: a key may be revoked while it comes */
	deadline_set(x->deadline, csv ? CSV_LIMIT_US : BODY_LIMIT_US);
	x->phase = PHASE_BODY;
	return MHD_YES;
}

static bool file_append(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

static enum MHD_Result on_body(struct exchange *x, const char *bytes, size_t len)
{
	struct request *r = x->request;

	r->body_bytes += (int64_t)len;
	if (x->phase == PHASE_DISCARD)
		return r->body_bytes > DISCARD_MAX + r->kept_bytes ? MHD_NO : MHD_YES;
	int64_t max = body_max(r);
	r->kept_bytes = r->body_bytes;
	if (r->body_bytes > max) {
		request_problem(r, 413, "The body may have at most %" PRId64 " bytes.", max);
		x->phase = PHASE_DISCARD;
		return MHD_YES;
	}
	if (r->method != REQUEST_POST && r->method != REQUEST_PATCH)
		return MHD_YES; /* it means nothing there */
	if (r->digest != NULL && EVP_DigestUpdate(r->digest, bytes, len) != 1)
		abort();
	if (r->body_fd < 0) {
		buf_append(&r->body, bytes, len);
	} else if (!file_append(r->body_fd, bytes, len)) {
		log_event(LOG_LEVEL_ERROR, "no room for an upload", "errno=%d", errno);
		request_problem(r, 503, "There is no room for the upload now.");
		x->phase = PHASE_DISCARD;
	}
	return MHD_YES;
}

/* Answered from memory, or refused? A worker and the database cost ten times as much. */
static bool recalled(struct request *r)
{
	if (!(r->endpoint->flags & ENDPOINT_RECALL))
		return false;
	int known = auth_check_known(r);
	return known < 0 || (known == 0 && cdrs_recall(r));
}

static enum MHD_Result on_whole(struct exchange *x)
{
	struct request *r = x->request;

	if (x->phase == PHASE_DISCARD)
		return send_answer(x);
	if (r->endpoint->flags & ENDPOINT_INLINE) {
		r->endpoint->run(r);
		return send_answer(x);
	}
	if (recalled(r))
		return send_answer(x);
	return submit(x, PHASE_RUN);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *bytes, size_t *len, void **context)
{
	struct exchange *x = *context;
	enum MHD_Result rc = MHD_YES;

	(void)cls;
	(void)connection;
	(void)url;
	(void)version;
	switch (x->phase) {
	case PHASE_HEADERS:
		return on_headers(x, method);
	case PHASE_ADMIT:
		return on_admitted(x);
	case PHASE_RUN:
		return send_answer(x);
	case PHASE_BODY:
	case PHASE_DISCARD:
		if (*len == 0)
			return on_whole(x);
		rc = on_body(x, bytes, *len);
		*len = 0;
		return rc;
	case PHASE_SENT:
		*len = 0;
		return MHD_YES;
	}
	return MHD_NO;
}

/* Start and stop */

static void on_mhd_log(void *cls, const char *fmt, va_list ap)
{
	char text[400], quoted[500];

	(void)cls;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\r\n")] = '\0';
	log_event(LOG_LEVEL_DEBUG, "http", "detail=%s", log_quote(text, quoted, sizeof(quoted)));
}

static int daemon_start(struct server *s, struct status *st)
{
	struct MHD_OptionItem tls_options[] = {
		{MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, tls_callback()},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
		{MHD_OPTION_END, 0, NULL},
	};
	struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};

	s->daemon =
		MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
					 (s->tls ? MHD_USE_TLS : 0),
				 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL,
				 MHD_OPTION_LISTEN_SOCKET, s->fd, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)IO_THREADS,
				 MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
				 (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
				 MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
				 MHD_OPTION_URI_LOG_CALLBACK, on_target, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
				 s, MHD_OPTION_ARRAY, s->tls ? tls_options : none, MHD_OPTION_END);
	if (s->daemon == NULL)
		return status_set(st, -EINVAL, "the HTTP server does not start");
	return 0;
}

int server_start(struct server **out, struct service *service, struct status *st)
{
	struct server *s = xcalloc(1, sizeof(*s));
	const struct settings *settings = service->settings;
	int err = 0;

	s->service = service;
	s->fd = -1;
	s->tls = settings->api_tls_certificate[0] != '\0';
	if (s->tls && (err = tls_read(settings->api_tls_certificate, settings->api_tls_key, st)) != 0)
		goto fail;
	if ((err = listen_open(settings->api_listen, &s->fd, &s->port, st)) != 0)
		goto fail;
	if ((err = deadlines_start(&s->deadlines, st)) != 0 || (err = daemon_start(s, st)) != 0)
		goto fail;
	*out = s;
	return 0;
fail:
	if (s->fd >= 0)
		close(s->fd);
	tls_forget();
	deadlines_stop(&s->deadlines);
	free(s);
	return err;
}

int server_renew(struct server *s, struct status *st)
{
	const struct settings *settings = s->service->settings;

	return s->tls ? tls_read(settings->api_tls_certificate, settings->api_tls_key, st) : 0;
}

int server_port(const struct server *s)
{
	return s->port;
}

void server_quiesce(struct server *s, int limit_ms)
{
	int64_t until = clock_mono_us() + limit_ms * 1000LL;

	s->quiet = true;
	int fd = MHD_quiesce_daemon(s->daemon);

	if (fd >= 0) {
		close(fd);
		s->fd = -1;
	}
	while (s->under_way > 0 && clock_mono_us() < until)
		poll(NULL, 0, 20);
}

void server_stop(struct server **s)
{
	if (*s == NULL)
		return;
	MHD_stop_daemon((*s)->daemon);
	deadlines_stop(&(*s)->deadlines);
	tls_forget();
	free(*s);
	*s = NULL;
}
