/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/worker.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/random.h"
#include "lib/siphash.h"
#include "lib/thread.h"
#include "switch/call.h"
#include "switch/dns.h"
#include "switch/front.h"
#include "switch/lag.h"
#include "switch/media.h"
#include "switch/node.h"
#include "switch/parser.h"
#include "switch/passage.h"
#include "switch/probe.h"
#include "switch/register.h"
#include "switch/shared.h"
#include "switch/shed.h"

enum {
	TICK_MS = 100,
	BRANCH_HEAD = 7 + 8, /* "z9hG4bK" and the worker's mark */
	BRANCH_RANDOM = 16,
	BRANCH_SEAL = 16,
	CROWDED_BYTES = 24 << 20, /* as the kernel counts them: some 11,000 messages, most of a second at full load */
	CROWDED_SHARE = 3,
	BACKLOG_BYTES = 128 << 10, /* some 60 messages */
	BACKLOG_SHARE = 1,
	SHARE_ALL = 5,
	/* A machine that stood still for a second leaves a queue that is worked off sooner than that, even at 1,000
	 * calls a second: nothing of it needs to be refused. */
	LATE_FOR_US = 300 * 1000,
	ASK_EVERY = 16, /* new calls between two looks at the buffers */
	TLS_DEPTH = 5,	/* certificates in a vendor's chain */
};

/* ---- messages from other threads ---- */

struct post {
	void (*fn)(struct worker *w, void *arg);
	void *arg;
};

static void post_deliver(struct worker *w, su_msg_r msg, su_msg_arg_t *data)
{
	const struct post *p = (const void *)data;
	p->fn(w, p->arg);
}

int worker_post(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg)
{
	su_msg_r msg = SU_MSG_R_INIT;
	if (su_msg_create(msg, su_root_task(w->root), su_task_null, post_deliver, sizeof(struct post)) != 0)
		return -ENOMEM;
	struct post *p = (void *)su_msg_data(msg);
	*p = (struct post){.fn = fn, .arg = arg};
	if (su_msg_send(msg) != 0)
		return -ENOMEM;
	return 0;
}

static void on_tick(struct worker *context, su_timer_t *timer, void *arg)
{
	struct worker *w = arg;

	call_bury(w);
	shared_tick(w->shared);
	dns_tick(w->dns);
	rtpengine_tick(w->rtpengine);
	media_tick(w);
	if (w->probes)
		probes_tick(w->probes);
	if (w->registers)
		registers_tick(w->registers);
}

/* ---- ports ---- */

static const char *transport_name(enum settings_transport t)
{
	static const char *const name[] = {[SETTINGS_UDP] = "udp", [SETTINGS_TCP] = "tcp", [SETTINGS_TLS] = "tls"};
	return name[t];
}

static void host_text(const struct sockaddr_storage *a, char *out, size_t size)
{
	char text[INET6_ADDRSTRLEN];
	if (a->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)a)->sin6_addr, text, sizeof text);
		snprintf(out, size, "[%s]", text);
	} else {
		inet_ntop(AF_INET, &((const struct sockaddr_in *)a)->sin_addr, text, sizeof text);
		snprintf(out, size, "%s", text);
	}
}

static int port_of(const struct sockaddr_storage *a)
{
	return ntohs(a->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)a)->sin6_port
					      : ((const struct sockaddr_in *)a)->sin_port);
}

/* A shared port does not tell that somebody else has it: ask once with a socket that does not share. */
static int port_is_free(const struct settings_listener *l)
{
	int type = l->transport == SETTINGS_UDP ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(l->address.ss_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int one = 1, r = 0;
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (l->address.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	socklen_t len = l->address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	if (bind(fd, (const struct sockaddr *)&l->address, len) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int port_bind(struct worker *w, const struct settings_listener *l, const char *ident, const char *host, int port,
		     bool share, struct status *st)
{
	char bind_host[64], url[200];
	host_text(&l->address, bind_host, sizeof bind_host);
	int n = snprintf(url, sizeof url, "%s:%s:%d;transport=%s", l->transport == SETTINGS_TLS ? "sips" : "sip", host,
			 port, transport_name(l->transport));
	if (strcmp(host, bind_host) != 0)
		snprintf(url + n, sizeof url - (size_t)n, ";maddr=%s", bind_host);

	const char *tls_dir = l->transport == SETTINGS_TLS ? w->node->tls_dir : NULL;
	selector_share(share);
	errno = 0;
	int r = nta_agent_add_tport(
		w->agent, (url_string_t *)url, TPTAG_IDENT(ident), TPTAG_STUN_SERVER(0),
		TAG_IF(tls_dir, TPTAG_CERTIFICATE(tls_dir)),
		TAG_IF(tls_dir, TPTAG_TLS_VERIFY_POLICY(w->node->settings->sip_tls_ca[0] ? TPTLS_VERIFY_OUT
											 : TPTLS_VERIFY_NONE)),
		TAG_IF(tls_dir, TPTAG_TLS_VERIFY_DEPTH(TLS_DEPTH)), TAG_END());
	int err = errno;
	selector_share(false);
	if (r < 0)
		return status_set(st, err ? -err : -EADDRINUSE, "[sip] listen = %s: cannot use %s:%d: %s", l->text,
				  bind_host, port, strerror(err ? err : EADDRINUSE));
	return 0;
}

static int port_open(struct worker *w, int i, int workers, struct status *st)
{
	const struct settings *s = w->node->settings;
	const struct settings_listener *l = &s->listen.item[i];
	struct worker_port *p = &w->port[i];
	bool share = workers > 1, own_port = s->worker_ports.first != 0;
	char public_ident[16];

	bool advertised6 = strchr(s->advertise, ':') != NULL;

	host_text(&l->address, p->bind, sizeof p->bind);
	if (s->advertise[0] && advertised6 == (l->address.ss_family == AF_INET6))
		snprintf(p->host, sizeof p->host, advertised6 ? "[%s]" : "%s", s->advertise);
	else /* an address of the other family leads nobody to this listener */
		host_text(&l->address, p->host, sizeof p->host);
	p->listener = l->text;
	p->transport = l->transport == SETTINGS_UDP ? TRUNK_UDP : l->transport == SETTINGS_TCP ? TRUNK_TCP : TRUNK_TLS;
	p->family = l->address.ss_family;
	p->port = port_of(&l->address);
	snprintf(public_ident, sizeof public_ident, "s%d", i);
	snprintf(p->ident, sizeof p->ident, own_port ? "w%d" : "s%d", i);

	int r = share && w->index == 0 ? port_is_free(l) : 0;
	if (r)
		return status_set(st, r, "[sip] listen = %s: %s", l->text, strerror(-r));
	r = port_bind(w, l, public_ident, p->host, p->port, share, st);
	/* The program stands on the group from its first socket on, so that no datagram is ever placed without it. */
	p->fd = l->transport == SETTINGS_UDP ? selector_last_socket() : -1;
	if (!r && share && l->transport == SETTINGS_UDP && w->index == 0) {
		r = selector_attach(selector_last_socket(), workers);
		if (r)
			return status_set(st, r, "[sip] listen = %s: the kernel refuses the worker selector: %s",
					  l->text, strerror(-r));
	}
	if (!r && own_port) {
		p->port = s->worker_ports.first + w->index;
		r = port_bind(w, l, p->ident, p->host, p->port, false, st);
	}
	if (r)
		return r;

	char user[SELECTOR_USER_MAX];
	p->contact = sip_contact_format(w->home, "<sip:%s@%s:%d%s>", selector_user(w->index, user), p->host, p->port,
					p->transport == TRUNK_TCP   ? ";transport=tcp"
					: p->transport == TRUNK_TLS ? ";transport=tls"
								    : "");
	return p->contact ? 0 : status_set(st, -ENOMEM, "out of memory");
}

const struct worker_port *worker_port_for(const struct worker *w, const struct trunk *trunk,
					  enum trunk_transport transport, int family)
{
	if (transport == TRUNK_ANY)
		transport = TRUNK_UDP;
	for (int i = 0; i < w->ports; i++)
		if (trunk->listen[0] && strcmp(w->port[i].listener, trunk->listen) == 0 &&
		    w->port[i].transport == transport && w->port[i].family == family)
			return &w->port[i];
	for (int i = 0; i < w->ports; i++)
		if (w->port[i].transport == transport && w->port[i].family == family)
			return &w->port[i];
	return NULL;
}

const struct worker_port *worker_port_of(const struct worker *w, nta_incoming_t *irq, msg_t *msg)
{
	tport_t *tp = nta_incoming_transport(w->agent, irq, msg);
	const char *ident = tp ? tport_name(tp)->tpn_ident : NULL;
	int i = ident && (ident[0] == 's' || ident[0] == 'w') ? atoi(ident + 1) : 0; /* "s0", "w0": see port_open */

	if (tp)
		tport_unref(tp);
	return &w->port[i < w->ports ? i : 0];
}

char *worker_branch(const struct worker *w, char out[static WORKER_BRANCH_MAX])
{
	char random[BRANCH_RANDOM + 1];
	snprintf(out, WORKER_BRANCH_MAX, "z9hG4bK%s%s", w->mark, random_token(random, BRANCH_RANDOM));
	return out;
}

/* Half of the token is random, the other half proves that this node made it. */
static void branch_seal(const struct worker *w, const char *random, char out[static BRANCH_SEAL + 1])
{
	static const char digit[] = "0123456789abcdef";
	uint64_t h = siphash(w->node->secret, random, BRANCH_RANDOM);

	for (int i = 0; i < BRANCH_SEAL; i++, h >>= 4)
		out[i] = digit[h & 15];
	out[BRANCH_SEAL] = '\0';
}

static char *branch_sealed(const struct worker *w, char *out)
{
	char seal[BRANCH_SEAL + 1];

	branch_seal(w, out + BRANCH_HEAD, seal);
	strcat(out, seal);
	return out;
}

char *worker_invite_branch(const struct worker *w, char out[static WORKER_BRANCH_MAX])
{
	return branch_sealed(w, worker_branch(w, out));
}

char *worker_kind_branch(const struct worker *w, char kind, char out[static WORKER_BRANCH_MAX])
{
	worker_branch(w, out);
	out[BRANCH_HEAD] = kind;
	return branch_sealed(w, out);
}

char worker_branch_kind(const char *branch)
{
	return branch[BRANCH_HEAD];
}

bool worker_branch_is_ours(const struct worker *w, const char *branch)
{
	char seal[BRANCH_SEAL + 1];

	if (!branch || strlen(branch) != BRANCH_HEAD + BRANCH_RANDOM + BRANCH_SEAL)
		return false;
	branch_seal(w, branch + BRANCH_HEAD, seal);
	return CRYPTO_memcmp(seal, branch + BRANCH_HEAD + BRANCH_RANDOM, BRANCH_SEAL) == 0;
}

/* Does so much wait in the port's receive buffer? Its share of the whole: 0 to SHARE_ALL. */
static bool port_holds(const struct worker_port *p, uint32_t bytes, uint32_t share)
{
	uint32_t mem[SK_MEMINFO_VARS];
	socklen_t len = sizeof mem;

	if (p->fd < 0 || getsockopt(p->fd, SOL_SOCKET, SO_MEMINFO, mem, &len) < 0)
		return false;
	uint32_t full = mem[SK_MEMINFO_RCVBUF] / SHARE_ALL * share;
	return mem[SK_MEMINFO_RMEM_ALLOC] > (full < bytes ? full : bytes);
}

bool worker_overloaded(struct worker *w)
{
	/* Late for a while, and more behind it: not just a process that was kept from running. */
	bool late = lag_late_us() > LATE_FOR_US;

	if (late || w->asked++ % ASK_EVERY == 0) {
		w->overloaded = false;
		for (int i = 0; i < w->ports && !w->overloaded; i++)
			w->overloaded = port_holds(&w->port[i], CROWDED_BYTES, CROWDED_SHARE) ||
					(late && port_holds(&w->port[i], BACKLOG_BYTES, BACKLOG_SHARE));
	}
	return w->overloaded;
}

/* ---- life ---- */

struct start { /* handed to the new thread; lives on worker_new's stack */
	struct worker *w;
	int workers;
	int result;
	struct status st;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool ready;
};

static int agent_open(struct worker *w, int workers, struct status *st)
{
	const struct settings *s = w->node->settings;

	w->agent = nta_agent_create(w->root, (url_string_t *)-1, front_message, w, NTATAG_UA(1),
				    NTATAG_MCLASS(parser_class()), TAG_END());
	if (!w->agent)
		return status_set(st, -ENOMEM, "cannot create the SIP agent");
	nta_agent_set_params(w->agent, NTATAG_UDP_MTU(65535), NTATAG_MAX_PROCEEDING(1000000), NTATAG_USE_TIMESTAMP(0),
			     NTATAG_USE_NAPTR(0), NTATAG_USE_SRV(0), NTATAG_SIP_T1((unsigned)s->t1_ms),
			     NTATAG_SIP_T1X64((unsigned)(64 * s->t1_ms)), NTATAG_MERGE_482(1), NTATAG_CANCEL_487(0),
			     NTATAG_CLIENT_RPORT(1), TAG_END());
	w->ports = s->listen.n;
	for (int i = 0; i < w->ports; i++) {
		int r = port_open(w, i, workers, st);
		if (r)
			return r;
	}
	return 0;
}

static int worker_open(struct worker *w, int workers, struct status *st)
{
	if (w->node->settings->listen.n > WORKER_PORTS_MAX)
		return status_set(st, -E2BIG, "[sip] listen names more than %d addresses", WORKER_PORTS_MAX);
	su_home_init(w->home);
	w->root = su_root_create(w);
	if (!w->root)
		return status_set(st, -ENOMEM, "cannot create the event loop of worker %d", w->index);
	su_root_threading(w->root, 0);
	int r = agent_open(w, workers, st);
	if (r)
		return r;
	w->shared = shared_new(w);
	r = dns_new(&w->dns, w, w->node->settings->dns_servers, st);
	if (r)
		return r;
	r = rtpengine_new(&w->rtpengine, w, w->node->settings->rtpengine, st);
	if (r)
		return r;
	if (w->index == 0) {
		w->probes = probes_new(w);
		w->registers = registers_new(w);
	}
	w->tick = su_timer_create(su_root_task(w->root), TICK_MS);
	if (!w->tick || su_timer_set_for_ever(w->tick, on_tick, w) < 0)
		return status_set(st, -ENOMEM, "cannot create the timer of worker %d", w->index);
	return 0;
}

static void worker_close(struct worker *w)
{
	while (w->calls)
		call_discard(w->calls);
	call_bury(w);
	passages_close(w);
	shared_free(&w->shared);
	shed_free(&w->shed);
	probes_free(&w->probes);
	rtpengine_free(&w->rtpengine);
	registers_free(&w->registers);
	dns_free(&w->dns);
	if (w->tick)
		su_timer_destroy(w->tick);
	if (w->agent)
		nta_agent_destroy(w->agent);
	if (w->root)
		su_root_destroy(w->root);
	if (w->snap)
		snapshot_unref(&w->snap);
	standing_unref(&w->standing);
	route_free(&w->route);
	su_home_deinit(w->home);
}

static void *worker_run(void *arg)
{
	struct start *start = arg;
	struct worker *w = start->w;
	char name[16];

	snprintf(name, sizeof name, "sip-%d", w->index);
	thread_settle(name, WORKER_NICE);
	thread_hasten();
	int r = worker_open(w, start->workers, &start->st);

	pthread_mutex_lock(&start->lock);
	start->result = r;
	start->ready = true;
	pthread_cond_signal(&start->done);
	pthread_mutex_unlock(&start->lock);
	if (r == 0)
		su_root_run(w->root);
	worker_close(w);
	return NULL;
}

int worker_new(struct worker **out, struct node *node, int index, int workers, struct status *st)
{
	struct worker *w = xcalloc(1, sizeof *w);
	*w = (struct worker){.index = index, .node = node, .route = route_new(16)};
	selector_mark(index, w->mark);

	struct start start = {
		.w = w, .workers = workers, .lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
	int r = -pthread_create(&w->thread, NULL, worker_run, &start);
	if (r) {
		route_free(&w->route);
		free(w);
		return status_set(st, r, "cannot start worker %d: %s", index, strerror(-r));
	}
	pthread_mutex_lock(&start.lock);
	while (!start.ready)
		pthread_cond_wait(&start.done, &start.lock);
	pthread_mutex_unlock(&start.lock);
	if (start.result) {
		pthread_join(w->thread, NULL);
		free(w);
		if (st)
			*st = start.st;
		return start.result;
	}
	*out = w;
	return 0;
}

static void worker_break(struct worker *w, void *arg)
{
	su_root_break(w->root);
}

void worker_free(struct worker **pw)
{
	struct worker *w = *pw;
	if (!w)
		return;
	if (worker_post(w, worker_break, NULL))
		abort(); /* no memory for one message: nothing can be ended in order any more */
	pthread_join(w->thread, NULL);
	free(w);
	*pw = NULL;
}
