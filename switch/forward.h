/* SPDX-License-Identifier: Apache-2.0 */
/* forward.h - what a proxy does with a message, whichever call it belongs to (RFC 3261 section 16): next hops, copies
 * without our Via, transactions that leave the 2xx and its ACK to the ends.
 *
 * The agent is a user agent's (NTATAG_UA(1)); for the moment in which a proxied transaction is made or answered it is a
 * proxy's, and the transaction stays one: the library then neither repeats a 2xx nor waits for its ACK.
 */
#ifndef SWITCH_FORWARD_H
#define SWITCH_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "routing/snapshot.h"
#include "switch/stack.h"

struct dns_target;
struct worker_port;

/* The first letter after the mark of a sealed branch says what it belongs to. */
enum forward_kind { FORWARD_INITIAL = 'i', FORWARD_INSIDE = 'd' };

/* forward_branch - a sealed branch of that kind, see worker_branch */
char *forward_branch(const struct worker *w, enum forward_kind kind, char *out);
/* forward_seen - has an INVITE with these Vias been sent on by us before? */
bool forward_seen(const struct worker *w, const sip_t *sip);

/* forward_hops - count down Max-Forwards of a request that is a copy; without one it gets 70. */
void forward_hops(msg_t *msg);

/* forward_port - by which a request goes to that hop: the usual one if it is like it (NULL: none), else the first that
 * is. NULL: we have no such listener */
const struct worker_port *forward_port(const struct worker *w, const struct worker_port *usual,
				       const struct dns_target *hop);
/* forward_strict - section 16.6, point 6: a next hop that is a strict router wants itself in the Request-URI. False: no
 * memory */
bool forward_strict(msg_t *msg);

/* forward_request - send it on in a transaction of its own. msg is taken; via: branch. NULL: it could not be made. */
nta_outgoing_t *forward_request(struct worker *w, const struct worker_port *port, const char *route, const char *branch,
				msg_t *msg, nta_response_f *done, void *magic);
/* forward_ack - an ACK for a 2xx, without a transaction. msg is taken. */
void forward_ack(struct worker *w, const struct worker_port *port, const char *route, msg_t *msg);

/* forward_cancel - CANCEL what forward_request sent, which goes on until its final answer. reason: the value of a
 * Reason header (RFC 3326); NULL: none */
void forward_cancel(struct worker *w, const struct worker_port *port, nta_outgoing_t *invite, const char *reason);
/* forward_reason - what a CANCEL gives as its reason, as it stands; NULL: nothing, or no message. To be freed */
char *forward_reason(const sip_t *cancel);

/* forward_copy - an answer as it is to be sent on, without our Via; NULL: it has no other. The caller's. */
msg_t *forward_copy(msg_t *answer);
/* forward_answer - send it. copy is taken. 0, or -EIO: it could not be sent */
int forward_answer(struct worker *w, nta_incoming_t *to, msg_t *copy);
/* forward_stray - send on an answer for which there is no transaction (any more), by its Via. msg is taken. */
void forward_stray(struct worker *w, const struct worker_port *port, msg_t *msg);

/* forward_wish - Session-Expires of a request that is a copy (RFC 4028 section 8.1): wish_s is asked for, or what is
 * longer cut down to it, but never below its Min-SE. 0: as it is. Returns the seconds that it now asks for, 0 none. */
int32_t forward_wish(msg_t *msg, int32_t wish_s);
/* forward_agreed - the session timer that a 2xx agrees to (section 8.2). If its sender knows none, but the one who
 * asked does, the copy of the answer tells him to refresh; that proves nothing of the other end, and counts as none.
 * Returns seconds, 0 none. */
int32_t forward_agreed(msg_t *copy, bool asker_knows, int32_t asked_s);
bool forward_knows_timer(const sip_t *sip);

#endif
