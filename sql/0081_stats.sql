-- SPDX-License-Identifier: Apache-2.0
-- 0081: what calls amount to, in roll-ups that are small whatever is asked for. Those of 0031 kept customer and vendor in one
-- row: of 10 million calls a month they were millions. No question needs both, so each call counts in one row of each slice:
--
--   0 all calls   1 by customer's trunk  2 by vendor's trunk  3 by destination    by hour; 1 to 3 by day (UTC), too
--   4 by customer's trunk and destination  5 by vendor's trunk and destination   by day
--
-- As before they follow cdrs inside the transaction that inserts a CDR, however late it comes, so they are never ahead of it or behind.
-- 0 stands for "no carrier" and "no trunk", '' for "no destination" and "no currency". Money is in the sell currency: cost is
-- converted by the rate that the call's margin was made with. b1..b16: calls by PDD, bounds as in stats_pdd_bounds(): histograms
-- can be added up, percentiles cannot.

drop trigger stats_follow on cdrs;
drop function stats_follow();
drop function stats_read(text, boolean, timestamptz, timestamptz, bigint, bigint, text);
drop function stats_pdd(numeric, bigint[]);
drop table stats_hours, stats_days;

create table stats_hours (
	slice smallint not null,
	at timestamptz not null,
	destination text not null,
	carrier_id bigint not null,
	trunk_id bigint not null,
	tried boolean not null,                   -- a vendor was tried: true in all slices but 0 and 3
	currency text not null,
	calls integer not null,
	answered integer not null,
	effective integer not null,               -- reached the network of the callee: answered, busy, ringing, refused by the callee
	unconverted integer not null,             -- calls whose cost is left out: no rate into the sell currency is known
	talk_ms bigint not null,
	sell_billed_s bigint not null,
	buy_billed_s bigint not null,
	revenue numeric not null,
	cost numeric not null,
	b1 integer not null, b2 integer not null, b3 integer not null, b4 integer not null, b5 integer not null,
	b6 integer not null, b7 integer not null, b8 integer not null, b9 integer not null, b10 integer not null,
	b11 integer not null, b12 integer not null, b13 integer not null, b14 integer not null, b15 integer not null,
	b16 integer not null,
	primary key (slice, at, destination, carrier_id, trunk_id, tried, currency)
) with (fillfactor = 80);
-- Days are asked for by carrier, too, and by destination; of hours, by destination.
-- What changes with every call stands in no index.
create table stats_days (like stats_hours, primary key (slice, carrier_id, at, trunk_id, destination, tried, currency))
	with (fillfactor = 80);
create index stats_days_destination on stats_days (destination, slice, at) where slice > 3;
create index stats_hours_destination on stats_hours (destination, at) where slice = 3;

-- In the order of the keys, so that two who come at once do not lock each other out.
create function stats_follow() returns trigger language plpgsql as $$
begin
	with stage as materialized (
	select date_trunc('hour', started_at, 'UTC') as at, coalesce(ingress_carrier_id, 0) as customer,
		coalesce(ingress_trunk_id, 0) as customer_trunk, coalesce(egress_carrier_id, 0) as vendor,
		coalesce(egress_trunk_id, 0) as vendor_trunk, coalesce(destination, '') as dest, coalesce(sell_currency, '') as currency,
		count(*) as calls, count(answered_at) as answered,
		count(*) filter (where answered_at is not null or disconnect_reason in ('busy', 'no_answer', 'callee_rejected')
			or (disconnect_reason = 'cancelled' and progress_at is not null)) as effective,
		coalesce(sum(duration_ms), 0) as talk_ms, coalesce(sum(sell_billed_s), 0) as sell_billed_s,
		coalesce(sum(buy_billed_s), 0) as buy_billed_s, coalesce(sum(sell_amount), 0) as revenue,
		coalesce(sum(buy_amount * case when buy_currency = sell_currency then 1 else buy_to_sell_rate end), 0) as cost,
		count(*) filter (where buy_amount <> 0 and buy_currency is distinct from sell_currency and buy_to_sell_rate is null) as unconverted,
		count(*) filter (where w = 1) as b1, count(*) filter (where w = 2) as b2, count(*) filter (where w = 3) as b3,
		count(*) filter (where w = 4) as b4, count(*) filter (where w = 5) as b5, count(*) filter (where w = 6) as b6,
		count(*) filter (where w = 7) as b7, count(*) filter (where w = 8) as b8, count(*) filter (where w = 9) as b9,
		count(*) filter (where w = 10) as b10, count(*) filter (where w = 11) as b11, count(*) filter (where w = 12) as b12,
		count(*) filter (where w = 13) as b13, count(*) filter (where w = 14) as b14, count(*) filter (where w = 15) as b15,
		count(*) filter (where w = 16) as b16
	  from new_rows, lateral
		(select case when pdd_ms is not null then least(16, 1 + width_bucket(pdd_ms - 1, stats_pdd_bounds())) end as w) bucket
	 group by 1, 2, 3, 4, 5, 6, 7
	), by_hour as materialized (
	select slice, at, destination, carrier_id, trunk_id, tried, currency,
		sum(calls) as calls, sum(answered) as answered, sum(effective) as effective, sum(unconverted) as unconverted, sum(talk_ms) as talk_ms,
		sum(sell_billed_s) as sell_billed_s, sum(buy_billed_s) as buy_billed_s, sum(revenue) as revenue, sum(cost) as cost, sum(b1) as b1,
		sum(b2) as b2, sum(b3) as b3, sum(b4) as b4, sum(b5) as b5, sum(b6) as b6, sum(b7) as b7, sum(b8) as b8, sum(b9) as b9, sum(b10) as b10,
		sum(b11) as b11, sum(b12) as b12, sum(b13) as b13, sum(b14) as b14, sum(b15) as b15, sum(b16) as b16
	  from stage, lateral (values (0::smallint, '', 0::bigint, 0::bigint, vendor <> 0), (1, '', customer, customer_trunk, true),
		(2, '', vendor, vendor_trunk, true), (3, dest, 0, 0, vendor <> 0)) k(slice, destination, carrier_id, trunk_id, tried)
	 where slice <> 2 or vendor <> 0
	 group by 1, 2, 3, 4, 5, 6, 7
	), hours as (
	insert into stats_hours as s
	select slice, at, destination, carrier_id, trunk_id, tried, currency,
		calls, answered, effective, unconverted, talk_ms, sell_billed_s, buy_billed_s, revenue, cost, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10,
		b11, b12, b13, b14, b15, b16
	  from by_hour order by 1, 2, 3, 4, 5, 6, 7
	on conflict (slice, at, destination, carrier_id, trunk_id, tried, currency) do update
	set (calls, answered, effective, unconverted, talk_ms, sell_billed_s, buy_billed_s, revenue, cost, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10,
		b11, b12, b13, b14, b15, b16) =
		(s.calls + excluded.calls, s.answered + excluded.answered, s.effective + excluded.effective, s.unconverted + excluded.unconverted,
		s.talk_ms + excluded.talk_ms, s.sell_billed_s + excluded.sell_billed_s, s.buy_billed_s + excluded.buy_billed_s,
		s.revenue + excluded.revenue, s.cost + excluded.cost, s.b1 + excluded.b1, s.b2 + excluded.b2, s.b3 + excluded.b3, s.b4 + excluded.b4,
		s.b5 + excluded.b5, s.b6 + excluded.b6, s.b7 + excluded.b7, s.b8 + excluded.b8, s.b9 + excluded.b9, s.b10 + excluded.b10,
		s.b11 + excluded.b11, s.b12 + excluded.b12, s.b13 + excluded.b13, s.b14 + excluded.b14, s.b15 + excluded.b15, s.b16 + excluded.b16)
	), parts as (
	select slice, at, destination, carrier_id, trunk_id, tried, currency,
		calls, answered, effective, unconverted, talk_ms, sell_billed_s, buy_billed_s, revenue, cost, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10,
		b11, b12, b13, b14, b15, b16
	  from by_hour where slice <> 0
	union all
	select slice, at, dest, carrier_id, trunk_id, true, currency,
		calls, answered, effective, unconverted, talk_ms, sell_billed_s, buy_billed_s, revenue, cost, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10,
		b11, b12, b13, b14, b15, b16
	  from stage, lateral (values (4::smallint, customer, customer_trunk), (5, vendor, vendor_trunk)) k(slice, carrier_id, trunk_id)
	 where slice <> 5 or vendor <> 0
	)
	insert into stats_days as s
	select slice, date_trunc('day', at, 'UTC'), destination, carrier_id, trunk_id, tried, currency,
		sum(calls), sum(answered), sum(effective), sum(unconverted), sum(talk_ms), sum(sell_billed_s), sum(buy_billed_s), sum(revenue),
		sum(cost), sum(b1), sum(b2), sum(b3), sum(b4), sum(b5), sum(b6), sum(b7), sum(b8), sum(b9), sum(b10), sum(b11), sum(b12), sum(b13),
		sum(b14), sum(b15), sum(b16)
	  from parts group by 1, 2, 3, 4, 5, 6, 7 order by 1, 4, 2, 5, 3, 6, 7
	on conflict (slice, at, destination, carrier_id, trunk_id, tried, currency) do update
	set (calls, answered, effective, unconverted, talk_ms, sell_billed_s, buy_billed_s, revenue, cost, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10,
		b11, b12, b13, b14, b15, b16) =
		(s.calls + excluded.calls, s.answered + excluded.answered, s.effective + excluded.effective, s.unconverted + excluded.unconverted,
		s.talk_ms + excluded.talk_ms, s.sell_billed_s + excluded.sell_billed_s, s.buy_billed_s + excluded.buy_billed_s,
		s.revenue + excluded.revenue, s.cost + excluded.cost, s.b1 + excluded.b1, s.b2 + excluded.b2, s.b3 + excluded.b3, s.b4 + excluded.b4,
		s.b5 + excluded.b5, s.b6 + excluded.b6, s.b7 + excluded.b7, s.b8 + excluded.b8, s.b9 + excluded.b9, s.b10 + excluded.b10,
		s.b11 + excluded.b11, s.b12 + excluded.b12, s.b13 + excluded.b13, s.b14 + excluded.b14, s.b15 + excluded.b15, s.b16 + excluded.b16);
	return null;
end $$;

create trigger stats_follow after insert on cdrs referencing new table as new_rows for each statement execute function stats_follow();

-- What is there already goes the same way, a partition at a time.
create temp table cdrs_again (like cdrs);
create trigger stats_follow after insert on cdrs_again referencing new table as new_rows for each statement execute function stats_follow();
do $$
declare
	part regclass;
begin
	for part in select inhrelid::regclass from pg_inherits where inhparent = 'cdrs'::regclass loop
		execute format('insert into cdrs_again select %s from %s',
			(select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
			  where attrelid = 'cdrs'::regclass and attnum > 0 and not attisdropped), part);
		truncate cdrs_again;
	end loop;
end $$;
drop table cdrs_again;

-- The PDD in ms that 50, 95 and 99 % of calls do not exceed, interpolated inside the bucket; nulls without calls. The bounds are those
-- of stats_pdd_bounds(), written out, as this runs for every group.
create function stats_pdd(buckets bigint[]) returns integer[] language plpgsql immutable parallel safe as $$
declare
	bounds constant integer[] := '{0, 100, 250, 500, 750, 1000, 1500, 2000, 3000, 4000, 5000, 7000, 10000, 15000, 20000, 30000, 60000}';
	shares constant double precision[] := '{0.5, 0.95, 0.99}';
	total double precision := 0;
	passed double precision := 0;
	found integer[] := '{null, null, null}';
	k integer := 1;
	n bigint;
begin
	foreach n in array buckets loop
		total := total + n;
	end loop;
	if total = 0 then
		return found;
	end if;
	for i in 1 .. 16 loop
		n := buckets[i];
		while n > 0 and k <= 3 and passed + n >= total * shares[k] loop
			found[k] := round(bounds[i] + (bounds[i + 1] - bounds[i]) * (total * shares[k] - passed) / n);
			k := k + 1;
		end loop;
		exit when k > 3;
		passed := passed + n;
	end loop;
	return found;
end $$;

-- stats_read - a page of figures, one object a group; by: any of carrier, trunk, destination, hour. vendors: the groups' and the
-- filters' carrier and trunk are the call's last vendor instead of its customer, and calls without one are left out. Counted are
-- hours that begin in [since, till); days that do where a carrier or trunk meets a destination, which hours do not know.
-- Most calls first; by hour first by hour, and the destinations of all carriers carrier after carrier: there a page reads some
-- 8,000 rows, however much there is. A page begins at `start` (an hour in microseconds, or a carrier; -1: the first one) after
-- `skip` groups. The last row, without an item, is there if there is more: next is the next page's start and skip, "start:skip".
create function stats_read(by text[], vendors boolean, since timestamptz, till timestamptz, carrier bigint, trunk bigint, dest text,
	start bigint, skip integer, page integer)
returns table (next text, item jsonb) language plpgsql stable parallel safe set plan_cache_mode = force_custom_plan as $$
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
		low := greatest(start, 0);
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
		select d.* from stats_days d where not hourly and d.slice = which and d.at >= head and d.at < tail
		   and (low is null or d.carrier_id between low and high) and (dest is null or d.destination = dest)
		union all
		select h.* from stats_hours h where which <= 3 and h.slice = which and h.at >= begin_hour and h.at < least(head, stop)
		   and (low is null or h.carrier_id between low and high) and (dest is null or h.destination = dest)
		union all
		select h.* from stats_hours h where which <= 3 and not hourly and h.slice = which and h.at >= greatest(head, tail) and h.at < stop
		   and (low is null or h.carrier_id between low and high) and (dest is null or h.destination = dest)
	), grouped as (
		select case when grouped_parties then p.carrier_id end as c, case when 'trunk' = any (by) then p.trunk_id end as t,
			case when 'destination' = any (by) then p.destination end as d, case when hourly then p.at end as h, p.currency,
			sum(p.calls) as calls, sum(p.answered) as answered, sum(p.effective) as effective, sum(p.talk_ms) as talk_ms,
			sum(p.sell_billed_s) as sell_s, sum(p.buy_billed_s) as buy_s, sum(p.revenue) as revenue, sum(p.cost) as cost,
			sum(p.unconverted) as unconverted,
			array[sum(p.b1), sum(p.b2), sum(p.b3), sum(p.b4), sum(p.b5), sum(p.b6), sum(p.b7), sum(p.b8), sum(p.b9), sum(p.b10),
				sum(p.b11), sum(p.b12), sum(p.b13), sum(p.b14), sum(p.b15), sum(p.b16)] as pdd
		  from picked p
		 where (trunk is null or p.trunk_id = trunk) and (p.tried or not vendors)
		 group by 1, 2, 3, 4, 5
	), placed as (
		select g.*, row_number() over (order by g.h, case when stepped then g.c end, g.calls desc, g.c, g.t, g.d, g.currency) as n
		  from grouped g
	), shown as (
		select p.*, stats_pdd(p.pdd) as ms from placed p where p.n > skip and p.n <= skip + page
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
