-- SPDX-License-Identifier: Apache-2.0
-- 0021: CDRs as chains. Each spool links its records: a record's hash is SHA-256 over the hash before it and the record with
-- its attempts, as the spool posts them. Here stands what is needed to find a row that was edited, deleted or inserted.

alter table cdrs add column chain_hash bytea;
create index cdrs_chain on cdrs (chain_id, chain_seq);

-- Records that the database refused: a link each, so that they are listed and not missing, and what they say, so that they can
-- be tried again. stored_at: they are in cdrs now.
create table cdr_refused (
	chain_id uuid not null,
	chain_seq bigint not null,
	chain_hash bytea not null,
	cdr_id text not null,
	node text not null,
	refused_at timestamptz not null default now(),
	reason text not null,
	cdr text not null,                        -- as COPY takes it
	attempts text not null,
	trace text,
	stored_at timestamptz,
	primary key (chain_id, chain_seq)
);
create index cdr_refused_open on cdr_refused (refused_at) where stored_at is null;

-- What an archived partition leaves: runs of links that are not here any more, with the hash of the last of each.
create table cdr_anchors (
	chain_id uuid not null,
	first_seq bigint not null,
	last_seq bigint not null,
	last_hash bytea not null,
	day date not null,
	primary key (chain_id, first_seq)
);

-- One a day: where each chain stood, under one hash that goes on from the day before, signed.
create table cdr_roots (
	day date primary key,
	heads text not null,                      -- a line "chain seq hash" for each chain with calls of that day, in order
	root bytea not null,                      -- SHA-256 over the root before (32 zero bytes for none), the day, a line end, heads
	signature bytea not null,                 -- Ed25519 over root
	public_key bytea not null,
	created_at timestamptz not null default now()
);

create or replace function cdr_ingest_rows() returns bigint language plpgsql as $$
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
			buy_to_sell_rate, chain_id, chain_seq, chain_hash)
		select id, node, started_at, progress_at, answered_at, ended_at, ingress_carrier_id,
			ingress_trunk_id, egress_carrier_id, egress_trunk_id, calling_in, called_in, calling_out, called_out,
			destination, pdd_ms, duration_ms, sip_code, q850_cause, disconnect_reason, hangup_party, attempts,
			sell_prefix, sell_price, sell_billed_s, sell_amount, sell_currency, buy_prefix, buy_price,
			buy_billed_s, buy_amount, buy_currency, source_ip, a_call_id, b_call_id, recovered, lrn,
			buy_to_sell_rate, chain_id, chain_seq, chain_hash
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

-- The text that a spool hashed, from the rows: what COPY would write.
create function copy_text(t text) returns text language sql immutable parallel safe as $$
	select replace(replace(replace(replace(t, '\', '\\'), E'\t', '\t'), E'\n', '\n'), E'\r', '\r')
$$;
create function cdr_line(c cdrs) returns text language sql stable as $$
	select array_to_string(array[
		c.id::text, c.node::text, api_time(c.started_at), api_time(c.progress_at), api_time(c.answered_at),
		api_time(c.ended_at), c.ingress_carrier_id::text, c.ingress_trunk_id::text, c.egress_carrier_id::text,
		c.egress_trunk_id::text, copy_text(c.calling_in), copy_text(c.called_in), copy_text(c.calling_out),
		copy_text(c.called_out), copy_text(c.destination), c.pdd_ms::text, c.duration_ms::text, c.sip_code::text,
		c.q850_cause::text, c.disconnect_reason::text, c.hangup_party::text, c.attempts::text,
		copy_text(c.sell_prefix), api_money(c.sell_price), c.sell_billed_s::text, api_money(c.sell_amount),
		c.sell_currency::text, copy_text(c.buy_prefix), api_money(c.buy_price), c.buy_billed_s::text,
		api_money(c.buy_amount), c.buy_currency::text, host(c.source_ip), copy_text(c.a_call_id),
		copy_text(c.b_call_id), case when c.recovered then 't' else 'f' end
	], E'\t', '\N')
$$;
create function cdr_attempt_line(a cdr_attempts) returns text language sql stable as $$
	select array_to_string(array[
		a.cdr_id::text, a.n::text, a.trunk_id::text, a.carrier_id::text, api_time(a.started_at),
		api_time(a.progress_at), api_time(a.answered_at), api_time(a.ended_at), a.sip_code::text,
		copy_text(a.reason), copy_text(a.buy_prefix), api_money(a.buy_price), copy_text(a.b_call_id)
	], E'\t', '\N') || E'\n'
$$;
create function cdr_attempt_lines(call uuid) returns text language sql stable as $$
	select coalesce(string_agg(cdr_attempt_line(a), '' order by a.n), '') from cdr_attempts a where a.cdr_id = call
$$;
