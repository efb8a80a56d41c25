/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/way.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "switch/peer.h"
#include "switch/recordroute.h"

#include <sofia-sip/msg_header.h>

enum { SOURCES = 2, ADDRESS_MAX = 64 };

struct way {
	_Atomic int refs;
	char *target; /* URI of its Contact; NULL: none */
	char *routes; /* as a Route header, the nearest first; "" none */
	struct way_hop first;
	enum trunk_transport usual;		/* of what names none */
	char source[SOURCES][ADDRESS_MAX + 16]; /* numeric, no brackets; "" none */
};

/* ---- hops ---- */

/* Addresses have many spellings. */
static void host_copy(const char *host, char out[static WAY_HOST_MAX])
{
	uint8_t address[sizeof(struct in6_addr)];
	char bare[WAY_HOST_MAX], text[INET6_ADDRSTRLEN];

	snprintf(bare, sizeof bare, "%s", host[0] == '[' ? host + 1 : host);
	if (host[0] == '[' && strchr(bare, ']'))
		*strchr(bare, ']') = '\0';
	if (inet_pton(AF_INET6, bare, address) == 1)
		snprintf(out, WAY_HOST_MAX, "[%s]", inet_ntop(AF_INET6, address, text, sizeof text));
	else
		snprintf(out, WAY_HOST_MAX, "%s", bare);
}

static bool is_numeric(const char *host)
{
	struct in_addr address;

	return host[0] == '[' || inet_pton(AF_INET, host, &address) == 1;
}

static enum trunk_transport transport_of(const url_t *url, enum trunk_transport usual)
{
	char name[8] = "";

	url_param(url->url_params, "transport", name, sizeof name);
	if (url->url_type == url_sips || strcasecmp(name, "tls") == 0)
		return TRUNK_TLS;
	if (strcasecmp(name, "tcp") == 0)
		return TRUNK_TCP;
	return strcasecmp(name, "udp") == 0 ? TRUNK_UDP : usual;
}

int way_hop_read(const url_t *url, enum trunk_transport usual, struct way_hop *hop)
{
	int number = url->url_port && url->url_port[0] ? atoi(url->url_port) : 0;

	if ((url->url_type != url_sip && url->url_type != url_sips) || !url->url_host || !url->url_host[0] ||
	    number < 0 || number > 65535 || strlen(url->url_host) >= WAY_HOST_MAX - 2)
		return -EINVAL;
	*hop = (struct way_hop){.transport = transport_of(url, usual)};
	host_copy(url->url_host, hop->host);
	hop->port = number || !is_numeric(hop->host) ? number : hop->transport == TRUNK_TLS ? 5061 : 5060;
	return 0;
}

/* ---- life ---- */

/* The first hop of its routes or, without any, its target. */
static void first_set(struct way *way)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};

	su_home_init(home);
	sip_route_t *route = way->routes[0] ? sip_route_make(home, way->routes) : NULL;
	url_t *url = route ? route->r_url : way->target ? url_make(home, way->target) : NULL;
	if (!url || (way->routes[0] && !route) || way_hop_read(url, way->usual, &way->first)) {
		free(way->target);
		way->target = NULL;
	}
	su_home_deinit(home);
}

/* As it may stand in a Request-URI: without headers (section 19.1.1). */
static char *target_of(const sip_contact_t *contact)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};
	char *out = NULL;

	if (!contact || (contact->m_url->url_type != url_sip && contact->m_url->url_type != url_sips))
		return NULL;
	su_home_init(home);
	url_t url = *contact->m_url;
	url.url_headers = NULL;
	const char *text = url_as_string(home, &url);
	if (text)
		out = xstrdup(text);
	su_home_deinit(home);
	return out;
}

static void entry_put(struct buf *routes, const sip_record_route_t *r)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};

	su_home_init(home);
	const char *text = url_as_string(home, r->r_url);
	if (text)
		buf_printf(routes, "%s<%s>", routes->len ? ", " : "", text);
	su_home_deinit(home);
}

static struct way *way_new(const sip_contact_t *contact, struct buf *routes, const struct peer *from)
{
	struct way *way = xcalloc(1, sizeof *way);

	atomic_init(&way->refs, 1);
	way->target = target_of(contact);
	way->routes = buf_steal(routes);
	way->usual = from->transport;
	snprintf(way->source[0], sizeof way->source[0], "%s", from->text);
	first_set(way);
	return way;
}

struct way *way_of_invite(const sip_t *sip, const struct peer *from)
{
	struct buf routes = {0};

	for (const sip_record_route_t *r = sip->sip_record_route; r; r = r->r_next)
		entry_put(&routes, r);
	return way_new(sip->sip_contact, &routes, from);
}

/* Those above our own entry, the lowest first. */
static void routes_above(const struct worker *w, const struct uuid *call, const sip_t *sip, struct buf *routes)
{
	const sip_record_route_t *ours = sip->sip_record_route;
	struct recordroute entry;

	while (ours && !(recordroute_read(w, ours->r_url, sip->sip_call_id->i_id, &entry) &&
			 memcmp(&entry.call, call, sizeof *call) == 0))
		ours = ours->r_next;
	for (const sip_record_route_t *end = ours; end && end != sip->sip_record_route;) {
		const sip_record_route_t *r = sip->sip_record_route;
		while (r->r_next != end)
			r = r->r_next;
		entry_put(routes, r);
		end = r;
	}
}

struct way *way_of_answer(const struct worker *w, const struct uuid *call, msg_t *answer, const char *sent_to)
{
	const sip_t *sip = sip_object(answer);
	struct buf routes = {0};
	struct peer from;

	peer_of_message(&from, answer);
	routes_above(w, call, sip, &routes);
	struct way *way = way_new(sip->sip_contact, &routes, &from);
	if (sent_to) {
		size_t n = strcspn(sent_to + (sent_to[0] == '['), "]");
		snprintf(way->source[1], sizeof way->source[1], "%.*s", (int)(n < ADDRESS_MAX ? n : ADDRESS_MAX),
			 sent_to + (sent_to[0] == '['));
	}
	return way;
}

struct way *way_moved(const struct way *old, const sip_contact_t *contact)
{
	char *target = target_of(contact);

	if (!target || (old->target && strcmp(target, old->target) == 0)) {
		free(target);
		return NULL;
	}
	struct way *way = xcalloc(1, sizeof *way);
	*way = (struct way){.target = target, .routes = xstrdup(old->routes), .usual = old->usual};
	atomic_init(&way->refs, 1);
	memcpy(way->source, old->source, sizeof way->source);
	first_set(way);
	return way;
}

struct way *way_ref(struct way *way)
{
	if (way)
		atomic_fetch_add_explicit(&way->refs, 1, memory_order_relaxed);
	return way;
}

void way_unref(struct way **pway)
{
	struct way *way = *pway;

	*pway = NULL;
	if (!way || atomic_fetch_sub_explicit(&way->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(way->target);
	free(way->routes);
	free(way);
}

bool way_same(const struct way *a, const struct way *b)
{
	return a && b && strcmp(a->target ? a->target : "", b->target ? b->target : "") == 0 &&
	       strcmp(a->routes, b->routes) == 0;
}

/* ---- use ---- */

const struct way_hop *way_hop(const struct way *way)
{
	return way && way->target ? &way->first : NULL;
}

bool way_leads_to(const struct way *way, const url_t *url)
{
	struct way_hop hop;

	return way && way->target && way_hop_read(url, way->first.transport, &hop) == 0 &&
	       hop.port == way->first.port && hop.transport == way->first.transport &&
	       strcasecmp(hop.host, way->first.host) == 0;
}

static bool is_address(const char *host, const char *address)
{
	size_t n = strlen(address);

	return host[0] == '[' ? strncmp(host + 1, address, n) == 0 && strcmp(host + 1 + n, "]") == 0
			      : strcmp(host, address) == 0;
}

bool way_comes_from(const struct way *way, const char *address)
{
	if (!way)
		return false;
	for (int i = 0; i < SOURCES; i++)
		if (way->source[i][0] && strcmp(way->source[i], address) == 0)
			return true;
	return way->target && is_address(way->first.host, address);
}

int way_request_uri(msg_t *request, const url_t *url)
{
	sip_t *sip = sip_object(request);
	sip_request_t *rq = sip_request_create(msg_home(request), sip->sip_request->rq_method,
					       sip->sip_request->rq_method_name, (url_string_t *)url, NULL);

	return rq && msg_header_replace(request, NULL, (msg_header_t *)sip->sip_request, (msg_header_t *)rq) >= 0
		       ? 0
		       : -ENOMEM;
}

int way_set(const struct way *way, msg_t *request)
{
	sip_t *sip = sip_object(request);
	url_t *target = url_make(msg_home(request), way->target);
	sip_route_t *route = way->routes[0] ? sip_route_make(msg_home(request), way->routes) : NULL;

	if (!target || (way->routes[0] && !route) || way_request_uri(request, target))
		return -ENOMEM;
	if (sip->sip_route)
		msg_header_remove_all(request, NULL, (msg_header_t *)sip->sip_route);
	return !route || msg_header_insert(request, NULL, (msg_header_t *)route) >= 0 ? 0 : -ENOMEM;
}
