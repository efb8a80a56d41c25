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

-- export_has_all - is every CDR of calls that started in a period in some run whose files are written?
create function export_has_all(since timestamptz, until timestamptz) returns boolean language sql stable as $$
	with decisive as materialized (select e from export_runs_before(9223372036854775807) e)
	select not exists (select from export_runs where finished_at is null)
		and not exists (
			select from cdrs c where c.started_at >= since and c.started_at < until
				and not exists (select from decisive d where export_takes(d.e, c.arrived, c.ended_at)))
$$;

-- cdr_days_before - the days that have partitions, are older, and are exported whole, if anything ever was: what left the
-- database could be in no export any more.
create or replace function cdr_days_before(day date) returns setof date language sql stable as $$
	select d from pg_inherits i join pg_class c on c.oid = i.inhrelid,
	       lateral (select to_date(right(c.relname, 8), 'YYYYMMDD') as d) x
	 where i.inhparent = 'cdrs'::regclass and d < day
	   and (not exists (select from export_runs)
	        or export_has_all(d::timestamp at time zone 'UTC', (d + 1)::timestamp at time zone 'UTC'))
	 order by d
$$;
