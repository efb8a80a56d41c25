/* SPDX-License-Identifier: Apache-2.0 */
/* passage.h - requests inside proxied calls: they bear a Record-Route entry of ours as their first Route and go on to
 * the next one, or to their Request-URI (RFC 3261 section 16.4 to 16.12). Any worker may get them, whosever call it is.
 *
 * A passage is one request on its way: a server and a client transaction until the final answer has gone back. A 2xx to
 * a re-INVITE and its ACK are the ends' own affair: they pass without one.
 */
#ifndef SWITCH_PASSAGE_H
#define SWITCH_PASSAGE_H

#include "switch/stack.h"

/* passage_take - true: it is such a request, and was taken care of (msg is taken) */
bool passage_take(struct worker *w, msg_t *msg, sip_t *sip);

void passages_close(struct worker *w); /* the worker ends */

#endif
