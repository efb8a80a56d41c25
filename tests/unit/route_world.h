/* SPDX-License-Identifier: Apache-2.0 */
/* route_world.h - small worlds for tests of routing: who sells what to whom, written in a line, and a call decided in
 * it.
 *
 * A world holds one customer and its vendors, all in EUR unless said otherwise. The customer is carrier 1 with ingress
 * trunk 1, sell deck 1 and routing plan 1; vendor[i] is carrier, egress trunk and buy deck i + 2, and a member of plan
 * 1 with priority 1 and weight 1. Whatever does not hold fails the running test.
 */
#ifndef TESTS_ROUTE_WORLD_H
#define TESTS_ROUTE_WORLD_H

#include <stdint.h>

#include "routing/route.h"
#include "routing/snapshot_priv.h"

#define WORLD_AT 1767225600000000LL /* when its calls are made: 2026-01-01T00:00:00Z, in microseconds */
#define WORLD_VENDORS 12

/* rates: "prefix price initial/increment;...", intervals 1/1 if left out, "49! 0.1" is blocked.
 * What else there is to say of a row is JSON members that follow its own, each with a comma before it; NULL: nothing.
 */
struct vendor {
	const char *rates;
	const char *currency; /* of its deck */
	const char *trunk, *member, *carrier;
};

struct world {
	const char *sell, *sell_currency;
	const char *ingress, *plan, *more; /* more: members of the whole document */
	struct vendor vendor[WORLD_VENDORS];
	int n;
};

struct made { /* borrowed by what is decided in it */
	struct snapshot *s;
	struct gauge_table *gauges;
	struct route *r;
};

struct made made_of(const struct world *w); /* ends with unmake */
void unmake(struct made *m);

/* nano - a price as text in nano-units */
int64_t nano(const char *text);

/* query_of - 4420 calls `called` from trunk 1, now. decide - permit and decide that; m->r then holds it */
struct route_query query_of(const struct made *m, const char *called);
enum route_outcome decide(const struct made *m, const char *called);

/* order_of - the offers' trunks, best first: "3 2 4"; overwritten by the next call. excluded_of - what is said of a
 * trunk that was left out; borrowed from r, never NULL */
const char *order_of(const struct route *r);
const struct route_excluded *excluded_of(const struct route *r, int64_t trunk);

/* Decide once in this world and leave no memory behind: the offers are those; that trunk is left out, with a sentence.
 */
void assert_order(const struct world *w, const char *called, const char *order);
void assert_excluded(const struct world *w, const char *called, int64_t trunk, enum route_drop why);

#endif
