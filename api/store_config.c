/* SPDX-License-Identifier: Apache-2.0 */
/* The statements of the configuration: carriers, trunks, decks, rates, plans, lists, lengths, exchange rates.
 * resource.h says which parameters each takes and which columns it gives. */
#include "api/store.h"

#define STATEMENT(name, params, sql) const struct pg_statement store_##name = {"api_" #name, sql, params}

/* Carriers: filters name, status, currency. A bound key sees the carrier that it belongs to. */
STATEMENT(carrier_list, 6,
	  "select c.id, api_carrier(c) from carriers c where ($1::bigint is null or c.id > $1) "
	  "and ($3::bigint is null or c.id = $3) and ($4::text is null or c.name = $4) "
	  "and ($5::text is null or c.status = $5) and ($6::text is null or c.currency = $6) order by c.id limit "
	  "$2::integer");
STATEMENT(carrier_get, 2,
	  "select api_carrier(c) from carriers c where c.id = $1 and ($2::bigint is null or c.id = $2)");
STATEMENT(carrier_lock, 2,
	  "select c.id, api_carrier(c) from carriers c where c.id = $1 and $2::bigint is null for update");
STATEMENT(
	carrier_insert, 1,
	"insert into carriers (name, status, currency, billing_mode, credit_limit, max_channels, max_cps, timezone, "
	"low_balance, vendor_limit) select r.name, r.status, r.currency, r.billing_mode, r.credit_limit, "
	"r.max_channels, "
	"r.max_cps, r.timezone, r.low_balance, r.vendor_limit from jsonb_populate_record(null::carriers, $1::jsonb) r "
	"returning id, api_carrier(carriers)");
STATEMENT(
	carrier_update, 2,
	"update carriers c set name = r.name, status = r.status, currency = r.currency, billing_mode = r.billing_mode, "
	"credit_limit = r.credit_limit, max_channels = r.max_channels, max_cps = r.max_cps, timezone = r.timezone, "
	"low_balance = r.low_balance, vendor_limit = r.vendor_limit "
	"from jsonb_populate_record(null::carriers, $2::jsonb) r where c.id = $1 returning c.id, api_carrier(c)");
STATEMENT(carrier_delete, 1, "delete from carriers where id = $1");
STATEMENT(carrier_faults, 1, "select field, message from api_carrier_faults($1)");
STATEMENT(carrier_users, 1, "select api_carrier_users($1)");

/* Trunks: filters carrier_id, direction, name, enabled, rate_deck_id, routing_plan_id. */
STATEMENT(
	trunk_list, 9,
	"select t.id, api_trunk(t) from trunks t where ($1::bigint is null or t.id > $1) "
	"and ($3::bigint is null or t.carrier_id = $3) and ($4::bigint is null or t.carrier_id = $4) "
	"and ($5::text is null or t.direction = $5) and ($6::text is null or t.name = $6) "
	"and ($7::boolean is null or t.enabled = $7) and ($8::bigint is null or t.rate_deck_id = $8) "
	"and ($9::bigint is null or ($3::bigint is null and t.routing_plan_id = $9)) order by t.id limit $2::integer");
STATEMENT(trunk_get, 2,
	  "select api_trunk(t) from trunks t where t.id = $1 and ($2::bigint is null or t.carrier_id = $2)");
#define TRUNK_WHOLE(t) t ".id, api_trunk_whole(" t ")"
STATEMENT(trunk_lock, 2, "select " TRUNK_WHOLE("t") " from trunks t where t.id = $1 and $2::bigint is null for update");
STATEMENT(trunk_insert, 1,
	  "insert into trunks (carrier_id, name, direction, enabled, max_channels, max_cps, translations, codecs, "
	  "identity, "
	  "pass_headers, allow_refer, media, "
	  "session_expires, max_duration, listen, transport, tech_prefix, username, password, rate_deck_id, "
	  "source_cidrs, "
	  "routing_plan_id, trust_pai, min_margin, min_margin_percent, allow_loss, hunt_after_media, code_map, mode, "
	  "host, "
	  "port, register, probe_interval, no_response_timeout, progress_timeout, ring_timeout, stop_codes, "
	  "max_redirects, "
	  "registered_as) select r.carrier_id, r.name, r.direction, r.enabled, r.max_channels, r.max_cps, "
	  "r.translations, "
	  "r.codecs, r.identity, r.pass_headers, r.allow_refer, r.media, r.session_expires, r.max_duration, r.listen, "
	  "r.transport, "
	  "r.tech_prefix, r.username, "
	  "r.password, r.rate_deck_id, r.source_cidrs, r.routing_plan_id, r.trust_pai, r.min_margin, "
	  "r.min_margin_percent, "
	  "r.allow_loss, r.hunt_after_media, r.code_map, r.mode, r.host, r.port, r.register, r.probe_interval, "
	  "r.no_response_timeout, r.progress_timeout, r.ring_timeout, nullif(r.stop_codes, 'null'), r.max_redirects, "
	  "r.registered_as from jsonb_populate_record(null::trunks, $1::jsonb) r returning " TRUNK_WHOLE("trunks"));
STATEMENT(trunk_update, 2,
	  "update trunks t set carrier_id = r.carrier_id, name = r.name, enabled = r.enabled, "
	  "max_channels = r.max_channels, max_cps = r.max_cps, translations = r.translations, codecs = r.codecs, "
	  "identity = r.identity, pass_headers = r.pass_headers, allow_refer = r.allow_refer, "
	  "media = r.media, session_expires = r.session_expires, max_duration = r.max_duration, listen = r.listen, "
	  "transport = r.transport, tech_prefix = r.tech_prefix, username = r.username, password = r.password, "
	  "rate_deck_id = r.rate_deck_id, source_cidrs = r.source_cidrs, routing_plan_id = r.routing_plan_id, "
	  "trust_pai = r.trust_pai, min_margin = r.min_margin, min_margin_percent = r.min_margin_percent, "
	  "allow_loss = r.allow_loss, hunt_after_media = r.hunt_after_media, code_map = r.code_map, mode = r.mode, "
	  "host = r.host, port = r.port, register = r.register, probe_interval = r.probe_interval, "
	  "no_response_timeout = r.no_response_timeout, progress_timeout = r.progress_timeout, "
	  "ring_timeout = r.ring_timeout, stop_codes = nullif(r.stop_codes, 'null'), max_redirects = r.max_redirects, "
	  "registered_as = r.registered_as "
	  "from jsonb_populate_record(null::trunks, $2::jsonb) r where t.id = $1 returning " TRUNK_WHOLE("t"));
STATEMENT(trunk_delete, 1, "delete from trunks where id = $1");
STATEMENT(trunk_faults, 1, "select field, message from api_trunk_faults($1)");
STATEMENT(trunk_users, 1, "select api_trunk_users($1)");

/* Rate decks: filters name, side, currency. A bound key sees the decks of its carrier's trunks. */
#define DECK_BOUND(carrier)                                                                                            \
	"(" carrier                                                                                                    \
	"::bigint is null or exists (select from trunks t where t.rate_deck_id = d.id and t.carrier_id = " carrier     \
	"))"
STATEMENT(deck_list, 6,
	  "select d.id, api_rate_deck(d) from rate_decks d where ($1::bigint is null or d.id > $1) and " DECK_BOUND(
		  "$3") " and ($4::text is null or d.name = $4) and ($5::text is null or d.side = $5) "
			"and ($6::text is null or d.currency = $6) order by d.id limit $2::integer");
STATEMENT(deck_get, 2, "select api_rate_deck(d) from rate_decks d where d.id = $1 and " DECK_BOUND("$2"));
STATEMENT(deck_lock, 2,
	  "select d.id, api_rate_deck(d) from rate_decks d where d.id = $1 and $2::bigint is null for update");
STATEMENT(deck_insert, 1,
	  "insert into rate_decks (name, side, currency, rounding_mode, rounding_places, default_initial, "
	  "default_increment, "
	  "duration_rounding, notice_days) select r.name, r.side, r.currency, $1::jsonb #>> '{rounding,mode}', "
	  "($1::jsonb #>> '{rounding,places}')::smallint, r.default_initial, r.default_increment, r.duration_rounding, "
	  "r.notice_days "
	  "from jsonb_populate_record(null::rate_decks, $1::jsonb) r returning id, api_rate_deck(rate_decks)");
STATEMENT(deck_update, 2,
	  "update rate_decks d set name = r.name, side = r.side, currency = r.currency, "
	  "rounding_mode = $2::jsonb #>> '{rounding,mode}', rounding_places = ($2::jsonb #>> "
	  "'{rounding,places}')::smallint, "
	  "default_initial = r.default_initial, default_increment = r.default_increment, "
	  "duration_rounding = r.duration_rounding, notice_days = r.notice_days from "
	  "jsonb_populate_record(null::rate_decks, $2::jsonb) r "
	  "where d.id = $1 returning d.id, api_rate_deck(d)");
STATEMENT(deck_delete, 1, "delete from rate_decks where id = $1");
STATEMENT(deck_faults, 1, "select field, message from api_rate_deck_faults($1)");
STATEMENT(deck_users, 1, "select api_rate_deck_users($1)");

/* Rates, in the order of the index that keeps them one at a time: the cursor is "prefix:origin:schedule:microseconds".
 * Filters prefix, prefix_starts, number, at, blocked, destination. */
#define RATE_TIMES "coalesce(md5(r.schedule::text), '')"
STATEMENT(rate_list, 10,
	  "select concat_ws(':', r.prefix, r.origin_prefix, " RATE_TIMES
	  ", (extract(epoch from r.effective_from) * 1000000)::bigint), "
	  "api_rate(r) from rates r where r.deck_id = $4 "
	  "and ($1::text is null or (r.prefix, r.origin_prefix, " RATE_TIMES
	  ", r.effective_from) > (split_part($1, ':', 1), "
	  "split_part($1, ':', 2), split_part($1, ':', 3), "
	  "timestamptz 'epoch' + split_part($1, ':', 4)::bigint * interval '1 microsecond')) "
	  "and ($3::bigint is null or exists (select from trunks t where t.rate_deck_id = $4 and t.carrier_id = $3)) "
	  "and ($5::text is null or r.prefix = $5) and ($6::text is null or starts_with(r.prefix, $6)) "
	  "and ($7::text is null or r.prefix = any (array(select left($7, n) from generate_series(1, length($7)) n))) "
	  "and ($8::timestamptz is null or (r.effective_from <= $8 and coalesce(r.effective_to > $8, true))) "
	  "and ($9::boolean is null or r.blocked = $9) and ($10::text is null or r.destination = $10) "
	  "order by r.prefix, r.origin_prefix, " RATE_TIMES ", r.effective_from limit $2::integer");
STATEMENT(rate_get, 3,
	  "select api_rate(r) from rates r where r.id = $1 and r.deck_id = $3 "
	  "and ($2::bigint is null or exists (select from trunks t where t.rate_deck_id = $3 and t.carrier_id = $2))");
STATEMENT(rate_lock, 3, "select r.id, api_rate(r) from rate_locked($3::bigint, $1::bigint) r where $2::bigint is null");
STATEMENT(rate_insert, 2, "select p.id, api_rate(p) from rate_put($2, $1::jsonb) p");
/* What rate_put would change in place: the API calls that a conflict. */
STATEMENT(rate_same, 2,
	  "select from rates r where r.deck_id = $2 and r.prefix = $1::jsonb ->> 'prefix' "
	  "and r.origin_prefix = coalesce($1::jsonb ->> 'origin_prefix', '') "
	  "and " RATE_TIMES " = coalesce(md5(nullif($1::jsonb -> 'schedule', 'null')::text), '') "
	  "and r.effective_from = ($1::jsonb ->> 'effective_from')::timestamptz");
STATEMENT(rate_update, 2,
	  "update rates t set destination = r.destination, price = r.price, initial_price = r.initial_price, "
	  "connect_fee = r.connect_fee, initial = r.initial, increment = r.increment, grace = r.grace, "
	  "effective_to = case when api_time(r.effective_to) is not distinct from api_time(t.effective_to) "
	  "then t.effective_to else r.effective_to end, blocked = r.blocked, version = t.version + 1 "
	  "from jsonb_populate_record(null::rates, $2::jsonb) r where t.id = $1 returning t.id, api_rate(t)");
/* The rate that ended where this one began holds on in its place. */
STATEMENT(rate_delete, 1,
	  "with gone as (delete from rates where id = $1 returning *) "
	  "update rates p set effective_to = g.effective_to, version = p.version + 1 from gone g "
	  "where p.deck_id = g.deck_id and p.prefix = g.prefix and p.origin_prefix = g.origin_prefix "
	  "and p.schedule is not distinct from g.schedule and p.effective_to = g.effective_from");
STATEMENT(rate_faults, 1, "select field, message from api_rate_faults($1)");

/* Routing plans: filters name, policy. */
STATEMENT(plan_list, 5,
	  "select p.id, api_routing_plan(p) from routing_plans p where ($1::bigint is null or p.id > $1) "
	  "and $3::bigint is null and ($4::text is null or p.name = $4) and ($5::text is null or p.policy = $5) "
	  "order by p.id limit $2::integer");
STATEMENT(plan_get, 2, "select api_routing_plan(p) from routing_plans p where p.id = $1 and $2::bigint is null");
STATEMENT(plan_lock, 2,
	  "select p.id, api_routing_plan(p) from routing_plans p where p.id = $1 and $2::bigint is null for update");
STATEMENT(plan_insert, 1, "select id, shown from api_routing_plan_put(null, $1::jsonb)");
STATEMENT(plan_update, 2, "select id, shown from api_routing_plan_put($1, $2::jsonb)");
STATEMENT(plan_delete, 1, "delete from routing_plans where id = $1");
STATEMENT(plan_faults, 1, "select field, message from api_routing_plan_faults($1)");
STATEMENT(plan_users, 1, "select api_routing_plan_users($1)");

/* Number lists: filters name, kind, match. */
STATEMENT(list_list, 6,
	  "select l.id, api_number_list(l) from number_lists l where ($1::bigint is null or l.id > $1) "
	  "and $3::bigint is null and ($4::text is null or l.name = $4) and ($5::text is null or l.kind = $5) "
	  "and ($6::text is null or l.match = $6) order by l.id limit $2::integer");
STATEMENT(list_get, 2, "select api_number_list(l) from number_lists l where l.id = $1 and $2::bigint is null");
STATEMENT(list_lock, 2,
	  "select l.id, api_number_list(l) from number_lists l where l.id = $1 and $2::bigint is null for update");
STATEMENT(list_insert, 1,
	  "insert into number_lists (name, kind, match, entries, trunk_ids, carrier_ids) "
	  "select r.name, r.kind, r.match, r.entries, r.trunk_ids, r.carrier_ids "
	  "from jsonb_populate_record(null::number_lists, $1::jsonb) r returning id, api_number_list(number_lists)");
STATEMENT(list_update, 2,
	  "update number_lists l set name = r.name, kind = r.kind, match = r.match, entries = r.entries, "
	  "trunk_ids = r.trunk_ids, carrier_ids = r.carrier_ids "
	  "from jsonb_populate_record(null::number_lists, $2::jsonb) r where l.id = $1 returning l.id, "
	  "api_number_list(l)");
STATEMENT(list_delete, 1, "delete from number_lists where id = $1");
STATEMENT(list_faults, 1, "select field, message from api_number_list_faults($1)");

/* Number lengths: filter prefix. */
STATEMENT(length_list, 4,
	  "select l.id, api_number_length(l) from number_lengths l where ($1::bigint is null or l.id > $1) "
	  "and $3::bigint is null and ($4::text is null or l.prefix = $4) order by l.id limit $2::integer");
STATEMENT(length_get, 2, "select api_number_length(l) from number_lengths l where l.id = $1 and $2::bigint is null");
STATEMENT(length_lock, 2,
	  "select l.id, api_number_length(l) from number_lengths l where l.id = $1 and $2::bigint is null for update");
STATEMENT(length_insert, 1,
	  "insert into number_lengths (prefix, min_length, max_length, note) "
	  "select r.prefix, r.min_length, r.max_length, r.note "
	  "from jsonb_populate_record(null::number_lengths, $1::jsonb) r "
	  "returning id, api_number_length(number_lengths)");
STATEMENT(length_update, 2,
	  "update number_lengths l set prefix = r.prefix, min_length = r.min_length, max_length = r.max_length, "
	  "note = r.note from jsonb_populate_record(null::number_lengths, $2::jsonb) r where l.id = $1 "
	  "returning l.id, api_number_length(l)");
STATEMENT(length_delete, 1, "delete from number_lengths where id = $1");

/* Exchange rates: filters from, to, at (those in force then). */
STATEMENT(exchange_list, 6,
	  "select e.id, api_exchange_rate(e) from exchange_rates e where ($1::bigint is null or e.id > $1) "
	  "and $3::bigint is null and ($4::text is null or e.\"from\" = $4) and ($5::text is null or e.\"to\" = $5) "
	  "and ($6::timestamptz is null or (e.effective_from <= $6 and not exists (select from exchange_rates l "
	  "where l.\"from\" = e.\"from\" and l.\"to\" = e.\"to\" and l.effective_from <= $6 "
	  "and l.effective_from > e.effective_from))) order by e.id limit $2::integer");
STATEMENT(exchange_get, 2, "select api_exchange_rate(e) from exchange_rates e where e.id = $1 and $2::bigint is null");
STATEMENT(exchange_lock, 2,
	  "select e.id, api_exchange_rate(e) from exchange_rates e where e.id = $1 and $2::bigint is null for update");
STATEMENT(exchange_insert, 1,
	  "insert into exchange_rates (\"from\", \"to\", rate, effective_from) select r.\"from\", r.\"to\", r.rate, "
	  "coalesce(r.effective_from, date_trunc('milliseconds', clock_timestamp())) "
	  "from jsonb_populate_record(null::exchange_rates, $1::jsonb) r returning id, "
	  "api_exchange_rate(exchange_rates)");
STATEMENT(exchange_delete, 1, "delete from exchange_rates where id = $1");

/* The operator's word on vendors' health: filter trunk_id. A key bound to a carrier sees none. */
STATEMENT(force_list, 4,
	  "select f.id, api_vendor_force(f) from vendor_forces f where ($1::bigint is null or f.id > $1) "
	  "and $3::bigint is null and ($4::bigint is null or f.trunk_id = $4) order by f.id limit $2::integer");
STATEMENT(force_get, 2, "select api_vendor_force(f) from vendor_forces f where f.id = $1 and $2::bigint is null");
STATEMENT(force_lock, 2,
	  "select f.id, api_vendor_force(f) from vendor_forces f where f.id = $1 and $2::bigint is null for update");
STATEMENT(force_insert, 1,
	  "insert into vendor_forces (trunk_id, force, note) select r.trunk_id, r.force, r.note "
	  "from jsonb_populate_record(null::vendor_forces, $1::jsonb) r returning id, api_vendor_force(vendor_forces)");
STATEMENT(force_delete, 1, "delete from vendor_forces where id = $1");
STATEMENT(force_faults, 1, "select field, message from api_vendor_force_faults($1)");
