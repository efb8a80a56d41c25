/* SPDX-License-Identifier: Apache-2.0 */
/* ingress.h - whose call is this: the ingress trunk by source address and tech prefix. Pure, any thread. */
#ifndef ROUTING_INGRESS_H
#define ROUTING_INGRESS_H

#include <stdbool.h>

#include "routing/snapshot.h"

enum ingress_verdict {
	INGRESS_FOUND, /* *trunk is set; it may be disabled or its carrier suspended: the caller answers 403 and writes
			  a CDR */
	INGRESS_CHALLENGE, /* no trunk by address, but an enabled digest trunk admits it: 401 */
	INGRESS_UNKNOWN,   /* 403 or silence */
};

struct ingress_from { /* how a request came */
	const struct sockaddr *source;
	enum trunk_transport transport;
	const char *listener; /* as [sip] listen writes it: a trunk that names another one does not take it */
};

/* ingress_match - longest matching source CIDR first; among equals the longest tech prefix that called_raw (leading '+'
 * dropped) starts with; then the lower id. A trunk with a username is never found here: it needs digest
 * (INGRESS_CHALLENGE). An enabled trunk goes before a disabled one of equal match. */
enum ingress_verdict ingress_match(const struct snapshot *s, const struct ingress_from *from, const char *called_raw,
				   const struct trunk **trunk);

/* ingress_names - is that address in one of the trunk's source CIDRs? A trunk without any names none. */
bool ingress_names(const struct trunk *t, const struct sockaddr *source);

/* ingress_challenges - does any enabled digest trunk admit it? Then it is worth asking for credentials. */
bool ingress_challenges(const struct snapshot *s, const struct ingress_from *from);

/* ingress_by_user - the digest trunk of that user name that admits the source (empty CIDRs: any) and listener; NULL if
 * none. called_raw NULL: it calls nobody, so that no tech prefix matters (REGISTER) */
const struct trunk *ingress_by_user(const struct snapshot *s, const struct ingress_from *from, const char *username,
				    const char *called_raw);

#endif
