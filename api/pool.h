/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h - the threads that run handlers: each has its own PostgreSQL and Redis connection. The threads that read and
 * write HTTP never wait for either.
 */
#ifndef API_POOL_H
#define API_POOL_H

#include "api/request.h"

struct pool;

struct pool *pool_new(struct service *service, int threads);
/* pool_stop - runs what is queued, then ends the threads; what is submitted from now on is refused */
void pool_stop(struct pool *p);
void pool_free(struct pool **p); /* one that is stopped, and to which nobody submits any more */

/* pool_submit - have a worker take r through one pass (r->admit_only: only ask who it is) and call r->done on its
 * thread. returns 0; -EAGAIN too many wait, or the pool stops: r stays the caller's and unchanged */
int pool_submit(struct pool *p, struct request *r) must_check;
int pool_waiting(struct pool *p);

#endif
