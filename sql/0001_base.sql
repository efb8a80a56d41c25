-- SPDX-License-Identifier: Apache-2.0
-- 0001: carriers, trunks, rate decks, routing plans, CDRs, ledger, keys, audit.
-- Money and prices are numeric; ids are bigint; times are timestamptz. Limits that are null mean "none".

create table carriers (
	id bigint generated always as identity primary key,
	name text not null constraint carriers_name_unique unique check (name <> ''),
	status text not null default 'active' check (status in ('active', 'suspended')),
	currency char(3) not null check (currency ~ '^[A-Z]{3}$'),
	billing_mode text not null default 'postpaid' check (billing_mode in ('prepaid', 'postpaid')),
	credit_limit numeric(18, 9) check (credit_limit >= 0),
	max_channels integer check (max_channels >= 0),
	max_cps integer check (max_cps >= 0),
	timezone text not null default 'UTC',
	low_balance numeric(18, 9),
	vendor_limit numeric(18, 9) check (vendor_limit >= 0),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	version bigint not null default 1
);

create table rate_decks (
	id bigint generated always as identity primary key,
	name text not null constraint rate_decks_name_unique unique check (name <> ''),
	side text not null check (side in ('sell', 'buy')),
	currency char(3) not null check (currency ~ '^[A-Z]{3}$'),
	rounding_mode text not null default 'half_up' check (rounding_mode in ('half_up', 'up', 'down')),
	rounding_places smallint not null default 6 check (rounding_places between 0 and 8),
	default_initial integer not null default 1 check (default_initial >= 0),
	default_increment integer not null default 1 check (default_increment >= 1),
	duration_rounding text not null default 'up' check (duration_rounding in ('up', 'half_up', 'down')),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	version bigint not null default 1,        -- of this row, for ETag
	rates_version bigint not null default 1   -- of everything that the compiled deck depends on
);

create table rates (
	id bigint generated always as identity primary key,
	deck_id bigint not null references rate_decks on delete cascade,
	prefix text not null check (prefix ~ '^[0-9]{1,32}$'),
	destination text not null default '',
	price numeric(18, 9) not null,
	initial_price numeric(18, 9),             -- null: price
	connect_fee numeric(18, 9) not null default 0,
	initial integer check (initial >= 0),     -- null: the deck's default
	increment integer check (increment >= 1), -- null: the deck's default
	grace integer not null default 0 check (grace >= 0),
	effective_from timestamptz not null default now(),
	effective_to timestamptz,
	blocked boolean not null default false,
	origin_prefix text not null default '' check (origin_prefix ~ '^[0-9]{0,32}$'),
	schedule jsonb,
	version bigint not null default 1,
	check (effective_to is null or effective_to >= effective_from)
);
-- One rate for a prefix, origin and schedule at a time; also serves "all rates of a number's prefixes".
create unique index rates_one_at_a_time on rates
	(deck_id, prefix, origin_prefix, md5(coalesce(schedule::text, '')), effective_from);

create table routing_plans (
	id bigint generated always as identity primary key,
	name text not null constraint routing_plans_name_unique unique check (name <> ''),
	policy text not null default 'lcr' check (policy in ('lcr', 'priority', 'weighted', 'quality', 'balanced')),
	min_margin numeric(18, 9),
	min_margin_percent numeric(18, 9),
	allow_loss boolean not null default false,
	allow_return boolean not null default false,
	max_attempts integer not null default 5 check (max_attempts between 1 and 20),
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	version bigint not null default 1
);

create table trunks (
	id bigint generated always as identity primary key,
	carrier_id bigint not null references carriers,
	name text not null check (name <> ''),
	direction text not null check (direction in ('ingress', 'egress')),
	enabled boolean not null default true,
	max_channels integer check (max_channels >= 0),
	max_cps integer check (max_cps >= 0),
	translations jsonb not null default '[]',
	codecs jsonb not null default '[]',
	media text not null default 'bypass' check (media in ('bypass', 'relay')),
	session_expires integer check (session_expires >= 90),
	max_duration integer check (max_duration >= 1),
	listen text,
	transport text check (transport in ('udp', 'tcp', 'tls')),
	tech_prefix text,
	username text,
	password text,
	rate_deck_id bigint references rate_decks,
	-- ingress
	source_cidrs cidr[] not null default '{}',
	routing_plan_id bigint references routing_plans,
	trust_pai boolean not null default false,
	min_margin numeric(18, 9),
	min_margin_percent numeric(18, 9),
	allow_loss boolean,                       -- null: as the plan says
	hunt_after_media boolean not null default true,
	code_map jsonb not null default '{}',     -- {"503": 480}
	mode text not null default 'b2bua' check (mode in ('b2bua', 'redirect', 'proxy')),
	-- egress
	host text,
	port integer check (port between 1 and 65535),
	register boolean not null default false,
	probe_interval integer not null default 0 check (probe_interval >= 0),
	no_response_timeout integer not null default 4 check (no_response_timeout between 1 and 64),
	progress_timeout integer not null default 15 check (progress_timeout between 1 and 300),
	ring_timeout integer not null default 120 check (ring_timeout between 1 and 3600),
	stop_codes jsonb,                         -- null: the default list
	max_redirects integer not null default 0 check (max_redirects between 0 and 10),
	registered_as bigint references trunks,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	version bigint not null default 1,
	constraint trunks_name_unique unique (carrier_id, name)
);

create table routing_plan_members (
	plan_id bigint not null references routing_plans on delete cascade,
	position integer not null,
	trunk_id bigint not null references trunks,
	priority integer not null default 1,
	weight integer not null default 1 check (weight >= 0),
	prefixes text[] not null default '{}',
	primary key (plan_id, position)
);
create index routing_plan_members_trunk on routing_plan_members (trunk_id);

create table number_lists (
	id bigint generated always as identity primary key,
	name text not null constraint number_lists_name_unique unique check (name <> ''),
	kind text not null check (kind in ('block', 'allow')),
	match text not null check (match in ('called', 'calling')),
	entries text[] not null default '{}',
	trunk_ids bigint[] not null default '{}',
	carrier_ids bigint[] not null default '{}',
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	version bigint not null default 1
);

create table exchange_rates (
	id bigint generated always as identity primary key,
	"from" char(3) not null check ("from" ~ '^[A-Z]{3}$'),
	"to" char(3) not null check ("to" ~ '^[A-Z]{3}$'),
	rate numeric(30, 12) not null check (rate > 0),
	effective_from timestamptz not null default now(),
	created_at timestamptz not null default now(),
	constraint exchange_rates_unique unique ("from", "to", effective_from),
	check ("from" <> "to")
);

-- What changed: the nodes read this every second; NOTIFY only hastens them.
-- 'config' covers carriers, trunks, plans, lists and exchange rates; a deck has its own rates_version.
create table config_version (
	only_row boolean primary key default true check (only_row),
	version bigint not null
);
insert into config_version (version) values (1);

create function config_changed() returns trigger language plpgsql as $$
begin
	update config_version set version = version + 1;
	perform pg_notify('tandem_config', '');
	return null;
end $$;
create trigger config_changed after insert or update or delete on carriers for each statement execute function config_changed();
create trigger config_changed after insert or update or delete on trunks for each statement execute function config_changed();
create trigger config_changed after insert or update or delete on routing_plans for each statement execute function config_changed();
create trigger config_changed after insert or update or delete on routing_plan_members for each statement execute function config_changed();
create trigger config_changed after insert or update or delete on number_lists for each statement execute function config_changed();
create trigger config_changed after insert or update or delete on exchange_rates for each statement execute function config_changed();

create function row_changed() returns trigger language plpgsql as $$
begin
	new.version := old.version + 1;
	new.updated_at := now();
	return new;
end $$;
create trigger row_changed before update on carriers for each row execute function row_changed();
create trigger row_changed before update on trunks for each row execute function row_changed();
create trigger row_changed before update on routing_plans for each row execute function row_changed();
create trigger row_changed before update on number_lists for each row execute function row_changed();

-- A deck's rates_version rises with any change of its rates or its words.
create function deck_row_changed() returns trigger language plpgsql as $$
begin
	if (new.name, new.side, new.currency, new.rounding_mode, new.rounding_places, new.default_initial,
	    new.default_increment, new.duration_rounding)
	   is distinct from
	   (old.name, old.side, old.currency, old.rounding_mode, old.rounding_places, old.default_initial,
	    old.default_increment, old.duration_rounding) then
		new.version := old.version + 1;
		new.updated_at := now();
		new.rates_version := old.rates_version + 1;
	end if;
	if new.rates_version <> old.rates_version then
		perform pg_notify('tandem_deck', new.id::text);
	end if;
	return new;
end $$;
create trigger deck_row_changed before update on rate_decks for each row execute function deck_row_changed();
create function deck_set_changed() returns trigger language plpgsql as $$
begin
	perform pg_notify('tandem_deck', '');
	return null;
end $$;
create trigger deck_set_changed after insert or delete on rate_decks for each statement execute function deck_set_changed();

create function rates_inserted() returns trigger language plpgsql as $$
begin
	update rate_decks set rates_version = rates_version + 1 where id in (select deck_id from new_rows);
	return null;
end $$;
create function rates_updated() returns trigger language plpgsql as $$
begin
	update rate_decks set rates_version = rates_version + 1
	 where id in (select deck_id from new_rows union select deck_id from old_rows);
	return null;
end $$;
create function rates_deleted() returns trigger language plpgsql as $$
begin
	update rate_decks set rates_version = rates_version + 1 where id in (select deck_id from old_rows);
	return null;
end $$;
create trigger rates_inserted after insert on rates referencing new table as new_rows for each statement execute function rates_inserted();
create trigger rates_updated after update on rates referencing new table as new_rows old table as old_rows for each statement execute function rates_updated();
create trigger rates_deleted after delete on rates referencing old table as old_rows for each statement execute function rates_deleted();

-- CDRs. Partitioned by day of started_at; there is no default partition: cdr_partition_make makes what is missing.
create table cdrs (
	id uuid not null,
	node text not null,
	started_at timestamptz not null,
	progress_at timestamptz,
	answered_at timestamptz,
	ended_at timestamptz not null,
	ingress_carrier_id bigint,
	ingress_trunk_id bigint,
	egress_carrier_id bigint,
	egress_trunk_id bigint,
	calling_in text,
	called_in text,
	calling_out text,
	called_out text,
	destination text,
	pdd_ms integer,
	duration_ms bigint not null,
	sip_code integer,
	q850_cause integer,
	disconnect_reason text not null,
	hangup_party text not null,
	attempts integer not null,
	sell_prefix text,
	sell_price numeric(18, 9),
	sell_billed_s bigint,
	sell_amount numeric(20, 9),
	sell_currency char(3),
	buy_prefix text,
	buy_price numeric(18, 9),
	buy_billed_s bigint,
	buy_amount numeric(20, 9),
	buy_currency char(3),
	source_ip inet,
	a_call_id text,
	b_call_id text,
	recovered boolean not null default false,
	lrn text,
	buy_to_sell_rate numeric(30, 12),
	chain_id uuid,
	chain_seq bigint,
	primary key (id, started_at)
) partition by range (started_at);
create index cdrs_started on cdrs (started_at desc, id desc);
create index cdrs_called on cdrs (called_in text_pattern_ops, started_at);
create index cdrs_ingress on cdrs (ingress_carrier_id, started_at);
create index cdrs_egress on cdrs (egress_carrier_id, started_at);

-- One row a B leg. A UUIDv7 begins with its milliseconds, so ranges of cdr_id are days, too.
create table cdr_attempts (
	cdr_id uuid not null,
	n smallint not null,
	trunk_id bigint not null,
	carrier_id bigint not null,
	started_at timestamptz not null,
	progress_at timestamptz,
	answered_at timestamptz,
	ended_at timestamptz,
	sip_code integer,
	reason text not null,
	buy_prefix text,
	buy_price numeric(18, 9),
	b_call_id text,
	primary key (cdr_id, n)
) partition by range (cdr_id);

create table cdr_traces (
	cdr_id uuid not null,
	trace jsonb not null,
	primary key (cdr_id)
) partition by range (cdr_id);

create function uuid_floor(t timestamptz) returns uuid language sql immutable parallel safe as $$
	select (lpad(to_hex((extract(epoch from t) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- The partitions of one day (UTC), made if missing. Safe to call from several sessions at once. A table made apart and then
-- attached takes no lock that readers or writers of the others wait for; `create table ... partition of` would.
create function cdr_partition_make(day date) returns void language plpgsql as $$
declare
	lo timestamptz := day::timestamp at time zone 'UTC';
	hi timestamptz := (day + 1)::timestamp at time zone 'UTC';
	suffix text := to_char(day, 'YYYYMMDD');
	parent text;
begin
	if to_regclass('cdr_traces_' || suffix) is not null then
		return;
	end if;
	perform pg_advisory_xact_lock(hashtext('tandem cdr partition'));
	if to_regclass('cdr_traces_' || suffix) is not null then
		return;
	end if;
	foreach parent in array array['cdrs', 'cdr_attempts', 'cdr_traces'] loop
		execute format('create table %I (like %I including all)', parent || '_' || suffix, parent);
		execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, parent || '_' || suffix,
		               case parent when 'cdrs' then lo::text else uuid_floor(lo)::text end,
		               case parent when 'cdrs' then hi::text else uuid_floor(hi)::text end);
	end loop;
end $$;

create function cdr_partitions_ahead(days integer default 7) returns void language sql as $$
	select cdr_partition_make(((now() at time zone 'UTC')::date + d)) from generate_series(-1, days) d
$$;
select cdr_partitions_ahead();

-- Every booking; the sum is the balance, and only the ledger moves it.
create table ledger (
	id bigint generated always as identity primary key,
	carrier_id bigint not null references carriers,
	amount numeric(20, 9) not null,
	kind text not null check (kind in ('payment', 'charge', 'cost', 'adjustment', 'tax', 'rerate')),
	cdr_id uuid,
	note text,
	created_at timestamptz not null default now()
);
create index ledger_carrier on ledger (carrier_id, created_at desc, id desc);
create table balances (
	carrier_id bigint primary key references carriers on delete cascade,
	balance numeric(20, 9) not null default 0,
	version bigint not null default 0
);

create table api_keys (
	id bigint generated always as identity primary key,
	name text not null constraint api_keys_name_unique unique check (name <> ''),
	role text not null check (role in ('admin', 'provisioning', 'finance', 'readonly')),
	carrier_id bigint references carriers,
	key_hash bytea not null unique,           -- SHA-256 of the key (a key is 256 random bits: no salt needed)
	created_at timestamptz not null default now(),
	last_used_at timestamptz
);

create table audit_log (
	id bigint generated always as identity primary key,
	at timestamptz not null default now(),
	actor text not null,
	action text not null,
	resource text not null,
	resource_id text,
	before jsonb,
	after jsonb
);
create index audit_log_at on audit_log (at desc, id desc);

create table idempotency_keys (
	actor text not null,
	key text not null,
	fingerprint bytea not null,               -- SHA-256 of method, path and body
	status integer,                           -- null: still under way
	location text,
	body text,
	created_at timestamptz not null default now(),
	primary key (actor, key)
);

create table imports (
	id bigint generated always as identity primary key,
	deck_id bigint not null references rate_decks on delete cascade,
	status text not null default 'queued' check (status in ('queued', 'running', 'done', 'failed')),
	dry_run boolean not null default false,
	replace boolean not null default false,
	progress real not null default 0,
	report jsonb,
	actor text not null,
	worker text,                              -- who runs it, with a heartbeat: a dead worker's job is failed
	heartbeat_at timestamptz,
	created_at timestamptz not null default now(),
	finished_at timestamptz
);
