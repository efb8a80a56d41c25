-- SPDX-License-Identifier: Apache-2.0
-- 0012: invoices. An invoice bills one carrier for one side of its calls: `sell` what it owes for its calls as a customer, `buy`
-- what we owe for its calls as a vendor (a statement, or a self-billed invoice). An issued invoice has a number and claims
-- its bookings in the ledger; a booking is claimed once. A booking belongs to a period by the start of its call, a correction by
-- the time it was booked; one that comes after its period was billed falls into the next invoice.

create table invoice_numbers (
	side text primary key check (side in ('sell', 'buy')),
	last bigint not null default 0
);
insert into invoice_numbers (side) values ('sell'), ('buy');

create table invoices (
	id bigint generated always as identity primary key,
	carrier_id bigint not null constraint invoices_carrier_id_fkey references carriers,
	side text not null default 'sell' check (side in ('sell', 'buy')),
	from_day date not null,                   -- in the time zone, the first day
	to_day date not null,                     -- and the last
	timezone text not null,
	currency char(3) not null,
	status text not null default 'draft' check (status in ('draft', 'issued', 'void')),
	number bigint,                            -- per side, without gaps; null: a draft
	taxes jsonb not null default '[]',        -- [{"name", "percent"}]; once issued with "amount"
	note text,
	net numeric(24, 9),
	tax numeric(24, 9),
	total numeric(24, 9),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	issued_at timestamptz,
	voided_at timestamptz,
	version bigint not null default 1,
	constraint invoices_period check (from_day <= to_day),
	constraint invoices_number unique (side, number),
	check ((number is null) = (status = 'draft'))
);
create index invoices_carrier on invoices (carrier_id, id desc);
create trigger row_changed before update on invoices for each row execute function row_changed();

create table invoice_lines (
	invoice_id bigint not null references invoices on delete cascade,
	n integer not null,
	kind text not null check (kind in ('calls', 'late_calls', 'corrections')),
	destination text not null,
	calls bigint not null,
	seconds bigint not null,                  -- billed; 0 for corrections
	amount numeric(24, 9) not null,
	primary key (invoice_id, n)
);

-- Which booking is on which invoice; void ones have none.
create table invoice_bookings (
	ledger_id bigint primary key references ledger,
	invoice_id bigint not null references invoices
);
create index invoice_bookings_invoice on invoice_bookings (invoice_id);

-- The moment that a UUIDv7 carries.
create function uuid_time(id uuid) returns timestamptz language sql immutable parallel safe as $$
	select timestamptz 'epoch' + ('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint * interval '1 millisecond'
$$;

-- invoice_open_bookings - what an invoice bills if it is issued now: the bookings of its side before the end of its period that are
-- on no invoice. The amount is what the carrier owes (sell) or is owed (buy).
create function invoice_open_bookings(i invoices)
returns table (ledger_id bigint, kind text, cdr_id uuid, at timestamptz, amount numeric) language sql stable as $$
	select l.id, l.kind, l.cdr_id, t.at, case i.side when 'sell' then -l.amount else l.amount end
	from ledger l, lateral (select case l.kind when 'rerate' then l.created_at else uuid_time(l.cdr_id) end as at) t
	where l.carrier_id = i.carrier_id
		and (l.kind = case i.side when 'sell' then 'charge' else 'cost' end or l.kind = 'rerate' and l.note = i.side)
		and t.at < (i.to_day + 1)::timestamp at time zone i.timezone
		and not exists (select from invoice_bookings b where b.ledger_id = l.id)
$$;

-- invoice_fill - lines, net, tax and total of a draft as they would be now.
create function invoice_fill(key bigint) returns void language plpgsql as $$
declare
	i invoices;
	begins timestamptz;
	earliest timestamptz;
	latest timestamptz;
begin
	select * into strict i from invoices where id = key and status = 'draft' for update;
	begins := i.from_day::timestamp at time zone i.timezone;
	if to_regclass('pg_temp.invoice_open') is null then
		create temp table invoice_open (ledger_id bigint, kind text, cdr_id uuid, at timestamptz, amount numeric)
			on commit delete rows;
	end if;
	delete from pg_temp.invoice_open;
	insert into pg_temp.invoice_open select b.* from invoice_open_bookings(i) b;
	analyze pg_temp.invoice_open;
	select min(uuid_time(o.cdr_id)), max(uuid_time(o.cdr_id)) into earliest, latest from pg_temp.invoice_open o;

	delete from invoice_lines where invoice_id = key;
	insert into invoice_lines (invoice_id, n, kind, destination, calls, seconds, amount)
	select key, row_number() over (order by g.kind, g.destination collate "C"), g.kind, g.destination, g.calls, g.seconds, g.amount
	from (
		select case when o.kind = 'rerate' then 'corrections' when o.at < begins then 'late_calls' else 'calls' end as kind,
			coalesce(c.destination, '') as destination, count(*) as calls,
			coalesce(sum(case when o.kind = 'rerate' then 0 when i.side = 'sell' then c.sell_billed_s
				else c.buy_billed_s end), 0)::bigint as seconds,
			sum(o.amount) as amount
		from pg_temp.invoice_open o
		-- the days of these calls only; one whose day is archived has no destination any more, but its amount
		left join cdrs c on c.id = o.cdr_id and c.started_at >= earliest
			and c.started_at < latest + interval '1 millisecond'
		group by 1, 2
	) g;
	update invoices v set net = s.net, tax = x.tax, total = s.net + x.tax, taxes = x.taxes
	from (select coalesce(sum(l.amount), 0) as net from invoice_lines l where l.invoice_id = key) s,
		lateral (
			select coalesce(sum(a.amount), 0) as tax,
				coalesce(jsonb_agg((t.tax - 'amount') || jsonb_build_object('amount', api_money(a.amount)) order by t.n), '[]') as taxes
			from jsonb_array_elements(i.taxes) with ordinality t(tax, n),
				lateral (select round(s.net * (t.tax ->> 'percent')::numeric / 100, 6) as amount) a
		) x
	where v.id = key;
end $$;

-- One works on a carrier's invoices at a time: what is billed does not change between look and claim.
create function invoice_lock(carrier bigint) returns void language sql as $$
	select pg_advisory_xact_lock(hashtext('tandem invoice ' || carrier))
$$;

-- invoice_draft - a new draft, filled. Days are those of the carrier's time zone. For an unknown carrier the row has UTC and ISO 4217's
--   code for no currency, and is never stored: the reference to carriers refuses it, which the API says in words.
create function invoice_draft(carrier bigint, which text, first date, last date, taxes jsonb, note text) returns bigint
language plpgsql as $$
declare
	key bigint;
begin
	perform invoice_lock(carrier);
	insert into invoices (carrier_id, side, from_day, to_day, timezone, currency, taxes, note)
	select carrier, which, first, last, coalesce(max(c.timezone), 'UTC'), coalesce(max(c.currency), 'XXX'), coalesce(taxes, '[]'), note
	from carriers c where c.id = carrier
	returning id into key;
	perform invoice_fill(key);
	return key;
end $$;

create function invoice_name(i invoices) returns text language sql stable as $$
	select case i.side when 'sell' then 'INV' else 'STM' end || lpad(i.number::text, greatest(6, length(i.number::text)), '0')
$$;

-- invoice_tax - book an invoice's taxes, or take them back.
create function invoice_tax(i invoices, sign integer, words text) returns void language sql as $$
	insert into ledger (carrier_id, amount, kind, note)
	select i.carrier_id, sign * case i.side when 'sell' then -1 else 1 end * (t.tax ->> 'amount')::numeric, 'tax',
		words || ' ' || invoice_name(i) || ': ' || (t.tax ->> 'name') || ' ' || (t.tax ->> 'percent') || ' %'
	from jsonb_array_elements(i.taxes) with ordinality t(tax, n)
	where (t.tax ->> 'amount')::numeric <> 0 order by t.n
$$;

-- invoice_issue - fill a draft for the last time, number it, claim its bookings, book its taxes. False: it is no draft.
create function invoice_issue(key bigint) returns boolean language plpgsql as $$
declare
	i invoices;
	claimed numeric;
begin
	perform invoice_lock(v.carrier_id) from invoices v where v.id = key;
	perform from invoices v where v.id = key and v.status = 'draft' for update;
	if not found then
		return false;
	end if;
	perform invoice_fill(key);
	insert into invoice_bookings (ledger_id, invoice_id) select o.ledger_id, key from pg_temp.invoice_open o;
	select * into i from invoices where id = key;
	select coalesce(sum(case i.side when 'sell' then -l.amount else l.amount end), 0) into claimed
	from invoice_bookings b join ledger l on l.id = b.ledger_id where b.invoice_id = key;
	if claimed <> i.net then
		raise 'invoice % adds up to %, its bookings to %', key, i.net, claimed;
	end if;
	-- The counter's row is locked until the commit: a number that is taken back leaves no gap.
	update invoice_numbers n set last = n.last + 1 where n.side = i.side returning n.last into i.number;
	update invoices v set status = 'issued', number = i.number, issued_at = now() where v.id = key returning * into i;
	perform invoice_tax(i, 1, 'invoice');
	return true;
end $$;

-- invoice_void - an issued invoice counts no more: its bookings are free for the next one, its taxes are taken back. It keeps its
-- number and its lines. False: it is not issued.
create function invoice_void(key bigint) returns boolean language plpgsql as $$
declare
	i invoices;
begin
	perform invoice_lock(v.carrier_id) from invoices v where v.id = key;
	update invoices v set status = 'void', voided_at = now() where v.id = key and v.status = 'issued' returning * into i;
	if not found then
		return false;
	end if;
	delete from invoice_bookings b where b.invoice_id = key;
	perform invoice_tax(i, -1, 'void');
	return true;
end $$;

create function api_invoice(i invoices) returns json language sql stable as $$
	select row_to_json(x) from (
		select i.id, i.carrier_id, (select c.name from carriers c where c.id = i.carrier_id) as carrier, i.side, i.status,
			case when i.number is not null then invoice_name(i) end as number, i.from_day as "from", i.to_day as "to", i.timezone,
			i.currency, api_money(i.net) as net, i.taxes, api_money(i.tax) as tax, api_money(i.total) as total, i.note,
			(select coalesce(json_agg(json_build_object('kind', l.kind, 'destination', l.destination, 'calls', l.calls,
				'seconds', l.seconds, 'amount', api_money(l.amount)) order by l.n), '[]')
			 from invoice_lines l where l.invoice_id = i.id) as lines,
			api_time(i.created_at) as created_at, api_time(i.issued_at) as issued_at, api_time(i.voided_at) as voided_at,
			i.version
	) x
$$;

-- What POST /v1/invoices sends, whole and checked.
create function api_invoice_insert(object jsonb, out id bigint, out shown json) language plpgsql as $$
begin
	id := invoice_draft((object ->> 'carrier_id')::bigint, object ->> 'side', (object ->> 'from')::date, (object ->> 'to')::date,
		object -> 'taxes', object ->> 'note');
	select api_invoice(i) into shown from invoices i where i.id = api_invoice_insert.id;
end $$;
