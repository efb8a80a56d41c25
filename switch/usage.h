/* SPDX-License-Identifier: Apache-2.0 */
/* usage.h - how many channels of each trunk and carrier are in use: what this node says in Redis, and what it hears of
 * the others there, which it puts into the gauges' `elsewhere`. One thread, presence's, unless said otherwise.
 *
 *   {tandem}:use:NODE    hash, 5 s: t TRUNK or c CARRIER -> channels in use there (routing/standing_live.h)
 *   {tandem}:alive:NODE  5 s: the node is there; what the others use counts only with it
 */
#ifndef SWITCH_USAGE_H
#define SWITCH_USAGE_H

#include <stdbool.h>

#include "lib/buf.h"
#include "lib/gauge.h"
#include "lib/redis.h"
#include "lib/status.h"

struct usage;

struct usage *usage_new(const char *node, struct gauge_table *gauges); /* node is copied, gauges borrowed */
void usage_free(struct usage **u);

/* usage_tell - append ours to the pipeline if it changed, and at each beat, because it expires.
 * usage_clear - append that this node goes: its keys away.   0; else as redis_append */
int usage_tell(struct usage *u, struct redis *redis, bool beat, struct status *st) must_check;
int usage_clear(const struct usage *u, struct redis *redis, struct status *st) must_check;

/* usage_hear - ask what the other living nodes use. 0; else as redis_command, and nothing has changed */
int usage_hear(struct usage *u, struct redis *redis, struct status *st) must_check;
int usage_others(const struct usage *u); /* [any thread] how many other nodes live, as last heard */

/* What was told last, for the audit: the hash's key, and "t12" NUL "3" NUL ...; borrowed until the next usage_tell */
const char *usage_key(const struct usage *u);
const struct buf *usage_told(const struct usage *u);

#endif
