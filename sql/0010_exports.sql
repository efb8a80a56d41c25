-- SPDX-License-Identifier: Apache-2.0
-- 0010: exports. Every CDR belongs to exactly one run, without a mark on the CDR and without a row that says so.
--
-- A CDR carries the number of the transaction that stored it (`arrived`). A run keeps a cut-off and the snapshot of the
-- moment when it was claimed: which transactions were over by then. It takes what ended before its cut-off, was
-- stored by a transaction that its snapshot sees, and is in no earlier run. So membership is fixed when the run is claimed:
-- a late arrival is in a transaction that no earlier snapshot sees, and the next run has it.

alter table cdrs add column arrived bigint default 0;
alter table cdrs alter column arrived set default pg_current_xact_id()::text::bigint;
alter table cdrs add constraint cdrs_arrived_known check (arrived is not null); -- no `not null`: staging tables are made like it
-- Rows of one time lie together, so a few bytes for many pages are enough.
create index cdrs_arrived on cdrs using brin (arrived, ended_at) with (autosummarize = on, pages_per_range = 32);

create table export_runs (
	id bigint generated always as identity primary key,
	cutoff timestamptz not null,
	created_at timestamptz not null,
	actor text not null,
	seen_below bigint not null,               -- the snapshot: all transactions below this one are seen,
	seen_end bigint not null,                 -- none from this one on,
	unseen bigint[] not null,                 -- and of those between all but these
	finished_at timestamptz,                  -- null: its files are not written yet, or not for sure
	node text                                 -- who wrote them first
);
create index export_runs_unfinished on export_runs (id) where finished_at is null;

-- How a partner wants its files; without a row: CSV with every column that it may see.
create table export_options (
	carrier_id bigint not null references carriers on delete cascade,
	side text not null check (side in ('sell', 'buy')),
	format text not null default 'csv' check (format in ('csv', 'jsonl')),
	columns text[] check (cardinality(columns) > 0),
	primary key (carrier_id, side)
);

-- What a run's files depend on beside the CDRs, as it was when the run was claimed: they can be written again at any time.
create table export_run_carriers (
	run_id bigint not null references export_runs,
	carrier_id bigint not null,
	currency char(3) not null,
	sell_format text not null,
	sell_columns text[],
	buy_format text not null,
	buy_columns text[],
	primary key (run_id, carrier_id)
);

create table export_files (
	run_id bigint not null references export_runs,
	name text not null,
	rows bigint not null,
	amount numeric(24, 9),                    -- null: a file without amounts, or of several currencies
	currency char(3),
	bytes bigint not null,
	sha256 text not null,
	primary key (run_id, name)
);

-- export_claim - a new run with all that ended before `before` (null: now). One claims at a time.
create function export_claim(before timestamptz, by text) returns bigint language plpgsql as $$
declare
	run export_runs;
begin
	if current_setting('transaction_isolation') <> 'read committed' then
		raise 'an export is claimed in read committed: its snapshot must be taken after the lock';
	end if;
	perform pg_advisory_xact_lock(hashtext('tandem export claim'));
	-- The block is a subtransaction: its number is taken after the snapshot, and is logged. After a crash no number that
	-- this snapshot counts as over is given out again.
	begin
		insert into export_runs (cutoff, created_at, actor, seen_below, seen_end, unseen)
		select coalesce(before, clock_timestamp()), clock_timestamp(), by, pg_snapshot_xmin(s)::text::bigint,
			pg_snapshot_xmax(s)::text::bigint, array(select x::text::bigint from pg_snapshot_xip(s) x)
		from pg_current_snapshot() s
		returning * into run;
	exception when others then
		raise;
	end;
	if exists (select from export_runs e where e.seen_end > run.seen_end) then
		raise 'this database counts its transactions anew, as after a restore from a dump: '
			'exports cannot tell new CDRs from old ones; see the manual, "Exports after a restore"'
			using errcode = 'object_not_in_prerequisite_state';
	end if;
	insert into export_run_carriers
	select run.id, c.id, c.currency, coalesce(s.format, 'csv'), s.columns, coalesce(b.format, 'csv'), b.columns
	from carriers c
	left join export_options s on s.carrier_id = c.id and s.side = 'sell'
	left join export_options b on b.carrier_id = c.id and b.side = 'buy';
	return run.id;
end $$;

-- Of the runs before this one those that still decide something: a later run with the same or a later cut-off has all that
-- an earlier one had.
create function export_runs_before(run bigint) returns setof export_runs language sql stable as $$
	select * from export_runs e
	where e.id < run and not exists (
		select from export_runs l where l.id > e.id and l.id < run and l.cutoff >= e.cutoff)
$$;

create function export_takes(e export_runs, arrived bigint, at timestamptz) returns boolean
language sql immutable parallel safe as $$
	select at < e.cutoff and arrived < e.seen_end and arrived <> all (e.unseen)
$$;

-- export_open - a cursor `export_cdrs` over the CDRs of a run, in the order of their start. Every column as it is written.
create function export_open(run bigint) returns void language plpgsql as $$
declare
	me export_runs;
	last export_runs;                         -- the run before
	newest timestamptz;                       -- no run before has what ended from here on,
	top bigint;                               -- nor what arrived from here on
	decisive bigint[];
	export_cdrs refcursor := 'export_cdrs';
begin
	select * into strict me from export_runs where id = run;
	select * into last from export_runs where id < run order by id desc limit 1;
	last.seen_below := coalesce(last.seen_below, 0);
	last.cutoff := coalesce(last.cutoff, '-infinity');
	select coalesce(max(cutoff), '-infinity'), coalesce(max(seen_end), 0), coalesce(array_agg(id), '{}')
		into newest, top, decisive from export_runs_before(run);

	perform set_config('cursor_tuple_fraction', '1', true), set_config('work_mem', '64MB', true);
	open export_cdrs no scroll for
		select c.id, c.node, api_time(c.started_at), api_time(c.progress_at), api_time(c.answered_at),
			api_time(c.ended_at), c.ingress_carrier_id, c.ingress_trunk_id, c.egress_carrier_id,
			c.egress_trunk_id, c.calling_in, c.called_in, c.calling_out, c.called_out, c.destination, c.pdd_ms,
			c.duration_ms, c.sip_code, c.q850_cause, c.disconnect_reason, c.hangup_party, c.attempts,
			c.sell_prefix, api_money(c.sell_price), c.sell_billed_s, api_money(c.sell_amount), c.sell_currency,
			c.buy_prefix, api_money(c.buy_price), c.buy_billed_s, api_money(c.buy_amount), c.buy_currency,
			host(c.source_ip), c.a_call_id, c.b_call_id, case when c.recovered then 'true' else 'false' end,
			c.lrn, trim_scale(c.buy_to_sell_rate), c.chain_id, c.chain_seq
		from cdrs c
		where c.ended_at < me.cutoff and c.arrived < me.seen_end and c.arrived <> all (me.unseen)
			-- for the index: the run before has all that fails this
			and (c.arrived >= last.seen_below or c.ended_at >= last.cutoff)
			and (c.ended_at >= newest or c.arrived >= top or not exists (
				select from export_runs e where e.id = any (decisive) and export_takes(e, c.arrived, c.ended_at)))
		order by c.started_at, c.id;
end $$;

-- A run as the API and the command line show it.
create function api_export(e export_runs) returns json language sql stable as $$
	select row_to_json(x) from (
		select e.id, api_time(e.cutoff) as cutoff, case when e.finished_at is null then 'running' else 'done' end as status,
			(select coalesce(json_agg(json_build_object('name', f.name, 'rows', f.rows,
				'amount', api_money(f.amount), 'currency', f.currency, 'bytes', f.bytes, 'sha256', f.sha256)
				order by f.name collate "C"), '[]')
			 from export_files f where f.run_id = e.id) as files,
			e.actor, e.node, api_time(e.created_at) as created_at, api_time(e.finished_at) as finished_at
	) x
$$;
