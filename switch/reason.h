/* SPDX-License-Identifier: Apache-2.0 */
/* reason.h - why a side refused, gave up or hung up (RFC 3326): the codes cross, the words do not, for they may tell of
 * whose they are. Pure.
 */
#ifndef SWITCH_REASON_H
#define SWITCH_REASON_H

#include <stddef.h>

#include "switch/stack.h"

struct reason {
	int q850; /* 1..127; 0: not said */
	int sip;  /* 200..699; 0: not said */
};

/* reason_of - what its Reason headers say; sip may be NULL */
struct reason reason_of(const sip_t *sip);

/* reason_write - as the value of a Reason header; "" if nothing is said. returns out */
#define REASON_MAX 48
const char *reason_write(struct reason r, char out[static REASON_MAX]);

#endif
