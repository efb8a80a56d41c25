/* SPDX-License-Identifier: Apache-2.0 */
/* stray.h - answers that no transaction waits for any more.
 *
 * A vendor that was given up without a word may come to life: its ringing is cancelled, its refusal acknowledged, its
 * answer acknowledged and hung up, so that nobody pays for it. A branch of ours proves that the INVITE was. The 2xx
 * that a proxied call was answered with goes on to the caller each time that it is repeated.
 */
#ifndef SWITCH_STRAY_H
#define SWITCH_STRAY_H

#include "switch/stack.h"

/* stray_response - takes msg */
void stray_response(struct worker *w, msg_t *msg, sip_t *sip);

/* stray_hang_up - a 2xx to our INVITE that nobody wants: ACK, and a BYE that is repeated until it is answered */
void stray_hang_up(struct worker *w, msg_t *answer, const sip_t *sip);

#endif
