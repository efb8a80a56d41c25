-- SPDX-License-Identifier: Apache-2.0
-- 0030: the operator's word on a vendor's health, against what the switch observes. Without a row: as observed.

create table vendor_forces (
	id bigint generated always as identity primary key,
	trunk_id bigint not null constraint vendor_forces_trunk_id_unique unique references trunks on delete cascade,
	force text not null check (force in ('up', 'down')),
	note text,
	created_at timestamptz not null default now()
);

create function api_vendor_force(f vendor_forces) returns json language sql stable as $$
	select row_to_json(x) from (
		select f.id, f.trunk_id, f.force, f.note, api_time(f.created_at) as created_at
	) x
$$;
create function api_vendor_force_faults(key bigint) returns setof api_fault language sql stable as $$
	select 'trunk_id', format('trunk %s is an ingress trunk', t.id)
	from vendor_forces f join trunks t on t.id = f.trunk_id where f.id = key and t.direction <> 'egress'
$$;

create trigger config_changed after insert or update or delete on vendor_forces for each statement execute function config_changed();
