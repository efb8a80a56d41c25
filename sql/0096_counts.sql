-- SPDX-License-Identifier: Apache-2.0
-- 0096: a row of figures is four numbers. Most of the time of a question went into adding up two dozen columns of each row. Now all
-- that is counted stands in one number, side by side, each count with twelve decimal digits of its own: counts are added up by adding
-- these numbers, and taken apart again for the groups that a page shows, and for no other. Only what a group is ranked by, and the
-- money, which has a fraction, stand beside it.
--
-- counts, from its lowest digits: calls by PDD, b16 to b1, bounds as in stats_pdd_bounds(); unconverted (cost left out: no rate into
-- the sell currency is known); effective (reached the network of the callee: answered, busy, ringing, refused by the callee);
-- answered; buy_billed_s; sell_billed_s; and talk_ms, which has all digits that are left.

create function stats_counts(talk_ms bigint, sell_billed_s bigint, buy_billed_s bigint, answered bigint, effective bigint,
	unconverted bigint, pdd numeric) returns numeric language sql immutable parallel safe as $$
	select talk_ms * 1e252 + sell_billed_s * 1e240 + buy_billed_s * 1e228 + answered * 1e216 + effective * 1e204 + unconverted * 1e192 + pdd
$$;

-- What a call with this PDD adds to its histogram; null without one.
create function stats_pdd_count(pdd_ms integer) returns numeric language sql immutable parallel safe as $$
	select ('{1e180, 1e168, 1e156, 1e144, 1e132, 1e120, 1e108, 1e96, 1e84, 1e72, 1e60, 1e48, 1e36, 1e24, 1e12, 1}'::numeric[])
		[case when pdd_ms is not null then least(16, 1 + width_bucket(pdd_ms - 1, stats_pdd_bounds())) end]
$$;

alter table stats_hours rename to stats_hours_wide;
alter table stats_days rename to stats_days_wide;
create table stats_hours (
	slice smallint not null,                  -- as 0081 says
	at timestamptz not null,
	destination text not null,
	carrier_id bigint not null,
	trunk_id bigint not null,
	tried boolean not null,                   -- a vendor was tried: true in all slices but 0 and 3
	currency text not null,
	calls integer not null,
	revenue numeric not null,
	cost numeric not null,
	counts numeric not null
) with (fillfactor = 80);
create table stats_days (like stats_hours) with (fillfactor = 80);
do $$
declare
	span text;
begin
	foreach span in array array['hours', 'days'] loop
		execute format('insert into stats_%1$s select slice, at, destination, carrier_id, trunk_id, tried, currency, calls, revenue, cost,
			stats_counts(talk_ms, sell_billed_s, buy_billed_s, answered, effective, unconverted,
			b1 * 1e180 + b2 * 1e168 + b3 * 1e156 + b4 * 1e144 + b5 * 1e132 + b6 * 1e120 + b7 * 1e108 + b8 * 1e96 + b9 * 1e84 + b10 * 1e72 + b11 * 1e60
			+ b12 * 1e48 + b13 * 1e36 + b14 * 1e24 + b15 * 1e12 + b16)
			from stats_%1$s_wide order by slice, at, carrier_id, trunk_id, destination', span);
	end loop;
end $$;
drop table stats_hours_wide, stats_days_wide;
-- Days are asked for by carrier, too, and by destination; of hours, by destination.
-- What changes with every call stands in no index.
alter table stats_hours add primary key (slice, at, destination, carrier_id, trunk_id, tried, currency);
alter table stats_days add primary key (slice, carrier_id, at, trunk_id, destination, tried, currency);
create index stats_days_destination on stats_days (destination, slice, at) where slice > 3;
create index stats_hours_destination on stats_hours (destination, at) where slice = 3;

-- What calls add to the figures, by hour, both parties and destination. A session that is open now may have a table of the type
-- stats_part: that type stays until such tables are gone.
create type stats_sum as (at timestamptz, customer bigint, customer_trunk bigint, vendor bigint, vendor_trunk bigint, dest text,
	currency text, calls bigint, revenue numeric, cost numeric, counts numeric);

-- In the order of the keys, so that two who come at once do not lock each other out.
drop function stats_add(stats_part[]);
create function stats_add(adds stats_sum[]) returns void language sql as $$
	with stage as materialized (
	select * from unnest(adds)
	), by_hour as materialized (
	select slice, at, destination, carrier_id, trunk_id, tried, currency,
		sum(calls) as calls, sum(revenue) as revenue, sum(cost) as cost, sum(counts) as counts
	  from stage, lateral (values (0::smallint, '', 0::bigint, 0::bigint, vendor <> 0), (1, '', customer, customer_trunk, true),
		(2, '', vendor, vendor_trunk, true), (3, dest, 0, 0, vendor <> 0)) k(slice, destination, carrier_id, trunk_id, tried)
	 where slice <> 2 or vendor <> 0
	 group by 1, 2, 3, 4, 5, 6, 7
	), hours as (
	insert into stats_hours as s
	select slice, at, destination, carrier_id, trunk_id, tried, currency, calls, revenue, cost, counts from by_hour order by 1, 2, 3, 4, 5, 6, 7
	on conflict (slice, at, destination, carrier_id, trunk_id, tried, currency) do update
	set (calls, revenue, cost, counts) =
		(s.calls + excluded.calls, s.revenue + excluded.revenue, s.cost + excluded.cost, s.counts + excluded.counts)
	), parts as (
	select slice, at, destination, carrier_id, trunk_id, tried, currency, calls, revenue, cost, counts from by_hour where slice <> 0
	union all
	select slice, at, dest, carrier_id, trunk_id, true, currency, calls, revenue, cost, counts
	  from stage, lateral (values (4::smallint, customer, customer_trunk), (5, vendor, vendor_trunk)) k(slice, carrier_id, trunk_id)
	 where slice <> 5 or vendor <> 0
	)
	insert into stats_days as s
	select slice, date_trunc('day', at, 'UTC'), destination, carrier_id, trunk_id, tried, currency,
		sum(calls), sum(revenue), sum(cost), sum(counts)
	  from parts group by 1, 2, 3, 4, 5, 6, 7 order by 1, 4, 2, 5, 3, 6, 7
	on conflict (slice, at, destination, carrier_id, trunk_id, tried, currency) do update
	set (calls, revenue, cost, counts) =
		(s.calls + excluded.calls, s.revenue + excluded.revenue, s.cost + excluded.cost, s.counts + excluded.counts)
$$;

create or replace function stats_follow() returns trigger language plpgsql as $$
declare
	adds stats_sum[];
begin
	select array_agg(x::stats_sum) into adds from (
	select date_trunc('hour', started_at, 'UTC') as at, coalesce(ingress_carrier_id, 0) as customer,
		coalesce(ingress_trunk_id, 0) as customer_trunk, coalesce(egress_carrier_id, 0) as vendor,
		coalesce(egress_trunk_id, 0) as vendor_trunk, coalesce(destination, '') as dest, coalesce(sell_currency, '') as currency,
		count(*) as calls, coalesce(sum(sell_amount), 0) as revenue,
		coalesce(sum(buy_amount * case when buy_currency = sell_currency then 1 else buy_to_sell_rate end), 0) as cost,
		stats_counts(coalesce(sum(duration_ms), 0)::bigint, coalesce(sum(sell_billed_s), 0)::bigint, coalesce(sum(buy_billed_s), 0)::bigint,
			count(answered_at),
			count(*) filter (where answered_at is not null or disconnect_reason in ('busy', 'no_answer', 'callee_rejected')
				or (disconnect_reason = 'cancelled' and progress_at is not null)),
			count(*) filter (where buy_amount <> 0 and buy_currency is distinct from sell_currency and buy_to_sell_rate is null),
			coalesce(sum(stats_pdd_count(pdd_ms)), 0)) as counts
	  from new_rows group by 1, 2, 3, 4, 5, 6, 7
	) x;
	if cdr_follows_later() then
		insert into pg_temp.cdr_sums select * from unnest(adds);
		insert into pg_temp.cdr_follow values ('figures');
	elsif adds is not null then
		perform stats_add(adds);
	end if;
	return null;
end $$;

-- The staging tables of this session; they are empty at the start of each transaction.
create or replace function cdr_stage_make() returns void language plpgsql as $$
begin
	if current_setting('synchronous_commit') = 'off' then
		perform set_config('synchronous_commit', 'on', false);
	end if;
	if to_regclass('pg_temp.cdr_stage') is null then
		create temp table cdr_stage (like cdrs) on commit delete rows;
		alter table cdr_stage add column trace jsonb;
		create temp table cdr_attempt_stage (like cdr_attempts) on commit delete rows;
	end if;
	if to_regclass('pg_temp.cdr_sums') is null then
		create temp table cdr_balances (carrier_id bigint, amount numeric) on commit delete rows;
		create temp table cdr_sums of stats_sum on commit delete rows;
		create temp table cdr_follow (what text) on commit delete rows;
		create constraint trigger cdr_follow after insert on cdr_follow deferrable initially deferred
			for each row execute function cdr_followed();
	end if;
end $$;

-- At the COMMIT: all that was summed up, once.
create or replace function cdr_followed() returns trigger language plpgsql as $$
begin
	perform stats_add(array_agg(row(f.*)::stats_sum)) from pg_temp.cdr_sums f having count(*) > 0;
	perform balances_add(array_agg(carrier_id), array_agg(amount)) from pg_temp.cdr_balances having count(*) > 0;
	delete from pg_temp.cdr_sums;
	delete from pg_temp.cdr_balances;
	return null;
end $$;

-- cdr_ingest - as before. A session that made its staging tables before this migration has nowhere to sum up: it writes at once.
create or replace function cdr_ingest() returns bigint language plpgsql as $$
declare
	stored bigint;
begin
	perform pg_advisory_xact_lock_shared(hashtext('tandem provisional booking'));
	if to_regclass('pg_temp.cdr_sums') is not null then
		perform set_config('tandem.follow', 'at commit', true);
	end if;
	stored := cdr_ingest_rows();
	if exists (select from provisional_bookings where reversed_at is null) then
		with reversed as (
			update provisional_bookings p set reversed_at = now()
			  from cdr_stage s
			 where p.cdr_id = s.id and p.reversed_at is null
			returning p.cdr_id, p.carrier_id, p.amount
		)
		insert into ledger (carrier_id, amount, kind, cdr_id, note)
		select carrier_id, amount, 'adjustment', cdr_id, 'provisional booking reversed: the record has come' from reversed;
	end if;
	perform set_config('tandem.follow', '', true);
	return stored;
end $$;

-- stats_read - a page of figures, one object a group; by: any of carrier, trunk, destination, hour. vendors: the groups' and the
-- filters' carrier and trunk are the call's last vendor instead of its customer, and calls without one are left out. Counted are
-- hours that begin in [since, till); days that do where a carrier or trunk meets a destination, which hours do not know.
-- Most calls first; by hour first by hour, and the destinations of all carriers carrier after carrier: there a page reads some
-- 8,000 rows, however much there is. A page begins at `start` (an hour in microseconds, or a carrier; -1: the first one) after
-- `skip` groups. The last row, without an item, is there if there is more: next is the next page's start and skip, "start:skip".
create or replace function stats_read(by text[], vendors boolean, since timestamptz, till timestamptz, carrier bigint, trunk bigint, dest text,
	start bigint, skip integer, page integer)
returns table (next text, item jsonb) language plpgsql stable parallel safe
	set plan_cache_mode = force_custom_plan set jit = off set max_parallel_workers_per_gather = 0 as $$
declare
	hourly constant boolean := 'hour' = any (by);
	grouped_parties constant boolean := by && array['carrier', 'trunk'];
	parties constant boolean := grouped_parties or carrier is not null or trunk is not null;
	places constant boolean := 'destination' = any (by) or dest is not null;
	stepped constant boolean := not hourly and grouped_parties and places and coalesce(carrier, trunk) is null and dest is null;
	which constant smallint := case when parties then 1 + vendors::integer + places::integer * 3 when places then 3 else 0 end;
	begin_hour timestamptz := since;
	stop timestamptz := till;
	low bigint := case when parties then carrier else 0 end;
	high bigint := low;
	head timestamptz; -- days are read from here
	tail timestamptz; -- to here, hours around them
	beyond text;      -- where what is left begins
begin
	if hourly and start >= 0 then
		begin_hour := greatest(since, timestamptz 'epoch' + start * interval '1 microsecond');
	end if;
	if hourly and cardinality(by) > 1 then
		select s.at + interval '1 hour' into stop from stats_hours s where s.slice = which and s.at >= begin_hour and s.at < till
		 order by s.at offset 8000 limit 1;
		if stop < till then
			beyond := (extract(epoch from stop) * 1000000)::bigint || ':0';
		else
			stop := till;
		end if;
	end if;
	if parties and carrier is null and trunk is not null then -- whose it is, so that no other carrier's rows are read
		select min(s.carrier_id), max(s.carrier_id) into low, high from stats_days s
		 where s.slice = 1 + vendors::integer and s.trunk_id = trunk and s.at >= since - interval '1 day' and s.at < till;
		low := coalesce(low, -1);
		high := coalesce(high, -1);
	elsif stepped then
		-- The first carrier that has calls: of one carrier the server knows better than of a range how many rows it has.
		select s.carrier_id into low from stats_days s
		 where s.slice = which and s.carrier_id >= greatest(start, 0) and s.at >= since and s.at < till order by s.carrier_id limit 1;
		low := coalesce(low, 0);
		select s.carrier_id into high from stats_days s where s.slice = which and s.carrier_id >= low and s.at >= since and s.at < till
		 order by s.carrier_id offset 8000 limit 1;
		if found then
			beyond := high + 1 || ':0';
		else
			high := 9223372036854775807;
		end if;
	end if;
	head := case when hourly then stop else date_trunc('day', begin_hour + interval '1 day' - interval '1 microsecond', 'UTC') end;
	tail := case when which > 3 then stop else date_trunc('day', stop, 'UTC') end;
	return query
	with picked as (
		select d.at, d.destination, d.carrier_id, d.trunk_id, d.tried, d.currency, d.calls, d.revenue, d.cost, d.counts
		  from stats_days d where not hourly and d.slice = which and d.at >= head and d.at < tail
		   and (low is null or case when low = high then d.carrier_id = low else d.carrier_id between low and high end)
		   and (dest is null or d.destination = dest)
		union all
		select h.at, h.destination, h.carrier_id, h.trunk_id, h.tried, h.currency, h.calls, h.revenue, h.cost, h.counts
		  from stats_hours h where which <= 3 and h.slice = which and h.at >= begin_hour and h.at < least(head, stop)
		   and (low is null or case when low = high then h.carrier_id = low else h.carrier_id between low and high end)
		   and (dest is null or h.destination = dest)
		union all
		select h.at, h.destination, h.carrier_id, h.trunk_id, h.tried, h.currency, h.calls, h.revenue, h.cost, h.counts
		  from stats_hours h where which <= 3 and not hourly and h.slice = which and h.at >= greatest(head, tail) and h.at < stop
		   and (low is null or case when low = high then h.carrier_id = low else h.carrier_id between low and high end)
		   and (dest is null or h.destination = dest)
	), grouped as (
		select case when grouped_parties then p.carrier_id end as c, case when 'trunk' = any (by) then p.trunk_id end as t,
			case when 'destination' = any (by) then p.destination end as d, case when hourly then p.at end as h, p.currency,
			sum(p.calls) as calls, sum(p.revenue) as revenue, sum(p.cost) as cost, sum(p.counts) as counts
		  from picked p
		 where (trunk is null or p.trunk_id = trunk) and (p.tried or not vendors)
		 group by 1, 2, 3, 4, 5
	), placed as (
		select g.*, row_number() over (order by g.h, case when stepped then g.c end, g.calls desc, g.c, g.t, g.d, g.currency) as n
		  from grouped g
	), shown as materialized (
		select p.*, w.talk_ms, substr(w.low, 1, 12)::bigint as sell_s, substr(w.low, 13, 12)::bigint as buy_s,
			substr(w.low, 25, 12)::bigint as answered, substr(w.low, 37, 12)::bigint as effective,
			substr(w.low, 49, 12)::bigint as unconverted, stats_pdd(array[
			substr(w.low, 61, 12)::bigint, substr(w.low, 73, 12)::bigint, substr(w.low, 85, 12)::bigint, substr(w.low, 97, 12)::bigint,
			substr(w.low, 109, 12)::bigint, substr(w.low, 121, 12)::bigint, substr(w.low, 133, 12)::bigint, substr(w.low, 145, 12)::bigint,
			substr(w.low, 157, 12)::bigint, substr(w.low, 169, 12)::bigint, substr(w.low, 181, 12)::bigint, substr(w.low, 193, 12)::bigint,
			substr(w.low, 205, 12)::bigint, substr(w.low, 217, 12)::bigint, substr(w.low, 229, 12)::bigint, substr(w.low, 241, 12)::bigint]) as ms
		  from placed p, lateral (select lpad(p.counts::text, greatest(253, length(p.counts::text)), '0') as digits offset 0) whole,
			lateral (select left(whole.digits, -252)::numeric as talk_ms, right(whole.digits, 252) as low offset 0) w
		 where p.n > skip and p.n <= skip + page
	), items(n, next, item) as (
		select s.n, null, jsonb_build_object('carrier_id', nullif(c, 0), 'trunk_id', nullif(t, 0), 'destination', d,
			'hour', api_time(h), 'currency', nullif(currency, ''), 'calls', calls, 'answered', answered,
			'asr', round(100.0 * answered / calls, 2), 'ner', round(100.0 * effective / calls, 2),
			'acd_s', case when answered > 0 then round(talk_ms / 1000.0 / answered, 1) end,
			'pdd_p50_ms', ms[1], 'pdd_p95_ms', ms[2], 'pdd_p99_ms', ms[3],
			'minutes', api_money(round(talk_ms / 60000.0, 6)), 'sell_minutes', api_money(round(sell_s / 60.0, 6)),
			'buy_minutes', api_money(round(buy_s / 60.0, 6)), 'revenue', api_money(round(revenue, 9)),
			'cost', api_money(round(cost, 9)), 'margin', api_money(round(revenue, 9) - round(cost, 9)), 'unconverted', unconverted)
		  from shown s
		union all
		select null, case when exists (select from placed p where p.n > skip + page)
			then case when hourly then (extract(epoch from begin_hour) * 1000000)::bigint when stepped then low else 0 end || ':' || skip + page
			else beyond end, null
	)
	select i.next, i.item from items i where i.next is not null or i.item is not null order by i.n nulls last;
end $$;
