/* SPDX-License-Identifier: Apache-2.0 */
/* lrn.h - number portability: an outside look-up (routing/portability.h) tells by which number (LRN) a call is to be
 * routed.
 *
 * A few threads ask, each one question at a time, within the time limit. No answer: the call goes by the dialled
 * number. After LRN_FAILURES failures in a row nobody is asked for LRN_REST_US.
 */
#ifndef SWITCH_LRN_H
#define SWITCH_LRN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/digits.h"
#include "lib/status.h"
#include "lib/uuid.h"

struct lrn;

enum { LRN_THREADS = 8, LRN_FAILURES = 5, LRN_REST_US = 5 * 1000000 };

struct lrn_options {
	const char *lookup; /* "": off */
	const char *redis_url, *dns_servers;
	int64_t timeout_ms, cache_ms;
	/* answer - on a look-up thread; lrn is "" if the number is not ported or nobody could say */
	void (*answer)(void *arg, int worker, const struct uuid *call, const char *lrn);
	void *arg;
};

/* lrn_start - *l is NULL where it is off. Redis and the service may be away. 0, or -errno with st */
int lrn_start(struct lrn **l, const struct lrn_options *o, struct status *st) must_check;
/* lrn_quiet - its threads end: nothing is answered from here on. lrn_stop - when nobody can ask any more */
void lrn_quiet(struct lrn *l);
void lrn_stop(struct lrn **l); /* questions that wait are dropped */

/* lrn_ask - [any thread, never waits] false: nobody is to be asked, route by the dialled number */
bool lrn_ask(struct lrn *l, int worker, const struct uuid *call, const char *number);

#endif
