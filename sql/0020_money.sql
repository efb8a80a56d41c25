-- SPDX-License-Identifier: Apache-2.0
-- 0020: money that calls hold. What a call has spent when its node dies is booked at once, provisionally, and reversed
-- by the transaction that stores the call's record.

create table provisional_bookings (
	cdr_id uuid primary key,
	carrier_id bigint not null references carriers,
	amount numeric(20, 9) not null,           -- what the carrier was charged, positive
	node text not null,                       -- the one that died
	created_at timestamptz not null default now(),
	reversed_at timestamptz                   -- null: the record has not come yet
);
create index provisional_bookings_open on provisional_bookings (cdr_id) where reversed_at is null;

-- provisional_book - charge what a dead node's call had spent, unless its record is here or that was done before.
-- Bookers and ingest see each other's whole transactions: one holds the lock alone, the other shares it.
create function provisional_book(call uuid, carrier bigint, spent numeric, of_node text) returns boolean
language plpgsql as $$
declare
	started timestamptz := to_timestamp(('x' || translate(left(call::text, 13), '-', ''))::bit(48)::bigint / 1000.0);
begin
	perform pg_advisory_xact_lock(hashtext('tandem provisional booking'));
	if exists (select from cdrs where id = call and started_at between started - interval '1 s' and started + interval '1 s')
	then
		return false;
	end if;
	insert into provisional_bookings (cdr_id, carrier_id, amount, node) values (call, carrier, spent, of_node)
	on conflict do nothing;
	if not found then
		return false;
	end if;
	insert into ledger (carrier_id, amount, kind, cdr_id, note)
	values (carrier, -spent, 'adjustment', call, 'provisional: node ' || of_node || ' died during the call');
	return true;
end $$;

alter function cdr_ingest() rename to cdr_ingest_rows;

-- cdr_ingest - as before, and what was booked provisionally for these calls is reversed.
create function cdr_ingest() returns bigint language plpgsql as $$
declare
	stored bigint;
begin
	perform pg_advisory_xact_lock_shared(hashtext('tandem provisional booking'));
	stored := cdr_ingest_rows();
	if exists (select from provisional_bookings where reversed_at is null) then
		with reversed as (
			update provisional_bookings p set reversed_at = now()
			  from cdr_stage s
			 where p.cdr_id = s.id and p.reversed_at is null
			returning p.cdr_id, p.carrier_id, p.amount
		)
		insert into ledger (carrier_id, amount, kind, cdr_id, note)
		select carrier_id, amount, 'adjustment', cdr_id, 'provisional booking reversed: the record has come' from reversed;
	end if;
	return stored;
end $$;

-- Nodes read the balances every second; a payment hastens them. Charges and costs do not: they come by thousands.
create function balance_changed() returns trigger language plpgsql as $$
begin
	if exists (select from new_rows where kind not in ('charge', 'cost')) then
		perform pg_notify('tandem_balance', '');
	end if;
	return null;
end $$;
create trigger balance_changed after insert on ledger
	referencing new table as new_rows for each statement execute function balance_changed();
