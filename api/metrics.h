/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h - what this process counts about itself, for Prometheus. Any thread. */
#ifndef API_METRICS_H
#define API_METRICS_H

#include "api/request.h"

struct metrics;

struct metrics *metrics_new(void);
void metrics_free(struct metrics **m);
void metrics_count(struct metrics *m, const struct request *r); /* an answer goes out */

#endif
