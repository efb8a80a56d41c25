/* SPDX-License-Identifier: Apache-2.0 */
/* enquiry.h - do the ends of a proxied call still know it? Where no session timer runs, nothing else would end the
 * record of a call whose BYE was lost, or whose end has crashed.
 *
 * Each end is asked every [sip] dialog_check by an OPTIONS inside the dialog, as if by the other one. We have no CSeq
 * of our own in it and must not spend theirs (RFC 3261 section 12.2): the callee gets the number of the INVITE, the
 * caller 0, after which whatever they send next is in order. Any answer but 481 and 408, also the 500 of
 * section 12.2.2, shows that an end is there.
 *
 * If one is not, the other gets BYE, so that nobody talks on unbilled by feigning to be gone, and the record ends once
 * that BYE is agreed to, or nobody answers it. After it nothing comes: its CSeq is the highest that there is.
 *
 * Where we differ from RFC 3261 section 16: a proxy begins no requests inside a dialog. Ours keeps a record that costs
 * money, which has to end.
 */
#ifndef SWITCH_ENQUIRY_H
#define SWITCH_ENQUIRY_H

#include <stdbool.h>

struct call;
struct enquiry;

/* enquiry_new - of a call that was answered by the dialog with that tag (borrowed for the call's life). At rest. */
struct enquiry *enquiry_new(struct call *c, const char *callee_tag);
void enquiry_free(struct enquiry **e); /* *e may be NULL */

/* enquiry_begin - the dialog is confirmed, or was refreshed: the next question is due in [sip] dialog_check. May end
 * the call, later. enquiry_rest - a session timer watches over it. */
void enquiry_begin(struct enquiry *e);
void enquiry_rest(struct enquiry *e);

/* enquiry_end - a session timer ran out. The callee gets BYE, for it is the side that costs money; once it has agreed,
 * or is gone, the caller gets BYE, too, and the call ends. One that refuses talks on. False: no BYE can be sent */
bool enquiry_end(struct enquiry *e);

#endif
