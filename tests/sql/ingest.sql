-- SPDX-License-Identifier: Apache-2.0
-- CDRs come in exactly once, with their bookings, whatever day they are of.
begin;
select plan(26);

insert into carriers (name, currency) values ('customer', 'EUR'), ('vendor', 'EUR');
create function carrier(n text) returns bigint language sql as $$ select id from carriers where name = n $$;
create function new_id(t timestamptz, n integer) returns uuid language sql as $$
	select (left(uuid_floor(t)::text, 14) || '7000-8000-' || lpad(n::text, 12, '0'))::uuid
$$;
-- What a poster stages: one answered call with one attempt.
create function stage(t timestamptz, n integer, sell numeric, buy numeric) returns void language plpgsql as $$
begin
	insert into cdr_stage (id, node, started_at, answered_at, ended_at, ingress_carrier_id, egress_carrier_id, duration_ms,
		disconnect_reason, hangup_party, attempts, sell_amount, buy_amount, recovered, trace)
	values (new_id(t, n), 'sw1', t, t, t + interval '1 minute', carrier('customer'), carrier('vendor'), 60000, 'normal',
		'caller', 1, sell, buy, false, '{"routes": []}');
	insert into cdr_attempt_stage (cdr_id, n, trunk_id, carrier_id, started_at, reason)
	values (new_id(t, n), 1, 7, carrier('vendor'), t, 'answered');
end $$;
create function unstage() returns void language sql as $$
	delete from pg_temp.cdr_stage; delete from pg_temp.cdr_attempt_stage
$$ set check_function_bodies = off;

select lives_ok('select cdr_stage_make()', 'the staging tables are made');
select lives_ok('select cdr_stage_make()', 'and may be made again');

select stage('2026-05-01 12:00Z', 1, 0.5, 0.3);
select is(cdr_ingest(), 1::bigint, 'a new CDR is stored');
select is(cdr_ingest(), 0::bigint, 'the same CDR is stored no second time');
select is((select count(*) from cdrs), 1::bigint, 'there is one CDR');
select is((select count(*) from cdr_attempts), 1::bigint, 'with its attempt');
select is((select trace from cdr_traces), '{"routes": []}'::jsonb, 'and its trace');
select results_eq('select carrier_id, amount, kind, cdr_id from ledger order by id',
	format('values (%s::bigint, -0.5::numeric, ''charge'', %L::uuid), (%s, 0.3, ''cost'', %L)', carrier('customer'),
	       new_id('2026-05-01 12:00Z', 1), carrier('vendor'), new_id('2026-05-01 12:00Z', 1)),
	'the customer is charged, the vendor credited, once');
select is((select count(*) from balances), 0::bigint, 'the balance waits for the COMMIT: who waits for a turn holds up nobody');
set constraints all immediate;
select is((select balance from balances where carrier_id = carrier('customer')), -0.5::numeric, 'then it follows');
select is((select sum(revenue) from stats_days where slice = 1), 0.5, 'and so do the figures');

select is((select tableoid::regclass::text from cdrs), 'cdrs_20260501', 'a CDR of any day has a home');
select is((select tableoid::regclass::text from cdr_attempts), 'cdr_attempts_20260501', 'so have its attempts');
select unstage();

select stage('2026-05-02 00:00Z', 2, 0, 0);
select stage('2026-05-01 23:59:59.999Z', 3, null, null);
select is(cdr_ingest(), 2::bigint, 'one batch may be of several days');
select is((select string_agg(tableoid::regclass::text, ' ' order by n)
           from (select tableoid, row_number() over (order by cdr_id) n from cdr_attempts) a),
	'cdr_attempts_20260501 cdr_attempts_20260501 cdr_attempts_20260502', 'each falls on its side of midnight UTC');
select is((select count(*) from ledger), 2::bigint, 'nothing is booked for nothing');
select unstage();

select stage('2026-05-01 12:00Z', 1, 0.5, 0.3);
select stage('2026-05-01 13:00Z', 4, 0.25, 0.1);
select is(cdr_ingest(), 1::bigint, 'of a repeated batch only what is new is stored');
select is((select balance from balances where carrier_id = carrier('customer')), -0.75::numeric, 'and booked');
select is((select balance from balances where carrier_id = carrier('vendor')), 0.4::numeric, 'on both sides');
select unstage();

insert into exchange_rates ("from", "to", rate, effective_from) values
	('USD', 'EUR', 0.9, '2026-01-01Z'), ('USD', 'EUR', 0.8, '2026-05-01 12:30Z'), ('USD', 'EUR', 0.7, '2026-06-01Z');
select stage('2026-05-01 14:00Z', 5, 0, 0);
select stage('2026-05-01 12:20Z', 6, 0, 0);
update pg_temp.cdr_stage set sell_currency = 'EUR', buy_currency = 'USD';
select cdr_ingest();
select results_eq($$select trim_scale(buy_to_sell_rate) from cdrs where buy_currency = 'USD' order by started_at$$,
	'values (0.9), (0.8)', 'a CDR of two currencies has the exchange rate of its start');
select is((select count(*) from cdrs where buy_to_sell_rate is not null), 2::bigint, 'one of a single currency has none');
select unstage();

insert into ledger (carrier_id, amount, kind) values (carrier('customer'), 10, 'payment'), (carrier('customer'), 1, 'payment');
select is((select balance from balances where carrier_id = carrier('customer')), 10.25::numeric,
	'any booking moves the balance');
select results_eq('select carrier_id, balance from balances order by 1',
	'select carrier_id, sum(amount) from ledger group by 1 order by 1', 'a balance is the sum of the ledger');

select is(uuid_day('01968924-9c00-7abc-8000-000000000000'), '2025-05-01'::date, 'a UUIDv7 knows its day');
select lives_ok('select cdr_partitions_ahead()', 'partitions are made ahead');
select ok(to_regclass('cdrs_' || to_char((now() at time zone 'UTC')::date + 7, 'YYYYMMDD')) is not null, 'for a week');

select * from finish();
rollback;
