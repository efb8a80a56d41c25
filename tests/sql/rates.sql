-- SPDX-License-Identifier: Apache-2.0
-- The rates of a prefix follow each other in time: what a new one ends, and what it leaves alone.
begin;
select plan(72);

insert into rate_decks (name, side, currency) values ('deck', 'sell', 'EUR'), ('other', 'sell', 'EUR');
create function deck(n text default 'deck') returns bigint language sql as $$ select id from rate_decks where name = n $$;
-- All rates of a prefix as "price from..to", oldest first; days only.
create function history(p text, d text default 'deck') returns text language sql as $$
	select string_agg(trim_scale(price) || ' ' || to_char(effective_from at time zone 'UTC', 'YYYY-MM-DD') || '..'
		|| coalesce(to_char(effective_to at time zone 'UTC', 'YYYY-MM-DD'), ''), ', ' order by effective_from)
	from rates where prefix = p and deck_id = deck(d)
$$;
create function put(p text, price text, starts text default null, ends text default null) returns text language sql as $$
	select trim_scale((rate_put(deck(), jsonb_build_object('prefix', p, 'price', price, 'effective_from', starts,
		'effective_to', ends))).price)::text
$$;
create type counts as (added bigint, changed bigint, ended bigint, unchanged bigint);
create function sheet(at timestamptz, replacing boolean, lines text) returns counts language plpgsql as $$
declare
	result counts;
begin
	perform rate_stage_make();
	insert into rate_stage (prefix, price, effective_from, effective_to)
	select f[1], f[2]::numeric, nullif(f[3], '')::timestamptz, nullif(f[4], '')::timestamptz
	from (select string_to_array(line, ',') as f from unnest(string_to_array(lines, E'\n')) line) s;
	select * into result from rates_apply(deck(), at, replacing);
	return result;
end $$;
set local timezone = 'UTC';

-- One rate at a time.
select is(put('49', '0.01', '2020-01-01'), '0.01', 'the first rate of a prefix');
select is(history('49'), '0.01 2020-01-01..', 'has no end');
select is(put('49', '0.02', '2099-03-01'), '0.02', 'a later rate');
select is(history('49'), '0.01 2020-01-01..2099-03-01, 0.02 2099-03-01..', 'ends the earlier one');
select is(put('49', '0.03', '2099-02-01'), '0.03', 'a rate between two');
select is(history('49'), '0.01 2020-01-01..2099-02-01, 0.03 2099-02-01..2099-03-01, 0.02 2099-03-01..',
	'ends the one before and itself where the next begins');
select is(put('49', '0.04', '2099-02-01'), '0.04', 'the same start again');
select is(history('49'), '0.01 2020-01-01..2099-02-01, 0.04 2099-02-01..2099-03-01, 0.02 2099-03-01..',
	'changes the rate in place');
select is(put('49', '0.010', null), '0.01', 'a rate that says what holds');
select is((select count(*) from rates where prefix = '49'), 3::bigint, 'adds no row');
select is(put('49', '0.05', '2098-01-01', '2098-02-01'), '0.05', 'a rate with an end');
select is(history('49'), '0.01 2020-01-01..2098-01-01, 0.05 2098-01-01..2098-02-01, 0.04 2099-02-01..2099-03-01, '
	'0.02 2099-03-01..', 'ends the one it starts in for good');
select is(put('49', '0.06', '2019-01-01'), '0.06', 'a rate before all others');
select is(left(history('49'), 45), '0.06 2019-01-01..2020-01-01, 0.01 2020-01-01.', 'ends where the first begins');

select is((rate_put(deck(), '{"prefix": "49", "price": "0.07", "origin_prefix": "44"}')).origin_prefix, '44',
	'a rate for an origin');
select is((rate_put(deck(), '{"prefix": "49", "price": "0.08", "schedule": [{"days": [6, 7]}]}')).price, 0.08,
	'a rate for a schedule');
select is((select count(*) from rates where prefix = '49' and effective_to is null), 3::bigint,
	'stand beside the one without');
select throws_ok($$ select rate_put(0, '{"prefix": "49", "price": "1"}') $$, 'P0002', 'no such rate deck',
	'a deck that is not there is an error');
select throws_ok(format($$ select rate_put(%s, '{"prefix": "4x", "price": "1"}') $$, deck()), '23514', null,
	'a prefix holds digits');

-- Sheets.
select is(sheet('2030-01-01', false, E'1,0.1,\n2,0.2,\n3,0.3,'), row(3, 0, 0, 0)::counts, 'a first sheet adds');
select is(sheet('2030-02-01', false, E'1,0.1,\n2,0.25,'), row(0, 1, 0, 1)::counts, 'a second one changes what differs');
select is(history('1') || ' | ' || history('2') || ' | ' || history('3'),
	'0.1 2030-01-01.. | 0.2 2030-01-01..2030-02-01, 0.25 2030-02-01.. | 0.3 2030-01-01..', 'and leaves what it lacks');
select is(sheet('2030-03-01', false, E'4,0.4,\n4,0.5,2030-06-01\n1,0.15,2030-06-01'), row(1, 2, 0, 0)::counts,
	'now and later in one sheet');
select is(history('4'), '0.4 2030-03-01..2030-06-01, 0.5 2030-06-01..', 'follow each other');
select is(sheet('2030-03-02', false, '4,0.4,2030-03-01,2030-06-01'), row(0, 0, 0, 1)::counts,
	'an end that is the next one''s start is no change');

delete from rates where prefix = '49';
select is(sheet('2030-04-01', true, E'1,0.1,\n2,0.26,'), row(0, 1, 4, 1)::counts,
	'a replacing sheet ends what it lacks');
select is(history('1') || ' | ' || history('2') || ' | ' || history('3') || ' | ' || history('4'),
	'0.1 2030-01-01.. | 0.2 2030-01-01..2030-02-01, 0.25 2030-02-01..2030-04-01, 0.26 2030-04-01.. | '
	'0.3 2030-01-01..2030-04-01 | 0.4 2030-03-01..2030-04-01', 'what holds ends, what has not begun goes');
select is(sheet('2030-05-01', true, E'1,0.1,\n2,0.26,'), row(0, 0, 0, 2)::counts, 'once more, and nothing changes');
select is((select count(*) from rates where deck_id = deck('other')), 0::bigint, 'another deck is not touched');

-- What the nodes hear.
create temp table before as select rates_version from rate_decks where id = deck();
select is(sheet('2030-06-01', false, '1,0.1,'), row(0, 0, 0, 1)::counts, 'a sheet without news');
select is((select rates_version from rate_decks where id = deck()), (select rates_version from before),
	'leaves the deck''s version');
select is(sheet('2030-06-02', false, '1,0.2,'), row(0, 1, 0, 0)::counts, 'one with news');
select cmp_ok((select rates_version from rate_decks where id = deck()), '>', (select rates_version from before),
	'raises it');

-- What a sheet would change, told before.
create function told(at timestamptz, replacing boolean, lines text) returns text language plpgsql as $$
declare
	job bigint;
begin
	perform rate_stage_make();
	insert into rate_stage (line, prefix, price, effective_from, effective_to)
	select n, f[1], f[2]::numeric, nullif(f[3], '')::timestamptz, nullif(f[4], '')::timestamptz
	from (select n, string_to_array(line, ',') as f from unnest(string_to_array(lines, E'\n')) with ordinality t(line, n)) s;
	insert into imports (deck_id, actor, dry_run) values (deck(), 'test', true) returning id into job;
	perform rates_compare(job, deck(), at, replacing);
	return (select string_agg(kind || ' ' || prefix || coalesce(' ' || trim_scale(old_price), '')
		|| coalesce('>' || trim_scale(new_price), '') || coalesce(' line ' || line, ''), ', ' order by n)
		from import_changes where import_id = job);
end $$;
delete from rates;
select is(told('2030-01-01', true, E'1,0.1,\n2,0.2,'), 'new 1>0.1 line 1, new 2>0.2 line 2', 'in an empty deck all is new');
select is(sheet('2030-01-01', false, E'1,0.1,\n2,0.2,\n3,0.3,\n4,0.4,\n5,0.5,2031-01-01'), row(5, 0, 0, 0)::counts, 'a deck');
select is(told('2030-02-01', true, E'1,0.1,\n2,0.25,\n3,0.2,\n6,0.6,'),
	'unchanged 1 0.1>0.1 line 1, up 2 0.2>0.25 line 2, down 3 0.3>0.2 line 3, ended 4 0.4, ended 5 0.5, new 6>0.6 line 4',
	'new, up, down, ended, unchanged, with both prices');
select is(sheet('2030-02-01', true, E'1,0.1,\n2,0.25,\n3,0.2,\n6,0.6,'), row(1, 2, 2, 1)::counts, 'and that is what happens');
select is(told('2030-03-01', false, E'1,0.1,,2040-01-01\n2,0.25,'), 'other 1 0.1>0.1 line 1, unchanged 2 0.25>0.25 line 2',
	'another end at the same price is a change of terms');
select is(told('2030-03-01', false, E'1,0.1,,2031-01-01\n1,0.15,2031-01-01'), 'unchanged 1 0.1>0.1 line 1, up 1 0.1>0.15 line 2',
	'an end that is the start of the sheet''s next rate is none');
select is(sheet('2030-03-01', false, E'1,0.1,,2031-01-01\n1,0.15,2031-01-01'), row(0, 1, 0, 1)::counts, 'nor is it when applied');
select is(told('2030-04-01', false, E'1,0.15,2031-01-01\n1,0.1,2029-01-01'), 'new 1>0.1 line 2, unchanged 1 0.15>0.15 line 1',
	'each is compared with what holds where it begins');
select is(history('1'), '0.1 2030-01-01..2031-01-01, 0.15 2031-01-01..', 'and the deck is left as it is');

-- Back to what the deck was after an import.
delete from rates;
create function imported(at timestamptz, replacing boolean, lines text) returns bigint language plpgsql as $$
declare
	made bigint;
begin
	perform sheet(at, replacing, lines);
	insert into rate_versions (deck_id, actor, added, changed, ended, unchanged) values (deck(), 'test', 0, 0, 0, 0)
	returning id into made;
	return made;
end $$;
create function back(n bigint, at timestamptz) returns counts language sql as $$
	select row(added, changed, ended, unchanged)::counts from rates_rollback(deck(), n, at, 'test')
$$;
create temp table made (n bigint, name text);
insert into made select imported('2040-01-01', false, E'1,0.1,\n2,0.2,\n3,0.3,\n4,0.4,2042-01-01\n5,0.5,,2040-06-01'), 'first';
insert into made select imported('2040-02-01', true, E'1,0.1,\n2,0.25,\n6,0.6,'), 'second';
update rates set price = 0.7 where prefix = '6' and deck_id = deck();
select is(history('6'), '0.7 2040-02-01..', 'a rate changed by hand after the second import');
create temp table past as select prefix, price, effective_from from rates where deck_id = deck() and effective_from < '2040-03-01';
select is(back((select n from made where name = 'first'), '2040-03-01'), row(3, 1, 1, 1)::counts, 'back to the first: what it had');
select is(history('1'), '0.1 2040-01-01..', 'what still held goes on');
select is(history('2'), '0.2 2040-01-01..2040-02-01, 0.25 2040-02-01..2040-03-01, 0.2 2040-03-01..', 'the old price holds anew');
select is(history('3'), '0.3 2040-01-01..2040-02-01, 0.3 2040-03-01..', 'what was ended begins again, the gap stays');
select is(history('4'), '0.4 2042-01-01..', 'what was yet to come comes again');
select is(history('5'), '0.5 2040-01-01..2040-02-01, 0.5 2040-03-01..2040-06-01', 'an end is an end again');
select is(history('6'), '0.7 2040-02-01..2040-03-01', 'what came later ends');
select is((select count(*) from past p where not exists (select from rates r where r.deck_id = deck() and r.prefix = p.prefix
	and r.price = p.price and r.effective_from = p.effective_from)), 0::bigint, 'no past price is another than it was');
select is(back((select n from made where name = 'first'), '2040-04-01'), row(0, 0, 0, 5)::counts, 'once more, and nothing changes');
select is(back((select n from made where name = 'second'), '2040-05-01'), row(1, 1, 3, 1)::counts, 'and forward to the second');
select is(history('6'), '0.7 2040-02-01..2040-03-01, 0.6 2040-05-01..', 'with the price that was imported');
select is((select string_agg(coalesce(m.name, '-'), ' ' order by v.id) from rate_versions v
	left join made m on m.n = v.rolled_back_to where v.deck_id = deck()), '- - first first second', 'a roll-back is a version, too');
select throws_ok(format($$ select rates_rollback(%s, 0, now(), 'test') $$, deck()), 'P0002', null, 'there is no such version');
-- What has been is kept for so long.
create function aged(days integer) returns void language sql set session_replication_role = replica as $$
	update rates set stored_at = stored_at - days * interval '1 day';
	update rate_past set stored_at = stored_at - days * interval '1 day', gone_at = gone_at - days * interval '1 day';
	update rate_versions set at = at - days * interval '1 day';
$$;
create temp table kept as select (select count(*) from rate_past) as past, (select count(*) from rate_versions) as versions,
	(select count(*) from rates) as rates;
select is(rate_past_expire(), 0::bigint, 'nothing is old');
select aged(401);
insert into made select imported('2040-06-01', true, E'1,0.1,\n2,0.25,'), 'third';
select cmp_ok((select count(*) from rate_past), '>', (select past from kept), 'rates changed since');
select is(rate_past_expire(most => 2), 2::bigint, 'what is old goes in pieces');
select is((select string_agg(m.name, ' ') from rate_versions v join made m on m.n = v.id where v.deck_id = deck()), 'third',
	'and at once its versions');
select cmp_ok(rate_past_expire() + 2, '=', (select past from kept), 'all that was old, and nothing else');
select cmp_ok((select count(*) from rates), '>=', (select rates from kept), 'no rate that once held');
select aged(401);
select lives_ok($$ select rate_past_expire() $$, 'a newest version that is old');
select is(back((select n from made where name = 'third'), '2040-07-01'), row(0, 0, 0, 2)::counts, 'stays, and one can go back to it');

-- Plain keys beside such whose rates are to be put in order, in one sheet.
delete from rates;
select is(sheet('2050-01-01', false, E'1,0.1,\n2,0.2,\n3,0.3,2050-06-01'), row(3, 0, 0, 0)::counts, 'a deck');
select is(sheet('2050-02-01', true, E'2,0.25,\n2,0.28,2050-03-01\n3,0.3,2050-06-01\n4,0.4,,2050-02-01'), row(1, 2, 1, 1)::counts,
	'each rate is counted once');
select is((select string_agg(history(n::text), ' | ' order by n) from generate_series(1, 4) n),
	'0.1 2050-01-01..2050-02-01 | 0.2 2050-01-01..2050-02-01, 0.25 2050-02-01..2050-03-01, 0.28 2050-03-01.. | 0.3 2050-06-01.. | '
	'0.4 2050-02-01..2050-02-01', 'and stands where it belongs');

-- One rate of a large deck is stored without reading the others.
delete from rates;
insert into rates (deck_id, prefix, price) select deck(), (10000 + n)::text, 0.1 from generate_series(1, 20000) n;
analyze rates;
create function rates_read() returns bigint language sql as $$
	select seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables where relid = 'rates'::regclass
$$;
create temp table before_put as select rates_read() as n;
select put('10500', '0.2');
select cmp_ok(rates_read() - (select n from before_put), '<', 100::bigint, 'a rate among twenty thousand is found by its key');

-- A rate belongs to a deck.
select throws_ok('insert into rates (deck_id, prefix, price) values (0, ''1'', 1)', '23503', null, 'there is no rate without one');
select throws_ok(format('update rates set deck_id = %s where deck_id = %s', deck('other'), deck()), '23503', null, 'it stays there');
select lives_ok(format($$ delete from rate_decks where id = %s $$, deck()), 'a deck goes with its versions');
select is((select (select count(*) from rates) + (select count(*) from rate_past)), 0::bigint, 'its rates, and what they were');

select * from finish();
rollback;
