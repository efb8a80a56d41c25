-- SPDX-License-Identifier: Apache-2.0
-- 0031: what calls amount to. Roll-ups follow cdrs inside the transaction that inserts a CDR, however late it comes, so they are
-- never ahead of it or behind. By hour without the destination, by day (UTC) with it: a month of either is few rows.
-- 0 stands for "no carrier" and "no trunk", '' for "no destination" and "no currency". Money is in the sell currency: cost is
-- converted by the rate that the call's margin was made with. b1..b16: calls by PDD, bounds as in stats_pdd_bounds().

create table stats_hours (
	at timestamptz not null,
	ingress_carrier_id bigint not null,
	ingress_trunk_id bigint not null,
	egress_carrier_id bigint not null,
	egress_trunk_id bigint not null,
	destination text not null,                -- '' in stats_hours
	currency text not null,
	calls bigint not null,
	answered bigint not null,
	effective bigint not null,                -- reached the network of the callee: answered, busy, ringing, refused by the callee
	talk_ms bigint not null,
	sell_billed_s bigint not null,
	buy_billed_s bigint not null,
	revenue numeric not null,
	cost numeric not null,
	unconverted bigint not null,              -- calls whose cost is left out: no rate into the sell currency is known
	b1 bigint not null, b2 bigint not null, b3 bigint not null, b4 bigint not null, b5 bigint not null, b6 bigint not null,
	b7 bigint not null, b8 bigint not null, b9 bigint not null, b10 bigint not null, b11 bigint not null, b12 bigint not null,
	b13 bigint not null, b14 bigint not null, b15 bigint not null, b16 bigint not null,
	primary key (at, ingress_carrier_id, ingress_trunk_id, egress_carrier_id, egress_trunk_id, destination, currency)
) with (fillfactor = 70);
create table stats_days (like stats_hours including all) with (fillfactor = 70);

-- Upper bounds in ms; the last bucket is open and counted as 60 s.
create function stats_pdd_bounds() returns integer[] language sql immutable parallel safe as $$
	select array[100, 250, 500, 750, 1000, 1500, 2000, 3000, 4000, 5000, 7000, 10000, 15000, 20000, 30000, 60000]
$$;

-- In the order of the keys, so that two who come at once do not lock each other out.
create function stats_follow() returns trigger language plpgsql as $$
begin
	with stage as (
	select date_trunc('hour', started_at, 'UTC') as at, coalesce(ingress_carrier_id, 0) as ingress_carrier_id,
		coalesce(ingress_trunk_id, 0) as ingress_trunk_id,
		coalesce(egress_carrier_id, 0) as egress_carrier_id, coalesce(egress_trunk_id, 0) as egress_trunk_id,
		coalesce(destination, '') as destination, coalesce(sell_currency, '') as currency, count(*) as calls,
		count(answered_at) as answered,
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
	), hours as (
	insert into stats_hours as s
	select at, ingress_carrier_id, ingress_trunk_id, egress_carrier_id, egress_trunk_id, '', currency, sum(calls),
		sum(answered), sum(effective), sum(talk_ms), sum(sell_billed_s), sum(buy_billed_s), sum(revenue), sum(cost),
		sum(unconverted), sum(b1), sum(b2), sum(b3), sum(b4), sum(b5), sum(b6), sum(b7), sum(b8), sum(b9), sum(b10),
		sum(b11), sum(b12), sum(b13), sum(b14), sum(b15), sum(b16)
	  from stage group by 1, 2, 3, 4, 5, 7 order by 1, 2, 3, 4, 5, 7
	on conflict (at, ingress_carrier_id, ingress_trunk_id, egress_carrier_id, egress_trunk_id, destination, currency) do update
	set (calls, answered, effective, talk_ms, sell_billed_s, buy_billed_s, revenue, cost, unconverted, b1, b2, b3, b4, b5, b6,
		b7, b8, b9, b10, b11, b12, b13, b14, b15, b16) =
		(s.calls + excluded.calls, s.answered + excluded.answered, s.effective + excluded.effective,
		s.talk_ms + excluded.talk_ms, s.sell_billed_s + excluded.sell_billed_s, s.buy_billed_s + excluded.buy_billed_s,
		s.revenue + excluded.revenue, s.cost + excluded.cost, s.unconverted + excluded.unconverted, s.b1 + excluded.b1,
		s.b2 + excluded.b2, s.b3 + excluded.b3, s.b4 + excluded.b4, s.b5 + excluded.b5, s.b6 + excluded.b6,
		s.b7 + excluded.b7, s.b8 + excluded.b8, s.b9 + excluded.b9, s.b10 + excluded.b10, s.b11 + excluded.b11,
		s.b12 + excluded.b12, s.b13 + excluded.b13, s.b14 + excluded.b14, s.b15 + excluded.b15, s.b16 + excluded.b16)
	)
	insert into stats_days as s
	select date_trunc('day', at, 'UTC'), ingress_carrier_id, ingress_trunk_id, egress_carrier_id, egress_trunk_id, destination,
		currency, sum(calls), sum(answered), sum(effective), sum(talk_ms), sum(sell_billed_s), sum(buy_billed_s), sum(revenue),
		sum(cost), sum(unconverted), sum(b1), sum(b2), sum(b3), sum(b4), sum(b5), sum(b6), sum(b7), sum(b8), sum(b9), sum(b10),
		sum(b11), sum(b12), sum(b13), sum(b14), sum(b15), sum(b16)
	  from stage group by 1, 2, 3, 4, 5, 6, 7 order by 1, 2, 3, 4, 5, 6, 7
	on conflict (at, ingress_carrier_id, ingress_trunk_id, egress_carrier_id, egress_trunk_id, destination, currency) do update
	set (calls, answered, effective, talk_ms, sell_billed_s, buy_billed_s, revenue, cost, unconverted, b1, b2, b3, b4, b5, b6,
		b7, b8, b9, b10, b11, b12, b13, b14, b15, b16) =
		(s.calls + excluded.calls, s.answered + excluded.answered, s.effective + excluded.effective,
		s.talk_ms + excluded.talk_ms, s.sell_billed_s + excluded.sell_billed_s, s.buy_billed_s + excluded.buy_billed_s,
		s.revenue + excluded.revenue, s.cost + excluded.cost, s.unconverted + excluded.unconverted, s.b1 + excluded.b1,
		s.b2 + excluded.b2, s.b3 + excluded.b3, s.b4 + excluded.b4, s.b5 + excluded.b5, s.b6 + excluded.b6,
		s.b7 + excluded.b7, s.b8 + excluded.b8, s.b9 + excluded.b9, s.b10 + excluded.b10, s.b11 + excluded.b11,
		s.b12 + excluded.b12, s.b13 + excluded.b13, s.b14 + excluded.b14, s.b15 + excluded.b15, s.b16 + excluded.b16);
	return null;
end $$;

create trigger stats_follow after insert on cdrs referencing new table as new_rows for each statement execute function stats_follow();

-- What is there already goes the same way.
create temp table cdrs_again (like cdrs);
create trigger stats_follow after insert on cdrs_again referencing new table as new_rows for each statement execute function stats_follow();
insert into cdrs_again select * from cdrs;
drop table cdrs_again;

-- The PDD that a share of calls does not exceed, in ms, interpolated inside its bucket; null without calls.
create function stats_pdd(share numeric, buckets bigint[]) returns integer language plpgsql immutable parallel safe as $$
declare
	bounds integer[] := stats_pdd_bounds();
	wanted numeric;
	passed numeric := 0;
	low integer := 0;
begin
	select share * sum(n) into wanted from unnest(buckets) n;
	if wanted is null or wanted = 0 then
		return null;
	end if;
	for i in 1 .. 16 loop
		if passed + buckets[i] >= wanted then
			return round(low + (bounds[i] - low) * (wanted - passed) / buckets[i]);
		end if;
		passed := passed + buckets[i];
		low := bounds[i];
	end loop;
	return bounds[16];
end $$;

-- stats_read - one object a group. by: carrier, trunk, destination, hour. vendors: the group's and the filters' carrier and trunk
-- are the call's last vendor instead of its customer. With a destination, or by it, days count that begin in [since, till).
create function stats_read(by text, vendors boolean, since timestamptz, till timestamptz, carrier bigint, trunk bigint, dest text)
returns setof jsonb language sql stable as $$
	with picked as (
		select h.*, case when vendors then egress_carrier_id else ingress_carrier_id end as c,
			case when vendors then egress_trunk_id else ingress_trunk_id end as t
		  from stats_hours h where by <> 'destination' and dest is null and at >= since and at < till
		union all
		select d.*, case when vendors then egress_carrier_id else ingress_carrier_id end,
			case when vendors then egress_trunk_id else ingress_trunk_id end
		  from stats_days d where (by = 'destination' or dest is not null) and at >= since and at < till
		   and (dest is null or destination = dest)
	), grouped as (
		select case when by in ('carrier', 'trunk') then c end as c, case when by = 'trunk' then t end as t,
			case when by = 'destination' then destination end as d, case when by = 'hour' then at end as h, currency,
			sum(calls)::bigint as calls, sum(answered)::bigint as answered, sum(effective)::bigint as effective,
			sum(talk_ms)::bigint as talk_ms, sum(sell_billed_s)::bigint as sell_s, sum(buy_billed_s)::bigint as buy_s,
			sum(revenue) as revenue, sum(cost) as cost, sum(unconverted)::bigint as unconverted,
			array[sum(b1), sum(b2), sum(b3), sum(b4), sum(b5), sum(b6), sum(b7), sum(b8), sum(b9), sum(b10), sum(b11),
				sum(b12), sum(b13), sum(b14), sum(b15), sum(b16)]::bigint[] as pdd
		  from picked
		 where (carrier is null or c = carrier) and (trunk is null or t = trunk) and not (vendors and c = 0)
		 group by 1, 2, 3, 4, 5
	)
	select jsonb_build_object('carrier_id', nullif(c, 0), 'trunk_id', nullif(t, 0), 'destination', d, 'hour', api_time(h),
		'currency', nullif(currency, ''), 'calls', calls, 'answered', answered,
		'asr', round(100.0 * answered / calls, 2), 'ner', round(100.0 * effective / calls, 2),
		'acd_s', case when answered > 0 then round(talk_ms / 1000.0 / answered, 1) end,
		'pdd_p50_ms', stats_pdd(0.5, pdd), 'pdd_p95_ms', stats_pdd(0.95, pdd), 'pdd_p99_ms', stats_pdd(0.99, pdd),
		'minutes', api_money(round(talk_ms / 60000.0, 6)), 'sell_minutes', api_money(round(sell_s / 60.0, 6)),
		'buy_minutes', api_money(round(buy_s / 60.0, 6)), 'revenue', api_money(round(revenue, 9)), 'cost', api_money(round(cost, 9)),
		'margin', api_money(round(revenue, 9) - round(cost, 9)), 'unconverted', unconverted)
	  from grouped order by h, calls desc, c, t, d, currency
$$;
