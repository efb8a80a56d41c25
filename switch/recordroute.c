/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/recordroute.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/siphash.h"
#include "switch/node.h"
#include "switch/worker.h"

#include <sofia-sip/url.h>

enum { SEAL_CHARS = 16, TOKEN_MAX = UUID_TEXT_MAX + 1 + SEAL_CHARS };

static const char *const transport_param[] = {
	[TRUNK_UDP] = "", [TRUNK_TCP] = ";transport=tcp", [TRUNK_TLS] = ";transport=tls"};

/* "UUID.SEAL" */
static void token_write(const struct worker *w, const struct uuid *call, const char *call_id,
			char out[static TOKEN_MAX])
{
	struct {
		uint64_t call_id;
		struct uuid call;
	} sealed = {siphash(w->node->secret, call_id, strlen(call_id)), *call};
	char id[UUID_TEXT_MAX];

	uint64_t seal = siphash(w->node->secret, &sealed, sizeof sealed);
	snprintf(out, TOKEN_MAX, "%s.%016llx", uuid_format(call, id), (unsigned long long)seal);
}

static int entry_add(struct worker *w, msg_t *msg, const char *token, const struct worker_port *port)
{
	char user[SELECTOR_USER_MAX];
	sip_record_route_t *entry =
		sip_record_route_format(msg_home(msg), "<sip:%s@%s:%d%s;lr;call=%s>", selector_user(w->index, user),
					port->host, port->port, transport_param[port->transport], token);

	return entry && msg_header_insert(msg, NULL, (msg_header_t *)entry) >= 0 ? 0 : -ENOMEM;
}

int recordroute_add(struct worker *w, msg_t *msg, const struct uuid *call, const struct worker_port *in,
		    const struct worker_port *out)
{
	char token[TOKEN_MAX];

	token_write(w, call, sip_object(msg)->sip_call_id->i_id, token);
	int r = entry_add(w, msg, token, in);
	return r || in == out ? r : entry_add(w, msg, token, out);
}

static enum trunk_transport transport_of(const url_t *url)
{
	char name[8] = "";

	url_param(url->url_params, "transport", name, sizeof name);
	return url->url_type == url_sips || strcasecmp(name, "tls") == 0 ? TRUNK_TLS
	       : strcasecmp(name, "tcp") == 0				 ? TRUNK_TCP
									 : TRUNK_UDP;
}

static const struct worker_port *port_of(const struct worker *w, const url_t *url)
{
	enum trunk_transport transport = transport_of(url);
	int number = url->url_port ? atoi(url->url_port) : transport == TRUNK_TLS ? 5061 : 5060;

	for (int i = 0; i < w->ports; i++) {
		const struct worker_port *p = &w->port[i];
		if (p->transport == transport && p->port == number && strcasecmp(p->host, url->url_host) == 0)
			return p;
	}
	return NULL;
}

bool recordroute_read(const struct worker *w, const url_t *url, const char *call_id, struct recordroute *out)
{
	char token[TOKEN_MAX], right[TOKEN_MAX], id[UUID_TEXT_MAX];

	if ((url->url_type != url_sip && url->url_type != url_sips) || !url->url_host || !url->url_params)
		return false;
	if (url_param(url->url_params, "call", token, sizeof token) != TOKEN_MAX)
		return false;
	snprintf(id, sizeof id, "%.36s", token);
	if (uuid_parse(id, &out->call))
		return false;
	token_write(w, &out->call, call_id, right);
	if (CRYPTO_memcmp(token, right, TOKEN_MAX) != 0)
		return false;
	out->port = port_of(w, url);
	return true;
}
