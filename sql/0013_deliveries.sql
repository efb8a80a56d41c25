-- SPDX-License-Identifier: Apache-2.0
-- 0013: how export files reach partners. A file that is to be sent stands here from the moment its run is finished until it has
-- arrived; whoever sends takes it for a while, so that two do not send it at once.

-- Where a partner's files go: an address sftp://user@host[:port]/directory, or 'command' for the program that the operator
-- names when sending. Null: nowhere.
alter table export_options add column deliver text check (deliver = 'command' or deliver ~ '^sftp://[^@/ ]+@[^@/ ]+(/[^ ]*)?$');

create table export_deliveries (
	run_id bigint not null references export_runs,
	name text not null,
	carrier_id bigint not null,
	attempts integer not null default 0,
	next_try_at timestamptz not null default now(),
	last_error text,
	delivered_at timestamptz,
	primary key (run_id, name)
);
create index export_deliveries_due on export_deliveries (next_try_at) where delivered_at is null;

-- Corrections go where the carrier's sell files go, or else its buy files.
create function export_deliver_to(carrier bigint, file text) returns text language sql stable as $$
	select o.deliver from export_options o
	where o.carrier_id = carrier and o.deliver is not null
		and (o.side = split_part(split_part(file, '-', 3), '.', 1) or split_part(file, '-', 3) like 'rerate.%')
	order by o.side desc limit 1
$$;

-- export_finish - a run's files are on disk and recorded.
create function export_finish(run bigint, by_node text) returns void language sql as $$
	update export_runs set finished_at = clock_timestamp(), node = by_node where id = run and finished_at is null;
	insert into export_deliveries (run_id, name, carrier_id)
	select f.run_id, f.name, c.id from export_files f, lateral (select split_part(f.name, '-', 2)::bigint as id) c
	where f.run_id = run and f.name like 'carrier-%' and export_deliver_to(c.id, f.name) is not null
	on conflict do nothing
$$;

-- export_delivery_take - the next file that is due, taken for an hour: if its sender dies it is tried again then. `to` null: its
-- carrier wants no files any more. No row: nothing is due.
create function export_delivery_take(commands boolean) returns table (run_id bigint, name text, carrier_id bigint, target text, attempts integer)
language sql as $$
	update export_deliveries d set attempts = d.attempts + 1, next_try_at = now() + interval '1 hour'
	where (d.run_id, d.name) = (
		select x.run_id, x.name from export_deliveries x
		where x.delivered_at is null and x.next_try_at <= now()
			and (commands or export_deliver_to(x.carrier_id, x.name) is distinct from 'command')
		order by x.next_try_at, x.run_id, x.name limit 1 for update skip locked)
	returning d.run_id, d.name, d.carrier_id, export_deliver_to(d.carrier_id, d.name), d.attempts
$$;

-- export_delivery_done - problem null: it has arrived. Else it is tried again after 1, 2, 4 minutes and so on, six hours at most.
create function export_delivery_done(run bigint, file text, problem text) returns void language sql as $$
	update export_deliveries d set last_error = problem, delivered_at = case when problem is null then now() end,
		next_try_at = now() + least(interval '1 minute' * 2 ^ (least(d.attempts, 20) - 1), interval '6 hours')
	where d.run_id = run and d.name = file
$$;
