/* SPDX-License-Identifier: Apache-2.0 */
/* rerate.h - what a carrier's calls cost under the decks as they now stand, and the booking of the difference.
 *
 * Each answered call is rated anew by the one rating function, with the rate in force at its start in the deck that its
 * trunk has now. A call is left as it is, and counted under its reason, if that cannot be said for sure: its trunk or
 * deck is gone, the deck has another currency, no unblocked rate holds, or, of a record that does not name it, the
 * number cannot be told from what was received. Corrections are all booked in one transaction, or none. One thread, one
 * connection without a statement timeout.
 */
#ifndef BILLING_RERATE_H
#define BILLING_RERATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/pg.h"
#include "lib/status.h"

#define RERATE_NUMBER_MAX 128
#define RERATE_SHOWN_MAX 1000 /* corrections that the report names one by one */

/* rerate_number_fn - the numbers of a call as its ingress trunk makes them of what was received (tech prefix and
 *   translations); false if it cannot be said. billing does not know routing: the caller lends this. */
typedef bool rerate_number_fn(void *arg, int64_t trunk_id, const char *called_in, const char *calling_in,
			      char called[static RERATE_NUMBER_MAX], char calling[static RERATE_NUMBER_MAX]);

struct rerate_options {
	int64_t carrier_id;
	bool sell;	       /* else buy */
	const char *from, *to; /* started at or after, before; RFC 3339 */
	bool apply;	       /* book it */
	const char *actor;     /* for the audit log */
	rerate_number_fn *number;
	void *arg;
};

/* rerate_run - 0 and *report: {carrier_id, side, from, to, currency, applied, calls, changed, old, new, difference,
 *   unrated: {reason: calls}, destinations: [{destination, calls, changed, old, new, difference}], corrections:
 *   [{cdr_id, destination, old, new, difference}]}, the last cut at RERATE_SHOWN_MAX; amounts are decimals in text, in
 *   the carrier's currency. A new reference.
 *   -ENOENT no such carrier; -ERANGE an amount past what money holds; an error of pg_exec. Nothing is booked then. */
int rerate_run(struct pg *pg, const struct rerate_options *o, json_t **report, struct status *st) must_check;

#endif
