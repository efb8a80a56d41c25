/* SPDX-License-Identifier: Apache-2.0 */
/* dns.h - where a vendor's host name leads (RFC 3263): NAPTR, SRV, A and AAAA by c-ares on the worker's own event loop.
 *
 * The SIP library is given numeric addresses only. Answers are kept as long as DNS says, 5 s to 5 minutes (5 s alone,
 * if there are thousands of them), a "no" for 5 s; then they are forgotten. A look-up takes at most DNS_LIMIT_MS. One
 * worker's thread.
 */
#ifndef SWITCH_DNS_H
#define SWITCH_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/status.h"
#include "routing/snapshot.h"

struct worker;
struct dns;

enum { DNS_LIMIT_MS = 4000, DNS_TARGETS_MAX = 8 };

struct dns_target {
	char host[64]; /* numeric; IPv6 in brackets */
	int port;
	enum trunk_transport transport;
};

struct dns_answer {
	int n;					   /* 0: no such name, or no answer in time */
	struct dns_target target[DNS_TARGETS_MAX]; /* in the order to be tried */
};

/* dns_new - servers: "" for the system's, else "127.0.0.1:5353,...". 0; -EINVAL these are none; -EIO */
int dns_new(struct dns **out, struct worker *w, const char *servers, struct status *st) must_check;
void dns_free(struct dns **d);	       /* open questions are dropped */
void dns_tick(struct dns *d);	       /* ten times a second: time limits; forgets what is too old */
size_t dns_names(const struct dns *d); /* how many answers and questions it keeps now */

bool dns_is_numeric(const char *host); /* an address; IPv6 with or without brackets */

/* dns_ask - answer is called exactly once, perhaps before dns_ask returns (then NULL is returned), unless the question
 * is dropped. port 0: by SRV, else the transport's default. transport TRUNK_ANY: by
 * NAPTR, the first record that leads to an address; without one by SRV for UDP, TCP, TLS, else UDP */
typedef void dns_done(void *arg, const struct dns_answer *answer);
struct dns_question *dns_ask(struct dns *d, const char *host, int port, enum trunk_transport transport, dns_done *done,
			     void *arg);
void dns_drop(struct dns_question *q);

#endif
