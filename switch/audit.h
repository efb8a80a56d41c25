/* SPDX-License-Identifier: Apache-2.0 */
/* audit.h - does what the node counts agree with the calls that it has? Each look lets every worker count what its
 * calls hold, and compares that with the limits in use (channels), the counters, the places in the spool, the money
 * held, and with what Redis shows of this node: live calls, use of limits, leases. Calls that cannot end are named,
 * too.
 *
 * While calls come and go two of these are never read in one moment, so a difference counts only if two looks in a row
 * find it. It is logged when it appears and when it is gone; presence shows it.
 */
#ifndef SWITCH_AUDIT_H
#define SWITCH_AUDIT_H

#include <jansson.h>

#include "lib/redis.h"
#include "lib/status.h"

struct audit;
struct node;

struct audit_shown { /* where Redis has what this node shows; redis NULL: compare without */
	struct redis *redis;
	const char *calls_key; /* hash: call id -> its JSON */
	const char *use_key;   /* hash: "t12" -> channels */
	const char *used;      /* what was written there: "t12" NUL "3" NUL ... */
	size_t used_len;
};

struct audit *audit_new(struct node *n);
void audit_free(struct audit **a);

/* audit_look - one look. Not on a SIP thread: it waits for the workers, AUDIT_WAIT_MS at most. One thread at a time.
 *   0; -EAGAIN: a worker was too busy; else as redis_command. Without 0 it says nothing. */
enum { AUDIT_WAIT_MS = 500 };
int audit_look(struct audit *a, const struct audit_shown *shown, struct status *st) must_check;

/* audit_differences - what two looks in a row found, in words; new JSON array, at most AUDIT_WORDS_MAX of them.
 * audit_count - how many there are */
enum { AUDIT_WORDS_MAX = 20 };
json_t *audit_differences(const struct audit *a);
size_t audit_count(const struct audit *a);

#endif
