/* SPDX-License-Identifier: Apache-2.0 */
/* bindings.h - registrations, both ways, as the nodes share them: where customers that registered with us are, and
 * which vendors' registrations this node keeps.
 *
 * A table in memory, read and changed by any thread under a mutex that nobody holds while he waits; a thread of its own
 * brings it to Redis and takes in what the other nodes wrote, as soon as something changes and twice a second:
 *
 *   {tandem}:binding:TRUNK_ID    JSON {"contacts": [...]}; expires with its last contact. Nodes merge by contact, the
 *                                later change wins; what was taken away stays, marked, until it would have expired
 *   {tandem}:register:TRUNK_ID   the node that keeps our registration with that vendor; expires 15 s after its death
 *
 * Redis away: the table goes on, and is written again when Redis is back; each node then registers with the vendors for
 * itself, since two registrations do less harm than none.
 */
#ifndef SWITCH_BINDINGS_H
#define SWITCH_BINDINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/status.h"
#include "routing/snapshot.h"

struct bindings;

enum {
	BINDINGS_MAX = 5, /* contacts of a trunk; one more, and the oldest gives way */
	BINDINGS_SLOTS = 16,
};

struct bindings_contact {
	char uri[256];	    /* as it was given */
	char uri_host[128]; /* what the Request-URI of a call to it names */
	int uri_port;	    /* 0: none */
	char host[64];	    /* where it is reached: numeric, IPv6 in brackets */
	int port;
	enum trunk_transport transport;
	char call_id[128];
	uint32_t cseq;
	int64_t changed_us, expires_us; /* wall clock */
	bool gone;			/* taken away; kept to tell the other nodes */
};

struct bindings_options {
	const char *redis_url, *node; /* copied */
};

/* bindings_start - Redis may be away. 0, or -errno with st */
int bindings_start(struct bindings **b, const struct bindings_options *o, struct status *st) must_check;
/* bindings_stop - writes what is new a last time, gives up what this node keeps with vendors, frees */
void bindings_stop(struct bindings **b);

/* All of these: any thread, never wait. */

/* bindings_tell_snapshot - whose bindings count from here on, and which vendors want us to register; takes the
 * reference */
void bindings_tell_snapshot(struct bindings *b, struct snapshot *s);

/* bindings_change - a REGISTER: add, refresh or (gone) take away c[0..n); all: take away whatever there is.
 *   The contacts' Call-ID and CSeq are call_id and cseq.
 *   returns 0, or -ESTALE: out of order (RFC 3261 section 10.3, 7); then nothing was changed */
int bindings_change(struct bindings *b, int64_t trunk_id, const struct bindings_contact *c, int n, bool all,
		    const char *call_id, uint32_t cseq, int64_t wall_us) must_check;

/* bindings_read - what is in force, the newest first; returns how many */
int bindings_read(struct bindings *b, int64_t trunk_id, int64_t wall_us,
		  struct bindings_contact out[static BINDINGS_MAX]);

/* bindings_is_mine - does this node keep our registration with the vendor of that trunk? */
bool bindings_is_mine(struct bindings *b, int64_t trunk_id);

enum bindings_state { BINDINGS_TRYING, BINDINGS_REGISTERED, BINDINGS_FAILED };

/* bindings_tell_vendor - how our registration with that vendor stands; expires_us 0: none */
void bindings_tell_vendor(struct bindings *b, int64_t trunk_id, enum bindings_state state, const char *reason,
			  int64_t expires_us);

/* bindings_vendors - of those that this node keeps: [{trunk_id, state, reason, since, expires_at}]; new */
json_t *bindings_vendors(struct bindings *b);

#endif
