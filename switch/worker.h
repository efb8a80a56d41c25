/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h - one thread of SIP: a su_root, an nta_agent, its own calls. Shares nothing, takes no lock, never waits.
 * Other threads reach it only by worker_post, and read nothing of it but the atomic counters.
 */
#ifndef SWITCH_WORKER_H
#define SWITCH_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "routing/route.h"
#include "routing/snapshot.h"
#include "routing/standing.h"
#include "settings/settings.h"
#include "switch/figures.h"
#include "switch/selector.h"
#include "switch/stack.h"

struct node;
struct call;

#define WORKER_PORTS_MAX 16	     /* listeners */
#define WORKER_CALL_PLACES (1 << 14) /* of the table of calls by their ids */
#define WORKER_NICE (-10)	     /* how far SIP threads step forward, where that is allowed */

struct worker_port {	      /* how this worker is reached by one listener */
	char ident[16];	      /* the transport's name for the library */
	const char *listener; /* as the settings write it */
	enum trunk_transport transport;
	int family;
	char host[64]; /* what Via, Contact and From name; IPv6 in brackets */
	char bind[64]; /* where it is; differs from host behind NAT */
	int port;
	int fd;			/* of the shared UDP socket; -1 for TCP and TLS */
	sip_contact_t *contact; /* of this worker */
};

struct worker_counters { /* read by other threads */
	_Atomic uint64_t calls, answered, strays, shed, misrouted;
	_Atomic uint64_t steps;	       /* places taken or given back, each counted before it is done: for the audit */
	_Atomic int64_t live;	       /* calls that have no CDR yet */
	_Atomic int64_t registrations; /* with vendors, those that are being ended included */
	_Atomic int64_t held;	       /* call objects, those that wait for their legs' ends included */
	struct figures_setup setup;
};

struct worker {
	int index;
	struct node *node;
	pthread_t thread;
	su_root_t *root;
	su_home_t home[1];
	nta_agent_t *agent;
	nta_leg_t *front; /* takes what belongs to no dialog */
	struct worker_port port[WORKER_PORTS_MAX];
	int ports;
	char mark[SELECTOR_MARK_MAX];
	struct snapshot *snap;	   /* NULL until the first one came */
	struct route *route;	   /* scratch of routing */
	struct standing *standing; /* of the vendors; NULL until the first one came */
	struct probes *probes;	   /* of the first worker; NULL in the others */
	struct shared *shared;	   /* limits over all nodes */
	struct dns *dns;	   /* host names of vendors */
	struct rtpengine *rtpengine;
	int64_t media_us;			     /* when media_tick next looks */
	struct call *calls;			     /* all, by call->next */
	struct call *call_by_id[WORKER_CALL_PLACES]; /* the same, by call->same */
	struct call *dead; /* to be freed at the next tick, when no callback of the library can still hold them */
	struct passage *passages; /* requests inside proxied calls that are on their way */
	struct registers *registers;
	su_timer_t *tick;
	struct shed *shed; /* refused INVITEs; NULL: none yet */
	unsigned asked;	   /* see worker_overloaded */
	bool overloaded;
	struct worker_counters count;
};

/* worker_new - thread, agent and sockets; workers of one node are made one after the other, in order of index.
 *   It runs from here on. 0, or -errno with st naming the address that could not be used */
int worker_new(struct worker **out, struct node *node, int index, int workers, struct status *st) must_check;
void worker_free(struct worker **w); /* asks it to end, joins */

/* worker_post - run fn(worker, arg) on the worker's thread. 0 or -ENOMEM (fn was not and will not be run) */
int worker_post(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg) must_check;

/* worker_port_for - the port that reaches a trunk: its own listener's, else the first of that transport and family */
const struct worker_port *worker_port_for(const struct worker *w, const struct trunk *trunk,
					  enum trunk_transport transport, int family);

/* worker_port_of - the port that a request came in by */
const struct worker_port *worker_port_of(const struct worker *w, nta_incoming_t *irq, msg_t *msg);

/* worker_overloaded - more waits in the sockets than can be answered in time (much, or for long, with more behind it):
 * new calls are to be refused at once, while that is still cheap, so that those under way go on. To be asked for each
 * new call.
 */
bool worker_overloaded(struct worker *w);

/* worker_branch - a fresh Via branch that leads answers back to this worker */
#define WORKER_BRANCH_MAX 56
char *worker_branch(const struct worker *w, char out[static WORKER_BRANCH_MAX]);
/* worker_invite_branch - one that worker_branch_is_ours knows again, so that nobody can make us answer what we never
 * sent */
char *worker_invite_branch(const struct worker *w, char out[static WORKER_BRANCH_MAX]);
/* worker_kind_branch - the same, with a letter that worker_branch_kind reads (of one that is ours) */
char *worker_kind_branch(const struct worker *w, char kind, char out[static WORKER_BRANCH_MAX]);
char worker_branch_kind(const char *branch);
bool worker_branch_is_ours(const struct worker *w, const char *branch);

#endif
