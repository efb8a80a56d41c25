-- SPDX-License-Identifier: Apache-2.0
-- 0030: the operator's word on a vendor's health, against what the switch observes. Without a row: as observed.

create table vendor_forces (
	trunk_id bigint primary key references trunks on delete cascade,
	force text not null check (force in ('up', 'down')),
	created_at timestamptz not null default now()
);
create trigger config_changed after insert or update or delete on vendor_forces for each statement execute function config_changed();
