-- SPDX-License-Identifier: Apache-2.0
-- 0040: what exports and the tamper-evidence chain have to do with each other.

-- The last day that was sealed when a run was claimed: its signed root stands in the run's manifest, the same whenever it is written.
alter table export_runs add column root_day date references cdr_roots (day);

create function export_root_set() returns trigger language plpgsql as $$
begin
	new.root_day := (select max(day) from cdr_roots);
	return new;
end $$;
create trigger export_root_set before insert on export_runs for each row execute function export_root_set();

-- export_has_all - is every CDR of calls that started in a period in some run? Before it is, their partition must stay.
create function export_has_all(since timestamptz, until timestamptz) returns boolean language sql stable as $$
	select not exists (
		select from cdrs c where c.started_at >= since and c.started_at < until
			and not exists (select from export_runs e where export_takes(e, c.arrived, c.ended_at)))
$$;
