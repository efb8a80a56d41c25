-- SPDX-License-Identifier: Apache-2.0
-- 0011: re-rating. A CDR keeps the amount that it had at its end; what it was corrected to stands here, step by step, each step
-- with its booking in the ledger. The amount that counts is the last step's, or the CDR's without one.

create table rerates (
	id bigint generated always as identity primary key,
	cdr_id uuid not null,
	carrier_id bigint not null references carriers,
	side text not null check (side in ('sell', 'buy')),
	n integer not null,                       -- which correction of this side of the call, from 1
	old_amount numeric(20, 9) not null,
	new_amount numeric(20, 9) not null,
	currency char(3) not null,
	prefix text not null,                     -- the rate that it was corrected by
	price numeric(18, 9) not null,
	billed_s bigint not null,
	actor text not null,
	created_at timestamptz not null default clock_timestamp(),
	arrived bigint not null default pg_current_xact_id()::text::bigint, -- as in cdrs: which export has it
	constraint rerates_step unique (cdr_id, side, n),
	check (old_amount <> new_amount)
);
create index rerates_arrived on rerates using brin (arrived, created_at) with (autosummarize = on, pages_per_range = 32);

-- rate_schedule_open - is one of a schedule's windows open? A window whose `to` is not after its `from` runs past midnight and
-- belongs to the day on which it opens.
create function rate_schedule_open(schedule jsonb, at timestamptz) returns boolean language sql stable as $$
	select exists (
		select from jsonb_array_elements(schedule) w,
			lateral (select at at time zone coalesce(w ->> 'timezone', 'UTC') as local) l,
			lateral (select l.local::time as clock, extract(isodow from l.local)::integer as today,
				extract(isodow from l.local - interval '1 day')::integer as yesterday,
				coalesce(w ->> 'from', '00:00')::time as opens, coalesce(w ->> 'to', '24:00')::time as closes,
				case when jsonb_typeof(w -> 'days') = 'array' then w -> 'days' else '[1, 2, 3, 4, 5, 6, 7]' end as days) t
		where case when t.opens < t.closes
			then t.days @> to_jsonb(t.today) and t.clock >= t.opens and t.clock < t.closes
			else t.days @> to_jsonb(t.today) and t.clock >= t.opens
				or t.days @> to_jsonb(t.yesterday) and t.clock < t.closes end)
$$;

-- rate_at - the rate of a deck that holds for a number at a time, past ones included: the same rule as routing's. The longest
-- prefix with a rate in force; of its rates the longest origin_prefix, then one without; a matching schedule before none.
create function rate_at(deck bigint, called text, calling text, at timestamptz) returns setof rates language sql stable as $$
	select r.* from rates r
	where r.deck_id = deck
		and r.prefix = any (array(select left(called, n) from generate_series(1, least(length(called), 32)) n))
		and r.effective_from <= at and (r.effective_to is null or at < r.effective_to)
		and starts_with(calling, r.origin_prefix)
		and (r.schedule is null or rate_schedule_open(r.schedule, at))
	order by length(r.prefix) desc, length(r.origin_prefix) desc, r.schedule is null, r.id
	limit 1
$$;

-- rerate_open - a cursor `rerate_cdrs` over the answered calls of a carrier on one side, with what rating them anew needs: the
-- deck that its trunk has now, and the amount that counts until now. Amounts in nano-units.
create function rerate_open(carrier bigint, which text, since timestamptz, until timestamptz) returns void language plpgsql as $$
declare
	rerate_cdrs refcursor := 'rerate_cdrs';
begin
	perform set_config('cursor_tuple_fraction', '1', true), set_config('work_mem', '64MB', true);
	open rerate_cdrs no scroll for
		select c.id, c.ingress_trunk_id, c.called_in, coalesce(c.calling_in, ''), coalesce(c.called_out, ''),
			case which when 'sell' then c.sell_prefix else c.buy_prefix end, c.duration_ms, api_time(c.started_at),
			case which when 'sell' then c.sell_currency else c.buy_currency end,
			(coalesce(r.new_amount, case which when 'sell' then c.sell_amount else c.buy_amount end) * 1000000000)::bigint,
			coalesce(c.destination, ''), d.id, d.currency, d.rounding_mode, d.rounding_places, d.duration_rounding,
			d.default_initial, d.default_increment
		from cdrs c
		left join lateral (select x.new_amount from rerates x where x.cdr_id = c.id and x.side = which
			order by x.n desc limit 1) r on true
		left join trunks t on t.id = case which when 'sell' then c.ingress_trunk_id else c.egress_trunk_id end
		left join rate_decks d on d.id = t.rate_deck_id
		where c.started_at >= since and c.started_at < until and c.answered_at is not null
			and case which when 'sell' then c.ingress_carrier_id else c.egress_carrier_id end = carrier
			and case which when 'sell' then c.sell_amount else c.buy_amount end is not null
			and c.called_in is not null
		order by c.started_at, c.id;
end $$;

-- rerate_book - corrections of one side of a carrier's calls, each with its booking: a customer is charged the difference,
-- a vendor credited it.
create function rerate_book(carrier bigint, which text, by text, cdrs uuid[], olds numeric[], news numeric[], prefixes text[],
	prices numeric[], billed bigint[]) returns void language sql as $$
	with corrected as (
		insert into rerates (cdr_id, carrier_id, side, n, old_amount, new_amount, currency, prefix, price, billed_s, actor)
		select x.cdr, carrier, which,
			coalesce((select max(r.n) from rerates r where r.cdr_id = x.cdr and r.side = which), 0) + 1,
			x.old, x.new, (select c.currency from carriers c where c.id = carrier), x.prefix, x.price, x.billed, by
		from unnest(cdrs, olds, news, prefixes, prices, billed) x(cdr, old, new, prefix, price, billed)
		returning cdr_id, new_amount - old_amount as difference
	)
	insert into ledger (carrier_id, amount, kind, cdr_id, note)
	select carrier, case which when 'sell' then -difference else difference end, 'rerate', cdr_id, which from corrected
$$;

-- export_open_rerates - a cursor `export_rerates` over the corrections of a run, as export_open does for CDRs: those booked before
-- its cut-off that its snapshot sees and no earlier run has.
create function export_open_rerates(run bigint) returns void language plpgsql as $$
declare
	me export_runs;
	last export_runs;
	decisive bigint[];
	export_rerates refcursor := 'export_rerates';
begin
	select * into strict me from export_runs where id = run;
	select * into last from export_runs where id < run order by id desc limit 1;
	last.seen_below := coalesce(last.seen_below, 0);
	last.cutoff := coalesce(last.cutoff, '-infinity');
	select coalesce(array_agg(id), '{}') into decisive from export_runs_before(run);
	open export_rerates no scroll for
		select r.carrier_id, r.cdr_id, api_money(r.old_amount), api_money(r.new_amount),
			api_money(r.new_amount - r.old_amount), r.currency
		from rerates r
		where export_takes(me, r.arrived, r.created_at)
			and (r.arrived >= last.seen_below or r.created_at >= last.cutoff)
			and not exists (select from export_runs e where e.id = any (decisive) and export_takes(e, r.arrived, r.created_at))
		order by r.carrier_id, r.id;
end $$;
