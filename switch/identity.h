/* SPDX-License-Identifier: Apache-2.0 */
/* identity.h - what a vendor is told of who calls and who was called before, beside From: P-Asserted-Identity (RFC
 * 3325), Remote-Party-ID (draft-ietf-sip-privacy-04), Privacy (RFC 3323), Diversion (RFC 5806), History-Info (RFC
 * 7044).
 *
 * Each is written anew from what was understood of it: numbers, names and the parameters that the RFC defines. Hosts
 * become ours, whatever else stood there is gone. A header crosses only if neither trunk drops it; routing/snapshot.h
 * has the ways. Pure readers of a parsed message; any thread.
 */
#ifndef SWITCH_IDENTITY_H
#define SWITCH_IDENTITY_H

#include "lib/buf.h"
#include "routing/snapshot.h"
#include "switch/stack.h"

struct identity {
	const struct trunk *from, *to;
	const char *number;  /* of the caller, as `to` is told it, unescaped; "" unknown */
	const char *display; /* of the caller, as on the wire; NULL: none */
	const char *host;    /* ours on that leg; IPv6 in brackets */
	bool secret;	     /* the caller asks that its identity be withheld (peer_private) */
};

/* identity_withheld - the caller wants to be unknown, and the vendor is not trusted with it: it gets no number at all
 */
bool identity_withheld(const struct identity *id);

/* identity_write - append the header lines for the vendor's INVITE, each with its CRLF. sip: the caller's INVITE */
void identity_write(const struct identity *id, const sip_t *sip, struct buf *out);

#endif
