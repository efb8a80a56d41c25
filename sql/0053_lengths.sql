-- SPDX-License-Identifier: Apache-2.0
-- 0053: how many digits a destination's numbers have. The rule with the longest prefix of a called number holds for it.

create table number_lengths (
	id bigint generated always as identity primary key,
	prefix text not null constraint number_lengths_prefix_unique unique check (prefix ~ '^[0-9]{1,32}$'),
	min_length integer not null check (min_length between 3 and 32),
	max_length integer not null check (max_length between 3 and 32),
	note text,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	version bigint not null default 1,
	check (min_length <= max_length and length(prefix) <= max_length)
);

create function api_number_length(l number_lengths) returns json language sql stable as $$
	select row_to_json(x) from (
		select l.id, l.prefix, l.min_length, l.max_length, l.note,
			api_time(l.created_at) as created_at, api_time(l.updated_at) as updated_at, l.version
	) x
$$;

create trigger config_changed after insert or update or delete on number_lengths for each statement execute function config_changed();
create trigger row_changed before update on number_lengths for each row execute function row_changed();
