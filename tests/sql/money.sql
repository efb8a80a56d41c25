-- SPDX-License-Identifier: Apache-2.0
-- What a dead node's calls had spent, what calls hold, alerts, and the text that a chain's hashes are made of.
begin;
set constraints all immediate; -- as a COMMIT would do it: balances and figures follow what is brought in
select plan(33);

insert into carriers (name, currency, billing_mode, low_balance, vendor_limit) values
	('customer', 'EUR', 'prepaid', 5, null), ('vendor', 'EUR', 'postpaid', null, 3);
create function carrier(n text) returns bigint language sql as $$ select id from carriers where name = n $$;
create function balance(n text) returns numeric language sql as $$ select balance from balances where carrier_id = carrier(n) $$;
create function new_id(t timestamptz, n integer) returns uuid language sql as $$
	select (left(uuid_floor(t)::text, 14) || '7000-8000-' || lpad(n::text, 12, '0'))::uuid
$$;
create function stage(t timestamptz, n integer, sell numeric) returns void language sql as $$
	insert into cdr_stage (id, node, started_at, answered_at, ended_at, ingress_carrier_id, egress_carrier_id, duration_ms,
		disconnect_reason, hangup_party, attempts, sell_amount, recovered)
	values (new_id(t, n), 'sw1', t, t, t + interval '1 minute', carrier('customer'), carrier('vendor'), 60000, 'normal',
		'caller', 1, sell, false)
$$ set check_function_bodies = off;
select cdr_stage_make();
insert into ledger (carrier_id, amount, kind) values (carrier('customer'), 10, 'payment');

-- Provisional bookings.
select ok(provisional_book(new_id('2026-05-01 12:00Z', 1), carrier('customer'), 0.6, 'sw1'), 'what was spent is booked');
select is(balance('customer'), 9.4, 'the balance holds it');
select ok(not provisional_book(new_id('2026-05-01 12:00Z', 1), carrier('customer'), 0.6, 'sw1'), 'a second booker finds it booked');
select is(balance('customer'), 9.4, 'and books nothing');
select stage('2026-05-01 12:00Z', 1, 0.5);
select is(cdr_ingest(), 1::bigint, 'the record comes');
select is(balance('customer'), 9.5, 'what is charged is what the record says');
select is((select string_agg(kind || ' ' || trim_scale(amount), ', ' order by id) from ledger where cdr_id is not null),
	'adjustment -0.6, charge -0.5, adjustment 0.6', 'each booking is still to be seen');
select is(cdr_ingest(), 0::bigint, 'the record comes again');
select is(balance('customer'), 9.5, 'nothing is reversed twice');
select ok(not provisional_book(new_id('2026-05-01 12:00Z', 1), carrier('customer'), 0.6, 'sw1'), 'nothing is booked after the record');
delete from pg_temp.cdr_stage;
select stage('2026-05-01 12:00Z', 2, 0.25);
select is(cdr_ingest(), 1::bigint, 'a record without a booking comes');
select ok(not provisional_book(new_id('2026-05-01 12:00Z', 2), carrier('customer'), 0.25, 'sw1'), 'its call is not booked any more');
select is(balance('customer'), 9.25, 'it was charged once');

-- What calls hold.
select is(api_carrier(c) ->> 'available', '9.250000', 'all is available') from carriers c where name = 'customer';
select holds_put('sw1/1', array[carrier('customer')], array[1250000]);
select holds_put('sw2/1', array[carrier('customer')], array[1]);
select is(api_carrier(c) ->> 'available', '7.999999', 'less what calls hold on all nodes') from carriers c where name = 'customer';
select holds_put('sw1/1', array[carrier('customer')], array[0]);
update hold_owners set at = now() - interval '59 s' where owner = 'sw2/1';
select is(api_carrier(c) ->> 'available', '9.249999', 'a call has ended') from carriers c where name = 'customer';
update hold_owners set at = now() - interval '61 s' where owner = 'sw2/1';
select is(api_carrier(c) ->> 'available', '9.250000', 'a silent node holds nothing') from carriers c where name = 'customer';

-- Sums of small units.
insert into carriers (name, currency, low_balance) values ('small', 'VND', 0);
insert into ledger (carrier_id, amount, kind) select carrier('small'), -99999999999, 'charge' from generate_series(1, 3);
select is(balance('small'), -299999999997.0, 'a balance is larger than a booking can be');
select lives_ok('select alerts_update()', 'and can be told');
delete from alerts;
update carriers set low_balance = null where name = 'small';

-- The bookings of a call.
set local enable_seqscan = off;
create function plan_of(call uuid) returns setof text language plpgsql as $$
begin
	return query execute format('explain (costs off) select from ledger where cdr_id = %L', call);
end $$;
select ok(exists (select from plan_of(new_id('2026-05-01 12:00Z', 1)) p where p ~ 'Bitmap Index Scan on ledger_cdr'),
	'are found by an index');
select is((select count(*) from ledger where cdr_id = new_id('2026-05-01 12:00Z', 1)), 3::bigint, 'all of them');
set local enable_seqscan = on;

-- Alerts.
select alerts_update();
select is((select count(*) from alerts), 0::bigint, 'nothing is low');
insert into ledger (carrier_id, amount, kind) values (carrier('customer'), -4.250001, 'payment'), (carrier('vendor'), 3.5, 'cost');
select alerts_update();
select alerts_update();
select is((select string_agg(kind || ' ' || trim_scale(balance), ', ' order by kind) from alerts),
	'low_balance 4.999999, vendor_limit 3.5', 'each is raised once');
insert into ledger (carrier_id, amount, kind) values (carrier('customer'), 0.000001, 'payment');
select alerts_update();
select is((select string_agg(kind, ', ') from alerts where cleared_at is null), 'vendor_limit', 'at the limit it is cleared');
insert into ledger (carrier_id, amount, kind) values (carrier('customer'), -1, 'payment');
select alerts_update();
select is((select count(*) from alerts where kind = 'low_balance'), 2::bigint, 'the next one is a new one');

-- The text of a record, as the switch writes it.
select is(copy_text(E'a\\b\tc\nd'), 'a\\b\tc\nd', 'text is escaped as COPY does');
insert into cdrs (id, node, started_at, ended_at, duration_ms, disconnect_reason, hangup_party, attempts, sell_price, sell_amount,
	source_ip, recovered)
values (new_id('2026-05-01 12:00Z', 3), 'sw1', '2026-05-01 12:00:00.5Z', '2026-05-01 12:00Z', 0, 'normal', 'caller', 1, 0.123456789,
	0.5, '192.0.2.1', true);
select is((string_to_array(cdr_line(c), E'\t'))[2:6],
	array['sw1', '2026-05-01T12:00:00.500Z', '\N', '\N', '2026-05-01T12:00:00.000Z'], 'none is \N, times have milliseconds')
  from cdrs c where id = new_id('2026-05-01 12:00Z', 3);
select is((string_to_array(cdr_line(c), E'\t'))[24:26] || (string_to_array(cdr_line(c), E'\t'))[33:36],
	array['0.123456789', '\N', '0.500000', '192.0.2.1', '\N', '\N', 't'], 'amounts have 6 to 9 decimals, addresses no mask')
  from cdrs c where id = new_id('2026-05-01 12:00Z', 3);
select is(array_length(string_to_array(cdr_line(c), E'\t'), 1), 37, 'a record from before the rated numbers ends with the lrn')
  from cdrs c where id = new_id('2026-05-01 12:00Z', 3);
update cdrs set rated_calling = '49' where id = new_id('2026-05-01 12:00Z', 3);
select is((string_to_array(cdr_line(c), E'\t'))[37:39], array['\N', '\N', '49'], 'a number that was put in is seen')
  from cdrs c where id = new_id('2026-05-01 12:00Z', 3);
update cdrs set rated_called = '44', rated_calling = null where id = new_id('2026-05-01 12:00Z', 3);
select is((string_to_array(cdr_line(c), E'\t'))[37:39], array['\N', '44', '\N'], 'a call without a calling number says so')
  from cdrs c where id = new_id('2026-05-01 12:00Z', 3);
update cdrs set rated_calling = E'an\tonymous' where id = new_id('2026-05-01 12:00Z', 3);
select is((string_to_array(cdr_line(c), E'\t'))[37:39], array['\N', '44', 'an\tonymous'], 'both stand at the end')
  from cdrs c where id = new_id('2026-05-01 12:00Z', 3);
select is(cdr_attempt_lines(new_id('2026-05-01 12:00Z', 3)), '', 'no attempts are no lines');

select * from finish();
rollback;
