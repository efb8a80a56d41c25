/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint.h - the table of everything the API answers to: method, path, who may, what runs. OpenAPI is made from it.
 */
#ifndef API_ENDPOINT_H
#define API_ENDPOINT_H

#include "api/params.h"
#include "api/request.h"

struct resource;

enum {
	ENDPOINT_OPEN = 1,	/* needs no key */
	ENDPOINT_INLINE = 2,	/* touches neither PostgreSQL nor Redis: runs on the thread that read the request */
	ENDPOINT_BOUND = 4,	/* also for keys that belong to a carrier */
	ENDPOINT_CSV = 8,	/* the body is CSV, kept in a file */
	ENDPOINT_UUID = 16,	/* {id} is a UUID */
	ENDPOINT_LIST = 32,	/* takes limit and cursor */
	ENDPOINT_STREAM = 64,	/* answers with server-sent events */
	ENDPOINT_ACTION = 128,	/* a POST without a body that answers 200 */
	ENDPOINT_FILE = 256,	/* answers with bytes that are not described further */
	ENDPOINT_WHOLE = 512,	/* a list without pages */
	ENDPOINT_AWAY = 2048,	/* needs no database: while it is away, a key seen within the hour is enough */
	ENDPOINT_RECALL = 4096, /* cdrs_recall is asked first, on the thread that read the request */
	ENDPOINT_LONG = 8192,	/* a list whose pages have PARAMS_LIMIT_MAX items unless limit says */
	ENDPOINT_KEPT = 16384,	/* its answer has an ETag, and is 304 for who has it already */
	ENDPOINT_JOB = 32768,	/* a POST that answers 202 with a job */
	ENDPOINT_MANY = 1024,	/* changes all that the filters name; `all` and `dry_run` follow them in params */
};

struct endpoint {
	enum request_method method;
	const char *path; /* "/v1/rate-decks/{parent}/rates/{id}" */
	void (*run)(struct request *r);
	enum role role; /* at least; finance and provisioning are not above each other: see caller_may */
	unsigned flags;
	const struct resource *resource; /* whose fields it speaks; NULL: none */
	const struct params *params;	 /* query parameters beside limit and cursor; NULL: none */
	const char *summary;
};

extern const struct endpoint endpoints[];
extern const int endpoints_count;

/* What a path or a method that does not exist leads to, once the caller has shown a key. */
extern const struct endpoint endpoint_nowhere;

/* endpoint_find - sets r->endpoint, r->id, r->parent. 0; -ENOENT no such path; -EPERM the path has no such method,
 *   *allow (arena) then lists those it has */
int endpoint_find(struct request *r, const char **allow) must_check;

#endif
