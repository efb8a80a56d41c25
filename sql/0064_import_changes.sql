-- SPDX-License-Identifier: Apache-2.0
-- 0064: what a rate sheet would change, row by row: the report of a dry run.

create table import_changes (
	import_id bigint not null references imports on delete cascade,
	n bigint not null,                        -- by prefix
	kind text not null check (kind in ('new', 'up', 'down', 'other', 'ended', 'unchanged')),
	prefix text not null,
	destination text not null,
	origin_prefix text not null,
	old_price numeric(18, 9),                 -- null: no rate held where the new one begins
	new_price numeric(18, 9),                 -- null: the rate would end
	effective_from timestamptz not null,      -- from when; of an ended one: when it would end
	line bigint,                              -- of the sheet; null: it is not in it
	primary key (import_id, n)
);
create index import_changes_by_kind on import_changes (import_id, kind, n);

-- rates_compare - write down for an import what rates_apply(deck, at, replacing) would do with rate_stage, each row of the
--   stage and each rate that would end as one change. The deck is left as it is.
create function rates_compare(import bigint, deck bigint, at timestamptz, replacing boolean) returns void
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
		select distinct on (i.line) i.*, e.price as old_price, e.words as old_words, e.ends as old_ends,
			e.key is not null as held
		from incoming i
		left join existing e on e.key = i.key and e.starts <= i.starts and coalesce(e.stored_end > i.starts, true)
		order by i.line, e.starts desc
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

create function api_import_change(c import_changes) returns json language sql stable as $$
	select row_to_json(x) from (
		select c.n, c.kind, c.prefix, c.destination, c.origin_prefix, api_money(c.old_price) as old_price,
			api_money(c.new_price) as new_price, api_time(c.effective_from) as effective_from, c.line
	) x
$$;
