-- SPDX-License-Identifier: Apache-2.0
-- 0032: the routing number of ported calls is part of what a spool writes, and so of what its chain covers.

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
	], E'\t', '\N')
$$;
