/* SPDX-License-Identifier: Apache-2.0 */
/* recordroute.h - the Record-Route entries by which the requests inside a proxied call come through us again.
 *
 * An entry names a port of the worker that put it there, the call, and a seal over both the call and its Call-ID:
 *     <sip:~wA@192.0.2.1:5060;lr;call=UUID.SEAL>
 * so that nobody can make us send on what does not belong to a call that we let through. Two entries stand where the
 * call comes in by another port than it goes out (RFC 5658): each side sees the one that it can reach.
 */
#ifndef SWITCH_RECORDROUTE_H
#define SWITCH_RECORDROUTE_H

#include <stdbool.h>

#include "lib/status.h"
#include "lib/uuid.h"
#include "switch/stack.h"

struct worker_port;

struct recordroute {
	struct uuid call;
	const struct worker_port *port; /* of this worker; NULL: the listener that it names is gone */
};

/* recordroute_add - put ours on top of msg's. 0 or -ENOMEM */
int recordroute_add(struct worker *w, msg_t *msg, const struct uuid *call, const struct worker_port *in,
		    const struct worker_port *out) must_check;

/* recordroute_read - is this URI an entry of ours for the dialog with that Call-ID? */
bool recordroute_read(const struct worker *w, const url_t *url, const char *call_id, struct recordroute *out);

#endif
