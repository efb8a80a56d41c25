-- SPDX-License-Identifier: Apache-2.0
-- 0004: what the REST API shows: one function a resource gives its JSON, one a resource names what does not fit together.
-- Prices are text with 6 to 9 decimals, times are RFC 3339 UTC with milliseconds.

create function api_time(t timestamptz) returns text language sql stable parallel safe as $$
	select to_char(t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
create function api_money(n numeric) returns text language sql immutable parallel safe as $$
	select (case when scale(trim_scale(n)) < 6 then round(n, 6) else trim_scale(n) end)::text
$$;

-- The objects.

create function api_carrier(c carriers) returns json language sql stable as $$
	select row_to_json(x) from (
		select c.id, c.name, c.status, c.currency, c.billing_mode, api_money(c.credit_limit) as credit_limit,
			c.max_channels, c.max_cps, c.timezone, api_money(c.low_balance) as low_balance,
			api_money(c.vendor_limit) as vendor_limit, api_money(b.balance) as balance,
			case when c.billing_mode = 'postpaid' and c.credit_limit is null then null
			     else api_money(b.balance + coalesce(c.credit_limit, 0)) end as available,
			api_time(c.created_at) as created_at, api_time(c.updated_at) as updated_at, c.version
		from (select coalesce((select balance from balances where carrier_id = c.id), 0) as balance) b
	) x
$$;

create function api_trunk(t trunks) returns json language sql stable as $$
	select case t.direction when 'ingress' then (select row_to_json(x) from (
		select t.id, t.carrier_id, t.name, t.direction, t.enabled, t.max_channels, t.max_cps, t.translations, t.codecs,
			t.media, t.session_expires, t.max_duration, t.listen, t.transport, t.tech_prefix, t.username,
			t.rate_deck_id, t.source_cidrs, t.routing_plan_id, t.trust_pai, api_money(t.min_margin) as min_margin,
			api_money(t.min_margin_percent) as min_margin_percent, t.allow_loss, t.hunt_after_media, t.code_map,
			t.mode, api_time(t.created_at) as created_at, api_time(t.updated_at) as updated_at, t.version) x)
	else (select row_to_json(x) from (
		select t.id, t.carrier_id, t.name, t.direction, t.enabled, t.max_channels, t.max_cps, t.translations, t.codecs,
			t.media, t.session_expires, t.max_duration, t.listen, t.transport, t.tech_prefix, t.username,
			t.rate_deck_id, t.host, t.port, t.register, t.probe_interval, t.no_response_timeout, t.progress_timeout,
			t.ring_timeout, t.stop_codes, t.max_redirects, t.registered_as,
			api_time(t.created_at) as created_at, api_time(t.updated_at) as updated_at, t.version) x)
	end
$$;

-- With what is never shown; for the program alone.
create function api_trunk_whole(t trunks) returns json language sql stable as $$
	select (left(api_trunk(t)::text, -1) || ',"password":' || coalesce(to_json(t.password)::text, 'null') || '}')::json
$$;

create function api_rate_deck(d rate_decks) returns json language sql stable as $$
	select row_to_json(x) from (
		select d.id, d.name, d.side, d.currency,
			json_build_object('mode', d.rounding_mode, 'places', d.rounding_places) as rounding,
			d.default_initial, d.default_increment, d.duration_rounding, d.rates_version,
			api_time(d.created_at) as created_at, api_time(d.updated_at) as updated_at, d.version
	) x
$$;

-- One expression over one row, so that it is inlined where it is used: lists of rates are long.
create type api_rate_words as (
	id bigint, deck_id bigint, prefix text, destination text, price text, initial_price text, connect_fee text,
	initial integer, increment integer, grace integer, effective_from text, effective_to text, blocked boolean,
	origin_prefix text, schedule jsonb, version bigint
);
create function api_rate(r rates) returns json language sql stable as $$
	select row_to_json(row(r.id, r.deck_id, r.prefix, r.destination, api_money(r.price), api_money(r.initial_price),
		api_money(r.connect_fee), r.initial, r.increment, r.grace, api_time(r.effective_from),
		api_time(r.effective_to), r.blocked, r.origin_prefix, r.schedule, r.version)::api_rate_words)
$$;

create function api_routing_plan(p routing_plans) returns json language sql stable as $$
	select row_to_json(x) from (
		select p.id, p.name, p.policy, api_money(p.min_margin) as min_margin,
			api_money(p.min_margin_percent) as min_margin_percent, p.allow_loss, p.allow_return, p.max_attempts,
			(select coalesce(json_agg(json_build_object('trunk_id', m.trunk_id, 'priority', m.priority,
				'weight', m.weight, 'prefixes', to_json(m.prefixes)) order by m.position), '[]')
			 from routing_plan_members m where m.plan_id = p.id) as members,
			api_time(p.created_at) as created_at, api_time(p.updated_at) as updated_at, p.version
	) x
$$;

create function api_number_list(l number_lists) returns json language sql stable as $$
	select row_to_json(x) from (
		select l.id, l.name, l.kind, l.match, l.entries, l.trunk_ids, l.carrier_ids,
			api_time(l.created_at) as created_at, api_time(l.updated_at) as updated_at, l.version
	) x
$$;

create function api_exchange_rate(e exchange_rates) returns json language sql stable as $$
	select row_to_json(x) from (
		select e.id, e."from", e."to",
			(case when scale(trim_scale(e.rate)) < 6 then round(e.rate, 6) else trim_scale(e.rate) end)::text as rate,
			api_time(e.effective_from) as effective_from, api_time(e.created_at) as created_at
	) x
$$;

create function api_booking(l ledger) returns json language sql stable as $$
	select row_to_json(x) from (
		select l.id, l.carrier_id, api_money(l.amount) as amount, l.kind, l.cdr_id, l.note,
			api_time(l.created_at) as created_at
	) x
$$;
create function api_payment(l ledger) returns json language sql stable as $$
	select row_to_json(x) from (
		select l.id, l.carrier_id, api_money(l.amount) as amount, l.note, api_time(l.created_at) as created_at
	) x
$$;

create function api_key(k api_keys) returns json language sql stable as $$
	select row_to_json(x) from (
		select k.id, k.name, k.role, k.carrier_id, api_time(k.created_at) as created_at,
			api_time(k.last_used_at) as last_used_at
	) x
$$;

create function api_audit(a audit_log) returns json language sql stable as $$
	select row_to_json(x) from (
		select a.id, api_time(a.at) as at, a.actor, a.action, a.resource, a.resource_id, a.before, a.after
	) x
$$;

create function api_import(i imports) returns json language sql stable as $$
	select row_to_json(x) from (
		select i.id, i.deck_id as rate_deck_id, i.status, round(i.progress::numeric, 3) as progress, i.dry_run, i.replace,
			i.report, api_time(i.created_at) as created_at, api_time(i.finished_at) as finished_at
	) x
$$;

-- A CDR as the operator sees it. One expression over one row, so that it is inlined where it is used.
create type api_cdr_words as (
	id uuid, node text, started_at text, progress_at text, answered_at text, ended_at text,
	ingress_carrier_id bigint, ingress_trunk_id bigint, egress_carrier_id bigint, egress_trunk_id bigint,
	calling_in text, called_in text, calling_out text, called_out text, destination text, pdd_ms bigint,
	duration_ms bigint, sip_code bigint, q850_cause bigint, disconnect_reason text, hangup_party text,
	attempts bigint, sell_prefix text, sell_price text, sell_billed_s bigint, sell_amount text,
	sell_currency text, buy_prefix text, buy_price text, buy_billed_s bigint, buy_amount text, buy_currency text,
	source_ip text, a_call_id text, b_call_id text, recovered boolean, lrn text, buy_to_sell_rate text,
	chain_id uuid, chain_seq bigint
);
create function api_cdr(c cdrs) returns json language sql stable as $$
	select row_to_json(row(
		c.id, c.node, api_time(c.started_at), api_time(c.progress_at), api_time(c.answered_at),
		api_time(c.ended_at), c.ingress_carrier_id, c.ingress_trunk_id, c.egress_carrier_id,
		c.egress_trunk_id, c.calling_in, c.called_in, c.calling_out, c.called_out, c.destination, c.pdd_ms,
		c.duration_ms, c.sip_code, c.q850_cause, c.disconnect_reason, c.hangup_party, c.attempts,
		c.sell_prefix, api_money(c.sell_price), c.sell_billed_s, api_money(c.sell_amount), c.sell_currency,
		c.buy_prefix, api_money(c.buy_price), c.buy_billed_s, api_money(c.buy_amount), c.buy_currency,
		host(c.source_ip), c.a_call_id, c.b_call_id, c.recovered, c.lrn,
		trim_scale(c.buy_to_sell_rate)::text, c.chain_id, c.chain_seq
	)::api_cdr_words)
$$;

-- The same for the carrier `own`: its call as a customer, or else as a vendor.
create function api_cdr_own(c cdrs, own bigint) returns json language sql stable as $$
	select case
	when c.ingress_carrier_id = own then (select row_to_json(x) from (
		select c.id, c.node, api_time(c.started_at) as started_at, api_time(c.progress_at) as progress_at,
			api_time(c.answered_at) as answered_at, api_time(c.ended_at) as ended_at, c.ingress_carrier_id,
			c.ingress_trunk_id, c.calling_in, c.called_in, c.destination, c.pdd_ms, c.duration_ms, c.sip_code,
			c.q850_cause, c.disconnect_reason, c.hangup_party, c.sell_prefix, api_money(c.sell_price) as sell_price,
			c.sell_billed_s, api_money(c.sell_amount) as sell_amount, c.sell_currency,
			host(c.source_ip) as source_ip, c.a_call_id, c.recovered) x)
	when c.egress_carrier_id = own then (select row_to_json(x) from (
		select c.id, c.node, api_time(c.started_at) as started_at, api_time(c.progress_at) as progress_at,
			api_time(c.answered_at) as answered_at, api_time(c.ended_at) as ended_at, c.egress_carrier_id,
			c.egress_trunk_id, c.calling_out, c.called_out, c.destination, c.pdd_ms, c.duration_ms, c.sip_code,
			c.q850_cause, c.disconnect_reason, c.hangup_party, c.attempts, c.buy_prefix,
			api_money(c.buy_price) as buy_price, c.buy_billed_s, api_money(c.buy_amount) as buy_amount,
			c.buy_currency, c.b_call_id, c.recovered) x)
	end
$$;

-- What does not fit together after a write: one row a fault, empty when all is well. Called in the writing transaction,
-- which holds api_lock: two writers cannot make a fault between them that neither sees.

create function api_lock() returns void language sql as $$
	select pg_advisory_xact_lock(hashtext('tandem api configuration'))
$$;

create type api_fault as (field text, message text);

-- Decks that do not suit their trunks, among the trunks, carriers and decks named (null: any).
create function api_deck_faults(trunk bigint, carrier bigint, deck bigint) returns setof api_fault language sql stable as $$
	select case when trunk is not null then 'rate_deck_id' when d.currency <> c.currency then 'currency' else 'side' end,
		case when d.side <> case t.direction when 'ingress' then 'sell' else 'buy' end
		then format('rate deck %s is a %s deck; the %s trunk %s needs a %s deck', d.id, d.side, t.direction, t.name,
			case t.direction when 'ingress' then 'sell' else 'buy' end)
		else format('rate deck %s is in %s, carrier %s of trunk %s in %s', d.id, d.currency, c.id, t.name, c.currency) end
	from trunks t join rate_decks d on d.id = t.rate_deck_id join carriers c on c.id = t.carrier_id
	where (d.side <> case t.direction when 'ingress' then 'sell' else 'buy' end or d.currency <> c.currency)
	  and (trunk is null or t.id = trunk) and (carrier is null or c.id = carrier) and (deck is null or d.id = deck)
	limit 10
$$;

-- Proxy trunks whose calls would need a b2bua, as seen from what was written.
create function api_proxy_faults(trunk bigint, carrier bigint, plan bigint) returns setof api_fault language sql stable as $$
	select case when carrier is not null then 'billing_mode' else 'mode' end,
		format('trunk %s is a proxy, and its carrier is prepaid: the cut-off needs mode b2bua', t.name)
	from trunks t join carriers c on c.id = t.carrier_id
	where t.mode = 'proxy' and c.billing_mode = 'prepaid' and plan is null
	  and (trunk is null or t.id = trunk) and (carrier is null or c.id = carrier)
	union all
	select case when plan is not null then 'members' when v.id = trunk then 'username' else 'mode' end,
		format('trunk %s is a proxy, and vendor trunk %s asks for digest: that needs mode b2bua', t.name, v.name)
	from trunks t join routing_plan_members m on m.plan_id = t.routing_plan_id join trunks v on v.id = m.trunk_id
	where t.mode = 'proxy' and v.username is not null and carrier is null
	  and (trunk is null or trunk in (t.id, v.id)) and (plan is null or m.plan_id = plan)
	limit 10
$$;

create function api_carrier_faults(key bigint) returns setof api_fault language sql stable as $$
	select * from api_deck_faults(null, key, null)
	union all select * from api_proxy_faults(null, key, null)
	union all
	select 'timezone', format('%s is not a time zone', c.timezone) from carriers c
	where c.id = key and c.timezone <> 'UTC' and not exists (select from pg_timezone_names z where z.name = c.timezone)
$$;

create function api_trunk_faults(key bigint) returns setof api_fault language sql stable as $$
	select * from api_deck_faults(key, null, null)
	union all select * from api_proxy_faults(key, null, null)
	union all
	select 'registered_as', format('trunk %s is no ingress trunk with a username: nothing registers there', r.id)
	from trunks t join trunks r on r.id = t.registered_as
	where t.id = key and (r.direction <> 'ingress' or r.username is null)
	union all
	select 'username', format('egress trunk %s takes its address from the registration of this one', e.name)
	from trunks t join trunks e on e.registered_as = t.id where t.id = key and t.username is null
$$;

create function api_rate_deck_faults(key bigint) returns setof api_fault language sql stable as $$
	select * from api_deck_faults(null, null, key)
$$;

create function api_routing_plan_faults(key bigint) returns setof api_fault language sql stable as $$
	select format('members[%s].trunk_id', m.position - 1), format('trunk %s is an ingress trunk; members are egress trunks', t.id)
	from routing_plan_members m join trunks t on t.id = m.trunk_id where m.plan_id = key and t.direction <> 'egress'
	union all
	select format('members[%s].trunk_id', max(m.position) - 1), format('trunk %s is a member twice', m.trunk_id)
	from routing_plan_members m where m.plan_id = key group by m.trunk_id, m.prefixes having count(*) > 1
	union all select * from api_proxy_faults(null, null, key)
$$;

create function api_number_list_faults(key bigint) returns setof api_fault language sql stable as $$
	select format('trunk_ids[%s]', i.n - 1), format('there is no trunk %s', i.id)
	from number_lists l, unnest(l.trunk_ids) with ordinality i(id, n)
	where l.id = key and not exists (select from trunks t where t.id = i.id)
	union all
	select format('carrier_ids[%s]', i.n - 1), format('there is no carrier %s', i.id)
	from number_lists l, unnest(l.carrier_ids) with ordinality i(id, n)
	where l.id = key and not exists (select from carriers c where c.id = i.id)
$$;

create function api_rate_faults(key bigint) returns setof api_fault language sql stable as $$
	select 'effective_to', format('a later rate of this prefix begins at %s', api_time(n.effective_from))
	from rates r join rates n on n.deck_id = r.deck_id and n.prefix = r.prefix and n.origin_prefix = r.origin_prefix
		and n.schedule is not distinct from r.schedule and n.effective_from > r.effective_from
		and (r.effective_to is null or r.effective_to > n.effective_from)
	where r.id = key limit 1
$$;

-- Who still needs an object: one line each, for the 409 of a DELETE.

create function api_carrier_users(key bigint) returns setof text language sql stable as $$
	(select format('trunk %s (%s)', t.id, t.name) from trunks t where t.carrier_id = key order by t.id limit 5)
	union all (select format('API key %s (%s)', k.id, k.name) from api_keys k where k.carrier_id = key order by k.id limit 5)
	union all (select format('number list %s (%s)', l.id, l.name) from number_lists l where key = any (l.carrier_ids) order by l.id limit 5)
	union all (select 'its ledger' where exists (select from ledger b where b.carrier_id = key))
	union all (select 'its CDRs' where exists (select from cdrs c where c.ingress_carrier_id = key)
		or exists (select from cdrs c where c.egress_carrier_id = key))
$$;
create function api_trunk_users(key bigint) returns setof text language sql stable as $$
	(select distinct format('routing plan %s (%s)', p.id, p.name) from routing_plans p
	 join routing_plan_members m on m.plan_id = p.id where m.trunk_id = key limit 5)
	union all (select format('trunk %s (%s)', t.id, t.name) from trunks t where t.registered_as = key order by t.id limit 5)
	union all (select format('number list %s (%s)', l.id, l.name) from number_lists l where key = any (l.trunk_ids) order by l.id limit 5)
$$;
create function api_rate_deck_users(key bigint) returns setof text language sql stable as $$
	select format('trunk %s (%s)', t.id, t.name) from trunks t where t.rate_deck_id = key order by t.id limit 5
$$;
create function api_routing_plan_users(key bigint) returns setof text language sql stable as $$
	select format('trunk %s (%s)', t.id, t.name) from trunks t where t.routing_plan_id = key order by t.id limit 5
$$;

create index trunks_carrier on trunks (carrier_id);
create index trunks_rate_deck on trunks (rate_deck_id);
create index trunks_routing_plan on trunks (routing_plan_id);
create index idempotency_keys_created on idempotency_keys (created_at);
create index imports_open on imports (heartbeat_at) where status in ('queued', 'running');
create index audit_log_resource on audit_log (resource, resource_id, id desc);

-- Create (key null) or rewrite a routing plan; its members are replaced as a whole.
create function api_routing_plan_put(key bigint, object jsonb, out id bigint, out shown json) language plpgsql as $$
declare
	new routing_plans := jsonb_populate_record(null::routing_plans, object);
	plan routing_plans;
begin
	if key is null then
		insert into routing_plans (name, policy, min_margin, min_margin_percent, allow_loss, allow_return, max_attempts)
		values (new.name, new.policy, new.min_margin, new.min_margin_percent, new.allow_loss, new.allow_return,
			new.max_attempts)
		returning * into plan;
	else
		update routing_plans p set name = new.name, policy = new.policy, min_margin = new.min_margin,
			min_margin_percent = new.min_margin_percent, allow_loss = new.allow_loss,
			allow_return = new.allow_return, max_attempts = new.max_attempts
		where p.id = key returning * into plan;
		delete from routing_plan_members m where m.plan_id = key;
	end if;
	insert into routing_plan_members (plan_id, position, trunk_id, priority, weight, prefixes)
	select plan.id, m.position, (m.member ->> 'trunk_id')::bigint, (m.member ->> 'priority')::integer,
		(m.member ->> 'weight')::integer, array(select jsonb_array_elements_text(m.member -> 'prefixes'))
	from jsonb_array_elements(object -> 'members') with ordinality m(member, position);
	id := plan.id;
	shown := api_routing_plan(plan);
end $$;
