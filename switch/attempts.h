/* SPDX-License-Identifier: Apache-2.0 */
/* attempts.h - how many attempts ended with which code, by egress trunk, since the node's start. One thread.
 *
 * Bounded: a trunk's codes past ATTEMPTS_CODES_MAX count as ATTEMPTS_OTHER, and so do trunks past ATTEMPTS_TRUNKS_MAX.
 * A trunk that was deleted keeps its counts.
 */
#ifndef SWITCH_ATTEMPTS_H
#define SWITCH_ATTEMPTS_H

#include <stdint.h>

#include "lib/buf.h"

#define ATTEMPTS_TRUNKS_MAX 4096
#define ATTEMPTS_CODES_MAX 48
#define ATTEMPTS_OTHER (-1) /* as code or trunk */

struct attempts;

struct attempts *attempts_new(void);
void attempts_free(struct attempts **a);

void attempts_count(struct attempts *a, int64_t trunk_id, int code);
/* attempts_put - append as JSON, {"TRUNK": {"CODE": count}} */
void attempts_put(const struct attempts *a, struct buf *out);

#endif
