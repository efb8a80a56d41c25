/* SPDX-License-Identifier: Apache-2.0 */
/* vendors.h - what calls and probes show of the vendors, kept by one thread and handed to the workers as a standing.
 *
 * Workers push words into a bounded queue and never wait; the thread counts, opens and closes breakers, shares with the
 * other nodes through Redis (routing/standing_live.h says how), and publishes a new standing when something changed.
 * Each change of a vendor's health or quality is a line of the log and an entry of {tandem}:vendor-events, with its
 * reason. Redis away: the node goes by what it sees itself, and tells the rest when Redis is back.
 */
#ifndef SWITCH_VENDORS_H
#define SWITCH_VENDORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/status.h"
#include "routing/quality.h"
#include "routing/snapshot.h"
#include "routing/standing.h"

struct vendors;
struct store_owed;

struct vendors_options {
	const char *redis_url, *node;
	/* publish - called on the thread with a new standing; the callee takes the reference */
	void (*publish)(void *arg, struct standing *s);
	/* bound - has that ingress trunk registered? On the thread. */
	bool (*bound)(void *arg, int64_t trunk_id);
	void *arg;
};

/* vendors_start - Redis may be away; text is copied. 0, or -errno with st */
int vendors_start(struct vendors **v, const struct vendors_options *o, struct status *st) must_check;
/* vendors_quiet - its thread ends: nothing is published from here on, words are still taken.
 * vendors_stop - after the last word: tells Redis what is left, and frees. */
void vendors_quiet(struct vendors *v);
void vendors_stop(struct vendors **v);

enum vendors_life { VENDORS_UNSURE, VENDORS_ALIVE, VENDORS_DEAD }; /* did the address answer? */

struct vendors_attempt { /* one B leg that is over */
	int64_t trunk_id;
	int code; /* as its CDR has it */
	enum vendors_life life;
	const char *why;	      /* of VENDORS_DEAD: a word, static */
	char key[QUALITY_KEY_MAX];    /* destination; "": not to be counted */
	struct quality_counts counts; /* of this one attempt */
};

uint64_t vendors_waiting(const struct vendors *v); /* [any thread] about how many words it has not heard yet */

/* All of these: any thread, never wait. A full queue drops the word, counts it, and it is logged. */
void vendors_tell_attempt(struct vendors *v, const struct vendors_attempt *a);
void vendors_tell_probe(struct vendors *v, int64_t trunk_id, bool alive, const char *why);
void vendors_tell_snapshot(struct vendors *v, struct snapshot *s); /* takes the reference */
void vendors_tell_owed(struct vendors *v, const struct store_owed *list, size_t n);
void vendors_tell_bindings(struct vendors *v); /* a trunk has registered, or is no longer */

#endif
