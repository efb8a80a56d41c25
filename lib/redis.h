/* SPDX-License-Identifier: Apache-2.0 */
/* redis.h - one blocking Redis connection that comes back by itself. One thread at a time; never a SIP thread
 * (those have their own asynchronous one in switch/).
 *
 * URLs: redis://[[user]:password@]host[:port][/db] · unix:///path[?db=N] ·
 * redis+sentinel://host[:port],host[:port]/name (the Sentinels are asked for the master at each connect, and its ROLE
 * is checked). Every command has a deadline; past it the connection is dropped.
 */
#ifndef LIB_REDIS_H
#define LIB_REDIS_H

#include <hiredis/hiredis.h>

#include "lib/status.h"

struct redis;

struct redis_address { /* what a URL means; also used by switch/ */
	enum { REDIS_TCP, REDIS_UNIX, REDIS_SENTINEL } kind;
	char host[256]; /* or the path; for Sentinel the list as written */
	int port, db;
	char user[64], password[128], master[64];
};

/* redis_address_parse - 0, or -EINVAL with st saying what is wrong with the URL */
int redis_address_parse(const char *url, struct redis_address *out, struct status *st) must_check;
/* redis_address_resolve - ask the Sentinels for the master now; a plain address is copied. Blocking. */
int redis_address_resolve(const struct redis_address *a, struct redis_address *master, struct status *st) must_check;

struct redis *redis_new(const char *url, int timeout_ms); /* URL already checked; connects on first use */
void redis_free(struct redis **r);

/* redis_command - hiredis format. 0 with *reply (caller: freeReplyObject; never an error reply);
 *   -ENOTCONN away (fails at once for 500 ms after a failed attempt); -ETIMEDOUT; -EIO an error reply, st has its text
 */
int redis_command(struct redis *r, redisReply **reply, struct status *st, const char *fmt, ...) must_check;
int redis_command_argv(struct redis *r, redisReply **reply, struct status *st, int argc, const char **argv,
		       const size_t *len) must_check;
/* redis_append/redis_flush - a pipeline: append any number, then read that many replies (each freed; the first error
 * reply is reported after all were read). A command flushes what was appended before it, and reports an error reply
 * there as its own; with redis_command_argv all of it is one round trip. */
int redis_append(struct redis *r, struct status *st, int argc, const char **argv, const size_t *len) must_check;
int redis_flush(struct redis *r, struct status *st) must_check;
/* redis_peer - the server that it is connected to: numeric host or Unix path, with login and database; borrowed until
 * the next connect. For switch/, whose own connections must not resolve names. */
const struct redis_address *redis_peer(const struct redis *r);
redisContext *redis_raw(struct redis *r); /* for SUBSCRIBE loops; NULL while away */
int redis_connect(struct redis *r, struct status *st) must_check;
void redis_drop(struct redis *r);

#endif
