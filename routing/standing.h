/* SPDX-License-Identifier: Apache-2.0 */
/* standing.h - what is known of the vendors at one moment: whose address is down, whom we owe how much, how well each
 * completes calls to a destination, and how long those last. Immutable once finished, but for the breakers and the
 * margin caches that it points to; reference-counted. A node makes a new one when something changed, and shares all
 * destinations that did not; a look-up makes one from Redis and PostgreSQL (standing_live.h).
 */
#ifndef ROUTING_STANDING_H
#define ROUTING_STANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/money.h"
#include "routing/quality.h"
#include "routing/route.h"

#define STANDING_DURATIONS_MIN 30
#define STANDING_DURATIONS_MAX 1000

struct standing_trunk {
	int64_t id;
	struct health *health; /* borrowed, outlives all standings; NULL in a look-up: down and trial hold then */
	bool down, trial;
	char why[96]; /* a sentence if it is down */
};

struct standing_vendor {
	int64_t trunk_id;
	struct quality_counts counts;
	struct quality_verdict verdict;
};

struct standing_destination {
	_Atomic uint32_t refs;
	const char *key;		  /* quality_key */
	struct route_durations durations; /* answered ones, at most STANDING_DURATIONS_MAX; cached */
	size_t n;
	struct standing_vendor *vendor; /* by trunk id */
};

/* standing_destination_new - the books' windows added up and judged as of that slot (quality.h); a new reference.
 * standing_destination_talk - its durations: ms[0..n), milliseconds, copied. old: what it takes the place of, whose
 * margin cache goes on, or NULL */
struct standing_destination *standing_destination_new(const char *key, const struct quality_book *const *books,
						      size_t n_books, int64_t now_slot);
void standing_destination_talk(struct standing_destination *d, const int64_t *ms, int n,
			       const struct standing_destination *old);
struct standing_destination *standing_destination_ref(struct standing_destination *d);
void standing_destination_unref(struct standing_destination **d);

struct standing;

struct standing *standing_new(void);
void standing_put_trunk(struct standing *s, const struct standing_trunk *t);
void standing_put_owed(struct standing *s, int64_t carrier_id, struct money owed);
void standing_put_destination(struct standing *s, struct standing_destination *d); /* takes the reference */
void standing_finish(struct standing *s); /* to be read from here on, and no more put into */
struct standing *standing_ref(struct standing *s);
void standing_unref(struct standing **s);

/* NULL, or false: nothing is known; s may be NULL */
const struct standing_trunk *standing_trunk(const struct standing *s, int64_t id);
bool standing_owed(const struct standing *s, int64_t carrier_id, struct money *owed);
const struct standing_destination *standing_destination(const struct standing *s, const char *key);
const struct standing_vendor *standing_vendor(const struct standing_destination *d, int64_t trunk_id);

#endif
