-- SPDX-License-Identifier: Apache-2.0
-- 0082: a payment or an adjustment says what it takes back, and what took it back.

set local check_function_bodies = off; -- ledger_reversals comes with 0095; nobody calls this before

create or replace function api_payment(l ledger) returns json language sql stable as $$
	select row_to_json(x) from (
		select l.id, l.carrier_id, api_money(l.amount) as amount, l.note,
			(select r.booking_id from ledger_reversals r where r.reversal_id = l.id) as reverses,
			(select r.reversal_id from ledger_reversals r where r.booking_id = l.id) as reversed_by,
			api_time(l.created_at) as created_at
	) x
$$;
