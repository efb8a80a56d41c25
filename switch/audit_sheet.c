/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker's calls hold, and what that should agree with. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "switch/audit_priv.h"
#include "switch/call.h"
#include "switch/node.h"

enum {
	/* A call that is over waits for the answers to its BYEs (64*T1), at most after an ACK that never came (64*T1).
	 */
	ENDING_T1 = 2 * 64 + 20,
	SETUP_US = 60 * 1000000, /* beyond invite_timeout, which begins with the first INVITE sent */
};

/* ---- on the worker's thread ---- */

static void wrong(struct audit_sheet *s, const struct call *c, const char *what)
{
	char id[UUID_TEXT_MAX];

	uuid_format(&c->id, id);
	buf_printf(&s->words, "call %s", id);
	buf_putc(&s->words, '\0');
	buf_printf(&s->words, "call %s %s", id, what);
	buf_putc(&s->words, '\0');
}

static bool dialog_over(const struct leg *leg)
{
	return leg->dialog && leg->over;
}

static void call_judge(struct audit_sheet *s, const struct call *c, int64_t now_us)
{
	const struct node *node = c->worker->node;
	int64_t setup_us = 1000 * atomic_load_explicit(&node->invite_timeout_ms, memory_order_relaxed) + SETUP_US;

	if (c->state == CALL_OVER) {
		if (now_us - c->over_mono_us > 1000 * ENDING_T1 * node->settings->t1_ms)
			wrong(s, c, "is over, but one of its legs never ended");
	} else if (c->answered_mono_us) {
		if (dialog_over(&c->a) || (c->b && dialog_over(&c->b->leg)))
			wrong(s, c, "talks, but one of its legs is over");
	} else if (now_us - c->begun_mono_us > setup_us) {
		wrong(s, c, "is set up without end");
	}
}

static void gauge_put(struct audit_sheet *s, const struct gauge *g)
{
	if (g)
		buf_append(&s->gauges, &g, sizeof g);
}

static void call_count(struct audit_sheet *s, const struct call *c)
{
	gauge_put(s, c->trunk_gauge);
	gauge_put(s, c->carrier_gauge);
	for (int i = 0; i < c->attempts; i++) {
		gauge_put(s, c->attempt[i]->trunk_gauge);
		gauge_put(s, c->attempt[i]->carrier_gauge);
	}
	s->held++;
	s->reserved += c->reserved;
	if (c->state == CALL_OVER)
		return;
	s->live++;
	s->spending += c->spend != NULL;
	if (c->shown)
		buf_append(&s->shown, &c->id, sizeof c->id);
}

void audit_sheet_fill(struct audit_sheet *s, struct worker *w)
{
	int64_t now_us = clock_mono_us();

	for (const struct call *c = w->calls; c; c = c->next) {
		call_count(s, c);
		call_judge(s, c, now_us);
	}
	for (const struct call *c = w->dead; c; c = c->next)
		call_count(s, c);
}

/* ---- anywhere ---- */

void audit_sheet_free(struct audit_sheet *s)
{
	buf_free(&s->gauges);
	buf_free(&s->shown);
	buf_free(&s->words);
	*s = (struct audit_sheet){0};
}

static void buf_add(struct buf *b, const struct buf *more)
{
	if (more->len)
		buf_append(b, more->text, more->len);
}

void audit_sheet_add(struct audit_sheet *s, struct audit_sheet *more)
{
	s->live += more->live;
	s->held += more->held;
	s->spending += more->spending;
	s->reserved += more->reserved;
	buf_add(&s->gauges, &more->gauges);
	buf_add(&s->shown, &more->shown);
	buf_add(&s->words, &more->words);
	audit_sheet_free(more);
}

void audit_put(json_t *found, const char *key, const char *fmt, ...)
{
	char text[300];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	json_object_set_new(found, key, json_string(text));
}

void audit_put_exact(json_t *found, const char *fmt, int64_t counted, int64_t should)
{
	char text[200];

	snprintf(text, sizeof text, fmt, counted, should);
	audit_put(found, text, "%s", text);
}

static int pointer_compare(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t) * (struct gauge *const *)a, y = (uintptr_t) * (struct gauge *const *)b;
	return (x > y) - (x < y);
}

static void channels_compare(const struct audit_channels *ch, struct gauge *const *sorted, size_t n, int64_t slack,
			     json_t *found)
{
	struct gauge *const *at = n ? bsearch(&ch->gauge, sorted, n, sizeof *sorted, pointer_compare) : NULL;
	int64_t holders = 0;
	char key[40];

	while (at && at > sorted && at[-1] == ch->gauge)
		at--;
	for (; at && at < sorted + n && *at == ch->gauge; at++)
		holders++;
	if (llabs(ch->in_use - holders) <= slack)
		return;
	snprintf(key, sizeof key, "%s %" PRId64, ch->kind == 't' ? "trunk" : "carrier", ch->id);
	audit_put(found, key, "%s: %" PRId64 " channels in use, but calls hold %" PRId64, key, ch->in_use, holders);
}

static void all_channels_compare(const struct audit_sheet *s, const struct audit_counts *c, json_t *found)
{
	size_t n = s->gauges.len / sizeof(struct gauge *);
	struct gauge **sorted = xcalloc(n + 1, sizeof *sorted);
	const struct audit_channels *ch = (const void *)c->channels.text;

	if (n)
		memcpy(sorted, s->gauges.text, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, pointer_compare);
	for (size_t i = 0; i < c->channels.len / sizeof *ch; i++)
		channels_compare(&ch[i], sorted, n, c->slack, found);
	free(sorted);
}

static void number_compare(json_t *found, int64_t slack, const char *fmt, int64_t counted, int64_t should)
{
	if (llabs(counted - should) > slack)
		audit_put_exact(found, fmt, counted, should);
}

void audit_compare(const struct audit_sheet *s, const struct audit_counts *c, json_t *found)
{
	all_channels_compare(s, c, found);
	number_compare(found, c->slack, "live calls: %" PRId64 " counted, there are %" PRId64, c->live, s->live);
	number_compare(found, c->slack, "calls in memory: %" PRId64 " counted, there are %" PRId64, c->held, s->held);
	number_compare(found, c->slack, "places in the spool: %" PRId64 " taken, calls hold %" PRId64, c->reserved,
		       s->reserved);
	for (const char *w = s->words.text, *end = w + s->words.len; w && w < end;) {
		const char *text = w + strlen(w) + 1;
		audit_put(found, w, "%s", text);
		w = text + strlen(text) + 1;
	}
}

void audit_compare_shown(const struct audit_sheet *s, const char *const *ids, size_t n, json_t *found)
{
	json_t *there = json_object();
	const struct uuid *mine = (const void *)s->shown.text;
	char id[UUID_TEXT_MAX], name[UUID_TEXT_MAX + 8];
	const char *key;
	json_t *value;

	/* The two ways are two differences: a call that begins during one look and ends during the next is none. */
	for (size_t i = 0; i < n; i++)
		json_object_set_new(there, ids[i], json_true());
	for (size_t i = 0; i < s->shown.len / sizeof *mine; i++) {
		uuid_format(&mine[i], id);
		if (json_object_del(there, id) == 0)
			continue;
		snprintf(name, sizeof name, "hidden %s", id);
		audit_put(found, name, "call %s is not among the live calls that Redis has", id);
	}
	json_object_foreach(there, key, value)
	{
		snprintf(name, sizeof name, "ended %.36s", key);
		audit_put(found, name, "call %s stands in Redis as live, but no worker has it", key);
	}
	json_decref(there);
}
