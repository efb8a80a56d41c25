/* SPDX-License-Identifier: Apache-2.0 */
/* leg_priv.h - what the files of a leg share: leg.c (its dialog and its end), leg_in.c (the side that called us) and
 * leg_out.c (the side that we call).
 */
#ifndef SWITCH_LEG_PRIV_H
#define SWITCH_LEG_PRIV_H

#include "switch/leg.h"

enum { TAG_CHARS = 12 };

struct body;

/* leg_tell - the call hears what happened; request: one that it has to answer, or NULL */
void leg_tell(struct leg *leg, enum leg_event_kind kind, int status, bool internal, const sip_t *sip,
	      nta_incoming_t *request);
/* leg_quiet - no transaction is left that could call back. leg_gone - tells so, once */
bool leg_quiet(const struct leg *leg);
void leg_gone(struct leg *leg);
/* leg_on_request - what the library calls for each request inside the dialog */
int leg_on_request(struct leg *leg, nta_leg_t *dialog, nta_incoming_t *irq, sip_t const *sip);
/* leg_acknowledged - the ACK of our 2xx is here */
void leg_acknowledged(struct leg *leg, const sip_t *sip);
/* leg_bye_send - BYE with that Q.850 cause; 0: none */
void leg_bye_send(struct leg *leg, int cause);
/* leg_patience_begin - its INVITE was cancelled: over() is called unless leg_patience_end is within 64*T1 (RFC 3261
 * section 9.1) */
void leg_patience_begin(struct leg *leg, su_timer_f over);
void leg_patience_end(struct leg *leg);
/* leg_contact_usable - may requests be sent there? */
bool leg_contact_usable(const sip_contact_t *m);
/* leg_sdp_keep - what this side has of us now, for a refresh that may need it */
void leg_sdp_keep(struct leg *leg, const struct body *b);

#endif
