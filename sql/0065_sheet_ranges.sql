-- SPDX-License-Identifier: Apache-2.0
-- 0065: one line of a rate sheet may name many prefixes, each a row of the stage.

-- Lines of the sheet that say a key and start that an earlier line says, each with the first such prefix.
drop function rate_stage_repeats();
create function rate_stage_repeats() returns table (line bigint, first_line bigint, prefix text) language plpgsql as $$
begin
	return query
	select distinct on (s.line) s.line, s.first_line, s.prefix
	from (select r.line, r.prefix, first_value(r.line) over key as first_line
	      from rate_stage r
	      window key as (partition by rate_key(r.prefix, r.origin_prefix, r.schedule), r.effective_from
		order by r.line)) s
	where s.line <> s.first_line
	order by s.line, s.prefix;
end $$;

-- rates_compare - write down for an import what rates_apply(deck, at, replacing) would do with rate_stage, each rate of
--   the stage and each that would end as one change. The deck is left as it is.
create or replace function rates_compare(import bigint, deck bigint, at timestamptz, replacing boolean) returns void
language plpgsql set work_mem = '128MB' set jit = off as $$
begin
	analyze rate_stage;
	insert into import_changes (import_id, n, kind, prefix, destination, origin_prefix, old_price, new_price,
		effective_from, line)
	with incoming as (
		select *, rate_key(prefix, origin_prefix, schedule) as key, coalesce(effective_from, at) as starts,
			row(destination, price, initial_price, connect_fee, initial, increment, grace, blocked)::rate_words as words
		from rate_stage
	), existing as ( -- an end that is only the start of the next rate is no end of its own
		select r.prefix, r.destination, r.origin_prefix, r.price, r.effective_from as starts, r.effective_to as stored_end,
			rate_key(r.prefix, r.origin_prefix, r.schedule) as key,
			row(r.destination, r.price, r.initial_price, r.connect_fee, r.initial, r.increment, r.grace,
				r.blocked)::rate_words as words,
			nullif(r.effective_to, lead(r.effective_from) over (
				partition by rate_key(r.prefix, r.origin_prefix, r.schedule) order by r.effective_from)) as ends
		from rates r
		where r.deck_id = deck
	), matched as ( -- each row of the sheet beside the rate that holds where it begins
		select distinct on (i.line, i.prefix) i.*, e.price as old_price, e.words as old_words, e.ends as old_ends,
			e.key is not null as held
		from incoming i
		left join existing e on e.key = i.key and e.starts <= i.starts and coalesce(e.stored_end > i.starts, true)
		order by i.line, i.prefix, e.starts desc
	), changes as (
		select case when not held then 'new'
			when words is not distinct from old_words
				and (effective_to is not distinct from old_ends
					or exists (select from incoming later where later.key = m.key and later.starts = m.effective_to))
				then 'unchanged'
			when price > old_price then 'up'
			when price < old_price then 'down'
			else 'other' end as kind,
			prefix, destination, origin_prefix, old_price, price as new_price, starts as effective_from, line
		from matched m
		union all
		select 'ended', e.prefix, e.destination, e.origin_prefix, e.price, null, greatest(e.starts, at), null
		from existing e
		where replacing and (
			(e.starts <= at and coalesce(e.stored_end > at, true) and not exists (select from incoming i where i.key = e.key))
			or (e.starts > at and not exists (select from incoming i where i.key = e.key and i.starts = e.starts)))
	)
	select import, row_number() over (order by prefix, origin_prefix, effective_from, line), kind, prefix, destination,
		origin_prefix, old_price, new_price, effective_from, line
	from changes;
end $$;
