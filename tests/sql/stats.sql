-- SPDX-License-Identifier: Apache-2.0
-- What calls amount to follows the CDRs, in their own transaction, however late they come.
begin;
set constraints all immediate; -- as a COMMIT would do it: balances and figures follow what is brought in
select plan(17);

insert into carriers (name, currency) values ('customer', 'EUR'), ('vendor', 'USD');
create function carrier(n text) returns bigint language sql as $$ select id from carriers where name = n $$;
create function new_id(t timestamptz, n integer) returns uuid language sql as $$
	select (left(uuid_floor(t)::text, 14) || '7000-8000-' || lpad(n::text, 12, '0'))::uuid
$$;
-- talk_s 0: not answered, for this reason. The vendor's money is worth 0.9 of the customer's.
create function stage(t timestamptz, n integer, talk_s integer, why text, pdd integer, sell numeric, buy numeric, dest text default 'Germany')
returns void language sql as $$
	insert into cdr_stage (id, node, started_at, answered_at, ended_at, ingress_carrier_id, ingress_trunk_id, egress_carrier_id,
		egress_trunk_id, duration_ms, disconnect_reason, hangup_party, attempts, pdd_ms, destination, sell_billed_s, sell_amount,
		sell_currency, buy_billed_s, buy_amount, buy_currency, buy_to_sell_rate, recovered)
	values (new_id(t, n), 'sw1', t, case when talk_s > 0 then t end, t + interval '1 minute', carrier('customer'), 1, carrier('vendor'),
		2, talk_s * 1000, why, 'caller', 1, pdd, dest, talk_s, sell, 'EUR', talk_s, buy, 'USD', 0.9, false)
$$ set check_function_bodies = off;
create function read_by(by text, vendors boolean default false, dest text default null) returns setof jsonb language sql as $$
	select item from stats_read(array[by], vendors, '2026-05-01Z', '2026-06-01Z', null, null, dest, -1, 0, 1000)
$$;
create function said(by text, what text) returns text language sql as $$ select string_agg(r ->> what, ',') from read_by(by) r $$;

select cdr_stage_make();
select stage('2026-05-01 12:10Z', 1, 60, 'normal', 90, 0.5, 0.3);
select stage('2026-05-01 12:20Z', 2, 120, 'normal', 1400, 1.0, 0.6);
select stage('2026-05-01 13:00Z', 3, 0, 'busy', 300, 0, 0);
select stage('2026-05-02 12:00Z', 4, 0, 'no_route', null, 0, 0, 'France');
select is(cdr_ingest(), 4::bigint, 'four calls come in');
select is(said('hour', 'calls'), '2,1,1', 'by hour');
select is(said('hour', 'asr'), '100.00,0.00,0.00', 'answered of all');
select is(said('carrier', 'ner'), '75.00', 'a busy callee was reached, a call without a route reached nobody');
select is(said('carrier', 'acd_s'), '90.0', 'the mean talk of answered calls');
select is(said('carrier', 'minutes'), '3.000000', 'minutes');
select is(said('carrier', 'revenue'), '1.500000', 'revenue');
select is(said('carrier', 'cost'), '0.810000', 'cost, in the money of the sale');
select is(said('carrier', 'margin'), '0.690000', 'margin');
select is(said('carrier', 'carrier_id'), carrier('customer')::text, 'the customer by default');
select is((select r ->> 'trunk_id' from read_by('trunk', true) r), '2', 'the last vendor if asked for');
select is(said('destination', 'destination'), 'Germany,France', 'by destination, most calls first');
select is((select r ->> 'calls' from read_by('carrier', false, 'France') r), '1', 'one destination of a carrier');
select is((stats_pdd(array[1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))[1], 375, 'half of 90, 300 and 1400 ms: inside 250 to 500');
select is(cdr_ingest(), 0::bigint, 'the same calls again');
select is(said('carrier', 'calls'), '4', 'count no second time');
delete from pg_temp.cdr_stage;
select stage('2026-05-01 12:59Z', 5, 60, 'normal', 90, 0.5, 0.3);
select cdr_ingest();
select is(said('hour', 'calls'), '3,1,1', 'a late call is in its hour at once');

select * from finish();
rollback;
