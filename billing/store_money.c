/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/store_money.h"

const char store_balance_listen[] = "listen tandem_balance";

/* Within what the scripts in Redis add up exactly; no limit is as far out. */
const struct pg_statement store_balances = {
	"billing_balances",
	"select c.id, floor(greatest(-8e9, least(8e9, coalesce(b.balance, 0))) * 1000000)::bigint, coalesce(b.version, "
	"0)"
	" from carriers c left join balances b on b.carrier_id = c.id"
	" where c.billing_mode = 'prepaid' or c.credit_limit is not null or c.vendor_limit is not null",
	0};

const struct pg_statement store_holds_put = {"billing_holds_put", "select holds_put($1, $2::bigint[], $3::bigint[])",
					     3};

const struct pg_statement store_holds_drop = {"billing_holds_drop", "delete from hold_owners where owner = $1", 1};

const struct pg_statement store_provisional_book = {
	"billing_provisional_book", "select provisional_book($1::uuid, $2::bigint, $3::numeric / 1000000, $4)", 4};
