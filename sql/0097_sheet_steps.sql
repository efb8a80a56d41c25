-- SPDX-License-Identifier: Apache-2.0
-- 0097: a sheet's lines and a deck's rates are put side by side once, and each step after that reads what was found. Before, one
-- statement did all: it carried every rate's words through three tables of its own, compared them as one value, and looked each rate
-- up again by its number.

-- The pairs of this session: a line of the sheet, a rate of the deck, or both of one key.
create function rate_pairs_make() returns void language plpgsql as $$
begin
	if to_regclass('pg_temp.rate_pairs') is null then
		create temp table rate_pairs (
			rate_at tid,              -- the deck's rate; null: none
			prefix text,
			origin_prefix text,
			times text,               -- which schedule
			verdict "char",           -- a added, c changed: the deck's rate ends where the line's begins, m changed in place, e ended,
						  -- u unchanged, k to be put in order
			starts timestamptz,       -- of the line
			ends timestamptz,
			destination text,
			price numeric(18, 9),
			initial_price numeric(18, 9),
			connect_fee numeric(18, 9),
			initial integer,
			increment integer,
			grace integer,
			blocked boolean,
			schedule jsonb
		) on commit delete rows;
		create temp table rate_knots (prefix text, origin_prefix text, times text) on commit delete rows;
	else
		delete from rate_pairs;
		delete from rate_knots;
	end if;
end $$;

-- What rates_apply does first: pairs and knots, the keys whose rates are to be put in order. Most keys are plain: one rate of the
-- sheet at most, and one of the deck at most, which holds where that begins. In the order of the index of rates: neighbours share pages.
create function rate_pairs_find(deck bigint, at timestamptz, replacing boolean, since timestamptz) returns void
language plpgsql set work_mem = '256MB' set jit = off set plan_cache_mode = force_custom_plan as $$
begin
	insert into rate_pairs
	select e.rate_at, prefix, origin_prefix, times,
		case when e.rate_at is null then 'a'
			when replacing and e.starts > at then 'k'
			when i.starts is null then case when coalesce(e.ends > at, true) then 'e' else 'u' end
			when e.starts > i.starts or e.ends <= i.starts then 'k'
			when i.price = e.price and i.ends is not distinct from e.ends and i.destination = e.destination
				and i.initial is not distinct from e.initial and i.increment is not distinct from e.increment
				and i.initial_price is not distinct from e.initial_price and i.connect_fee = e.connect_fee
				and i.grace = e.grace and i.blocked = e.blocked and (i.starts = e.starts or coalesce(i.ends > i.starts, true))
				then 'u'
			when i.starts = e.starts then 'm' else 'c' end,
		i.starts, i.ends, i.destination, i.price, i.initial_price, i.connect_fee, i.initial, i.increment, i.grace, i.blocked,
		i.schedule
	from (select prefix, origin_prefix, coalesce(md5(schedule::text), '') as times, coalesce(effective_from, at) as starts,
			effective_to as ends, destination, price, initial_price, connect_fee, initial, increment, grace, blocked, schedule
		from rate_stage) i
	full join (select prefix, origin_prefix, coalesce(md5(schedule::text), '') as times, ctid as rate_at, effective_from as starts,
			effective_to as ends, destination, price, initial_price, connect_fee, initial, increment, grace, blocked
		from rates where deck_id = deck and (effective_to is null or effective_to >= since)) e
	using (prefix, origin_prefix, times)
	where replacing or i.prefix is not null
	order by prefix collate "C", origin_prefix collate "C", times collate "C";
	insert into rate_knots
	select prefix, origin_prefix, times from rate_pairs
	group by prefix, origin_prefix, times having count(*) > 1 or bool_or(verdict = 'k');
	if found then
		delete from rate_pairs p using rate_knots k
		where k.prefix = p.prefix and k.origin_prefix = p.origin_prefix and k.times = p.times;
	end if;
end $$;

-- The deck is locked: its rates are where they were found.
create function rate_pairs_alter(at timestamptz) returns void language plpgsql
set jit = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
	update rates r set destination = p.destination, price = p.price, initial_price = p.initial_price, connect_fee = p.connect_fee,
		initial = p.initial, increment = p.increment, grace = p.grace, blocked = p.blocked, effective_to = p.ends,
		version = r.version + 1, stored_at = clock_timestamp()
	from rate_pairs p where p.verdict = 'm' and r.ctid = p.rate_at;
	update rates r set effective_to = case p.verdict when 'c' then p.starts else at end, version = r.version + 1,
		stored_at = clock_timestamp()
	from rate_pairs p where p.verdict in ('c', 'e') and r.ctid = p.rate_at;
end $$;

-- The keys of rate_knots, each with all its rates in order.
create function rate_knots_apply(deck bigint, at timestamptz, replacing boolean, since timestamptz,
	out added bigint, out changed bigint, out ended bigint) language plpgsql set work_mem = '128MB' set jit = off as $$
begin
	with incoming as (
		select k.*, true as fresh, coalesce(s.effective_from, at) as starts, s.effective_to as ends, s.schedule,
			row(s.destination, s.price, s.initial_price, s.connect_fee, s.initial, s.increment, s.grace, s.blocked)::rate_words as words
		from rate_knots k
		join rate_stage s on s.prefix = k.prefix and s.origin_prefix = k.origin_prefix and coalesce(md5(s.schedule::text), '') = k.times
	), ordered as ( -- an end that is only the start of the next rate is no end of its own
		select k.*, r.id, r.effective_from as starts, r.effective_to as stored_end,
			nullif(r.effective_to, lead(r.effective_from) over (
				partition by k.prefix, k.origin_prefix, k.times order by r.effective_from)) as ends,
			row(r.destination, r.price, r.initial_price, r.connect_fee, r.initial, r.increment, r.grace, r.blocked)::rate_words as words
		from rate_knots k
		join rates r on r.deck_id = deck and r.prefix = k.prefix and r.origin_prefix = k.origin_prefix
			and coalesce(md5(r.schedule::text), '') = k.times and (r.effective_to is null or r.effective_to >= since)
	), merged as (
		select prefix, origin_prefix, times, starts, e.id, e.stored_end, e.words as old_words, e.ends as old_ends,
			coalesce(i.fresh, false) as fresh, i.schedule, case when i.fresh then i.ends else e.ends end as said_ends,
			case when i.fresh then i.words else e.words end as words
		from incoming i full join ordered e using (prefix, origin_prefix, times, starts)
	), keyed as ( -- the same for the ends of a sheet, as an export writes them
		select *, bool_or(fresh) over (partition by prefix, origin_prefix, times) as named,
			nullif(said_ends, lead(starts) over (partition by prefix, origin_prefix, times order by starts)) as ends
		from merged
	), compared as ( -- the rates that stay, each beside the one before it
		select *, lag(starts) over key is not null and coalesce(lag(ends) over key > starts, true) as covered,
			fresh and id is not null and old_words is not distinct from words
				and old_ends is not distinct from ends as same,
			fresh and id is null and lag(starts) over key is not null
				and lag(words) over key is not distinct from words
				and lag(ends) over key is not distinct from ends
				and coalesce(ends > starts, true) as repeats
		from keyed
		where not (replacing and not fresh and starts > at)
		window key as (partition by prefix, origin_prefix, times order by starts)
	), timeline as materialized (
		select *, fresh and not same as news, replacing and not named and coalesce(stored_end > at, true) as ending,
			least(ends, lead(starts) over (partition by prefix, origin_prefix, times order by starts)) as new_end
		from compared where not repeats
	), updated as (
		update rates r set destination = (t.words).destination, price = (t.words).price,
			initial_price = (t.words).initial_price, connect_fee = (t.words).connect_fee, initial = (t.words).initial,
			increment = (t.words).increment, grace = (t.words).grace, blocked = (t.words).blocked,
			effective_to = case when t.ending then at else t.new_end end, version = r.version + 1,
			stored_at = clock_timestamp()
		from timeline t
		where r.id = t.id and (t.news or t.ending or t.new_end is distinct from t.stored_end)
	), inserted as (
		insert into rates (deck_id, prefix, destination, price, initial_price, connect_fee, initial, increment, grace,
			blocked, effective_from, effective_to, origin_prefix, schedule)
		select deck, prefix, (words).destination, (words).price, (words).initial_price, (words).connect_fee,
			(words).initial, (words).increment, (words).grace, (words).blocked, starts, new_end, origin_prefix, schedule
		from timeline where id is null
	)
	select count(*) filter (where news and id is null and not covered),
		count(*) filter (where news and (id is not null or covered)), count(*) filter (where ending)
	into added, changed, ended from timeline;
end $$;

-- rates_apply - merge rate_stage into a deck, all of it or (by an error) nothing.
--   at           the moment that counts as now: taken when the deck is locked already, or a rate that somebody stores
--                meanwhile begins after it and ends ours where it begins
--   replacing    end every rate that the stage lacks: what holds ends at `at`, what has not begun goes
--   added        no rate held where this one begins      changed    one did, or one with the same start was altered
--   ended        by `replacing`                          unchanged  what it says holds already
-- The stage has no two rows of one key (prefix, origin and schedule) and start. Raises no_data_found (P0002) if there is no such deck.
create or replace function rates_apply(deck bigint, at timestamptz, replacing boolean,
	out added bigint, out changed bigint, out ended bigint, out unchanged bigint) language plpgsql set jit = off as $$
declare
	since timestamptz;
	staged bigint;
	removed bigint;
	knots record;
begin
	perform from rate_decks where id = deck for update;
	if not found then
		raise no_data_found using message = 'no such rate deck';
	end if;
	analyze rate_stage;
	select least(at, min(effective_from)), count(*) into since, staged from rate_stage;
	perform rate_pairs_make();
	perform rate_pairs_find(deck, at, replacing, since);
	select count(*) filter (where verdict = 'a'), count(*) filter (where verdict in ('c', 'm')), count(*) filter (where verdict = 'e')
	into added, changed, ended from rate_pairs;
	perform rate_pairs_alter(at);
	insert into rates (deck_id, prefix, destination, price, initial_price, connect_fee, initial, increment, grace, blocked,
		effective_from, effective_to, origin_prefix, schedule)
	select deck, prefix, destination, price, initial_price, connect_fee, initial, increment, grace, blocked, starts, ends,
		origin_prefix, schedule
	from rate_pairs where verdict in ('a', 'c');
	if exists (select from rate_knots) then
		select * into knots from rate_knots_apply(deck, at, replacing, since);
		added := added + knots.added;
		changed := changed + knots.changed;
		ended := ended + knots.ended;
	end if;
	if replacing then -- last: the end of a rate before one that goes is told by it
		delete from rates r
		where deck_id = deck and effective_from > at and not exists (
			select from rate_stage s
			where s.prefix = r.prefix and coalesce(s.effective_from, at) = r.effective_from
			  and rate_key(s.prefix, s.origin_prefix, s.schedule) = rate_key(r.prefix, r.origin_prefix, r.schedule));
		get diagnostics removed = row_count;
		ended := ended + removed;
	end if;
	unchanged := staged - added - changed;
end $$;
