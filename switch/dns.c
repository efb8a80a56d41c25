/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/dns.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/random.h"
#include "switch/worker.h"

/* arpa/nameser.h numbers (RFC 1035, 2782, 3403) */
enum { CLASS_IN = 1, TYPE_SRV = 33, TYPE_NAPTR = 35 };
enum {
	QUERY_MS = 500, /* doubles with each try; a dead first server must not use up DNS_LIMIT_MS */
	QUERY_TRIES = 3,
	SOCKETS_MAX = 16,
	CACHE_BUCKETS = 256,
	SRV_MAX = 4,
	CHOICES_MAX = 8,
	NAME_MAX_DNS = 256
};
enum { KEEP_LEAST_S = 5, KEEP_MOST_S = 300 };
enum { NAMES_MANY = 4096 }; /* names come from callers, too: beyond so many each is kept for KEEP_LEAST_S only */

struct dns_question {
	struct dns_question *next, **prev;
	dns_done *done;
	void *arg;
};

struct srv {
	char host[NAME_MAX_DNS];
	int port, priority, weight;
};

struct choice { /* a way to reach the name: its SRV records for one transport */
	enum trunk_transport transport;
	int order, preference; /* of the NAPTR record that says so */
	char name[NAME_MAX_DNS + 16];
};

struct lookup { /* also the cache's entry, once it has an answer */
	struct lookup *next;
	struct dns *dns;
	char *host;
	int port;
	enum trunk_transport asked, transport; /* as asked; as found out */
	bool open;
	bool served;			   /* SRV records were found: the name itself is no address to try (RFC 2782) */
	bool itself;			   /* ... it is being tried */
	int pending;			   /* callbacks of c-ares that are still to come */
	struct choice choice[CHOICES_MAX]; /* in the order to be tried; the first that leads to an address is it */
	int choices, next_choice;
	struct srv srv[SRV_MAX];
	int srvs, next_srv;
	int64_t ttl_s, begun_us, until_us;
	struct dns_answer answer;
	struct dns_question *waiting;
};

struct watched {
	su_wait_t wait[1];
	int fd, index, events;
	struct dns *dns;
};

struct dns {
	struct worker *worker;
	ares_channel channel;
	struct watched socket[SOCKETS_MAX];
	struct lookup *bucket[CACHE_BUCKETS];
	size_t names; /* in the buckets */
	uint64_t seed;
	bool closing;
};

/* ---- c-ares on the worker's event loop ---- */

static int on_ready(struct worker *w, su_wait_t *wait, void *arg)
{
	struct watched *s = arg;
	int events = su_wait_events(wait, s->fd);

	ares_process_fd(s->dns->channel, events & (SU_WAIT_IN | SU_WAIT_ERR | SU_WAIT_HUP) ? s->fd : ARES_SOCKET_BAD,
			events & SU_WAIT_OUT ? s->fd : ARES_SOCKET_BAD);
	return 0;
}

static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct dns *d = arg;
	struct watched *s = NULL, *unused = NULL;
	int events = (readable ? SU_WAIT_IN : 0) | (writable ? SU_WAIT_OUT : 0);

	for (int i = 0; i < SOCKETS_MAX; i++) {
		if (d->socket[i].index > 0 && d->socket[i].fd == fd)
			s = &d->socket[i];
		else if (d->socket[i].index <= 0)
			unused = &d->socket[i];
	}
	if (s && !events) {
		su_root_deregister(d->worker->root, s->index);
		s->index = 0;
	} else if (s && s->events != events) {
		su_root_eventmask(d->worker->root, s->index, fd, s->events = events);
	} else if (!s && events && unused) {
		*unused = (struct watched){.fd = fd, .events = events, .dns = d};
		if (su_wait_create(unused->wait, fd, events) == 0)
			unused->index = su_root_register(d->worker->root, unused->wait, on_ready, unused, 0);
	}
}

/* ---- the end of a look-up ---- */

static void question_close(struct dns_question *q)
{
	*q->prev = q->next;
	if (q->next)
		q->next->prev = q->prev;
	free(q);
}

static void lookup_done(struct lookup *l)
{
	bool briefly = l->answer.n == 0 || l->ttl_s < KEEP_LEAST_S || l->dns->names > NAMES_MANY;
	int64_t keep_s = briefly ? KEEP_LEAST_S : l->ttl_s > KEEP_MOST_S ? KEEP_MOST_S : l->ttl_s;

	if (!l->open)
		return;
	l->open = false;
	l->until_us = clock_mono_us() + keep_s * 1000000;
	while (l->waiting) {
		dns_done *done = l->waiting->done;
		void *arg = l->waiting->arg;
		question_close(l->waiting);
		done(arg, &l->answer);
	}
}

/* ---- A and AAAA ---- */

static void addresses_next(struct lookup *l);
static void choice_next(struct lookup *l);

static void target_add(struct lookup *l, const struct sockaddr *a, int port)
{
	char text[INET6_ADDRSTRLEN];
	if (l->answer.n == DNS_TARGETS_MAX)
		return;
	struct dns_target *t = &l->answer.target[l->answer.n++];
	t->port = port;
	t->transport = l->transport;
	if (a->sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)a)->sin6_addr, text, sizeof text);
		snprintf(t->host, sizeof t->host, "[%s]", text);
	} else {
		inet_ntop(AF_INET, &((const struct sockaddr_in *)a)->sin_addr, text, sizeof text);
		snprintf(t->host, sizeof t->host, "%s", text);
	}
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct lookup *l = arg;
	l->pending--;
	for (const struct ares_addrinfo_node *n = status == ARES_SUCCESS ? info->nodes : NULL; n; n = n->ai_next) {
		if (n->ai_ttl > 0 && (!l->ttl_s || n->ai_ttl < l->ttl_s))
			l->ttl_s = n->ai_ttl;
		target_add(l, n->ai_addr, l->srv[l->next_srv - 1].port);
	}
	if (info)
		ares_freeaddrinfo(info);
	if (l->open && !l->dns->closing)
		addresses_next(l);
}

static bool has_family(const struct worker *w, int family)
{
	for (int i = 0; i < w->ports; i++)
		if (w->port[i].family == family)
			return true;
	return false;
}

static void addresses_next(struct lookup *l)
{
	const struct worker *w = l->dns->worker;
	bool v4 = has_family(w, AF_INET), v6 = has_family(w, AF_INET6);
	const struct ares_addrinfo_hints hints = {.ai_family = v4 && v6 ? AF_UNSPEC : v6 ? AF_INET6 : AF_INET};

	if (l->next_srv == l->srvs && l->answer.n == 0 && !l->itself) {
		choice_next(l);
		return;
	}
	if (l->next_srv == l->srvs) {
		lookup_done(l);
		return;
	}
	const struct srv *s = &l->srv[l->next_srv++];
	l->pending++;
	ares_getaddrinfo(l->dns->channel, s->host, NULL, &hints, on_addresses, l);
}

static int default_port(enum trunk_transport t)
{
	return t == TRUNK_TLS ? 5061 : 5060;
}

/* Without SRV: the name itself. */
static void host_itself(struct lookup *l)
{
	snprintf(l->srv[0].host, sizeof l->srv[0].host, "%s", l->host);
	l->srv[0].port = l->port ? l->port : default_port(l->transport);
	l->srvs = 1;
	l->next_srv = 0;
	l->itself = true;
	addresses_next(l);
}

/* ---- SRV ---- */

/* RFC 2782: by priority; within one, drawn by weight. */
static void srv_order(struct lookup *l)
{
	for (int i = 0; i < l->srvs; i++) {
		int best = i, sum = 0;
		for (int k = i + 1; k < l->srvs; k++)
			if (l->srv[k].priority < l->srv[best].priority)
				best = k;
		int priority = l->srv[best].priority;
		for (int k = i; k < l->srvs; k++)
			sum += l->srv[k].priority == priority ? l->srv[k].weight + 1 : 0;
		int draw = (int)(random_draw(&l->dns->seed) % (uint64_t)sum);
		for (int k = i; k < l->srvs; k++) {
			if (l->srv[k].priority != priority)
				continue;
			draw -= l->srv[k].weight + 1;
			if (draw < 0) {
				best = k;
				break;
			}
		}
		struct srv first = l->srv[best];
		l->srv[best] = l->srv[i];
		l->srv[i] = first;
	}
}

static void on_srv(void *arg, int status, int timeouts, unsigned char *reply, int len)
{
	struct lookup *l = arg;
	struct ares_srv_reply *list = NULL;

	l->pending--;
	if (!l->open || l->dns->closing)
		return;
	if (status == ARES_SUCCESS && ares_parse_srv_reply(reply, len, &list) == ARES_SUCCESS)
		for (const struct ares_srv_reply *r = list; r && l->srvs < SRV_MAX; r = r->next) {
			l->served = true;
			if (strcmp(r->host, ".") == 0 || !r->host[0])
				continue; /* "decidedly not available" */
			struct srv *s = &l->srv[l->srvs++];
			snprintf(s->host, sizeof s->host, "%s", r->host);
			s->port = r->port;
			s->priority = r->priority;
			s->weight = r->weight;
		}
	if (list)
		ares_free_data(list);
	srv_order(l);
	addresses_next(l);
}

/* ---- which transport ---- */

static bool has_transport(const struct worker *w, enum trunk_transport t)
{
	for (int i = 0; i < w->ports; i++)
		if (w->port[i].transport == t)
			return true;
	return false;
}

/* The next way to the name; after the last one the name itself. */
static void choice_next(struct lookup *l)
{
	if (l->next_choice == l->choices) {
		l->transport = l->asked == TRUNK_ANY ? TRUNK_UDP : l->asked;
		if (l->served)
			lookup_done(l);
		else
			host_itself(l);
		return;
	}
	const struct choice *c = &l->choice[l->next_choice++];
	l->transport = c->transport;
	l->srvs = l->next_srv = 0;
	l->pending++;
	ares_query(l->dns->channel, c->name, CLASS_IN, TYPE_SRV, on_srv, l);
}

/* RFC 3263 section 4.1: where the domain says nothing of transports, its SRV records of each that we have are looked
 * for. Which of them comes first is ours to say: UDP is what a SIP URI means by itself. */
static void choices_of_transports(struct lookup *l)
{
	static const char *const service[] = {"_sip._udp", "_sip._tcp", "_sips._tcp"};

	for (int i = 0; i < 3; i++) {
		if (l->asked == TRUNK_ANY ? !has_transport(l->dns->worker, (enum trunk_transport)i)
					  : l->asked != (enum trunk_transport)i)
			continue;
		struct choice *c = &l->choice[l->choices++];
		c->transport = (enum trunk_transport)i;
		snprintf(c->name, sizeof c->name, "%s.%s", service[i], l->host);
	}
}

/* ---- NAPTR ---- */

static bool naptr_transport(const char *service, enum trunk_transport *transport)
{
	static const char *const known[] = {"SIP+D2U", "SIP+D2T", "SIPS+D2T"};
	for (int i = 0; i < 3; i++)
		if (strcasecmp(service, known[i]) == 0) {
			*transport = (enum trunk_transport)i;
			return true;
		}
	return false;
}

static bool comes_before(const struct ares_naptr_reply *r, const struct choice *c)
{
	return r->order < c->order || (r->order == c->order && r->preference < c->preference);
}

/* By order, then preference (RFC 3403 section 4.1); what we cannot use is passed over. */
static void naptr_add(struct lookup *l, const struct ares_naptr_reply *r)
{
	enum trunk_transport t;
	int at = l->choices;

	if (strcasecmp((const char *)r->flags, "s") != 0 || !naptr_transport((const char *)r->service, &t) ||
	    !has_transport(l->dns->worker, t) || !r->replacement[0])
		return;
	while (at > 0 && comes_before(r, &l->choice[at - 1]))
		at--;
	if (at == CHOICES_MAX)
		return;
	if (l->choices == CHOICES_MAX)
		l->choices--; /* the last one makes room */
	memmove(&l->choice[at + 1], &l->choice[at], sizeof l->choice[0] * (size_t)(l->choices - at));
	l->choices++;
	struct choice *c = &l->choice[at];
	*c = (struct choice){.transport = t, .order = r->order, .preference = r->preference};
	snprintf(c->name, sizeof c->name, "%s", r->replacement);
}

static void on_naptr(void *arg, int status, int timeouts, unsigned char *reply, int len)
{
	struct lookup *l = arg;
	struct ares_naptr_reply *list = NULL;

	l->pending--;
	if (!l->open || l->dns->closing)
		return;
	if (status == ARES_SUCCESS && ares_parse_naptr_reply(reply, len, &list) == ARES_SUCCESS)
		for (const struct ares_naptr_reply *r = list; r; r = r->next)
			naptr_add(l, r);
	if (list)
		ares_free_data(list);
	if (l->choices == 0)
		choices_of_transports(l);
	choice_next(l);
}

/* ---- questions ---- */

bool dns_is_numeric(const char *host)
{
	struct in6_addr a;
	char bare[INET6_ADDRSTRLEN + 2];
	size_t n = strlen(host);

	if (host[0] == '[' && n > 2 && n < sizeof bare && host[n - 1] == ']') {
		snprintf(bare, sizeof bare, "%.*s", (int)(n - 2), host + 1);
		host = bare;
	}
	return inet_pton(AF_INET, host, &a) == 1 || inet_pton(AF_INET6, host, &a) == 1;
}

static struct lookup **slot_of(struct dns *d, const char *host, int port, enum trunk_transport transport)
{
	uint32_t h = 2166136261u ^ (uint32_t)port ^ (uint32_t)transport << 16;
	for (const char *c = host; *c; c++)
		h = (h ^ (uint32_t)(unsigned char)(*c | 0x20)) * 16777619u;
	struct lookup **l = &d->bucket[h % CACHE_BUCKETS];
	while (*l && !((*l)->port == port && (*l)->asked == transport && strcasecmp((*l)->host, host) == 0))
		l = &(*l)->next;
	return l;
}

static void lookup_begin(struct lookup *l)
{
	l->transport = l->asked == TRUNK_ANY ? TRUNK_UDP : l->asked;
	l->answer.n = l->srvs = l->next_srv = l->choices = l->next_choice = 0;
	l->served = l->itself = false;
	l->ttl_s = 0;
	l->open = true;
	l->begun_us = clock_mono_us();
	if (l->port) {
		host_itself(l);
	} else if (l->asked == TRUNK_ANY) {
		l->pending++;
		ares_query(l->dns->channel, l->host, CLASS_IN, TYPE_NAPTR, on_naptr, l);
	} else {
		choices_of_transports(l);
		choice_next(l);
	}
}

struct dns_question *dns_ask(struct dns *d, const char *host, int port, enum trunk_transport transport, dns_done *done,
			     void *arg)
{
	struct lookup **slot = slot_of(d, host, port, transport), *l = *slot;

	if (!l) {
		l = xcalloc(1, sizeof *l);
		*l = (struct lookup){.dns = d, .host = xstrdup(host), .port = port, .asked = transport};
		*slot = l;
		d->names++;
	}
	if (!l->open && clock_mono_us() < l->until_us) {
		done(arg, &l->answer);
		return NULL;
	}
	if (!l->open && l->pending) { /* a look-up given up that c-ares still works on: not twice at once */
		static const struct dns_answer none;
		done(arg, &none);
		return NULL;
	}
	struct dns_question *q = xcalloc(1, sizeof *q);
	*q = (struct dns_question){.next = l->waiting, .prev = &l->waiting, .done = done, .arg = arg};
	if (q->next)
		q->next->prev = &q->next;
	l->waiting = q;
	if (!l->open)
		lookup_begin(l);
	return l->open ? q : NULL;
}

void dns_drop(struct dns_question *q)
{
	if (q)
		question_close(q);
}

static void lookup_free(struct lookup *l)
{
	l->dns->names--;
	free(l->host);
	free(l);
}

/* Time limits, and what is too old to be of use; what c-ares still works on stays. */
static void bucket_tick(struct lookup **at, int64_t now)
{
	while (*at) {
		struct lookup *l = *at;
		if (l->open && now - l->begun_us > DNS_LIMIT_MS * 1000)
			lookup_done(l);
		if (l->open || l->pending || now < l->until_us) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		lookup_free(l);
	}
}

void dns_tick(struct dns *d)
{
	int64_t now = clock_mono_us();

	ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* its own time limits */
	for (int i = 0; i < CACHE_BUCKETS; i++)
		bucket_tick(&d->bucket[i], now);
}

size_t dns_names(const struct dns *d)
{
	return d->names;
}

int dns_new(struct dns **out, struct worker *w, const char *servers, struct status *st)
{
	struct dns *d = xcalloc(1, sizeof *d);
	struct ares_options options = {
		.timeout = QUERY_MS, .tries = QUERY_TRIES, .sock_state_cb = on_socket, .sock_state_cb_data = d};

	d->worker = w;
	d->seed = random_u64();
	int r = ares_init_options(&d->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
	if (r != ARES_SUCCESS) {
		free(d);
		return status_set(st, -EIO, "cannot start the DNS resolver: %s", ares_strerror(r));
	}
	if (servers[0] && (r = ares_set_servers_ports_csv(d->channel, servers)) != ARES_SUCCESS) {
		ares_destroy(d->channel);
		free(d);
		return status_set(st, -EINVAL, "[sip] dns_servers = %s: %s", servers, ares_strerror(r));
	}
	*out = d;
	return 0;
}

void dns_free(struct dns **pd)
{
	struct dns *d = *pd;
	if (!d)
		return;
	d->closing = true;
	ares_destroy(d->channel); /* calls back for what is open */
	for (int i = 0; i < CACHE_BUCKETS; i++)
		while (d->bucket[i]) {
			struct lookup *l = d->bucket[i];
			d->bucket[i] = l->next;
			while (l->waiting)
				question_close(l->waiting);
			lookup_free(l);
		}
	free(d);
	*pd = NULL;
}
