-- SPDX-License-Identifier: Apache-2.0
-- 0055: what the API shows of exports: how a partner wants its files, as objects of their own; and to a partner its own files.

alter table export_options
	add column id bigint generated always as identity,
	add column created_at timestamptz not null default now(),
	add column updated_at timestamptz not null default now(),
	add column version bigint not null default 1,
	add constraint export_options_id unique (id),
	-- no name that a program could take for an option
	add constraint export_options_address check (deliver not like 'sftp://-%' and deliver not like '%@-%');
create trigger row_changed before update on export_options for each row execute function row_changed();

create function api_export_option(o export_options) returns json language sql stable as $$
	select row_to_json(x) from (
		select o.id, o.carrier_id, o.side, o.format, o.columns, o.deliver, api_time(o.created_at) as created_at,
			api_time(o.updated_at) as updated_at, o.version
	) x
$$;

-- Is it a file of this carrier? A partner has no part in manifest.json, which names all of them.
create function export_file_of(name text, carrier bigint) returns boolean language sql immutable parallel safe as $$
	select name like 'carrier-' || carrier || '-%'
$$;

-- A run as the API and the command line show it; bound: with the files of this carrier alone.
drop function api_export(export_runs);
create function api_export(e export_runs, bound bigint default null) returns json language sql stable as $$
	select row_to_json(x) from (
		select e.id, api_time(e.cutoff) as cutoff, case when e.finished_at is null then 'running' else 'done' end as status,
			(select coalesce(json_agg(json_build_object('name', f.name, 'rows', f.rows,
				'amount', api_money(f.amount), 'currency', f.currency, 'bytes', f.bytes, 'sha256', f.sha256,
				'delivered_at', api_time(d.delivered_at), 'delivery_error', case when bound is null then d.last_error end)
				order by f.name collate "C"), '[]')
			 from export_files f left join export_deliveries d on d.run_id = f.run_id and d.name = f.name
			 where f.run_id = e.id and (bound is null or export_file_of(f.name, bound))) as files,
			e.actor, e.node, api_time(e.created_at) as created_at, api_time(e.finished_at) as finished_at
	) x
$$;
