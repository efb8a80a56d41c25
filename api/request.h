/* SPDX-License-Identifier: Apache-2.0 */
/* request.h - one HTTP request of the API from its request line to its answer.
 *
 * server.c reads it, a worker (pool.c) runs its handler, server.c sends the answer. One thread at a time holds it.
 * A handler fills `answer` exactly once, by one of the request_answer*() and request_problem*() calls, and returns.
 * Text is borrowed from the request's arena unless said otherwise.
 */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include <jansson.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/pg.h"
#include "lib/redis.h"
#include "lib/status.h"

#define REQUEST_SEGMENTS_MAX 8
#define REQUEST_PARAMS_MAX 32
#define REQUEST_JSON_MAX (1024 * 1024)
#define REQUEST_JSON_DEPTH_MAX 16
#define REQUEST_PROBLEM_TYPE "application/problem+json"
#define REQUEST_CSV_MAX (256LL * 1024 * 1024)

enum request_method { REQUEST_GET, REQUEST_POST, REQUEST_PATCH, REQUEST_DELETE, REQUEST_OTHER };

enum role { ROLE_READONLY, ROLE_PROVISIONING, ROLE_FINANCE, ROLE_ADMIN };

struct caller { /* who asks, by the key shown */
	int64_t key_id;
	char id_text[24]; /* key_id in decimal */
	char *name;	  /* in the request's arena */
	enum role role;
	char carrier_text[24]; /* the carrier that the key is bound to, in decimal; "" if it is not bound */
};

struct request_param {
	const char *name, *value;
};

struct answer {
	int status;	  /* 0: none yet */
	const char *type; /* of the body; static */
	struct buf body;
	const char *location, *etag, *allow; /* headers, NULL: not sent */
	const char *file_name;		     /* what a browser may save it as; NULL: not said */
	int retry_after_s;		     /* 0: not sent */
	bool has_file;			     /* the body is this file instead; it is the answer's, closed once sent */
	int file_fd;
	int64_t file_bytes;
	bool streams; /* server-sent events follow */
	bool page;    /* a file of the console: with its policy */
	bool closes;  /* the connection ends with it */
	bool kept;    /* the asker may keep it, and asks each time whether its ETag still holds */
	bool gzipped; /* the body is */
};

struct sheet_state { /* a listing that is answered as CSV: sheet.h */
	bool wanted, one_page;
	unsigned hidden;  /* flags of fields that are no columns for who asks */
	const char *next; /* cursor of the page to come; NULL: the first one, or none */
};

struct endpoint;
struct service;

struct request {
	struct arena *arena;
	struct service *service;
	int64_t started_us; /* monotonic */
	enum request_method method;
	const char *method_name;
	const char *target; /* as sent */
	const char *path;
	const char *segment[REQUEST_SEGMENTS_MAX]; /* of the path, decoded */
	int segments;
	bool bad_target; /* escapes or length are wrong */
	struct request_param param[REQUEST_PARAMS_MAX];
	int params;

	const char *bearer, *if_match, *idempotency_key, *content_type; /* headers; NULL if absent */
	const char *if_none_match, *accept_encoding;
	struct buf body;    /* JSON */
	int body_fd;	    /* CSV, on disk; -1 none */
	int64_t body_bytes; /* received */
	int64_t kept_bytes; /* of them looked at, before a refusal */
	EVP_MD_CTX *digest; /* SHA-256 of method, target and body, for Idempotency-Key; NULL if not asked for */

	const char *allow;    /* methods that the path knows, when it does not know this one */
	bool allow_bound;     /* some of them to a key that is bound to a carrier */
	const char *made_key; /* POST /v1/api-keys: shown once */

	struct sheet_state sheet;
	const struct endpoint *endpoint;
	const char *id, *parent; /* ids in the path, as decimal text (or a UUID); parent stands before id */
	struct caller caller;
	bool authorized;  /* the key was looked at; false again: it has to be once more, as it may be revoked by now */
	bool charged;	  /* it was counted against its key's rate, which is done once */
	uint64_t address; /* whom the connection comes from: IPv4, or the first half of IPv6 (one peer has a /64); 0 not
			     known */

	/* Between server and worker. */
	struct request *next;		 /* in the pool's queue */
	int64_t queued_us;		 /* monotonic: when it came there */
	bool admit_only;		 /* this pass only asks whether the caller may: the body is still to come */
	void (*done)(struct request *r); /* called once per pass, on the worker */
	void *done_arg;

	/* Lent by the worker while a handler runs. */
	struct pg *pg;
	struct redis *redis;
	bool in_transaction;
	bool committing;
	bool again; /* a serialization failure, or a connection that had died unnoticed: run the handler once more */

	struct answer answer;
};

/* request_new - target is the raw request target ("/v1/x?y=z"); copied and taken apart. Never NULL. */
struct request *request_new(struct service *service, const char *target);
void request_free(struct request **r);
/* request_method_parse - also knows HEAD (as GET) */
enum request_method request_method_parse(const char *name);
const char *request_param(const struct request *r, const char *name); /* value, or NULL */
bool request_is_bound(const struct request *r);			      /* by a key that belongs to a carrier */

/* request_json - the body as a JSON object (new reference), or NULL after a 400 or 422 was answered */
json_t *request_json(struct request *r);

void request_answer(struct request *r, int status, const char *type); /* body is in answer.body already, or none */
void request_answer_json(struct request *r, int status, const json_t *value);
void request_etag(struct request *r, const json_t *object); /* its version, if it has one */
/* request_answer_same - sets the answer's ETag; if the asker has the same already, 304 without a body is the answer
 *   and this is true. etag lives as long as the request. */
bool request_answer_same(struct request *r, const char *etag) must_check;
void request_answer_text(struct request *r, int status, const char *json_text);
/* request_answer_file - 200 with a file as the body; takes fd */
void request_answer_file(struct request *r, int fd, int64_t bytes, const char *type);
/* request_problem - application/problem+json; detail is a sentence for the caller and holds nothing of the backend. It
 * is cut where it is too long, and what of the caller's own words is no UTF-8 becomes '?' */
void request_problem(struct request *r, int status, const char *fmt, ...) printf_like(3, 4);
/* request_problem_fields - the same with `errors`; takes the array */
void request_problem_fields(struct request *r, int status, const char *detail, json_t *errors);
void request_problem_unauthorized(struct request *r, const char *detail);
/* request_problem_redis - 503 after a command failed with err, as redis_command says; what: which is away with it, the
 *   subject of the caller's sentence. With a connection that had died the handler runs once more. */
void request_problem_redis(struct request *r, const char *what, int err, const struct status *st);
void request_answer_reset(struct request *r); /* forget an answer (before a second run) */

const char *request_status_title(int status);

#endif
