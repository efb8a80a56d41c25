-- SPDX-License-Identifier: Apache-2.0
-- 0079: an archived day comes back: its file is read into the day's partitions again. Nothing is booked or counted a second time: the
-- rows go into the partitions, past what follows an insert into cdrs, and `arrived` says in which exports they are.

alter table cdr_archives add column restored_at timestamptz;

-- The lines of one file; empty at the start of each transaction.
create function cdr_restore_stage_make() returns void language plpgsql as $$
begin
	if to_regclass('pg_temp.cdr_restore_stage') is null then
		create temp table cdr_restore_stage (line json not null) on commit delete rows;
	end if;
end $$;

-- cdr_restore - what is staged is the file `of_name` (20260131_1), with this SHA-256: put it back, in place of the anchors that it left.
-- Returns how many calls came back; 0: they are here already. All of it or nothing. Whoever calls checks the chain before the COMMIT.
create function cdr_restore(of_name text, of_sha256 text) returns bigint language plpgsql as $$
declare
	of_day date := to_date(left(of_name, 8), 'YYYYMMDD');
	kept cdr_archives;
	staged bigint;
	here bigint;
	fitting bigint;
	runs bigint;
begin
	perform pg_advisory_xact_lock(hashtext('tandem cdr restore'));
	select * into kept from cdr_archives where name = of_name;
	if not found then
		raise 'this database has archived nothing under the name %', of_name using errcode = '22023';
	elsif kept.sha256 <> of_sha256 then
		raise 'the file is not what was written: its SHA-256 is %, that of the archive %', of_sha256, kept.sha256 using errcode = '22023';
	end if;
	perform cdr_partition_make(of_day);

	create temp table cdr_restored on commit drop as
		select r.* from pg_temp.cdr_restore_stage s, json_populate_record(null::cdrs, s.line->'cdr') r;
	get diagnostics staged = row_count;
	select count(*) into here from cdr_restored r join cdrs c on c.id = r.id and c.started_at = r.started_at;
	if here = staged then
		return 0;
	elsif here > 0 then
		raise '% of its % calls are here already', here, staged using errcode = '22023';
	end if;

	execute format('insert into %I select r.* from cdr_restored r', 'cdrs_' || to_char(of_day, 'YYYYMMDD'));
	insert into cdr_attempts
		select a.* from pg_temp.cdr_restore_stage s, json_populate_recordset(null::cdr_attempts, s.line->'attempts') a;
	insert into cdr_traces
		select (s.line->'cdr'->>'id')::uuid, (s.line->'trace')::jsonb from pg_temp.cdr_restore_stage s where s.line->>'trace' is not null;

	with links as (
		select chain_id, min(chain_seq) as first_seq, max(chain_seq) as last_seq,
			(array_agg(chain_hash order by chain_seq desc))[1] as last_hash
		  from (select chain_id, chain_seq, chain_hash,
		               chain_seq - row_number() over (partition by chain_id order by chain_seq) as run
		          from cdr_restored where chain_hash is not null) x
		 group by chain_id, run
	), back as (
		delete from cdr_anchors a using links l
		 where (a.chain_id, a.first_seq, a.last_seq, a.last_hash) = (l.chain_id, l.first_seq, l.last_seq, l.last_hash) and a.day = of_day
		returning 1
	)
	select (select count(*) from links), (select count(*) from back) into runs, fitting;
	if runs <> fitting then
		raise 'the chain has no place for them: these calls were archived once more under a higher number, or the anchors were changed'
			using errcode = '22023';
	end if;
	update cdr_archives set restored_at = now() where name = of_name;
	return staged;
end $$;
