-- SPDX-License-Identifier: Apache-2.0
-- 0075: a sheet that changes a million rates takes no longer than the first one did.
--
-- What took the time: an index entry twice for each rate that is ended, a look-up of its deck for each row and copy, a function
-- call to stamp it, a regular expression for its digits, an index of the stage that was kept up line by line and led the
-- planner astray, and four orders of all rates one after the other to find what follows what, where most have one rate
-- before them at most.

-- A rate that is ended finds room on its own page, and no index hears of it.
alter table rates set (fillfactor = 45);

drop index rates_one_at_a_time;
create unique index rates_one_at_a_time on rates
	(deck_id, prefix, origin_prefix, coalesce(md5(schedule::text), ''), effective_from);

alter table rates drop constraint rates_prefix_check, drop constraint rates_origin_prefix_check;
alter table rates
	add constraint rates_prefix_check check (length(prefix) between 1 and 32 and rtrim(prefix, '0123456789') = ''),
	add constraint rates_origin_prefix_check check (origin_prefix = ''
		or (length(origin_prefix) <= 32 and rtrim(origin_prefix, '0123456789') = ''));

-- Rates and their past belong to a deck: seen to a statement at a time, not row by row. The update of the deck waits for whoever
-- deletes it, and he for us.
alter table rates drop constraint rates_deck_id_fkey;
alter table rate_past drop constraint rate_past_deck_id_fkey;

create or replace function rates_inserted() returns trigger language plpgsql as $$
declare
	decks bigint[] := array(select distinct deck_id from new_rows);
	found_decks bigint;
begin
	update rate_decks set rates_version = rates_version + 1 where id = any (decks);
	get diagnostics found_decks = row_count;
	if found_decks <> cardinality(decks) then
		raise foreign_key_violation using message = 'a rate is of no deck';
	end if;
	return null;
end $$;

drop trigger rates_updated on rates;
create or replace function rates_updated() returns trigger language plpgsql as $$
begin
	insert into rate_past (deck_id, prefix, destination, price, initial_price, connect_fee, initial, increment, grace,
		effective_from, effective_to, blocked, origin_prefix, schedule, stored_at, gone_at)
	select deck_id, prefix, destination, price, initial_price, connect_fee, initial, increment, grace, effective_from,
		effective_to, blocked, origin_prefix, schedule, stored_at, clock_timestamp()
	from old_rows where effective_to is null or effective_to > now();
	update rate_decks set rates_version = rates_version + 1 where id in (select distinct deck_id from old_rows);
	return null;
end $$;
create trigger rates_updated after update on rates referencing old table as old_rows
	for each statement execute function rates_updated();

create function rate_deck_fixed() returns trigger language plpgsql as $$
begin
	raise foreign_key_violation using message = 'a rate stays in its deck';
end $$;
create trigger rate_deck_fixed before update of deck_id on rates
	for each row when (new.deck_id <> old.deck_id) execute function rate_deck_fixed();

create function rate_decks_deleted() returns trigger language plpgsql as $$
begin
	delete from rates where deck_id in (select id from old_rows);
	delete from rate_past where deck_id in (select id from old_rows);
	return null;
end $$;
create trigger rate_decks_deleted after delete on rate_decks referencing old table as old_rows
	for each statement execute function rate_decks_deleted();

-- Whoever stamps a rate himself is believed.
drop trigger rate_restamp on rates;
create trigger rate_restamp before update on rates
	for each row when (new.stored_at = old.stored_at) execute function rate_restamp();

create or replace function rate_stage_make() returns void language plpgsql as $$
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
	else
		delete from rate_stage;
	end if;
end $$;

-- rates_apply - merge rate_stage into a deck, all of it or (by an error) nothing.
--   at           the moment that counts as now: taken when the deck is locked already, or a rate that somebody stores
--                meanwhile begins after it and ends ours where it begins
--   replacing    end every rate that the stage lacks: what holds ends at `at`, what has not begun goes
--   added        no rate held where this one begins      changed    one did, or one with the same start was altered
--   ended        by `replacing`                          unchanged  what it says holds already
-- The stage has no two rows of one key and start. Raises no_data_found (P0002) if there is no such deck.
--
-- Most keys are plain: one rate of the sheet at most, and one of the deck at most, which holds where that begins. Only
-- the others are put in order.
create or replace function rates_apply(deck bigint, at timestamptz, replacing boolean,
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

	with incoming as not materialized (
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
		  and prefix in (select s.prefix from rate_stage s)
	), existing as not materialized (
		select id, rate_key(prefix, origin_prefix, schedule) as key, effective_from as starts, effective_to as stored_end,
			row(destination, price, initial_price, connect_fee, initial, increment, grace, blocked)::rate_words as words
		from touched
	), paired as materialized (
		select key, i.starts, i.ends, i.prefix, i.origin_prefix, i.schedule, i.words, e.id, e.starts as old_starts,
			e.stored_end, i.starts is not null as fresh, i.words is not distinct from e.words as says_so,
			case when e.id is null then true
				when replacing and e.starts > at then false
				when i.starts is null then true
				else e.starts <= i.starts and coalesce(e.stored_end > i.starts, true) end as plain
		from incoming i full join existing e using (key)
	), knotty as materialized ( -- keys
		select key from paired group by key having count(*) > 1 or not bool_and(plain)
	), simple as materialized ( -- what the sheet says of a key: nothing new, a rate altered, a rate that follows one, a first one
		select p.*, id is not null and fresh and starts = old_starts as meets,
			fresh and not (id is not null and says_so and stored_end is not distinct from ends
				and (starts = old_starts or coalesce(ends > starts, true))) as news,
			not fresh and replacing and coalesce(stored_end > at, true) as ending
		from paired p where not exists (select from knotty k where k.key = p.key)
		order by key -- as the index has them: neighbours share pages
	), ordered as ( -- an end that is only the start of the next rate is no end of its own
		select id, key, starts, stored_end,
			nullif(stored_end, lead(starts) over (partition by key order by starts)) as ends, words
		from existing where key in (select k.key from knotty k)
	), merged as (
		select key, starts, e.id, e.stored_end, e.words as old_words, e.ends as old_ends, i.key is not null as fresh,
			i.prefix, i.origin_prefix, i.schedule,
			case when i.key is null then e.ends else i.ends end as said_ends,
			case when i.key is null then e.words else i.words end as words
		from (select * from incoming where key in (select k.key from knotty k)) i full join ordered e using (key, starts)
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
	), altered as (
		select id, words, ends as new_end from simple where news and meets
		union all
		select id, words, case when ending then at else new_end end from timeline where id is not null and news
	), cut as (
		select id, case when ending then at else starts end as new_end
		from simple where id is not null and not meets and (news or ending)
		union all
		select id, case when ending then at else new_end end
		from timeline where id is not null and not news and (ending or new_end is distinct from stored_end)
	), updated as (
		update rates r set destination = (a.words).destination, price = (a.words).price,
			initial_price = (a.words).initial_price, connect_fee = (a.words).connect_fee,
			initial = (a.words).initial, increment = (a.words).increment, grace = (a.words).grace,
			blocked = (a.words).blocked, effective_to = a.new_end, version = r.version + 1,
			stored_at = clock_timestamp()
		from altered a where r.deck_id = deck and r.id = a.id
	), shortened as (
		update rates r set effective_to = c.new_end, version = r.version + 1, stored_at = clock_timestamp()
		from cut c where r.deck_id = deck and r.id = c.id
	), inserted as (
		insert into rates (deck_id, prefix, destination, price, initial_price, connect_fee, initial, increment, grace,
			blocked, effective_from, effective_to, origin_prefix, schedule)
		select deck, prefix, (words).destination, (words).price, (words).initial_price, (words).connect_fee,
			(words).initial, (words).increment, (words).grace, (words).blocked, starts, new_end, origin_prefix, schedule
		from (select prefix, words, starts, ends as new_end, origin_prefix, schedule from simple where news and not meets
			union all
			select prefix, words, starts, new_end, origin_prefix, schedule from timeline where id is null) i
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
	into added, changed, ended
	from (select news, id, false as covered, ending from simple
		union all select news, id, covered, ending from timeline) verdicts;
	unchanged := staged - added - changed;
end $$;

-- Lines of the sheet that say a key and start that an earlier line says, each with the first such prefix. Nearly always there are
-- none: that is found without an order of all lines.
create or replace function rate_stage_repeats() returns table (line bigint, first_line bigint, prefix text)
language plpgsql set work_mem = '128MB' as $$
begin
	if not exists (select from rate_stage r group by rate_key(r.prefix, r.origin_prefix, r.schedule), r.effective_from
			having count(*) > 1) then
		return;
	end if;
	return query
	select distinct on (s.line) s.line, s.first_line, s.prefix
	from (select r.line, r.prefix, first_value(r.line) over key as first_line
	      from rate_stage r
	      window key as (partition by rate_key(r.prefix, r.origin_prefix, r.schedule), r.effective_from
		order by r.line)) s
	where s.line <> s.first_line
	order by s.line, s.prefix;
end $$;
