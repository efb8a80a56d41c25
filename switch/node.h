/* SPDX-License-Identifier: Apache-2.0 */
/* node.h - the running switch: what all workers share, and its start and end.
 * What workers read here is either constant while they run or atomic.
 */
#ifndef SWITCH_NODE_H
#define SWITCH_NODE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "billing/spool.h"
#include "lib/gauge.h"
#include "lib/status.h"
#include "routing/loader.h"
#include "settings/settings.h"
#include "switch/presence.h"
#include "switch/rtpengine.h"
#include "switch/secret.h"

struct dialogs;
struct worker;

struct node {
	const struct settings *settings; /* as of the start; what SIGHUP may change is below */
	struct gauge_table *gauges;
	struct gauge *calls; /* of the whole node: its rate is [sip] max_cps */
	struct spool *spool;
	struct presence *presence;
	struct audit *audit;
	struct purse *purse;
	struct vendors *vendors;
	struct lrn *lrn; /* NULL: no look-up is set */
	struct bindings *bindings;
	struct digest_guard *guard;
	uint8_t secret[SECRET_BYTES]; /* seals branches and Record-Routes; the same after a restart */
	struct dialogs *dialogs;      /* of proxied calls */
	char *tls_dir;		      /* NULL: no TLS listener */
	struct loader *loader;
	struct worker **worker;
	int workers;
	struct rtpengine_state rtpengine;

	_Atomic bool draining;
	_Atomic int64_t invite_timeout_ms, drain_timeout_ms;
	_Atomic int32_t max_cps; /* NO_LIMIT: none */
	_Atomic int unknown_source;
};

/* node_start - purse, spool, bindings, vendors, workers, lrn, presence, loader, in this order. settings are borrowed
 * until node_stop. PostgreSQL and Redis may be away. 0, or -errno with st; all that was started is stopped again then.
 */
int node_start(struct node **out, const struct settings *settings, struct status *st) must_check;
/* node_reload - take over what SIGHUP may change; `settings` stays the caller's */
void node_reload(struct node *n, const struct settings *settings);
/* node_drain - refuse new calls from now on */
void node_drain(struct node *n);
int64_t node_live_calls(struct node *n);
/* node_stop - hang up what still talks, wait for the legs' ends (at most 2 s), make all CDRs durable, end all threads
 */
void node_stop(struct node **n);

#endif
