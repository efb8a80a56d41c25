/* SPDX-License-Identifier: Apache-2.0 */
/* deadlines.h - until when each connection's present state may last: a thread shuts down those that are late.
 * What a mere idle timer misses: a sender that keeps itself alive with a byte now and then. Any thread may call these.
 */
#ifndef API_DEADLINES_H
#define API_DEADLINES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/status.h"

struct deadlines;
struct deadline; /* of one connection */

/* deadlines_start - 0, or -EAGAIN when there is no thread to be had */
int deadlines_start(struct deadlines **out, struct status *st) must_check;
void deadlines_stop(struct deadlines **all); /* those of all connections are freed before; NULL is let pass */

/* deadline_new - fd is borrowed, and is open until deadline_free */
struct deadline *deadline_new(struct deadlines *all, int fd, int64_t after_us);
void deadline_free(struct deadline **d);
void deadline_set(struct deadline *d, int64_t after_us); /* from now; 0: none. NULL is let pass */
/* deadline_abort - the connection ends now, and what is still to be sent is thrown away, in the kernel, too. NULL is
 * let pass */
void deadline_abort(struct deadline *d);
/* deadline_gone - has the peer closed its end? A connection that is suspended is not read from: nobody else would see
 * it. NULL: no */
bool deadline_gone(const struct deadline *d);
/* deadline_narrow - let the kernel hold no more than that for it; NULL is let pass */
void deadline_narrow(struct deadline *d, int bytes);

#endif
