-- SPDX-License-Identifier: Apache-2.0
-- 0002: how CDRs come in. A node's poster fills two temporary tables by COPY and calls cdr_ingest(), all in one
-- transaction. It may repeat any batch at any time: what is there already is left alone and booked no second time.

-- Only the ledger moves a balance: whoever books, by whatever statement, the balances follow here.
-- In the order of the ids, so that two bookers of many carriers do not lock each other out.
create function ledger_booked() returns trigger language plpgsql as $$
begin
	insert into balances (carrier_id, balance, version)
	select carrier_id, sum(amount), 1 from new_rows group by carrier_id order by carrier_id
	on conflict (carrier_id) do update
		set balance = balances.balance + excluded.balance, version = balances.version + 1;
	return null;
end $$;
create trigger ledger_booked after insert on ledger
	referencing new table as new_rows for each statement execute function ledger_booked();

-- The day (UTC) that a UUIDv7 carries.
create function uuid_day(id uuid) returns date language sql immutable parallel safe as $$
	select (to_timestamp(('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint / 1000) at time zone 'UTC')::date
$$;

-- The staging tables of this session; they are empty at the start of each transaction. A spool forgets what was
-- committed: a server whose default is to lie about that is asked for the truth.
create function cdr_stage_make() returns void language plpgsql as $$
begin
	if current_setting('synchronous_commit') = 'off' then
		perform set_config('synchronous_commit', 'on', false);
	end if;
	if to_regclass('pg_temp.cdr_stage') is null then
		create temp table cdr_stage (like cdrs) on commit delete rows;
		alter table cdr_stage add column trace jsonb;
		create temp table cdr_attempt_stage (like cdr_attempts) on commit delete rows;
	end if;
end $$;

-- Store what is staged and new: CDRs, attempts, traces, and the bookings: the customer is charged what the call sells
-- for, the vendor is credited what it costs. Returns how many CDRs were new.
create function cdr_ingest() returns bigint language plpgsql as $$
declare
	missing date;
	stored bigint;
begin
	for missing in
		select (started_at at time zone 'UTC')::date from cdr_stage union select uuid_day(id) from cdr_stage
	loop
		perform cdr_partition_make(missing);
	end loop;

	with fresh as (
		insert into cdrs (id, node, started_at, progress_at, answered_at, ended_at, ingress_carrier_id,
			ingress_trunk_id, egress_carrier_id, egress_trunk_id, calling_in, called_in, calling_out, called_out,
			destination, pdd_ms, duration_ms, sip_code, q850_cause, disconnect_reason, hangup_party, attempts,
			sell_prefix, sell_price, sell_billed_s, sell_amount, sell_currency, buy_prefix, buy_price,
			buy_billed_s, buy_amount, buy_currency, source_ip, a_call_id, b_call_id, recovered, lrn,
			buy_to_sell_rate, chain_id, chain_seq)
		select id, node, started_at, progress_at, answered_at, ended_at, ingress_carrier_id,
			ingress_trunk_id, egress_carrier_id, egress_trunk_id, calling_in, called_in, calling_out, called_out,
			destination, pdd_ms, duration_ms, sip_code, q850_cause, disconnect_reason, hangup_party, attempts,
			sell_prefix, sell_price, sell_billed_s, sell_amount, sell_currency, buy_prefix, buy_price,
			buy_billed_s, buy_amount, buy_currency, source_ip, a_call_id, b_call_id, recovered, lrn,
			buy_to_sell_rate, chain_id, chain_seq
		from cdr_stage
		on conflict do nothing
		returning id, ingress_carrier_id, egress_carrier_id, sell_amount, buy_amount
	), attempted as (
		insert into cdr_attempts (cdr_id, n, trunk_id, carrier_id, started_at, progress_at, answered_at, ended_at,
			sip_code, reason, buy_prefix, buy_price, b_call_id)
		select a.cdr_id, a.n, a.trunk_id, a.carrier_id, a.started_at, a.progress_at, a.answered_at, a.ended_at,
			a.sip_code, a.reason, a.buy_prefix, a.buy_price, a.b_call_id
		from cdr_attempt_stage a join fresh f on f.id = a.cdr_id
		on conflict do nothing
	), traced as (
		insert into cdr_traces (cdr_id, trace)
		select s.id, s.trace from cdr_stage s join fresh f on f.id = s.id where s.trace is not null
		on conflict do nothing
	), booked as (
		insert into ledger (carrier_id, amount, kind, cdr_id)
		select ingress_carrier_id, -sell_amount, 'charge', id from fresh
		 where sell_amount <> 0 and ingress_carrier_id is not null
		union all
		select egress_carrier_id, buy_amount, 'cost', id from fresh
		 where buy_amount <> 0 and egress_carrier_id is not null
	)
	select count(*) into stored from fresh;
	return stored;
end $$;
