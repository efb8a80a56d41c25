-- SPDX-License-Identifier: Apache-2.0
-- 0023: days of CDRs that are old: detached (their tables stay, under other names), then written to a file and dropped.

create table cdr_archives (
	name text primary key,                    -- of the day and its number: 20260131_1
	file text not null,
	rows bigint not null,
	sha256 text not null,
	created_at timestamptz not null default now()
);

-- cdr_days_before - the days that have partitions and are older.
create function cdr_days_before(day date) returns setof date language sql stable as $$
	select d from pg_inherits i join pg_class c on c.oid = i.inhrelid,
	       lateral (select case when c.relname ~ '^cdrs_[0-9]{8}$' then to_date(right(c.relname, 8), 'YYYYMMDD') end as d) x
	 where i.inhparent = 'cdrs'::regclass and d < day order by d
$$;

-- cdr_day_detach - take a day's partitions out and leave anchors for its links. Returns what the tables are called now:
-- cdrs_old_NAME and so on. A record that comes later still finds, or makes, partitions of that day.
create function cdr_day_detach(day date) returns text language plpgsql as $$
declare
	suffix text := to_char(day, 'YYYYMMDD');
	n integer := 1;
	parent text;
begin
	perform pg_advisory_xact_lock(hashtext('tandem cdr partition'));
	perform set_config('lock_timeout', '5s', true);
	while to_regclass(format('cdrs_old_%s_%s', suffix, n)) is not null
	      or exists (select from cdr_archives a where a.name = suffix || '_' || n) loop
		n := n + 1;
	end loop;
	foreach parent in array array['cdrs', 'cdr_attempts', 'cdr_traces'] loop
		execute format('lock table %I in share mode', parent || '_' || suffix);
	end loop;
	execute format('insert into cdr_anchors (chain_id, first_seq, last_seq, last_hash, day)
		select chain_id, min(chain_seq), max(chain_seq), (array_agg(chain_hash order by chain_seq desc))[1], %L
		  from (select chain_id, chain_seq, chain_hash,
		               chain_seq - row_number() over (partition by chain_id order by chain_seq) as run
		          from %I where chain_hash is not null) x
		 group by chain_id, run', day, 'cdrs_' || suffix);
	foreach parent in array array['cdrs', 'cdr_attempts', 'cdr_traces'] loop
		execute format('alter table %I detach partition %I', parent, parent || '_' || suffix);
		execute format('alter table %I rename to %I', parent || '_' || suffix, format('%s_old_%s_%s', parent, suffix, n));
	end loop;
	return suffix || '_' || n;
end $$;

-- cdr_old_names - what is detached and still here.
create function cdr_old_names() returns setof text language sql stable as $$
	select substring(relname from 10) from pg_class
	 where relkind = 'r' and relname ~ '^cdrs_old_[0-9]{8}_[0-9]+$' and relnamespace = current_schema()::regnamespace
	 order by relname
$$;

-- cdr_old_lines - a detached day's calls after this one, in order of their ids, each a JSON object with all that is known.
create function cdr_old_lines(name text, after uuid, most integer) returns table (id uuid, line text)
language plpgsql stable as $$
begin
	return query execute format(
		'select c.id, json_build_object(''cdr'', row_to_json(c),
			''attempts'', (select coalesce(json_agg(a order by a.n), ''[]'') from %I a where a.cdr_id = c.id),
			''trace'', (select t.trace from %I t where t.cdr_id = c.id))::text
		   from %I c where c.id > $1 order by c.id limit $2',
		'cdr_attempts_old_' || name, 'cdr_traces_old_' || name, 'cdrs_old_' || name) using after, most;
end $$;

-- cdr_old_drop - its file is written and safe.
create function cdr_old_drop(name text, file text, rows bigint, sha256 text) returns void language plpgsql as $$
declare
	parent text;
begin
	insert into cdr_archives values (cdr_old_drop.name, cdr_old_drop.file, cdr_old_drop.rows, cdr_old_drop.sha256);
	foreach parent in array array['cdrs', 'cdr_attempts', 'cdr_traces'] loop
		execute format('drop table %I', format('%s_old_%s', parent, name));
	end loop;
end $$;
