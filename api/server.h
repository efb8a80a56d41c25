/* SPDX-License-Identifier: Apache-2.0 */
/* server.h - HTTP: reads requests within limits of size and time, hands them to the pool, sends the answers.
 *
 * libmicrohttpd's own threads read and write (epoll); a request that needs the database is suspended while a worker has
 * it. Every state of a connection has a deadline, so that a peer that sends or reads slowly only holds its own socket.
 */
#ifndef API_SERVER_H
#define API_SERVER_H

#include "api/service.h"
#include "lib/status.h"

struct server;

/* server_start - 0; -EINVAL a bad listen address, certificate or key; -errno it can't be bound */
int server_start(struct server **s, struct service *service, struct status *st) must_check;
/* server_renew - read certificate and key again: connections from now on get them. 0, also without TLS; else as
 *   tls_read, and the old ones stay */
int server_renew(struct server *s, struct status *st) must_check;
int server_port(const struct server *s);
/* server_quiesce - take no new connections, close each after its next answer, and wait until requests under way are
 *   answered, at most limit_ms */
void server_quiesce(struct server *s, int limit_ms);
void server_stop(struct server **s); /* the pool must be stopped, the events be closed */

#endif
