/* SPDX-License-Identifier: Apache-2.0 */
/* metrics_nodes.h - what the nodes tell of themselves and of vendors in Redis, for Prometheus. Blocking.
 * With Redis away nothing of it is put: tandem_redis_up says so.
 */
#ifndef API_METRICS_NODES_H
#define API_METRICS_NODES_H

#include "lib/buf.h"
#include "lib/redis.h"

void metrics_put_nodes(struct redis *r, struct buf *out);
void metrics_put_vendors(struct redis *r, struct buf *out);

#endif
