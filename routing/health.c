/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/health.h"

#include <stdio.h>

bool health_may_try(const struct health *h, int64_t mono_us)
{
	return !atomic_load_explicit(&h->down, memory_order_relaxed) ||
	       mono_us >= atomic_load_explicit(&h->trial_us, memory_order_relaxed);
}

bool health_claim(struct health *h, int64_t mono_us)
{
	int64_t due_us = atomic_load(&h->trial_us);

	if (!atomic_load(&h->down))
		return true;
	return mono_us >= due_us && atomic_compare_exchange_strong(&h->trial_us, &due_us, mono_us + HEALTH_CLAIM_US);
}

static enum health_change open_up(struct health *h, bool by_probe, bool probed, const char *why, int64_t mono_us)
{
	h->by_probe = by_probe;
	h->pause_us = HEALTH_PAUSE_US;
	if (by_probe)
		snprintf(h->reason, sizeof h->reason, "%d OPTIONS in a row: %.60s", h->probes_failed, why);
	else
		snprintf(h->reason, sizeof h->reason, "%d calls in a row: %.60s", h->calls_failed, why);
	h->due_us = mono_us + h->pause_us;
	atomic_store(&h->trial_us, by_probe && probed ? INT64_MAX : h->due_us);
	atomic_store(&h->down, true);
	return HEALTH_OPENED;
}

static enum health_change close_down(struct health *h, const char *why)
{
	h->calls_failed = h->probes_failed = 0;
	snprintf(h->reason, sizeof h->reason, "%s", why);
	atomic_store(&h->down, false);
	return HEALTH_CLOSED;
}

enum health_change health_tell_call(struct health *h, bool alive, const char *why, bool probed, int64_t mono_us)
{
	bool down = atomic_load(&h->down);

	if (alive) {
		h->calls_failed = 0;
		h->probes_failed = 0;
		return down ? close_down(h, "a call was answered") : HEALTH_SAME;
	}
	if (h->calls_failed < HEALTH_CALLS)
		h->calls_failed++;
	if (!down)
		return h->calls_failed >= HEALTH_CALLS ? open_up(h, false, probed, why, mono_us) : HEALTH_SAME;
	/* What fails within the pause was under way when the breaker opened; later it is the trial. */
	if (mono_us >= h->due_us && atomic_load(&h->trial_us) != INT64_MAX) {
		h->pause_us = h->pause_us * 2 < HEALTH_PAUSE_MAX_US ? h->pause_us * 2 : HEALTH_PAUSE_MAX_US;
		h->due_us = mono_us + h->pause_us;
		atomic_store(&h->trial_us, h->due_us);
	}
	return HEALTH_SAME;
}

enum health_change health_tell_probe(struct health *h, bool alive, const char *why, int64_t mono_us)
{
	bool down = atomic_load(&h->down);
	int64_t due_us = atomic_load(&h->trial_us);

	if (!alive) {
		if (h->probes_failed < HEALTH_PROBES)
			h->probes_failed++;
		if (!down)
			return h->probes_failed >= HEALTH_PROBES ? open_up(h, true, true, why, mono_us) : HEALTH_SAME;
		if (h->probes_failed >= HEALTH_PROBES) { /* nobody is there: no call need find out */
			h->by_probe = true;
			atomic_store(&h->trial_us, INT64_MAX);
		}
		return HEALTH_SAME;
	}
	h->probes_failed = 0;
	if (!down)
		return HEALTH_SAME;
	if (h->by_probe)
		return close_down(h, "a probe was answered");
	if (due_us == INT64_MAX)
		atomic_store(&h->trial_us, mono_us); /* a call may find out */
	return HEALTH_SAME;
}

void health_unprobed(struct health *h, int64_t mono_us)
{
	if (atomic_load(&h->down) && atomic_load(&h->trial_us) == INT64_MAX)
		atomic_store(&h->trial_us, mono_us);
	h->probes_failed = 0;
}
