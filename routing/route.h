/* SPDX-License-Identifier: Apache-2.0 */
/* route.h - which vendors may have this call, in which order, and why each other one may not.
 * Pure: no I/O, no clock, no allocation after route_new. One thread a struct route.
 *
 * The switch, the API's look-up, `tandem route` and the CDR's trace all come here: the same function, the same words.
 */
#ifndef ROUTING_ROUTE_H
#define ROUTING_ROUTE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "routing/deck.h"
#include "routing/snapshot.h"

struct standing; /* standing.h */
struct health;	 /* health.h */

enum route_outcome {
	ROUTE_OK,	    /* at least one offer */
	ROUTE_SUSPENDED,    /* carrier or trunk not active: 403 rejected */
	ROUTE_WRONG_LENGTH, /* too short or too long for its destination: 484 rejected */
	ROUTE_LISTED,	    /* a number list forbids it: 403 blocked */
	ROUTE_NO_SELL_RATE, /* 404 no_rate */
	ROUTE_SELL_BLOCKED, /* 403 blocked */
	ROUTE_NO_VENDOR,    /* no member has an unblocked rate in force: 404 no_route */
	ROUTE_NONE_USABLE,  /* members have rates, none is usable now: 503 no_route */
	ROUTE_OUTCOMES
};
const char *route_outcome_name(enum route_outcome o); /* "ok", "suspended", ... */

enum route_drop { /* why a member is not offered, in the order of the tests */
		  DROP_PREFIX_FILTER,
		  DROP_NO_RATE,
		  DROP_BLOCKED,
		  DROP_DISABLED,
		  DROP_SUSPENDED,
		  DROP_SAME_CARRIER,
		  DROP_MODE, /* its calls need a b2bua, and the call comes by a proxy trunk */
		  DROP_DOWN,
		  DROP_CHANNELS,
		  DROP_CPS,
		  DROP_VENDOR_LIMIT,
		  DROP_CURRENCY,
		  DROP_MARGIN,
		  DROP_MAX_ATTEMPTS,
		  DROP_REASONS
};
const char *route_drop_name(enum route_drop d); /* "no_rate", "margin", ... the API's `reason` */

/* struct route_durations - the talk that margins are counted on: n calls of ms[i] milliseconds, answered ones as
 * measured for the destination. cache: what was worked out from them before (margin.h); NULL: nothing is kept. */
struct margin_cache;
struct route_durations {
	const int64_t *ms;
	int n;
	struct margin_cache *cache;
};

struct route_query {
	const struct snapshot *snap;
	const struct trunk *ingress;
	const char *called, *calling; /* after number_in */
	int64_t at_us;		      /* which rates hold */
	int64_t mono_us;	      /* for the vendors' CPS */
	bool now;      /* false for a look-up at another time: live state and measured durations are left out */
	uint64_t seed; /* of the weighted draw; same seed, same order */
	const struct route_durations *durations; /* NULL: the standing's; without one of 6, 20, 45, 61, 90 and 180 s */
	const struct standing *standing;	 /* what is known of the vendors now (standing.h); NULL: nothing */
	bool settled;				 /* a look-up: no draw for another try of demoted vendors */
	bool terse; /* leave the sentences of `excluded` empty: for a call whose trace nobody keeps */
};

struct route_offer {
	const struct trunk *trunk;
	struct deck_found rate;
	int32_t priority, weight;
	struct money
		price_sell; /* its price a minute in the sell currency, rounded to show; order uses the unrounded one */
	struct money margin; /* expected, a minute of talk, in the sell currency */
	double score;	     /* quality, 0..1; 1 until measured */
	struct health
		*health; /* to be claimed before the call is sent; NULL: none is kept, or the operator's word holds */
};

struct route_excluded {
	const struct trunk *trunk;
	enum route_drop why;
	const char *detail;		 /* a sentence: "costs 0.0125 a minute more than it earns" */
	const struct route_offer *rated; /* what it would have been offered as; NULL: it has no rate, or terse */
	bool weighed;			 /* rated's price_sell and margin are known; not without an exchange rate */
};

struct route { /* reusable result; text and trunks are borrowed from the snapshot */
	enum route_outcome outcome;
	char why[160]; /* a sentence if outcome is not ROUTE_OK */
	bool has_sell;
	struct deck_found sell;
	const char *sell_currency;
	int n_offers;
	struct route_offer *offer; /* best first, at most the plan's max_attempts */
	int n_excluded;
	struct route_excluded *excluded;
	int capacity; /* of both arrays */
	void *scratch;
};

struct route *route_new(int capacity); /* members of the largest plan; grown by route_fit */
void route_free(struct route **r);
void route_fit(struct route *r, const struct snapshot *s); /* may allocate: call when a snapshot arrives */

/* route_permit - active, the number's length, number lists. Fills outcome (ROUTE_OK: go on) and why. */
enum route_outcome route_permit(struct route *r, const struct route_query *q);
/* route_decide - sell rate, then every member: eligible? then rank. Fills all of r.
 *   min_margin, min_margin_percent, allow_loss: the ingress trunk's own word holds where it has one, else the plan's.
 *   404 or 503: a member whose prefixes leave the number out counts as one without a rate. */
enum route_outcome route_decide(struct route *r, const struct route_query *q);

/* route_write - the same as text, appended to out; cheap enough for every call. Names that are not UTF-8 make it
 * invalid: they come from PostgreSQL, which has none. */
void route_write(const struct route *r, struct buf *out);

/* route_json - {outcome, reason, sell, routes, excluded} as the API shows it; new reference */
json_t *route_json(const struct route *r);

#endif
