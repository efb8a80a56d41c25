/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/quality.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/buf.h"

#define SCORE_ONE 1000000
#define Z 1.959964 /* of a two-sided 95 % interval */

void quality_add(struct quality_counts *sum, const struct quality_counts *more)
{
	sum->attempts += more->attempts;
	sum->answered += more->answered;
	sum->effective += more->effective;
	sum->short_calls += more->short_calls;
	sum->talk_ms += more->talk_ms;
	sum->pdd_ms += more->pdd_ms;
	sum->pdds += more->pdds;
}

struct quality_counts *quality_slot(struct quality_window *w, int64_t slot)
{
	size_t at = (size_t)(slot % QUALITY_SLOTS);

	if (w->slot[at] != slot) {
		w->slot[at] = slot;
		w->counts[at] = (struct quality_counts){0};
	}
	return &w->counts[at];
}

static bool slot_counts(int64_t slot, int64_t now_slot)
{
	return slot > now_slot - QUALITY_SLOTS && slot <= now_slot;
}

struct quality_counts quality_sum(const struct quality_window *w, int64_t now_slot)
{
	struct quality_counts sum = {0};

	for (int i = 0; i < QUALITY_SLOTS; i++)
		if (slot_counts(w->slot[i], now_slot))
			quality_add(&sum, &w->counts[i]);
	return sum;
}

static double share_of_good(const struct quality_counts *c)
{
	double halves = 2.0 * c->answered - c->short_calls + (c->effective - c->answered);
	return c->attempts > 0 ? halves / (2.0 * c->attempts) : 0;
}

int32_t quality_score(const struct quality_counts *c)
{
	double n = c->attempts, p = share_of_good(c);

	if (c->attempts < QUALITY_CALLS_MIN)
		return SCORE_ONE;
	double upper = (p + Z * Z / (2 * n) + Z * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))) / (1 + Z * Z / n);
	return upper >= 1 ? SCORE_ONE : (int32_t)lround(upper * SCORE_ONE);
}

struct quality_verdict quality_judge(const struct quality_counts *vendor, const struct quality_counts *all)
{
	struct quality_verdict v = {.score_ppm = quality_score(vendor),
				    .measured = vendor->attempts >= QUALITY_CALLS_MIN};

	const struct quality_counts others = {.attempts = all->attempts - vendor->attempts,
					      .answered = all->answered - vendor->answered,
					      .effective = all->effective - vendor->effective,
					      .short_calls = all->short_calls - vendor->short_calls};
	v.demoted = v.measured && others.attempts >= QUALITY_CALLS_MIN &&
		    v.score_ppm < share_of_good(&others) * SCORE_ONE / 2;
	return v;
}

char *quality_key(const char *destination, const char *prefix, char out[static QUALITY_KEY_MAX])
{
	if (destination[0] != '\0')
		snprintf(out, QUALITY_KEY_MAX, "%s", destination);
	else
		snprintf(out, QUALITY_KEY_MAX, "#%s", prefix);
	return out;
}

static json_t *window_json(const struct quality_window *w, int64_t now_slot)
{
	json_t *list = NULL;

	for (int i = 0; i < QUALITY_SLOTS; i++) {
		const struct quality_counts *c = &w->counts[i];
		if (!slot_counts(w->slot[i], now_slot) || c->attempts == 0)
			continue;
		if (list == NULL)
			list = json_array();
		json_array_append_new(list, json_pack("[IIIIIIII]", (json_int_t)w->slot[i], (json_int_t)c->attempts,
						      (json_int_t)c->answered, (json_int_t)c->effective,
						      (json_int_t)c->short_calls, (json_int_t)c->talk_ms,
						      (json_int_t)c->pdd_ms, (json_int_t)c->pdds));
	}
	return list;
}

static void window_read(struct quality_window *w, const json_t *json, int64_t now_slot)
{
	for (size_t i = 0; i < json_array_size(json); i++) {
		json_int_t slot, v[7];
		if (json_unpack(json_array_get(json, i), "[IIIIIIII]", &slot, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
				&v[6]) != 0 ||
		    !slot_counts(slot, now_slot))
			continue; /* old, or of another version of this program */
		const struct quality_counts more = {
			.attempts = (uint32_t)v[0],
			.answered = (uint32_t)v[1],
			.effective = (uint32_t)v[2],
			.short_calls = (uint32_t)v[3],
			.talk_ms = (uint64_t)v[4],
			.pdd_ms = (uint64_t)v[5],
			.pdds = (uint32_t)v[6],
		};
		quality_add(quality_slot(w, slot), &more);
	}
}

struct quality_window *quality_book_get(struct quality_book *b, int64_t trunk_id)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->page[i].trunk_id == trunk_id)
			return &b->page[i].window;
	b->page = xrealloc(b->page, (b->n + 1) * sizeof *b->page);
	b->page[b->n] = (struct quality_page){.trunk_id = trunk_id};
	return &b->page[b->n++].window;
}

void quality_book_free(struct quality_book *b)
{
	free(b->page);
	*b = (struct quality_book){0};
}

json_t *quality_book_json(const struct quality_book *b, int64_t now_slot)
{
	json_t *share = json_object();
	char trunk[24];

	for (size_t i = 0; i < b->n; i++) {
		json_t *list = window_json(&b->page[i].window, now_slot);
		snprintf(trunk, sizeof trunk, "%lld", (long long)b->page[i].trunk_id);
		if (list != NULL)
			json_object_set_new(share, trunk, list);
	}
	return share;
}

void quality_book_read(struct quality_book *b, const json_t *share, int64_t now_slot)
{
	const char *trunk;
	json_t *list;

	json_object_foreach((json_t *)share, trunk, list)
	{
		int64_t id = strtoll(trunk, NULL, 10);
		if (id > 0)
			window_read(quality_book_get(b, id), list, now_slot);
	}
}
