-- SPDX-License-Identifier: Apache-2.0
-- 0083: what re-ratings corrected can be read by the API: old and new amount of each call, step by step.

create index rerates_of_carrier on rerates (carrier_id, id);

create function api_correction(r rerates) returns json language sql stable as $$
	select row_to_json(x) from (
		select r.id, r.cdr_id, r.carrier_id, r.side, r.n, api_money(r.old_amount) as old, api_money(r.new_amount) as new,
			api_money(r.new_amount - r.old_amount) as difference, r.currency, r.prefix, api_money(r.price) as price, r.billed_s,
			r.actor, api_time(r.created_at) as created_at
	) x
$$;
