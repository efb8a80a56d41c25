-- SPDX-License-Identifier: Apache-2.0
-- Reading one CDR, a thousand times a second. What took the server's time was planning: a function in SQL is parsed and
-- analysed anew in each statement that it is inlined into. A function in PL/pgSQL is planned once a session.

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
		trim_scale(c.buy_to_sell_rate)::text, c.chain_id, c.chain_seq
	)::api_cdr_words);
end $$;

create type api_attempt_words as (
	n integer, trunk_id bigint, carrier_id bigint, started_at text, progress_at text, answered_at text, ended_at text,
	sip_code integer, reason text, buy_prefix text, buy_price text, b_call_id text
);
create function api_attempt(a cdr_attempts) returns json language plpgsql stable as $$
begin
	return row_to_json(row(a.n, a.trunk_id, a.carrier_id, api_time(a.started_at), api_time(a.progress_at),
		api_time(a.answered_at), api_time(a.ended_at), a.sip_code, a.reason, a.buy_prefix, api_money(a.buy_price),
		a.b_call_id)::api_attempt_words);
end $$;

-- Who has the key of this hash (hexadecimal)? One plan for all: there is one way to find it.
create function api_key_find(hash text) returns table (id bigint, name text, role text, carrier_id bigint, key_hash text,
	stale boolean) language plpgsql stable rows 1 set plan_cache_mode = force_generic_plan as $$
begin
	return query select k.id, k.name, k.role, k.carrier_id, encode(k.key_hash, 'hex'),
		coalesce(k.last_used_at < now() - interval '1 minute', true)
	from api_keys k where k.key_hash = decode(hash, 'hex');
end $$;
