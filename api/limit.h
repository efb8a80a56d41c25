/* SPDX-License-Identifier: Apache-2.0 */
/* limit.h - how many requests a second one key, or one address, may make: a token bucket for each, two seconds deep.
 * Bounded memory: so many are kept, those that have rested longest give way. Any thread.
 */
#ifndef API_LIMIT_H
#define API_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct limit;

struct limit *limit_new(int64_t per_second); /* 0: no limit; never NULL */
void limit_free(struct limit **l);

/* limit_take - count one request of `who` (not 0) at now_us (monotonic). False: it is over its limit, nothing is
 * counted */
bool limit_take(struct limit *l, uint64_t who, int64_t now_us);
/* limit_left - would limit_take be true? */
bool limit_left(struct limit *l, uint64_t who, int64_t now_us);

#endif
