/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot.h - everything a call's routing looks at, at one moment: carriers, trunks, plans, number lists, number
 * lengths, exchange rates, and references to the decks in force. Immutable once published; a change builds a new one
 * that shares all unchanged decks. Reference-counted: a thread that holds a reference may read without a lock, for as
 * long as it holds it.
 */
#ifndef ROUTING_SNAPSHOT_H
#define ROUTING_SNAPSHOT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/gauge.h"
#include "lib/money.h"
#include "lib/status.h"
#include "routing/deck.h"

#define NO_LIMIT (-1)

struct carrier {
	int64_t id;
	const char *name;
	char currency[4];
	bool active;
	bool prepaid;
	bool has_credit_limit;
	struct money credit_limit;
	bool has_vendor_limit;
	struct money vendor_limit;     /* what we may owe it */
	int32_t max_channels, max_cps; /* NO_LIMIT */
	struct gauge *gauge; /* borrowed from the process's table; NULL in a snapshot made for a look-up only */
};

enum trunk_direction { TRUNK_INGRESS, TRUNK_EGRESS };
enum trunk_transport { TRUNK_UDP, TRUNK_TCP, TRUNK_TLS, TRUNK_ANY };
enum trunk_forced { TRUNK_NOT_FORCED, TRUNK_FORCED_UP, TRUNK_FORCED_DOWN }; /* the operator's word on its health */
enum trunk_mode { TRUNK_B2BUA, TRUNK_REDIRECT, TRUNK_PROXY };

/* What a trunk does with the headers that say who calls. */
enum identity_header {
	IDENTITY_ASSERTED, /* P-Asserted-Identity */
	IDENTITY_REMOTE,   /* Remote-Party-ID */
	IDENTITY_PRIVACY,
	IDENTITY_DIVERSION,
	IDENTITY_HISTORY, /* History-Info */
	IDENTITY_HEADERS
};
enum identity_way { IDENTITY_DROP, IDENTITY_PASS, IDENTITY_REWRITE };

struct trunk_cidr {
	struct in6_addr net; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t bits;	     /* of 128 */
};

struct translation; /* number.h */
struct number_list; /* numberlist.h */

struct code_map { /* what the caller is told instead of a code */
	int from, to;
};

struct trunk {
	int64_t id;
	const struct carrier *carrier;
	const char *name;
	enum trunk_direction direction;
	bool enabled, relay_media;
	int32_t max_channels, max_cps; /* NO_LIMIT */
	struct gauge *gauge;
	enum trunk_forced forced; /* up to here what a decision asks of each vendor: a line of memory */
	int32_t max_duration_s, session_expires_s; /* 0: none */
	const char *tech_prefix;		   /* "" if none */
	const char *username, *password;	   /* "" if none */
	const char *listen;			   /* listener name or "" */
	enum trunk_transport transport;
	struct translation *const *translation;
	int n_translations;
	const char *const *codec;
	int n_codecs;
	enum identity_way identity[IDENTITY_HEADERS];
	const char *const *pass_header; /* names of further headers that may cross */
	int n_pass_headers;
	bool allow_refer;		       /* a transfer may cross, where the other side's trunk allows it, too */
	const struct deck *deck;	       /* sell for ingress, buy for egress; NULL if none is set */
	const struct number_list *const *list; /* ingress: the number lists that apply */
	int n_lists;

	/* ingress */
	const struct trunk_cidr *cidr;
	int n_cidrs;
	const struct plan *plan; /* NULL if none is set */
	bool trust_pai, hunt_after_media;
	enum trunk_mode mode;
	bool has_min_margin, has_min_margin_percent, has_allow_loss; /* else the plan's words hold */
	struct money min_margin, min_margin_percent; /* a minute of talk, in the sell currency; 5 is 5 % */
	bool allow_loss;
	const struct code_map *code_map;
	int n_code_map;

	/* egress */
	const char *host;
	int port; /* 0: by DNS or the transport's default */
	bool registers;
	int64_t no_response_timeout_ms, progress_timeout_ms, ring_timeout_ms, probe_interval_ms;
	const int *stop_code; /* NULL: the default list */
	int n_stop_codes;
	int max_redirects;
	int64_t registered_as; /* id of the ingress trunk whose binding gives the address; 0 none */
};

enum plan_policy { PLAN_LCR, PLAN_PRIORITY, PLAN_WEIGHTED, PLAN_QUALITY, PLAN_BALANCED };

struct plan_member {
	const struct trunk *trunk;
	int32_t priority, weight;
	const char *const *prefix; /* only numbers with one of these; none: all */
	int n_prefixes;
};

struct plan {
	int64_t id;
	const char *name;
	enum plan_policy policy;
	struct money min_margin, min_margin_percent; /* as a trunk's; 0 if not set */
	bool has_min_margin, has_min_margin_percent;
	bool allow_loss, allow_return;
	int max_attempts;
	const struct plan_member *member;
	int n_members;
};

struct snapshot;

struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot **s);
int64_t snapshot_version(const struct snapshot *s);
bool snapshot_has_routes(const struct snapshot *s); /* anything loaded yet? */

const struct trunk *snapshot_trunk(const struct snapshot *s, int64_t id); /* NULL if unknown */
const struct carrier *snapshot_carrier(const struct snapshot *s, int64_t id);
size_t snapshot_trunks(const struct snapshot *s); /* how many; snapshot_trunk_at - the i-th, by id */
const struct trunk *snapshot_trunk_at(const struct snapshot *s, size_t i);

#endif
