-- SPDX-License-Identifier: Apache-2.0
-- 0088: a poster brings batches in on two connections, which commit in the order of the chain. What both want to write, the carriers'
-- balances and the figures, is summed up while a batch comes in and written by its COMMIT: so a batch holds up no other while it waits
-- for its turn. A deferred trigger does it: no transaction of an ingest ends well without.

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
	if to_regclass('pg_temp.cdr_follow') is null then
		create temp table cdr_balances (carrier_id bigint, amount numeric) on commit delete rows;
		create temp table cdr_figures of stats_part on commit delete rows;
		create temp table cdr_follow (what text) on commit delete rows;
		create constraint trigger cdr_follow after insert on cdr_follow deferrable initially deferred
			for each row execute function cdr_followed();
	end if;
end $$;

-- Within cdr_ingest, and nowhere else, what follows a booking or a CDR waits for the COMMIT.
create function cdr_follows_later() returns boolean language sql stable as $$
	select coalesce(current_setting('tandem.follow', true), '') = 'at commit'
$$;

create function balances_add(carriers bigint[], amounts numeric[]) returns void language sql as $$
	insert into balances (carrier_id, balance, version)
	select c, sum(a), 1 from unnest(carriers, amounts) x (c, a) group by c order by c
	on conflict (carrier_id) do update
		set balance = balances.balance + excluded.balance, version = balances.version + 1
$$;

create or replace function ledger_booked() returns trigger language plpgsql as $$
begin
	if cdr_follows_later() then
		insert into pg_temp.cdr_balances select carrier_id, sum(amount) from new_rows group by 1;
		insert into pg_temp.cdr_follow values ('balances');
	else
		perform balances_add(array_agg(carrier_id), array_agg(amount))
		   from (select carrier_id, sum(amount) as amount from new_rows group by 1) s;
	end if;
	return null;
end $$;

-- What calls add to the figures, by hour, both parties and destination.
create type stats_part as (at timestamptz, customer bigint, customer_trunk bigint, vendor bigint, vendor_trunk bigint, dest text,
	currency text, calls bigint, answered bigint, effective bigint, talk_ms bigint, sell_billed_s bigint, buy_billed_s bigint,
	revenue numeric, cost numeric, unconverted bigint, b1 bigint, b2 bigint, b3 bigint, b4 bigint, b5 bigint, b6 bigint, b7 bigint,
	b8 bigint, b9 bigint, b10 bigint, b11 bigint, b12 bigint, b13 bigint, b14 bigint, b15 bigint, b16 bigint);

-- In the order of the keys, so that two who come at once do not lock each other out.
create function stats_add(adds stats_part[]) returns void language sql as $$
	with stage as materialized (
	select * from unnest(adds)
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
		s.b11 + excluded.b11, s.b12 + excluded.b12, s.b13 + excluded.b13, s.b14 + excluded.b14, s.b15 + excluded.b15, s.b16 + excluded.b16)
$$;

create or replace function stats_follow() returns trigger language plpgsql as $$
declare
	adds stats_part[];
begin
	select array_agg(x::stats_part) into adds from (
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
	) x;
	if cdr_follows_later() then
		insert into pg_temp.cdr_figures select * from unnest(adds);
		insert into pg_temp.cdr_follow values ('figures');
	elsif adds is not null then
		perform stats_add(adds);
	end if;
	return null;
end $$;

-- At the COMMIT: all that was summed up, once.
create function cdr_followed() returns trigger language plpgsql as $$
begin
	perform stats_add(array_agg(row(f.*)::stats_part)) from pg_temp.cdr_figures f having count(*) > 0;
	perform balances_add(array_agg(carrier_id), array_agg(amount)) from pg_temp.cdr_balances having count(*) > 0;
	delete from pg_temp.cdr_figures;
	delete from pg_temp.cdr_balances;
	return null;
end $$;

-- cdr_ingest - as before. A session that made its staging tables before this migration has nowhere to sum up: it writes at once.
create or replace function cdr_ingest() returns bigint language plpgsql as $$
declare
	stored bigint;
begin
	perform pg_advisory_xact_lock_shared(hashtext('tandem provisional booking'));
	if to_regclass('pg_temp.cdr_follow') is not null then
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

-- The partitions that the staged records need. As before, but the bounds of the day are worked out once, not for each record.
create or replace function cdr_stage_partitions() returns void language plpgsql as $$
declare
	first date;
	last date;
	low uuid;
	high uuid;
	missing date;
begin
	select min(started_at at time zone 'UTC')::date, max(started_at at time zone 'UTC')::date into first, last from cdr_stage;
	low := uuid_floor(first::timestamp at time zone 'UTC');
	high := uuid_floor((first + 1)::timestamp at time zone 'UTC');
	if first = last and not exists (select from cdr_stage where id < low or id >= high) then
		perform cdr_partition_make(first);
		return;
	end if;
	for missing in
		select (started_at at time zone 'UTC')::date from cdr_stage union select uuid_day(id) from cdr_stage
	loop
		perform cdr_partition_make(missing);
	end loop;
end $$;
