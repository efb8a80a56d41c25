/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/gate.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "routing/ingress.h"
#include "switch/peer.h"
#include "switch/worker.h"

/* Anybody with an entry of ours can cause these: a line a second, the rest is counted. */
static void refused(struct worker *w, msg_t *msg, const struct uuid *call, const char *why, const char *to)
{
	static struct log_limit every = {.interval_us = 1000000};
	char id[UUID_TEXT_MAX], method[48], at[WAY_HOST_MAX * 2];
	uint64_t skipped;
	struct peer from;

	atomic_fetch_add_explicit(&w->count.misrouted, 1, memory_order_relaxed);
	if (!log_limit(&every, clock_mono_us(), &skipped))
		return;
	peer_of_message(&from, msg);
	log_event(LOG_LEVEL_WARN, "request inside a proxied call refused",
		  "why=%s call=%s method=%s source=%s to=%s skipped=%llu", why, uuid_format(call, id),
		  log_quote(sip_object(msg)->sip_request->rq_method_name, method, sizeof method), from.text,
		  log_quote(to, at, sizeof at), (unsigned long long)skipped);
}

static bool address_read(const char *host, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	char bare[INET6_ADDRSTRLEN];
	size_t n = strcspn(host + (host[0] == '['), "]");

	memset(out, 0, sizeof *out);
	if (n >= sizeof bare)
		return false;
	snprintf(bare, sizeof bare, "%.*s", (int)n, host + (host[0] == '['));
	out->ss_family = strchr(bare, ':') ? AF_INET6 : AF_INET;
	return inet_pton(out->ss_family, bare, out->ss_family == AF_INET6 ? (void *)&v6->sin6_addr : &v4->sin_addr) ==
	       1;
}

/* A vendor's host, or an address that a customer's ranges name. host: numeric or a name, as in a way_hop */
static bool configured(const struct snapshot *snap, const char *host)
{
	struct sockaddr_storage address;
	bool numeric = address_read(host, &address);

	for (size_t i = 0; snap && i < snapshot_trunks(snap); i++) {
		const struct trunk *t = snapshot_trunk_at(snap, i);
		size_t n = t->direction == TRUNK_EGRESS && t->host ? strlen(t->host) : 0;
		if (n && (strcasecmp(t->host, host) == 0 ||
			  (host[0] == '[' && strncmp(host + 1, t->host, n) == 0 && host[n + 1] == ']')))
			return true;
		if (numeric && t->direction == TRUNK_INGRESS && t->enabled &&
		    ingress_names(t, (const struct sockaddr *)&address))
			return true;
	}
	return false;
}

/* A customer may send from any address of its trunk. */
static bool of_customer(const struct worker *w, const struct dialogs_found *dialog, const struct peer *from)
{
	const struct trunk *t =
		dialog->side == DIALOGS_CALLER && w->snap ? snapshot_trunk(w->snap, dialog->trunk_id) : NULL;

	return t && ingress_names(t, (const struct sockaddr *)&from->address);
}

bool gate_source(struct worker *w, msg_t *msg, const struct uuid *call, const struct dialogs_found *dialog)
{
	struct peer from;
	bool good;

	peer_of_message(&from, msg);
	if (dialog->side == DIALOGS_UNKNOWN)
		good = configured(w->snap, from.host);
	else
		good = way_comes_from(dialog->from, from.text) ||
		       (!way_comes_from(dialog->to, from.text) && of_customer(w, dialog, &from));
	if (!good)
		refused(w, msg, call, "source", dialog->side == DIALOGS_CALLEE ? "caller" : "callee");
	return good;
}

bool gate_hop(struct worker *w, msg_t *msg, const struct uuid *call, const struct dialogs_found *dialog,
	      const url_t *url, enum trunk_transport usual, struct way_hop *hop)
{
	if (dialog->side == DIALOGS_UNKNOWN) {
		if (way_hop_read(url, usual, hop) == 0 && configured(w->snap, hop->host))
			return true;
	} else if (way_leads_to(dialog->to, url) || way_leads_to(dialog->to_before, url)) {
		*hop = *way_hop(dialog->to);
		return true;
	}
	refused(w, msg, call, "target", url->url_host ? url->url_host : "");
	return false;
}
