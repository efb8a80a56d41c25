-- SPDX-License-Identifier: Apache-2.0
-- Which run has which CDR; which rate holds for a call of the past; what an invoice may claim.
begin;
select plan(40);

create function new_id(t timestamptz, n integer) returns uuid language sql as $$
	select (left(uuid_floor(t)::text, 14) || '7000-8000-' || lpad(n::text, 12, '0'))::uuid
$$;

-- Exports. A run is given by hand: its cut-off and its snapshot, transactions below 100 seen, from 110 on not, 105 not yet.
select cdr_partition_make('2026-05-01');
create function run(cut timestamptz, below bigint, upto bigint, variadic open bigint[] default '{}') returns bigint language sql as $$
	insert into export_runs (cutoff, created_at, actor, seen_below, seen_end, unseen) values (cut, now(), 'test', below, upto, open) returning id
$$;
create function cdr(n integer, ended timestamptz, stored_by bigint) returns void language sql as $$
	insert into cdrs (id, node, started_at, ended_at, duration_ms, disconnect_reason, hangup_party, attempts, arrived)
	values (new_id('2026-05-01 10:00Z', n), 'sw1', '2026-05-01 10:00Z', ended, 0, 'busy', 'callee', 0, stored_by)
$$;
create function members(run bigint) returns text language plpgsql as $$
declare
	all_of text := '';
	r record;
	c refcursor := 'export_cdrs';
begin
	perform export_open(run);
	loop
		fetch c into r;
		exit when not found;
		all_of := all_of || ' ' || ltrim(right(r.id::text, 4), '0');
	end loop;
	close c;
	return ltrim(all_of);
end $$;

select cdr(1, '2026-05-01 11:00Z', 50), cdr(2, '2026-05-01 11:00Z', 105), cdr(3, '2026-05-01 11:00Z', 107),
	cdr(4, '2026-05-01 11:00Z', 110), cdr(5, '2026-05-01 13:00Z', 50), cdr(6, '2026-05-01 12:00Z', 50);
select run('2026-05-01 12:00Z', 100, 110, 105) as one \gset
select is(members(:one), '1 3', 'a run has what ended before its cut-off and was stored by a transaction over by then');
select run('2026-05-01 12:30Z', 110, 111) as two \gset
select is(members(:two), '2 4 6', 'the next one has what was stored late, and what ended since');
select run('2026-05-01 10:30Z', 115, 115) as three \gset
select is(members(:three), '', 'one with an old cut-off has nothing');
select run('2026-05-01 14:00Z', 115, 120, 117) as four \gset
select cdr(7, '2026-05-01 09:00Z', 112), cdr(8, '2026-05-01 11:59Z', 117), cdr(9, '2026-05-01 13:59Z', 119);
select is(members(:three), '7', 'but it has a late record of that time');
select is(members(:four), '5 9', 'and the one after it neither that nor what is not seen yet');
select run('2026-05-01 15:00Z', 120, 130) as five \gset
select is(members(:five), '8', 'which the last one has');
select is((select string_agg(members(id), ' ' order by id) from export_runs), '1 3 2 4 6 7 5 9 8', 'all together are every CDR once');
select ok(not export_has_all('2026-05-01Z', '2026-05-02Z'), 'a run whose files are not written counts for nothing');
update export_runs set finished_at = now();
select ok(export_has_all('2026-05-01Z', '2026-05-02Z'), 'every CDR of that day is exported');
select ok('2026-05-01' in (select cdr_days_before('2026-05-02')), 'and the day may go to the archive');
select cdr(10, '2026-05-01 14:30Z', 131);
select ok(not export_has_all('2026-05-01Z', '2026-05-02Z'), 'until one comes late');
select ok('2026-05-01' not in (select cdr_days_before('2026-05-02')), 'then it stays');
update export_runs set seen_end = 9000000000000000 where id = :five;
select throws_like('select export_claim(null, ''test'')', '%counts its transactions anew%', 'after a restore from a dump nothing is exported');
delete from export_runs;
select lives_ok('select export_claim(null, ''test'')', 'else a run is claimed');
select isnt((select arrived from cdrs limit 1), null, 'every CDR has its transaction');
select throws_ok('update cdrs set arrived = null', '23514', null, 'and cannot lose it');

-- Rates of the past, by routing's rule.
insert into rate_decks (name, side, currency) values ('d', 'sell', 'EUR') returning id as deck \gset
insert into rates (deck_id, prefix, price, effective_from, effective_to, origin_prefix, schedule) values
	(:deck, '44', 1, '2026-01-01', '2026-06-01', '', null), (:deck, '44', 2, '2026-06-01', null, '', null),
	(:deck, '4420', 3, '2026-03-01', '2026-04-01', '', null), (:deck, '44', 4, '2026-01-01', null, '49', null),
	(:deck, '44', 5, '2026-01-01', null, '4930', null),
	(:deck, '33', 6, '2026-01-01', null, '', null),
	(:deck, '33', 7, '2026-01-01', null, '', '[{"days": [1], "from": "09:00", "to": "18:00", "timezone": "Europe/Paris"}]'),
	(:deck, '33', 8, '2026-01-01', null, '1', null),
	(:deck, '3312', 9, '2026-01-01', null, '', '[{"from": "22:00", "to": "06:00"}]');
create function price(called text, calling text, at timestamptz) returns numeric language sql as $$
	select r.price from rate_decks d, lateral rate_at(d.id, called, calling, at) r where d.name = 'd'
$$;
select is(price('442012', '1', '2026-05-31 23:59:59.999Z'), 1::numeric, 'the rate in force at the start');
select is(price('442012', '1', '2026-06-01Z'), 2::numeric, 'from its first moment on');
select is(price('442012', '1', '2026-03-31 23:59Z'), 3::numeric, 'the longest prefix');
select is(price('442012', '1', '2026-04-01Z'), 1::numeric, 'with a rate in force');
select is(price('442', '', '2025-12-31Z'), null, 'none before the first');
select is(price('55', '', '2026-05-01Z'), null, 'none for another number');
select is(price('4', '', '2026-05-01Z'), null, 'nor for one that is too short');
select is(price('44', '491', '2026-05-01Z'), 4::numeric, 'an origin before none');
select is(price('44', '49301', '2026-05-01Z'), 5::numeric, 'the longest origin');
select is(price('332', '2', '2026-05-04 07:00Z'), 7::numeric, 'a schedule that is open before none: Monday 9:00 in Paris');
select is(price('332', '2', '2026-05-04 06:59Z'), 6::numeric, 'not before it opens');
select is(price('332', '2', '2026-05-04 16:00Z'), 6::numeric, 'nor from its end on');
select is(price('332', '2', '2026-05-05 10:00Z'), 6::numeric, 'nor on another day');
select is(price('332', '12', '2026-05-04 10:00Z'), 8::numeric, 'an origin goes before a schedule');
select is(price('3312', '2', '2026-05-05 05:59Z'), 9::numeric, 'a window past midnight');
select is(price('3312', '2', '2026-05-05 22:00Z'), 9::numeric, 'from its start');
select is(price('3312', '2', '2026-05-05 06:00Z'), 6::numeric, 'and a closed one leaves the call to a shorter prefix');
select ok(rate_schedule_open('[{"days": [5], "from": "22:00", "to": "06:00"}]', '2026-05-09 05:00Z'), 'Saturday morning belongs to Friday');
select ok(not rate_schedule_open('[{"days": [5], "from": "22:00", "to": "06:00"}]', '2026-05-08 05:00Z'), 'Friday morning does not');
select ok(rate_schedule_open('[{"days": [7], "from": "00:00", "to": "24:00"}]', '2026-05-10 23:59:59Z'), 'a whole day');

-- Invoices.
insert into carriers (name, currency) values ('c', 'EUR') returning id as carrier \gset
insert into ledger (carrier_id, amount, kind, cdr_id) values (:carrier, -1, 'charge', new_id('2026-05-01 10:00Z', 1)) returning id as booking \gset
select invoice_draft(:carrier, 'sell', '2026-05-01', '2026-05-31', null, null) as one \gset
select ok(invoice_issue(:one), 'a draft is issued');
select ok(not invoice_issue(:one), 'but once');
select throws_ok(format('insert into invoice_bookings values (%s, %s)', :booking, :one), '23505', null, 'a booking is on one invoice');
select is(uuid_time(new_id('2026-05-01 10:00:00.123Z', 7)), '2026-05-01 10:00:00.123Z'::timestamptz, 'a UUIDv7 knows its moment');

select * from finish();
rollback;
