-- SPDX-License-Identifier: Apache-2.0
-- 0089: of rates of one prefix and origin whose schedules are open at the same time, re-rating took the one that was stored first, and
-- routing the one that began last: a re-rating under an unchanged deck booked differences.

-- rate_at - the rate of a deck that holds for a number at a time, past ones included: the same rule, and of ties the same order, as
-- routing's (deck_build). The longest prefix with a rate in force; of its rates the longest origin_prefix, then one without; a
-- matching schedule before none; the later begin.
create or replace function rate_at(deck bigint, called text, calling text, at timestamptz) returns setof rates language sql stable as $$
	select r.* from rates r
	where r.deck_id = deck
		and r.prefix = any (array(select left(called, n) from generate_series(1, least(length(called), 32)) n))
		and r.effective_from <= at and (r.effective_to is null or at < r.effective_to)
		and starts_with(calling, r.origin_prefix)
		and (r.schedule is null or rate_schedule_open(r.schedule, at))
	order by length(r.prefix) desc, length(r.origin_prefix) desc, r.schedule is null, r.effective_from desc, r.schedule::text collate "C"
	limit 1
$$;
