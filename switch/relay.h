/* SPDX-License-Identifier: Apache-2.0 */
/* relay.h - requests inside a call that one side sends and the other must answer: re-INVITE, UPDATE, INFO, MESSAGE;
 * REFER and its NOTIFYs where refer.h lets them.
 * A relay joins a server transaction on one leg with a client transaction on the other until the answer is passed back.
 */
#ifndef SWITCH_RELAY_H
#define SWITCH_RELAY_H

#include "switch/leg.h"

struct media;

/* relay_pass - send on what came on `from`. Takes request, answers it in any case:
 *   491 while another INVITE is under way on either leg (RFC 3261 section 14.2), 481 if the other leg is over,
 *   405, 501 for what is not passed, what refer_refusal says for REFER and NOTIFY */
void relay_pass(struct leg *from, struct leg *to, nta_incoming_t *request, const sip_t *sip);

/* relay_prack - a PRACK of the caller's with a body: the vendor's 18x that it confirms gets it, and its answer comes
 * back (RFC 3262 section 5). Takes request. later NULL: no vendor waits for one, so nothing can be agreed by it: 488 */
void relay_prack(struct leg *from, struct prack *later, nta_incoming_t *request, const sip_t *sip);

/* relay_take - an INVITE with Replaces: a re-INVITE to the call's other side. Takes request; replaces_decided hears
 * what came of it, perhaps before this returns. relay_agreed - the other side has agreed to what this leg's phone asked
 * for, and that phone does not know yet */
void relay_take(struct leg *from, struct leg *to, nta_incoming_t *request, const sip_t *sip, struct media *media);
bool relay_agreed(const struct leg *leg);

/* relay_moved - this leg has another address in memory now. relay_aimed - what `sender` has under way to `was` went to
 * the leg that is `now` there */
void relay_moved(struct leg *leg);
void relay_aimed(struct leg *sender, const struct leg *was, struct leg *now);

/* relay_busy - an INVITE is under way on this leg, whoever sent it */
bool relay_busy(const struct leg *leg);

/* relay_end - the dialog of this leg ends: answer what waits on it with 487 or 481. A re-INVITE that the other side has
 * not answered yet becomes that leg's orphan, which keeps the leg from being gone until its final answer is
 * acknowledged. Requests that wait for this leg are ended by the other one, which goes down with it. */
void relay_end(struct leg *leg);
/* relay_close - the leg is being freed: let go of everything */
void relay_close(struct leg *leg);

#endif
