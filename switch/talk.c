/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/talk.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

#define SLOTS_FIRST 8

static uint32_t cut(int64_t ms)
{
	return ms < 0 ? 0 : ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static void grow(struct talk *t, int least)
{
	if (t->slots >= least)
		return;
	t->slots = t->slots > 0 ? t->slots * 2 : SLOTS_FIRST;
	if (t->slots < least)
		t->slots = least;
	if (t->slots > TALK_MAX)
		t->slots = TALK_MAX;
	t->ms = xrealloc(t->ms, (size_t)t->slots * sizeof *t->ms);
}

void talk_add(struct talk *t, int64_t ms)
{
	if (t->n == TALK_MAX)
		memmove(t->ms, t->ms + 1, (size_t)--t->n * sizeof *t->ms);
	grow(t, t->n + 1);
	t->ms[t->n++] = cut(ms);
}

void talk_clear(struct talk *t)
{
	free(t->ms);
	*t = (struct talk){0};
}

bool talk_put(struct talk *t, const int64_t *ms, int n)
{
	bool changed = n != t->n;

	for (int i = 0; !changed && i < n; i++)
		changed = cut(ms[i]) != t->ms[n - 1 - i];
	if (!changed)
		return false;
	t->n = 0;
	if (n > 0)
		grow(t, n);
	for (int i = n - 1; i >= 0; i--)
		t->ms[t->n++] = cut(ms[i]);
	return true;
}

int talk_read(const struct talk *t, int64_t ms[static TALK_MAX])
{
	for (int i = 0; i < t->n; i++)
		ms[i] = t->ms[t->n - 1 - i];
	return t->n;
}
