-- SPDX-License-Identifier: Apache-2.0
-- 0086: balances of currencies of small units, and what two sessions or many rows made slow.

-- A balance is a sum without an end, and a booking that takes it past its column is refused with its CDR: a currency of small units came
-- there within months. The scale stays, so no row is written anew.
alter table balances alter column balance type numeric(24, 9);
alter table alerts alter column balance type numeric(24, 9), alter column threshold type numeric(24, 9);

-- The bookings of one call (GET /v1/ledger?cdr_id=) are found without a walk through all. They come about in the order in which calls
-- begin, apart from corrections: some intervals for many pages are enough, and cost a booking nothing.
create index ledger_cdr on ledger using brin (cdr_id uuid_minmax_multi_ops) with (autosummarize = on, pages_per_range = 32);

-- holds_put - as before. Of two nodes that come back at once each took the other for dead, and waited for its row.
create or replace function holds_put(of_owner text, carriers bigint[], micro bigint[]) returns void language sql as $$
	insert into hold_owners (owner, at) values (of_owner, now()) on conflict (owner) do update set at = now();
	insert into holds (owner, carrier_id, held)
	select of_owner, c, m / 1000000.0 from unnest(carriers, micro) x (c, m)
	on conflict (owner, carrier_id) do update set held = excluded.held where holds.held <> excluded.held;
	delete from holds where owner = of_owner and held = 0;
	delete from hold_owners where owner in (
		select o.owner from hold_owners o where o.at < now() - interval '1 minute' for update skip locked);
$$;

-- invoice_open_bookings - as before, with the end of the period worked out once and not for each booking: that, over all that a carrier
-- was ever booked, was most of a draft's time.
create or replace function invoice_open_bookings(i invoices)
returns table (ledger_id bigint, kind text, cdr_id uuid, at timestamptz, amount numeric) language plpgsql stable as $$
declare
	ends timestamptz := (i.to_day + 1)::timestamp at time zone i.timezone;
	beyond uuid := uuid_floor(greatest(ends, timestamptz 'epoch')); -- the ids of calls that start later are not below it
	calls text := case i.side when 'sell' then 'charge' else 'cost' end;
begin
	return query
	select l.id, l.kind, l.cdr_id, case l.kind when 'rerate' then l.created_at else uuid_time(l.cdr_id) end,
		case i.side when 'sell' then -l.amount else l.amount end
	from ledger l
	where l.carrier_id = i.carrier_id
		and (l.kind = calls and l.cdr_id < beyond or l.kind = 'rerate' and l.note = i.side and l.created_at < ends)
		and not exists (select from invoice_bookings b where b.ledger_id = l.id);
end $$;
