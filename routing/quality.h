/* SPDX-License-Identifier: Apache-2.0 */
/* quality.h - how well vendors complete calls to a destination: counts in a sliding hour, and what follows from them.
 * Pure: no I/O, no clock.
 *
 * A share is kept for each node and destination, as JSON in Redis (hash {tandem}:quality:DESTINATION, field NODE):
 *   {"TRUNK": [[slot, attempts, answered, effective, short, talk_ms, pdd_ms, pdds], ...], ...}
 * The shares of all nodes are added up; nodes and look-ups judge by the same sums.
 */
#ifndef ROUTING_QUALITY_H
#define ROUTING_QUALITY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define QUALITY_SLOT_S 300
#define QUALITY_SLOTS 12 /* an hour */
#define QUALITY_CALLS_MIN 20
#define QUALITY_SHORT_MS 6000
#define QUALITY_RETRY_EVERY 50 /* of so many calls one takes a demoted vendor as if it had not been */
#define QUALITY_KEY_MAX 160

struct quality_counts {
	uint32_t attempts;
	uint32_t answered;
	uint32_t effective;   /* answered, busy, rang in vain, rejected by the callee: the network did its part (NER) */
	uint32_t short_calls; /* answered, and over within QUALITY_SHORT_MS */
	uint64_t talk_ms;
	uint64_t pdd_ms; /* sum over pdds attempts that rang or were answered */
	uint32_t pdds;
};

struct quality_window {
	int64_t slot[QUALITY_SLOTS]; /* which time each stands for: seconds since 1970 / QUALITY_SLOT_S */
	struct quality_counts counts[QUALITY_SLOTS];
};

void quality_add(struct quality_counts *sum, const struct quality_counts *more);
struct quality_counts *quality_slot(struct quality_window *w, int64_t slot); /* cleared if it stood for another time */
struct quality_counts quality_sum(const struct quality_window *w, int64_t now_slot);

struct quality_verdict {
	int32_t score_ppm; /* 1000000 until QUALITY_CALLS_MIN calls are known */
	bool measured, demoted;
};

/* quality_score - the upper end of Wilson's 95 % interval of the share of good calls, in millionths. A call that talked
 *   counts 1; a short one, or one that reached the callee in vain, a half; any other 0. */
int32_t quality_score(const struct quality_counts *c);
/* quality_judge - of one vendor beside all of the destination (itself included). Demoted: measured, as the others are,
 *   and even the upper end is less than half of what the others together achieve there. */
struct quality_verdict quality_judge(const struct quality_counts *vendor, const struct quality_counts *all);

/* quality_key - what a call is measured under: the sell rate's destination, or "#" and its prefix where it has none */
char *quality_key(const char *destination, const char *prefix, char out[static QUALITY_KEY_MAX]);

struct quality_book { /* the vendors' windows of one destination; zeroed: empty */
	struct quality_page {
		int64_t trunk_id;
		struct quality_window window;
	} * page;
	size_t n;
};

struct quality_window *quality_book_get(struct quality_book *b, int64_t trunk_id); /* made if missing */
void quality_book_free(struct quality_book *b);
/* a share as JSON and back; read adds what lies within the hour that ends with now_slot. New reference */
json_t *quality_book_json(const struct quality_book *b, int64_t now_slot);
void quality_book_read(struct quality_book *b, const json_t *share, int64_t now_slot);

#endif
