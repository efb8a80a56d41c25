/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/store_alert.h"

const struct pg_statement store_alerts_update = {"billing_alerts_update", "select alerts_update()", 0};

/* The next try is due after 10 s, 20 s, 40 s ... at most an hour. */
const struct pg_statement store_alert_claim = {
	"billing_alert_claim",
	"update alerts a set tries = tries + 1,"
	" try_at = now() + least(interval '1 hour', interval '10 s' * power(2, least(tries, 10)))"
	" where id = (select id from alerts where try_at <= now() and raised_at > now() - interval '1 day'"
	"  and ((mailed_at is null and $1::boolean) or (posted_at is null and $2::boolean))"
	"  order by try_at, id limit 1 for update skip locked)"
	" returning id, api_alert(a), mailed_at is null and $1::boolean, posted_at is null and $2::boolean",
	2};

const struct pg_statement store_alert_sent = {
	"billing_alert_sent",
	"update alerts set mailed_at = case when $2::boolean then now() else mailed_at end,"
	" posted_at = case when $3::boolean then now() else posted_at end, error = $4 where id = $1::bigint",
	4};
