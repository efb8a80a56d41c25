/* SPDX-License-Identifier: Apache-2.0 */
/* peer.h - who sent a message and which numbers it names, as the wire has it. Pure readers of a parsed message. */
#ifndef SWITCH_PEER_H
#define SWITCH_PEER_H

#include <stdbool.h>
#include <sys/socket.h>

#include "routing/number.h"
#include "routing/snapshot.h"
#include "switch/stack.h"

struct peer {
	struct sockaddr_storage address;
	char host[64]; /* numeric; IPv6 in brackets */
	char text[64]; /* numeric; no brackets: the CDR's source_ip */
	int port;
	enum trunk_transport transport;
	const char *listener; /* that it came by, as the settings write it; set by front.c, else NULL */
};

/* peer_of_message - where it came from. The transport is the topmost Via's, which the library has checked. */
void peer_of_message(struct peer *p, msg_t *msg);

/* peer_called - the Request-URI's user without parameters, escapes undone once; a tel: URI's number. Cut to NUMBER_MAX
 * - 1. An escaped NUL stays "%00". */
void peer_called(const sip_t *sip, char out[static NUMBER_MAX]);

/* peer_ported - was the number looked up before it came (RFC 4694: npdi or rn)? rn: its digits, "" if it has none */
bool peer_ported(const sip_t *sip, char rn[static NUMBER_MAX]);
/* peer_user - the user of any URI, in the same way */
void peer_user(const url_t *url, char out[static NUMBER_MAX]);

/* peer_calling - the From's user, or P-Asserted-Identity's where trust_pai; "" if there is none */
void peer_calling(const sip_t *sip, bool trust_pai, char out[static NUMBER_MAX]);

/* peer_private - the caller asks that its identity be kept from the callee (RFC 3323, 3325: Privacy id, user or header)
 */
bool peer_private(const sip_t *sip);

/* peer_unsupported - what its Require and Proxy-Require ask for and we do not do (RFC 3261 section 8.2.2.3); NULL:
 * nothing. replaces: its sender may take over calls. Memory of home. */
sip_unsupported_t *peer_unsupported(su_home_t *home, const sip_t *sip, bool replaces);
/* peer_unsupported_by_proxy - the same of a request that is only passed on: what its Require names is the callee's
 * affair (RFC 3261 section 16.3) */
sip_unsupported_t *peer_unsupported_by_proxy(su_home_t *home, const sip_t *sip);

#endif
