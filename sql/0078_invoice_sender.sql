-- SPDX-License-Identifier: Apache-2.0
-- 0078: who sends an invoice. Dated, not edited; what an invoice says of its sender is what was in force when it was issued (of
-- a draft: when it was made), and stays.

create table invoice_senders (
	id bigint generated always as identity primary key,
	name text not null,
	address jsonb not null default '[]', -- lines
	tax_id text not null default '',
	effective_from timestamptz not null,
	created_at timestamptz not null default now(),
	constraint invoice_senders_unique unique (effective_from)
);

alter table invoices add sender jsonb; -- {"name", "address", "tax_id"}; null: none was told

create function invoice_take_sender() returns trigger language plpgsql as $$
begin
	new.sender := (select jsonb_build_object('name', s.name, 'address', s.address, 'tax_id', s.tax_id)
		from invoice_senders s where s.effective_from <= clock_timestamp() order by s.effective_from desc limit 1);
	return new;
end $$;
-- A draft is filled, or becomes issued.
create trigger invoice_take_sender before update on invoices for each row when (old.status = 'draft')
	execute function invoice_take_sender();

create function api_invoice_sender(s invoice_senders) returns json language sql stable as $$
	select row_to_json(x) from (
		select s.id, s.name, s.address, s.tax_id, api_time(s.effective_from) as effective_from,
			api_time(s.created_at) as created_at
	) x
$$;

create or replace function api_invoice(i invoices) returns json language sql stable as $$
	select row_to_json(x) from (
		select i.id, i.carrier_id, (select c.name from carriers c where c.id = i.carrier_id) as carrier, i.sender, i.side, i.status,
			case when i.number is not null then invoice_name(i) end as number, i.from_day as "from", i.to_day as "to", i.timezone,
			i.currency, api_money(i.net) as net, i.taxes, api_money(i.tax) as tax, api_money(i.total) as total, i.note,
			(select coalesce(json_agg(json_build_object('kind', l.kind, 'destination', l.destination, 'calls', l.calls,
				'seconds', l.seconds, 'amount', api_money(l.amount)) order by l.n), '[]')
			 from invoice_lines l where l.invoice_id = i.id) as lines,
			api_time(i.created_at) as created_at, api_time(i.issued_at) as issued_at, api_time(i.voided_at) as voided_at,
			i.version
	) x
$$;
