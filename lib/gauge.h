/* SPDX-License-Identifier: Apache-2.0 */
/* gauge.h - how many of a thing are in use in this process, and how many may start a second.
 * Lock-free, any thread. A gauge lives as long as its table; it never moves.
 */
#ifndef LIB_GAUGE_H
#define LIB_GAUGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/status.h"

struct gauge {
	_Atomic int32_t in_use;	   /* of this process */
	_Atomic int32_t elsewhere; /* of the other nodes, as last heard */
	_Atomic int64_t next_us;   /* rate: the time at which the next start would fit (generic cell rate algorithm) */
	_Atomic int64_t note_us;   /* the same for what is noted of the refused ones */
};

/* gauge_take - one more in use, unless in_use + elsewhere has reached limit (limit < 0: none). */
bool gauge_take(struct gauge *g, int32_t limit);
void gauge_drop(struct gauge *g);	     /* asserts that one was in use */
int32_t gauge_in_use(const struct gauge *g); /* here and elsewhere */

/* gauge_pass - may one more start at mono_us with at most per_second a second (a second's worth may come at once)?
 *              per_second < 0: no limit; 0: never. gauge_would_pass only asks. */
bool gauge_pass(struct gauge *g, int32_t per_second, int64_t mono_us);
bool gauge_would_pass(const struct gauge *g, int32_t per_second, int64_t mono_us);

/* gauge_note - of those that did not pass, may this one be noted (written down)? At most per_second a second, too. */
bool gauge_note(struct gauge *g, int32_t per_second, int64_t mono_us);

struct gauge_table; /* (kind, id) → gauge; grows, never forgets. gauge_get takes a lock: not for SIP threads. */
struct gauge_table *gauge_table_new(void);
void gauge_table_free(struct gauge_table **t);
struct gauge *gauge_get(struct gauge_table *t, char kind, int64_t id);
/* gauge_each - call fn for each gauge (takes the lock) */
void gauge_each(struct gauge_table *t, void (*fn)(void *arg, char kind, int64_t id, struct gauge *g), void *arg);

#endif
