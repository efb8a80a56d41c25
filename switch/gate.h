/* SPDX-License-Identifier: Apache-2.0 */
/* gate.h - which requests inside proxied calls may pass: from an address of the end that they say they are of, to an
 * address of the other end. Else an end could play both, agree to its own BYE, and talk on unbilled; or have us send to
 * whom it likes. What is refused is counted (tandem_node_misrouted_total) and logged.
 */
#ifndef SWITCH_GATE_H
#define SWITCH_GATE_H

#include <stdbool.h>

#include "switch/dialogs.h"
#include "switch/stack.h"
#include "switch/way.h"

/* gate_source - does it come from where it may? Of a call that is not known (of a time before our start, or over): from
 * any address that a trunk names. */
bool gate_source(struct worker *w, msg_t *msg, const struct uuid *call, const struct dialogs_found *dialog);

/* gate_hop - may a request whose next hop is that URI go there? Then *hop is where. usual: the transport of a URI that
 * names none, in a call that is not known */
bool gate_hop(struct worker *w, msg_t *msg, const struct uuid *call, const struct dialogs_found *dialog,
	      const url_t *url, enum trunk_transport usual, struct way_hop *hop);

#endif
