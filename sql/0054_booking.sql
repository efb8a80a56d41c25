-- SPDX-License-Identifier: Apache-2.0
-- 0054: a booking is checked once a carrier, not once a row. Each booking moves its carrier's balance, in the same statement, so it
-- is the balance that must belong to a carrier; and a carrier that was ever booked is not deleted, as before. Two bookings a call
-- looked their carrier up and locked it: a fifth of an ingest's time, and two nodes that book for one carrier met at its row.

alter table ledger drop constraint ledger_carrier_id_fkey;
alter table balances drop constraint balances_carrier_id_fkey;
alter table balances add constraint balances_carrier_id_fkey foreign key (carrier_id) references carriers;

-- The partitions that the staged records need. Nearly always they are all of one day, and a UUIDv7 begins with its moment.
create function cdr_stage_partitions() returns void language plpgsql as $$
declare
	first date;
	last date;
	missing date;
begin
	select min(started_at at time zone 'UTC')::date, max(started_at at time zone 'UTC')::date into first, last from cdr_stage;
	if first = last and not exists (select from cdr_stage where id < uuid_floor(first::timestamp at time zone 'UTC')
		or id >= uuid_floor((first + 1)::timestamp at time zone 'UTC'))
	then
		perform cdr_partition_make(first);
		return;
	end if;
	for missing in
		select (started_at at time zone 'UTC')::date from cdr_stage union select uuid_day(id) from cdr_stage
	loop
		perform cdr_partition_make(missing);
	end loop;
end $$;

-- cdr_ingest_rows - as before, for batches of which some may be there already.
alter function cdr_ingest_rows() rename to cdr_ingest_again;

-- cdr_ingest_rows - a batch of which nothing is there yet, which is nearly every one: its attempts and bookings come straight from
-- the stage. If anything was there, all of it is undone and done the careful way.
create function cdr_ingest_rows() returns bigint language plpgsql as $$
declare
	staged bigint;
	stored bigint;
begin
	perform cdr_stage_partitions();
	select count(*) into staged from cdr_stage;
	insert into cdrs (id, node, started_at, progress_at, answered_at, ended_at, ingress_carrier_id,
		ingress_trunk_id, egress_carrier_id, egress_trunk_id, calling_in, called_in, calling_out, called_out,
		destination, pdd_ms, duration_ms, sip_code, q850_cause, disconnect_reason, hangup_party, attempts,
		sell_prefix, sell_price, sell_billed_s, sell_amount, sell_currency, buy_prefix, buy_price,
		buy_billed_s, buy_amount, buy_currency, source_ip, a_call_id, b_call_id, recovered, lrn,
		buy_to_sell_rate, chain_id, chain_seq, chain_hash)
	select id, node, started_at, progress_at, answered_at, ended_at, ingress_carrier_id,
		ingress_trunk_id, egress_carrier_id, egress_trunk_id, calling_in, called_in, calling_out, called_out,
		destination, pdd_ms, duration_ms, sip_code, q850_cause, disconnect_reason, hangup_party, attempts,
		sell_prefix, sell_price, sell_billed_s, sell_amount, sell_currency, buy_prefix, buy_price,
		buy_billed_s, buy_amount, buy_currency, source_ip, a_call_id, b_call_id, recovered, lrn,
		buy_to_sell_rate, chain_id, chain_seq, chain_hash
	from cdr_stage
	on conflict do nothing;
	get diagnostics stored = row_count;
	if stored <> staged then
		raise 'some of these records are there already' using errcode = 'TD001';
	end if;
	-- an attempt of no record, or twice the same one, is left out, as ever
	insert into cdr_attempts (cdr_id, n, trunk_id, carrier_id, started_at, progress_at, answered_at, ended_at, sip_code, reason,
		buy_prefix, buy_price, b_call_id)
	select a.cdr_id, a.n, a.trunk_id, a.carrier_id, a.started_at, a.progress_at, a.answered_at, a.ended_at, a.sip_code, a.reason,
		a.buy_prefix, a.buy_price, a.b_call_id
	from cdr_attempt_stage a where a.cdr_id in (select s.id from cdr_stage s)
	on conflict do nothing;
	insert into cdr_traces (cdr_id, trace) select id, trace from cdr_stage where trace is not null
	on conflict do nothing;
	insert into ledger (carrier_id, amount, kind, cdr_id)
	select ingress_carrier_id, -sell_amount, 'charge', id from cdr_stage
	 where sell_amount <> 0 and ingress_carrier_id is not null
	union all
	select egress_carrier_id, buy_amount, 'cost', id from cdr_stage
	 where buy_amount <> 0 and egress_carrier_id is not null;
	return stored;
exception when sqlstate 'TD001' then
	return cdr_ingest_again();
end $$;
