-- SPDX-License-Identifier: Apache-2.0
-- 0022: alerts about money. One stands for a carrier and a kind until what it says is no longer so.

create table alerts (
	id bigint generated always as identity primary key,
	carrier_id bigint not null references carriers on delete cascade,
	kind text not null check (kind in ('low_balance', 'vendor_limit')),
	balance numeric(20, 9) not null,          -- when it was raised
	threshold numeric(20, 9) not null,
	raised_at timestamptz not null default now(),
	cleared_at timestamptz,                   -- null: it stands
	mailed_at timestamptz,                    -- sendmail took it
	posted_at timestamptz,                    -- the webhook took it
	tries integer not null default 0,
	try_at timestamptz not null default now(),
	error text                                -- why the last try failed
);
create unique index alerts_one_stands on alerts (carrier_id, kind) where cleared_at is null;
create index alerts_unsent on alerts (try_at) where mailed_at is null or posted_at is null;

-- alerts_update - raise what is due, clear what is over. Safe to call from several sessions at once.
create function alerts_update() returns void language sql as $$
	with now_so as (
		select c.id as carrier_id, 'low_balance' as kind, coalesce(b.balance, 0) as balance, c.low_balance as threshold
		  from carriers c left join balances b on b.carrier_id = c.id
		 where c.low_balance is not null and coalesce(b.balance, 0) < c.low_balance
		union all
		select c.id, 'vendor_limit', b.balance, c.vendor_limit
		  from carriers c join balances b on b.carrier_id = c.id
		 where c.vendor_limit is not null and b.balance > c.vendor_limit
	), cleared as (
		update alerts a set cleared_at = now()
		 where a.cleared_at is null
		   and not exists (select from now_so n where n.carrier_id = a.carrier_id and n.kind = a.kind)
	)
	insert into alerts (carrier_id, kind, balance, threshold)
	select n.carrier_id, n.kind, n.balance, n.threshold from now_so n
	on conflict (carrier_id, kind) where cleared_at is null do nothing
$$;

create function api_alert(a alerts) returns json language sql stable as $$
	select row_to_json(x) from (
		select a.id, a.carrier_id, c.name as carrier_name, a.kind, api_money(a.balance) as balance,
			api_money(a.threshold) as threshold, c.currency, api_time(a.raised_at) as raised_at,
			api_time(a.cleared_at) as cleared_at, api_time(a.mailed_at) as mailed_at, api_time(a.posted_at) as posted_at,
			a.error
		from carriers c where c.id = a.carrier_id
	) x
$$;
