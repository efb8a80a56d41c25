-- SPDX-License-Identifier: Apache-2.0
-- 0024: what calls hold, as the nodes last said, for those who look at a carrier. Nobody decides by it: Redis does.

create unlogged table hold_owners (
	owner text primary key,                   -- NODE/start
	at timestamptz not null
);
create unlogged table holds (
	owner text not null references hold_owners on delete cascade,
	carrier_id bigint not null,
	held numeric(20, 6) not null,
	primary key (owner, carrier_id)
);
create index holds_carrier on holds (carrier_id);

-- holds_put - this owner lives, and these carriers' calls hold so much now (millionths).
create function holds_put(of_owner text, carriers bigint[], micro bigint[]) returns void language sql as $$
	insert into hold_owners (owner, at) values (of_owner, now()) on conflict (owner) do update set at = now();
	insert into holds (owner, carrier_id, held)
	select of_owner, c, m / 1000000.0 from unnest(carriers, micro) x (c, m)
	on conflict (owner, carrier_id) do update set held = excluded.held where holds.held <> excluded.held;
	delete from holds where owner = of_owner and held = 0;
	delete from hold_owners where at < now() - interval '1 minute';
$$;

create or replace function api_carrier(c carriers) returns json language sql stable as $$
	select row_to_json(x) from (
		select c.id, c.name, c.status, c.currency, c.billing_mode, api_money(c.credit_limit) as credit_limit,
			c.max_channels, c.max_cps, c.timezone, api_money(c.low_balance) as low_balance,
			api_money(c.vendor_limit) as vendor_limit, api_money(b.balance) as balance,
			case when c.billing_mode = 'postpaid' and c.credit_limit is null then null
			     else api_money(b.balance + coalesce(c.credit_limit, 0) - b.held) end as available,
			api_time(c.created_at) as created_at, api_time(c.updated_at) as updated_at, c.version
		from (select coalesce((select balance from balances where carrier_id = c.id), 0) as balance,
		             coalesce((select sum(h.held) from holds h join hold_owners o on o.owner = h.owner
		                       where h.carrier_id = c.id and o.at > now() - interval '1 minute'), 0) as held) b
	) x
$$;
