-- SPDX-License-Identifier: Apache-2.0
-- 0076: a roll-back is a job of the API as an import is, with a dry run. Who stores rates locks their deck before he asks what
-- time it is: a rate that waited for somebody else's would begin before it, and be over before it held.

alter table imports add version_id bigint references rate_versions on delete cascade; -- brought back; null: a sheet

create or replace function api_import(i imports) returns json language sql stable as $$
	select row_to_json(x) from (
		select i.id, i.deck_id as rate_deck_id, i.status, round(i.progress::numeric, 3) as progress, i.dry_run, i.replace,
			i.version_id, i.report, api_time(i.created_at) as created_at, api_time(i.finished_at) as finished_at
	) x
$$;

-- rate_locked - a rate of a deck, both locked, the deck first as everywhere; none: no row
create function rate_locked(deck bigint, rate bigint) returns setof rates language plpgsql as $$
begin
	perform from rate_decks where id = deck for update;
	return query select * from rates where id = rate and deck_id = deck for update;
end $$;

create or replace function rate_put(deck bigint, rate jsonb) returns rates language plpgsql as $$
declare
	at timestamptz;
	starts timestamptz;
	times jsonb := nullif(rate->'schedule', 'null');
	put rates;
begin
	perform from rate_decks where id = deck for update;
	at := date_trunc('milliseconds', clock_timestamp());
	starts := coalesce(date_trunc('milliseconds', (rate->>'effective_from')::timestamptz), at);
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

-- rates_rollback - from `moment` on (null: now), a deck's rates are those that it had right after a version: what holds now and
--   what is yet to come. What has been stays.
--   import  the import whose job it is; null: none      trial  only say what would be, and write it down for the import
--   The counts are those of rates_apply; version is null after a trial. No such deck or version of it: P0002.
drop function rates_rollback(bigint, bigint, timestamptz, text);
create function rates_rollback(deck bigint, to_version bigint, moment timestamptz, who text, import bigint default null,
	trial boolean default false,
	out added bigint, out changed bigint, out ended bigint, out unchanged bigint, out version bigint) language plpgsql as $$
declare
	then_at timestamptz;
	at timestamptz;
begin
	perform from rate_decks where id = deck for update;
	select v.at into then_at from rate_versions v where v.id = to_version and v.deck_id = deck;
	if not found then
		raise no_data_found using message = 'no such version of this rate deck';
	end if;
	at := coalesce(moment, date_trunc('milliseconds', clock_timestamp()));
	perform rate_stage_make();
	insert into rate_stage (prefix, destination, price, initial_price, connect_fee, initial, increment, grace,
		effective_from, effective_to, blocked, origin_prefix, schedule)
	select prefix, destination, price, initial_price, connect_fee, initial, increment, grace,
		case when effective_from > at then effective_from end, effective_to, blocked, origin_prefix, schedule
	from (select prefix, destination, price, initial_price, connect_fee, initial, increment, grace, effective_from,
			effective_to, blocked, origin_prefix, schedule
		from rates where deck_id = deck and stored_at <= then_at
		union all
		select prefix, destination, price, initial_price, connect_fee, initial, increment, grace, effective_from,
			effective_to, blocked, origin_prefix, schedule
		from rate_past where deck_id = deck and stored_at <= then_at and gone_at > then_at) past
	where (effective_to is null or effective_to > at) and effective_to is distinct from effective_from;
	if trial and import is not null then
		perform rates_compare(import, deck, at, true);
	end if;
	begin
		select a.added, a.changed, a.ended, a.unchanged into added, changed, ended, unchanged
		from rates_apply(deck, at, true) a;
		if trial then
			raise sqlstate 'TD001';
		end if;
	exception when sqlstate 'TD001' then
		return; -- with the counts; the deck is as it was
	end;
	insert into rate_versions (deck_id, actor, import_id, rolled_back_to, added, changed, ended, unchanged)
	values (deck, who, import, to_version, added, changed, ended, unchanged) returning id into version;
	insert into audit_log (actor, action, resource, resource_id, after)
	values (who, 'rollback', 'rate-decks', deck::text, jsonb_build_object('to', to_version, 'version', version, 'added', added,
		'changed', changed, 'ended', ended, 'unchanged', unchanged));
end $$;
