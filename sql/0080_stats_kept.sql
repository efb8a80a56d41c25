-- SPDX-License-Identifier: Apache-2.0
-- 0080: of a day whose calls are archived its figures are all that is left here. 0081 counts anew what is here: those figures are put
-- aside before, as 0031 had them, and 0091 puts them back.

create table stats_kept (
	of_hour boolean not null, -- a row of stats_hours, without destination; false: of stats_days
	at timestamptz not null,
	customer bigint not null, customer_trunk bigint not null, vendor bigint not null, vendor_trunk bigint not null,
	dest text not null, currency text not null,
	calls bigint, answered bigint, effective bigint, talk_ms bigint, sell_billed_s bigint, buy_billed_s bigint,
	revenue numeric, cost numeric, unconverted bigint, b1 bigint, b2 bigint, b3 bigint, b4 bigint, b5 bigint, b6 bigint,
	b7 bigint, b8 bigint, b9 bigint, b10 bigint, b11 bigint, b12 bigint, b13 bigint, b14 bigint, b15 bigint, b16 bigint
);

do $$
declare
	day date;
begin
	if not exists (select from pg_attribute where attrelid = 'stats_hours'::regclass and attname = 'ingress_carrier_id') then
		return; -- 0081 has been
	end if;
	create temp table archived_days on commit drop as
		select to_date(left(n, 8), 'YYYYMMDD') as archived from (select name from cdr_archives union all select cdr_old_names()) x (n) group by 1;
	insert into stats_kept select true, h.* from stats_hours h where (h.at at time zone 'UTC')::date in (select archived from archived_days);
	insert into stats_kept select false, d.* from stats_days d where (d.at at time zone 'UTC')::date in (select archived from archived_days);

	-- Calls of such a day that came late are here, and will be counted anew: what they count is taken off. As 0031 counts,
	-- into tables of the same names before the real ones.
	create temp table stats_hours (like stats_hours including all);
	create temp table stats_days (like stats_days including all);
	create temp table cdrs_late (like cdrs);
	create trigger stats_follow after insert on cdrs_late referencing new table as new_rows
		for each statement execute function stats_follow();
	for day in select archived from archived_days where to_regclass('cdrs_' || to_char(archived, 'YYYYMMDD')) is not null loop
		insert into cdrs_late
			select * from cdrs where started_at >= day::timestamp at time zone 'UTC' and started_at < (day + 1)::timestamp at time zone 'UTC';
	end loop;
	insert into stats_kept select of_hour, at, ingress_carrier_id, ingress_trunk_id, egress_carrier_id, egress_trunk_id, destination, currency,
		-calls, -answered, -effective, -talk_ms, -sell_billed_s, -buy_billed_s, -revenue, -cost, -unconverted, -b1, -b2, -b3,
		-b4, -b5, -b6, -b7, -b8, -b9, -b10, -b11, -b12, -b13, -b14, -b15, -b16
	from (select true as of_hour, * from pg_temp.stats_hours union all select false, * from pg_temp.stats_days) late;
	drop table cdrs_late, pg_temp.stats_hours, pg_temp.stats_days;
end $$;
