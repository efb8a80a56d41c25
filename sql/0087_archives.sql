-- SPDX-License-Identifier: Apache-2.0
-- 0087: archives beside each other, and beside records that come late.

-- cdr_ingest_rows - as before. The day of a late record may leave between the look at its partitions and the insert, which then has no
-- place for it (a check violation): done again, the careful way makes that place. A record that is wrong fails there as it did here.
create or replace function cdr_ingest_rows() returns bigint language plpgsql as $$
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
		buy_to_sell_rate, chain_id, chain_seq, chain_hash, rated_called, rated_calling)
	select id, node, started_at, progress_at, answered_at, ended_at, ingress_carrier_id,
		ingress_trunk_id, egress_carrier_id, egress_trunk_id, calling_in, called_in, calling_out, called_out,
		destination, pdd_ms, duration_ms, sip_code, q850_cause, disconnect_reason, hangup_party, attempts,
		sell_prefix, sell_price, sell_billed_s, sell_amount, sell_currency, buy_prefix, buy_price,
		buy_billed_s, buy_amount, buy_currency, source_ip, a_call_id, b_call_id, recovered, lrn,
		buy_to_sell_rate, chain_id, chain_seq, chain_hash, rated_called, rated_calling
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
exception when sqlstate 'TD001' or check_violation then
	return cdr_ingest_again();
end $$;

-- cdr_day_leave - cdr_day_detach; null, and nothing done, too, if another session was first.
create function cdr_day_leave(day date) returns text language plpgsql as $$
begin
	perform pg_advisory_xact_lock(hashtext('tandem cdr partition'));
	if to_regclass('cdrs_' || to_char(day, 'YYYYMMDD')) is null then
		return null;
	end if;
	return cdr_day_detach(day);
end $$;

-- cdr_old_take - a day that is detached and that nobody else writes, for the caller's transaction: its file is written by one. Null: none.
create function cdr_old_take() returns text language plpgsql as $$
declare
	name text;
begin
	for name in select n from cdr_old_names() n loop
		if pg_try_advisory_xact_lock(hashtext('tandem cdr archive ' || name)) and to_regclass('cdrs_old_' || name) is not null then
			return name;
		end if;
	end loop;
	return null;
end $$;
