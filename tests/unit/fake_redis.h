/* SPDX-License-Identifier: Apache-2.0 */
/* fake_redis.h - a Redis of our own in a thread: it says what a test tells it to say, and keeps what it was asked. */
#ifndef TESTS_FAKE_REDIS_H
#define TESTS_FAKE_REDIS_H

struct fake_redis;

/* reply - the raw RESP answer to a command (its words joined by blanks), NULL: none at all; on the server's thread */
struct fake_redis *fake_redis_start(const char *(*reply)(const char *command));
const char *fake_redis_url(const struct fake_redis *f);
/* fake_redis_asked - all commands so far, a line each; borrowed; only while no command is under way */
const char *fake_redis_asked(const struct fake_redis *f);
void fake_redis_stop(struct fake_redis **f);

#endif
