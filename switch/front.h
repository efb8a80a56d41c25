/* SPDX-License-Identifier: Apache-2.0 */
/* front.h - what belongs to no transaction and no dialog: new calls, strays, and what is refused before it costs more.
 */
#ifndef SWITCH_FRONT_H
#define SWITCH_FRONT_H

#include "switch/stack.h"

/* front_message - the agent's message callback; takes msg */
int front_message(struct worker *w, nta_agent_t *agent, msg_t *msg, sip_t *sip);

#endif
