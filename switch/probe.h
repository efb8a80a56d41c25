/* SPDX-License-Identifier: Apache-2.0 */
/* probe.h - OPTIONS to vendors whose trunk has a probe_interval, from the node's first worker.
 * Any answer but 503 shows that somebody is there; silence for the trunk's no_response_timeout does not.
 */
#ifndef SWITCH_PROBE_H
#define SWITCH_PROBE_H

struct worker;
struct probes;

struct probes *probes_new(struct worker *w);
void probes_free(struct probes **p);
void probes_tick(struct probes *p); /* ten times a second: what is due by the worker's snapshot, time limits */

#endif
