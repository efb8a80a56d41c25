/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/store_rerate.h"

const struct pg_statement store_rerate_carrier = {
	"billing_rerate_carrier",
	"select currency from carriers, pg_advisory_xact_lock(hashtext('tandem rerate ' || $1)) where id = $1::bigint",
	1};

const struct pg_statement store_rerate_open = {"billing_rerate_open", "select rerate_open($1, $2, $3, $4)", 4};
const struct pg_statement store_rerate_fetch = {"billing_rerate_fetch", "fetch 2000 from rerate_cdrs", 0};

#define NANO(column) "(" column " * 1000000000)::bigint"

const struct pg_statement store_rerate_rates = {
	"billing_rerate_rates",
	"select q.n, r.prefix, " NANO("r.price") ", " NANO("coalesce(r.initial_price, r.price)") ", " NANO(
		"r.connect_fee") ", r.initial, r.increment, r.grace, r.blocked"
				 " from unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[])"
				 " with ordinality q(deck, called, calling, at, n),"
				 " lateral rate_at(q.deck, q.called, q.calling, q.at) r order by q.n",
	4};

const struct pg_statement store_rerate_book = {"billing_rerate_book",
					       "select rerate_book($1, $2, $3, $4, $5, $6, $7, $8, $9)", 9};

const struct pg_statement store_rerate_audit = {"billing_rerate_audit",
						"insert into audit_log (actor, action, resource, resource_id, after)"
						" values ($1, 'rerate', 'carriers', $2, $3::jsonb)",
						3};
