/* SPDX-License-Identifier: Apache-2.0 */
/* register.h - our own registrations with vendors whose trunk says `register`, from the first worker of the node whose
 * turn it is (bindings.h).
 *
 * A registration is refreshed before it expires, and tried again after a failure: 2 s, 4 s ... 5 minutes. A trunk that
 * no longer wants it is unregistered. What changes is a line of the log, and stands in /v1/nodes.
 */
#ifndef SWITCH_REGISTER_H
#define SWITCH_REGISTER_H

struct worker;
struct registers;

struct registers *registers_new(struct worker *w);
void registers_free(struct registers **r); /* what stands with the vendors expires by itself */
void registers_tick(struct registers *r);  /* ten times a second: what is due by the worker's snapshot, time limits */

#endif
