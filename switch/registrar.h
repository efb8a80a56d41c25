/* SPDX-License-Identifier: Apache-2.0 */
/* registrar.h - a REGISTER whose credentials were right (RFC 3261 section 10.3): its Contacts become the trunk's.
 *
 * The trunk is the digest user's; To's address of record is not looked at. A Contact is reached where it says, if that
 * is the address that the request came from; else (a name, an address behind NAT) where the request came from.
 */
#ifndef SWITCH_REGISTRAR_H
#define SWITCH_REGISTRAR_H

#include "routing/snapshot.h"
#include "switch/peer.h"
#include "switch/stack.h"

enum { REGISTRAR_MIN_S = 60, REGISTRAR_MAX_S = 3600 };

/* registrar_take - answers it; takes msg. 200 with all Contacts in force, 400, 403 (trunk disabled, carrier suspended),
 * 423 (an expiry under REGISTRAR_MIN_S), 500 (out of order) */
void registrar_take(struct worker *w, msg_t *msg, sip_t *sip, const struct peer *peer, const struct trunk *trunk);

#endif
