-- SPDX-License-Identifier: Apache-2.0
-- 0095: the ledger's other side; what was booked by hand is reversed; and nothing in the ledger is ever edited or removed.

-- Whoever it is, by whatever statement: a booking stays what it was.
create function ledger_kept() returns trigger language plpgsql as $$
begin
	raise 'bookings are neither edited nor removed, but reversed' using errcode = 'integrity_constraint_violation';
end $$;
create trigger ledger_kept before update or delete or truncate on ledger for each statement execute function ledger_kept();

-- ledger_account - which account of our own takes the opposite of what a carrier's account takes by such a booking.
create function ledger_account(kind text, note text) returns text language sql immutable parallel safe as $$
	select case
		when kind = 'payment' then 'bank'
		when kind = 'charge' or kind = 'rerate' and note = 'sell' then 'revenue'
		when kind = 'cost' or kind = 'rerate' and note = 'buy' then 'cost'
		when kind = 'tax' then 'tax'
		else 'adjustment'
	end
$$;

-- Both sides of every booking; the amounts of a booking, and so of any set of bookings, add up to nothing.
create view ledger_entries as
	select l.id as booking_id, l.created_at, l.kind, l.cdr_id, s.account, s.carrier_id, c.currency, s.amount
	from ledger l join carriers c on c.id = l.carrier_id,
		lateral (values ('carrier', l.carrier_id, l.amount), (ledger_account(l.kind, l.note), null, -l.amount)) s(account, carrier_id, amount);

-- Which booking took which back. Each is taken back once.
create table ledger_reversals (
	booking_id bigint primary key references ledger,
	reversal_id bigint not null unique references ledger
);

-- What is booked by hand is found without a walk through all the calls' bookings. Those have a call, and cost nothing here.
create index ledger_by_hand on ledger (kind, id) where cdr_id is null;

-- ledger_reverse - book the opposite of what was booked by hand; the new booking's id. Null: it is not by hand, is a reversal, or
-- is reversed already.
create function ledger_reverse(key bigint) returns bigint language plpgsql as $$
declare
	was ledger;
	made bigint;
begin
	select * into was from ledger l where l.id = key for update;
	if was.id is null or was.kind not in ('payment', 'adjustment') or was.cdr_id is not null
		or exists (select from ledger_reversals r where key in (r.booking_id, r.reversal_id))
	then
		return null;
	end if;
	insert into ledger (carrier_id, amount, kind, note)
	values (was.carrier_id, -was.amount, was.kind, 'reversal of ' || key || coalesce(': ' || was.note, ''))
	returning id into made;
	insert into ledger_reversals (booking_id, reversal_id) values (key, made);
	return made;
end $$;

create or replace function api_booking(l ledger) returns json language sql stable as $$
	select row_to_json(x) from (
		select l.id, l.carrier_id, api_money(l.amount) as amount, l.kind, ledger_account(l.kind, l.note) as account, l.cdr_id, l.note,
			(select r.booking_id from ledger_reversals r where r.reversal_id = l.id) as reverses,
			(select r.reversal_id from ledger_reversals r where r.booking_id = l.id) as reversed_by,
			api_time(l.created_at) as created_at
	) x
$$;
