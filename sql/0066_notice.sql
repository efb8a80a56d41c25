-- SPDX-License-Identifier: Apache-2.0
-- 0066: the notice that an increase needs. Imports tell increases that come sooner; none is refused for it.

alter table rate_decks add notice_days smallint check (notice_days between 0 and 365); -- null: none
alter table import_changes add short_notice boolean not null default false;

create or replace function deck_row_changed() returns trigger language plpgsql as $$
declare
	terms boolean := (new.name, new.side, new.currency, new.rounding_mode, new.rounding_places, new.default_initial,
			new.default_increment, new.duration_rounding)
		is distinct from (old.name, old.side, old.currency, old.rounding_mode, old.rounding_places,
			old.default_initial, old.default_increment, old.duration_rounding);
begin
	if terms or new.notice_days is distinct from old.notice_days then
		new.version := old.version + 1;
		new.updated_at := now();
	end if;
	if terms then
		new.rates_version := old.rates_version + 1;
	end if;
	if new.rates_version <> old.rates_version then
		perform pg_notify('tandem_deck', new.id::text);
	end if;
	return new;
end $$;

-- Can a call cost more by these words than by the old ones: a higher price or fee, coarser intervals, less grace?
create function rate_dearer(words rate_words, old rate_words, deck rate_decks) returns boolean language sql immutable as $$
	select words.price > old.price
		or coalesce(words.initial_price, words.price) > coalesce(old.initial_price, old.price)
		or words.connect_fee > old.connect_fee
		or coalesce(words.initial, deck.default_initial) > coalesce(old.initial, deck.default_initial)
		or coalesce(words.increment, deck.default_increment) > coalesce(old.increment, deck.default_increment)
		or words.grace < old.grace
$$;

-- rates_compare - write down for an import what rates_apply(deck, at, replacing) would do with rate_stage, each rate of
--   the stage and each that would end as one change; import null: write nothing. The deck is left as it is, and locked.
--   returns how many rates become dearer sooner than the deck's notice_days after `at`. No such deck: P0002.
drop function rates_compare(bigint, bigint, timestamptz, boolean);
create function rates_compare(import bigint, deck bigint, at timestamptz, replacing boolean) returns bigint
language plpgsql set work_mem = '128MB' set jit = off as $$
declare
	terms rate_decks;
	short bigint;
begin
	select * into terms from rate_decks where id = deck for update;
	if not found then
		raise no_data_found using message = 'no such rate deck';
	end if;
	analyze rate_stage;
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
			prefix, destination, origin_prefix, old_price, price as new_price, starts as effective_from, line,
			held and starts < at + terms.notice_days * interval '24 hours' and rate_dearer(words, old_words, terms) is true
				as short_notice
		from matched m
		union all
		select 'ended', e.prefix, e.destination, e.origin_prefix, e.price, null, greatest(e.starts, at), null, false
		from existing e
		where replacing and (
			(e.starts <= at and coalesce(e.stored_end > at, true) and not exists (select from incoming i where i.key = e.key))
			or (e.starts > at and not exists (select from incoming i where i.key = e.key and i.starts = e.starts)))
	), numbered as (
		select *, row_number() over (order by prefix, origin_prefix, effective_from, line) as n from changes
	), written as (
		insert into import_changes (import_id, n, kind, prefix, destination, origin_prefix, old_price, new_price,
			effective_from, line, short_notice)
		select import, n, kind, prefix, destination, origin_prefix, old_price, new_price, effective_from, line,
			coalesce(short_notice, false)
		from numbered where import is not null
	)
	select count(*) filter (where short_notice) into short from numbered;
	return short;
end $$;

create or replace function api_import_change(c import_changes) returns json language sql stable as $$
	select row_to_json(x) from (
		select c.n, c.kind, c.prefix, c.destination, c.origin_prefix, api_money(c.old_price) as old_price,
			api_money(c.new_price) as new_price, api_time(c.effective_from) as effective_from, c.short_notice, c.line
	) x
$$;

create or replace function api_rate_deck(d rate_decks) returns json language sql stable as $$
	select row_to_json(x) from (
		select d.id, d.name, d.side, d.currency,
			json_build_object('mode', d.rounding_mode, 'places', d.rounding_places) as rounding,
			d.default_initial, d.default_increment, d.duration_rounding, d.notice_days, d.rates_version,
			api_time(d.created_at) as created_at, api_time(d.updated_at) as updated_at, d.version
	) x
$$;
