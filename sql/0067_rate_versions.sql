-- SPDX-License-Identifier: Apache-2.0
-- 0067: a deck can go back to what it was after an import. Every rate that is altered or removed while it holds or is
-- yet to hold is kept as it was; so the deck of any moment can be put together again.

alter table rates add stored_at timestamptz not null default clock_timestamp(); -- since when the row says what it says

create table rate_past (
	deck_id bigint not null references rate_decks on delete cascade,
	prefix text not null,
	destination text not null,
	price numeric(18, 9) not null,
	initial_price numeric(18, 9),
	connect_fee numeric(18, 9) not null,
	initial integer,
	increment integer,
	grace integer not null,
	effective_from timestamptz not null,
	effective_to timestamptz,
	blocked boolean not null,
	origin_prefix text not null,
	schedule jsonb,
	stored_at timestamptz not null, -- it said so from here
	gone_at timestamptz not null    -- to here
);
create index rate_past_of_deck on rate_past (deck_id, gone_at);

create table rate_versions (
	id bigint generated always as identity primary key,
	deck_id bigint not null references rate_decks on delete cascade,
	at timestamptz not null default clock_timestamp(),
	actor text not null,
	import_id bigint, -- null: by the command line, or a roll-back
	rolled_back_to bigint references rate_versions on delete cascade, -- null: an import
	added bigint not null,
	changed bigint not null,
	ended bigint not null,
	unchanged bigint not null
);
create index rate_versions_of_deck on rate_versions (deck_id, id);

create function rate_restamp() returns trigger language plpgsql as $$
begin
	new.stored_at := clock_timestamp();
	return new;
end $$;
create trigger rate_restamp before update on rates for each row execute function rate_restamp();

create or replace function rates_updated() returns trigger language plpgsql as $$
begin
	insert into rate_past (deck_id, prefix, destination, price, initial_price, connect_fee, initial, increment, grace,
		effective_from, effective_to, blocked, origin_prefix, schedule, stored_at, gone_at)
	select deck_id, prefix, destination, price, initial_price, connect_fee, initial, increment, grace, effective_from,
		effective_to, blocked, origin_prefix, schedule, stored_at, clock_timestamp()
	from old_rows where effective_to is null or effective_to > now();
	update rate_decks set rates_version = rates_version + 1
	 where id in (select deck_id from new_rows union select deck_id from old_rows);
	return null;
end $$;

create or replace function rates_deleted() returns trigger language plpgsql as $$
begin
	insert into rate_past (deck_id, prefix, destination, price, initial_price, connect_fee, initial, increment, grace,
		effective_from, effective_to, blocked, origin_prefix, schedule, stored_at, gone_at)
	select deck_id, prefix, destination, price, initial_price, connect_fee, initial, increment, grace, effective_from,
		effective_to, blocked, origin_prefix, schedule, stored_at, clock_timestamp()
	from old_rows o
	where (effective_to is null or effective_to > now())
	  and exists (select from rate_decks d where d.id = o.deck_id); -- not when the deck itself goes
	update rate_decks set rates_version = rates_version + 1 where id in (select deck_id from old_rows);
	return null;
end $$;

-- rates_rollback - from `at` on, a deck's rates are those that it had right after a version: what holds now and what is
--   yet to come. What has been stays. The counts are those of rates_apply. No such deck or version of it: P0002.
create function rates_rollback(deck bigint, to_version bigint, moment timestamptz, who text,
	out added bigint, out changed bigint, out ended bigint, out unchanged bigint, out version bigint) language plpgsql as $$
declare
	then_at timestamptz;
begin
	perform from rate_decks where id = deck for update;
	select v.at into then_at from rate_versions v where v.id = to_version and v.deck_id = deck;
	if not found then
		raise no_data_found using message = 'no such version of this rate deck';
	end if;
	perform rate_stage_make();
	insert into rate_stage (prefix, destination, price, initial_price, connect_fee, initial, increment, grace,
		effective_from, effective_to, blocked, origin_prefix, schedule)
	select prefix, destination, price, initial_price, connect_fee, initial, increment, grace,
		case when effective_from > moment then effective_from end, effective_to, blocked, origin_prefix, schedule
	from (select prefix, destination, price, initial_price, connect_fee, initial, increment, grace, effective_from,
			effective_to, blocked, origin_prefix, schedule
		from rates where deck_id = deck and stored_at <= then_at
		union all
		select prefix, destination, price, initial_price, connect_fee, initial, increment, grace, effective_from,
			effective_to, blocked, origin_prefix, schedule
		from rate_past where deck_id = deck and stored_at <= then_at and gone_at > then_at) past
	where (effective_to is null or effective_to > moment) and effective_to is distinct from effective_from;
	select a.added, a.changed, a.ended, a.unchanged into added, changed, ended, unchanged
	from rates_apply(deck, moment, true) a;
	insert into rate_versions (deck_id, actor, rolled_back_to, added, changed, ended, unchanged)
	values (deck, who, to_version, added, changed, ended, unchanged) returning id into version;
	insert into audit_log (actor, action, resource, resource_id, after)
	values (who, 'rollback', 'rate-decks', deck::text, jsonb_build_object('to', to_version, 'version', version, 'added', added,
		'changed', changed, 'ended', ended, 'unchanged', unchanged));
end $$;
