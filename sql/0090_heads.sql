-- SPDX-License-Identifier: Apache-2.0
-- 0090: how far each spool's records have come in, written by the COMMIT that brings them. A standby that takes over without the last
-- commits, or a restore, takes it back with them: so the spool learns what to post again. And an archive looks once more whether
-- a day is exported whole, when nothing can come in any more: a late record that came between look and detaching was in no run.

create table cdr_heads (
	chain_id uuid primary key,
	seq bigint not null
);

-- cdr_day_detach - as before; null, and nothing done, if some of the day is in no run whose files are written, though there are runs.
create or replace function cdr_day_detach(day date) returns text language plpgsql as $$
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
	if exists (select from export_runs)
		and not export_has_all(day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC')
	then
		return null;
	end if;
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

-- cdr_exchange - as before, for calls that come in. One that comes back from an archive keeps what it had: a rate that was told later
-- changes no record, nor the files that were written of it.
create or replace function cdr_exchange() returns trigger language plpgsql as $$
begin
	if new.arrived = pg_current_xact_id()::text::bigint then
		select x.rate into new.buy_to_sell_rate from exchange_rates x
		where x."from" = new.buy_currency and x."to" = new.sell_currency and x.effective_from <= new.started_at
		order by x.effective_from desc limit 1;
	end if;
	return new;
end $$;
