/* SPDX-License-Identifier: Apache-2.0 */
/* way.h - how requests inside a proxied call reach one of its ends (RFC 3261 section 12.1): the Contact of that end,
 * the proxies between us and it, and the addresses that it sends from. Learned from the messages that make the dialog,
 * so that nobody's requests decide where we send them.
 *
 * A way is immutable and counted by reference; any thread.
 */
#ifndef SWITCH_WAY_H
#define SWITCH_WAY_H

#include <stdbool.h>

#include "lib/status.h"
#include "lib/uuid.h"
#include "routing/snapshot.h"
#include "switch/stack.h"

#include <sofia-sip/url.h>

struct peer;
struct worker;

enum { WAY_HOST_MAX = 256 };

struct way_hop {
	char host[WAY_HOST_MAX]; /* an address as inet_ntop writes it, IPv6 in brackets; or a name */
	int port;		 /* 0: by DNS (a name only) */
	enum trunk_transport transport;
};

struct way;

/* way_of_invite - to the caller, whose INVITE came from there */
struct way *way_of_invite(const sip_t *sip, const struct peer *from);
/* way_of_answer - to whoever answered the INVITE of that call so. What its side of the call put into Record-Route
 * stands above our own entry. sent_to: numeric, where the INVITE went; NULL: not known */
struct way *way_of_answer(const struct worker *w, const struct uuid *call, msg_t *answer, const char *sent_to);
/* way_moved - the same end with another Contact (section 12.2: a target refresh); NULL: it is where it was */
struct way *way_moved(const struct way *old, const sip_contact_t *contact);

struct way *way_ref(struct way *way);
void way_unref(struct way **way); /* *way may be NULL */
bool way_same(const struct way *a, const struct way *b);

/* way_hop - the next hop on it; NULL: that end has named no Contact */
const struct way_hop *way_hop(const struct way *way);
/* way_leads_to - is this the URI of its next hop? */
bool way_leads_to(const struct way *way, const url_t *url);
/* way_comes_from - is this one of the addresses that its end sends from? numeric, no brackets */
bool way_comes_from(const struct way *way, const char *address);
/* way_set - Request-URI and Routes of a request as the dialog has them. 0 or -ENOMEM */
int way_set(const struct way *way, msg_t *request) must_check;

/* way_hop_read - the hop that a URI names, with that transport if it names none. 0, or -EINVAL: no such URI */
int way_hop_read(const url_t *url, enum trunk_transport usual, struct way_hop *hop) must_check;
/* way_request_uri - set it. 0 or -ENOMEM */
int way_request_uri(msg_t *request, const url_t *url) must_check;

#endif
