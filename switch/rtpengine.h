/* SPDX-License-Identifier: Apache-2.0 */
/* rtpengine.h - rtpengine's ng protocol for one worker: JSON over UDP, on the worker's event loop, never waiting.
 *
 * A question is sent with a cookie of its own, repeated, and given up after RTPENGINE_LIMIT_MS. An instance that leaves
 * one unanswered is down for this worker: it gets only pings until it answers again, and questions that any instance
 * may answer go on to the next. The first worker that finds it down logs it, and the last that finds it up again.
 */
#ifndef SWITCH_RTPENGINE_H
#define SWITCH_RTPENGINE_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>

#include "lib/status.h"

struct worker;
struct rtpengine;
struct rtpengine_question;

enum { RTPENGINE_LIMIT_MS = 1000, RTPENGINE_MAX = 8, RTPENGINE_ANY = -1 };

struct rtpengine_state { /* of the node, read and written by all workers */
	_Atomic int down[RTPENGINE_MAX];
	_Atomic uint64_t lost; /* calls, or offers inside them, that no instance served */
};

/* The answer: its JSON (borrowed) and who gave it, or NULL: nobody did in time. Called exactly once unless dropped, and
 * never before rtpengine_ask has returned. */
typedef void rtpengine_done(void *arg, const json_t *answer, int instance);

/* rtpengine_new - list: "host:port, ...", "" for none; names are looked up by the worker's DNS. 0, or
 * -EINVAL, -E2BIG with st: what is wrong with the list */
int rtpengine_new(struct rtpengine **out, struct worker *w, const char *list, struct status *st) must_check;
void rtpengine_free(struct rtpengine **r); /* open questions are dropped */
void rtpengine_tick(struct rtpengine *r);  /* ten times a second: repeats, time limits, pings */

/* rtpengine_ask - steals command. instance: who must answer, or RTPENGINE_ANY. done NULL: it is only to be told.
 *   NULL: every instance that may answer is down, or done is NULL */
struct rtpengine_question *rtpengine_ask(struct rtpengine *r, int instance, json_t *command, rtpengine_done *done,
					 void *arg);
int rtpengine_asked(const struct rtpengine_question *q); /* the instance that has the question now */
void rtpengine_drop(struct rtpengine_question *q);	 /* the asker goes away; NULL is none */

#endif
