-- SPDX-License-Identifier: Apache-2.0
-- 0003: how rates are stored, one by one or a whole sheet at once: both come through rates_apply.
--
-- A rate's key is its prefix, origin_prefix and schedule; the rates of a key follow each other in time and never
-- overlap. A new one ends the one that it starts in, and ends itself where the next begins.

create type rate_words as (
	destination text,
	price numeric(18, 9),
	initial_price numeric(18, 9),
	connect_fee numeric(18, 9),
	initial integer,
	increment integer,
	grace integer,
	blocked boolean
);

-- What a rate is for, as one text: only ever compared.
create function rate_key(prefix text, origin_prefix text, schedule jsonb) returns text
language sql immutable parallel safe as $$
	select (prefix || ' ' || origin_prefix || coalesce(' ' || md5(schedule::text), '')) collate "C"
$$;

-- The staging table of this session: what a sheet says. effective_from null: from the moment it is stored; line: where
-- in the sheet.
create function rate_stage_make() returns void language plpgsql as $$
begin
	if to_regclass('pg_temp.rate_stage') is null then
		create temp table rate_stage (
			line bigint,
			prefix text not null,
			destination text not null default '',
			price numeric(18, 9) not null,
			initial_price numeric(18, 9),
			connect_fee numeric(18, 9) not null default 0,
			initial integer,
			increment integer,
			grace integer not null default 0,
			effective_from timestamptz,
			effective_to timestamptz,
			blocked boolean not null default false,
			origin_prefix text not null default '',
			schedule jsonb
		) on commit delete rows;
		create index on rate_stage (prefix);
	else
		delete from rate_stage;
	end if;
end $$;

-- rates_apply - merge rate_stage into a deck, all of it or (by an error) nothing.
--   at           the moment that counts as now
--   replacing    end every rate that the stage lacks: what holds ends at `at`, what has not begun goes
--   added        no rate held where this one begins      changed    one did, or one with the same start was altered
--   ended        by `replacing`                          unchanged  what it says holds already
-- The stage has no two rows of one key and start. Raises no_data_found (P0002) if there is no such deck.
create function rates_apply(deck bigint, at timestamptz, replacing boolean,
	out added bigint, out changed bigint, out ended bigint, out unchanged bigint) language plpgsql
	set work_mem = '128MB' set jit = off as $$
declare
	since timestamptz;
	staged bigint;
begin
	perform from rate_decks where id = deck for update;
	if not found then
		raise no_data_found using message = 'no such rate deck';
	end if;
	analyze rate_stage;
	select least(at, min(effective_from)), count(*) into since, staged from rate_stage;

	with incoming as (
		select rate_key(prefix, origin_prefix, schedule) as key, coalesce(effective_from, at) as starts,
			effective_to as ends, prefix, origin_prefix, schedule,
			row(destination, price, initial_price, connect_fee, initial, increment, grace, blocked)::rate_words as words
		from rate_stage
	), touched as ( -- what may change: of the deck or, if nothing is replaced, of the sheet's prefixes
		select * from rates r
		where replacing and deck_id = deck and (effective_to is null or effective_to >= since)
		union all
		select * from rates r
		where not replacing and deck_id = deck and (effective_to is null or effective_to >= since)
		  and exists (select from rate_stage s where s.prefix = r.prefix)
	), existing as ( -- an end that is only the start of the next rate is no end of its own
		select id, key, starts, stored_end,
			nullif(stored_end, lead(starts) over (partition by key order by starts)) as ends, words
		from (select id, rate_key(prefix, origin_prefix, schedule) as key, effective_from as starts,
				effective_to as stored_end,
				row(destination, price, initial_price, connect_fee, initial, increment, grace,
					blocked)::rate_words as words
			from touched) t
	), merged as (
		select key, starts, e.id, e.stored_end, e.words as old_words, e.ends as old_ends, i.key is not null as fresh,
			i.prefix, i.origin_prefix, i.schedule,
			case when i.key is null then e.ends else i.ends end as said_ends,
			case when i.key is null then e.words else i.words end as words
		from incoming i full join existing e using (key, starts)
	), keyed as ( -- the same for the ends of a sheet, as an export writes them
		select *, bool_or(fresh) over (partition by key) as named,
			nullif(said_ends, lead(starts) over (partition by key order by starts)) as ends
		from merged
	), compared as ( -- the rates that stay, each beside the one before it
		select *, lag(starts) over times is not null and coalesce(lag(ends) over times > starts, true) as covered,
			fresh and id is not null and old_words is not distinct from words
				and old_ends is not distinct from ends as same,
			fresh and id is null and lag(starts) over times is not null
				and lag(words) over times is not distinct from words
				and lag(ends) over times is not distinct from ends
				and coalesce(ends > starts, true) as repeats
		from keyed
		where not (replacing and not fresh and starts > at)
		window times as (partition by key order by starts)
	), timeline as materialized (
		select *, fresh and not same as news, replacing and not named and coalesce(stored_end > at, true) as ending,
			least(ends, lead(starts) over (partition by key order by starts)) as new_end
		from compared where not repeats
	), updated as (
		update rates r set destination = (t.words).destination, price = (t.words).price,
			initial_price = (t.words).initial_price, connect_fee = (t.words).connect_fee,
			initial = (t.words).initial, increment = (t.words).increment, grace = (t.words).grace,
			blocked = (t.words).blocked,
			effective_to = case when t.ending then at else t.new_end end, version = r.version + 1
		from timeline t
		where r.id = t.id and (t.news or t.ending or t.new_end is distinct from t.stored_end)
	), inserted as (
		insert into rates (deck_id, prefix, destination, price, initial_price, connect_fee, initial, increment, grace,
			blocked, effective_from, effective_to, origin_prefix, schedule)
		select deck, prefix, (words).destination, (words).price, (words).initial_price, (words).connect_fee,
			(words).initial, (words).increment, (words).grace, (words).blocked, starts, new_end, origin_prefix, schedule
		from timeline where id is null
	), deleted as (
		delete from rates r
		where replacing and deck_id = deck and effective_from > at and not exists (
			select from rate_stage s
			where s.prefix = r.prefix and coalesce(s.effective_from, at) = r.effective_from
			  and rate_key(s.prefix, s.origin_prefix, s.schedule) = rate_key(r.prefix, r.origin_prefix, r.schedule))
		returning 1
	)
	select count(*) filter (where news and id is null and not covered),
		count(*) filter (where news and (id is not null or covered)),
		count(*) filter (where ending) + (select count(*) from deleted)
	into added, changed, ended from timeline;
	unchanged := staged - added - changed;
end $$;

-- Rows of the stage that say the same key and start as an earlier line of the sheet.
create function rate_stage_repeats() returns table (line bigint, first_line bigint) language plpgsql as $$
begin
	return query
	select s.line, s.first_line
	from (select r.line, first_value(r.line) over key as first_line
	      from rate_stage r
	      window key as (partition by rate_key(prefix, origin_prefix, schedule), effective_from order by r.line)) s
	where s.line <> s.first_line
	order by s.line;
end $$;

-- rate_put - store one rate in a deck as POST /v1/rate-decks/{id}/rates means it, and return the row that says it (the
--   one in force already, if that says the same). `rate` has the resource's fields: prefix and price needed; prices and
--   dates as text. The caller has checked them: a value out of range raises class 22 or 23, a missing deck P0002.
create function rate_put(deck bigint, rate jsonb) returns rates language plpgsql as $$
declare
	at timestamptz := date_trunc('milliseconds', clock_timestamp());
	starts timestamptz := coalesce(date_trunc('milliseconds', (rate->>'effective_from')::timestamptz), at);
	times jsonb := nullif(rate->'schedule', 'null');
	put rates;
begin
	perform rate_stage_make();
	insert into rate_stage (prefix, destination, price, initial_price, connect_fee, initial, increment, grace,
		effective_from, effective_to, blocked, origin_prefix, schedule)
	values (rate->>'prefix', coalesce(rate->>'destination', ''), (rate->>'price')::numeric,
		(rate->>'initial_price')::numeric, coalesce((rate->>'connect_fee')::numeric, 0), (rate->>'initial')::integer,
		(rate->>'increment')::integer, coalesce((rate->>'grace')::integer, 0), starts,
		date_trunc('milliseconds', (rate->>'effective_to')::timestamptz),
		coalesce((rate->>'blocked')::boolean, false), coalesce(rate->>'origin_prefix', ''), times);
	perform rates_apply(deck, at, false);
	select * into strict put from rates r
	where r.deck_id = deck and r.prefix = rate->>'prefix' and r.effective_from <= starts
	  and rate_key(r.prefix, r.origin_prefix, r.schedule)
	    = rate_key(r.prefix, coalesce(rate->>'origin_prefix', ''), times)
	order by r.effective_from desc limit 1;
	return put;
end $$;
