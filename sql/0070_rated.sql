-- SPDX-License-Identifier: Apache-2.0
-- 0070: by which numbers a call was rated. What a trunk's tech prefix and translations make of a number today is not what they made of
-- it then: re-rating takes what stands here.

alter table cdrs
	add column rated_called text,
	add column rated_calling text;

-- Records from before have no such columns, and so had their lines: they still verify. A call that was never rated has none either.
create or replace function cdr_line(c cdrs) returns text language sql stable as $$
	select array_to_string(array[
		c.id::text, c.node::text, api_time(c.started_at), api_time(c.progress_at), api_time(c.answered_at),
		api_time(c.ended_at), c.ingress_carrier_id::text, c.ingress_trunk_id::text, c.egress_carrier_id::text,
		c.egress_trunk_id::text, copy_text(c.calling_in), copy_text(c.called_in), copy_text(c.calling_out),
		copy_text(c.called_out), copy_text(c.destination), c.pdd_ms::text, c.duration_ms::text, c.sip_code::text,
		c.q850_cause::text, c.disconnect_reason::text, c.hangup_party::text, c.attempts::text,
		copy_text(c.sell_prefix), api_money(c.sell_price), c.sell_billed_s::text, api_money(c.sell_amount),
		c.sell_currency::text, copy_text(c.buy_prefix), api_money(c.buy_price), c.buy_billed_s::text,
		api_money(c.buy_amount), c.buy_currency::text, host(c.source_ip), copy_text(c.a_call_id),
		copy_text(c.b_call_id), case when c.recovered then 't' else 'f' end, copy_text(c.lrn)
	], E'\t', '\N') || case when c.rated_called is null and c.rated_calling is null then ''
		else E'\t' || coalesce(copy_text(c.rated_called), '\N') || E'\t' || coalesce(copy_text(c.rated_calling), '\N') end
$$;

-- A batch of which some records may be there already.
create or replace function cdr_ingest_again() returns bigint language plpgsql as $$
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
			buy_to_sell_rate, chain_id, chain_seq, chain_hash, rated_called, rated_calling)
		select id, node, started_at, progress_at, answered_at, ended_at, ingress_carrier_id,
			ingress_trunk_id, egress_carrier_id, egress_trunk_id, calling_in, called_in, calling_out, called_out,
			destination, pdd_ms, duration_ms, sip_code, q850_cause, disconnect_reason, hangup_party, attempts,
			sell_prefix, sell_price, sell_billed_s, sell_amount, sell_currency, buy_prefix, buy_price,
			buy_billed_s, buy_amount, buy_currency, source_ip, a_call_id, b_call_id, recovered, lrn,
			buy_to_sell_rate, chain_id, chain_seq, chain_hash, rated_called, rated_calling
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

-- A batch of which nothing is there yet.
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
exception when sqlstate 'TD001' then
	return cdr_ingest_again();
end $$;

alter type api_cdr_words add attribute rated_called text, add attribute rated_calling text;
create or replace function api_cdr(c cdrs) returns json language plpgsql stable as $$
begin
	return row_to_json(row(
		c.id, c.node, api_time(c.started_at), api_time(c.progress_at), api_time(c.answered_at),
		api_time(c.ended_at), c.ingress_carrier_id, c.ingress_trunk_id, c.egress_carrier_id,
		c.egress_trunk_id, c.calling_in, c.called_in, c.calling_out, c.called_out, c.destination, c.pdd_ms,
		c.duration_ms, c.sip_code, c.q850_cause, c.disconnect_reason, c.hangup_party, c.attempts,
		c.sell_prefix, api_money(c.sell_price), c.sell_billed_s, api_money(c.sell_amount), c.sell_currency,
		c.buy_prefix, api_money(c.buy_price), c.buy_billed_s, api_money(c.buy_amount), c.buy_currency,
		host(c.source_ip), c.a_call_id, c.b_call_id, c.recovered, c.lrn,
		trim_scale(c.buy_to_sell_rate)::text, c.chain_id, c.chain_seq,
		c.rated_called, c.rated_calling
	)::api_cdr_words);
end $$;

create or replace function export_open(run bigint) returns void language plpgsql as $$
declare
	me export_runs;
	last export_runs;                         -- the run before
	newest timestamptz;                       -- no run before has what ended from here on,
	top bigint;                               -- nor what arrived from here on
	decisive bigint[];
	export_cdrs refcursor := 'export_cdrs';
begin
	select * into strict me from export_runs where id = run;
	select * into last from export_runs where id < run order by id desc limit 1;
	last.seen_below := coalesce(last.seen_below, 0);
	last.cutoff := coalesce(last.cutoff, '-infinity');
	select coalesce(max(cutoff), '-infinity'), coalesce(max(seen_end), 0), coalesce(array_agg(id), '{}')
		into newest, top, decisive from export_runs_before(run);

	perform set_config('cursor_tuple_fraction', '1', true), set_config('work_mem', '64MB', true);
	open export_cdrs no scroll for
		select c.id, c.node, api_time(c.started_at), api_time(c.progress_at), api_time(c.answered_at),
			api_time(c.ended_at), c.ingress_carrier_id, c.ingress_trunk_id, c.egress_carrier_id,
			c.egress_trunk_id, c.calling_in, c.called_in, c.calling_out, c.called_out, c.destination, c.pdd_ms,
			c.duration_ms, c.sip_code, c.q850_cause, c.disconnect_reason, c.hangup_party, c.attempts,
			c.sell_prefix, api_money(c.sell_price), c.sell_billed_s, api_money(c.sell_amount), c.sell_currency,
			c.buy_prefix, api_money(c.buy_price), c.buy_billed_s, api_money(c.buy_amount), c.buy_currency,
			host(c.source_ip), c.a_call_id, c.b_call_id, case when c.recovered then 'true' else 'false' end,
			c.lrn, trim_scale(c.buy_to_sell_rate), c.chain_id, c.chain_seq, c.rated_called,
			c.rated_calling
		from cdrs c
		where c.ended_at < me.cutoff and c.arrived < me.seen_end and c.arrived <> all (me.unseen)
			-- for the index: the run before has all that fails this
			and (c.arrived >= last.seen_below or c.ended_at >= last.cutoff)
			and (c.ended_at >= newest or c.arrived >= top or not exists (
				select from export_runs e where e.id = any (decisive) and export_takes(e, c.arrived, c.ended_at)))
		order by c.started_at, c.id;
end $$;

-- rerate_open - as before, and by which numbers the call was rated, where that is known.
create or replace function rerate_open(carrier bigint, which text, since timestamptz, until timestamptz) returns void language plpgsql as $$
declare
	rerate_cdrs refcursor := 'rerate_cdrs';
begin
	perform set_config('cursor_tuple_fraction', '1', true), set_config('work_mem', '64MB', true);
	open rerate_cdrs no scroll for
		select c.id, c.ingress_trunk_id, c.called_in, coalesce(c.calling_in, ''), coalesce(c.called_out, ''),
			case which when 'sell' then c.sell_prefix else c.buy_prefix end, c.duration_ms, api_time(c.started_at),
			case which when 'sell' then c.sell_currency else c.buy_currency end,
			(coalesce(r.new_amount, case which when 'sell' then c.sell_amount else c.buy_amount end) * 1000000000)::bigint,
			coalesce(c.destination, ''), d.id, d.currency, d.rounding_mode, d.rounding_places, d.duration_rounding,
			d.default_initial, d.default_increment, c.rated_called, coalesce(c.rated_calling, ''), c.lrn
		from cdrs c
		left join lateral (select x.new_amount from rerates x where x.cdr_id = c.id and x.side = which
			order by x.n desc limit 1) r on true
		left join trunks t on t.id = case which when 'sell' then c.ingress_trunk_id else c.egress_trunk_id end
		left join rate_decks d on d.id = t.rate_deck_id
		where c.started_at >= since and c.started_at < until and c.answered_at is not null
			and case which when 'sell' then c.ingress_carrier_id else c.egress_carrier_id end = carrier
			and case which when 'sell' then c.sell_amount else c.buy_amount end is not null
			and c.called_in is not null
		order by c.started_at, c.id;
end $$;
