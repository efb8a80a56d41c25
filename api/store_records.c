/* SPDX-License-Identifier: Apache-2.0 */
/* The statements of what happens: payments, ledger, keys, audit, imports, CDRs, idempotency. */
#include "api/store.h"

#define STATEMENT(name, params, sql) const struct pg_statement store_##name = {"api_" #name, sql, params}

/* Payments, newest first: filters carrier_id, from, to. */
STATEMENT(payment_list, 6,
	  "select l.id, api_payment(l) from ledger l where l.kind = 'payment' and l.cdr_id is null and ($1::bigint is "
	  "null or l.id < $1) "
	  "and ($3::bigint is null or l.carrier_id = $3) and ($4::bigint is null or l.carrier_id = $4) "
	  "and ($5::timestamptz is null or l.created_at >= $5) and ($6::timestamptz is null or l.created_at < $6) "
	  "order by l.id desc limit $2::integer");
STATEMENT(payment_get, 2,
	  "select api_payment(l) from ledger l where l.id = $1 and l.kind = 'payment' and l.cdr_id is null "
	  "and ($2::bigint is null or l.carrier_id = $2)");
STATEMENT(payment_insert, 1,
	  "insert into ledger (carrier_id, amount, kind, note) select r.carrier_id, r.amount, 'payment', r.note "
	  "from jsonb_populate_record(null::ledger, $1::jsonb) r returning id, api_payment(ledger)");

/* Adjustments by hand (those of a dead node's calls name the call), newest first: filters carrier_id, from, to. */
STATEMENT(adjustment_list, 6,
	  "select l.id, api_payment(l) from ledger l where l.kind = 'adjustment' and l.cdr_id is null and ($1::bigint "
	  "is null or l.id < $1) "
	  "and ($3::bigint is null or l.carrier_id = $3) and ($4::bigint is null or l.carrier_id = $4) "
	  "and ($5::timestamptz is null or l.created_at >= $5) and ($6::timestamptz is null or l.created_at < $6) "
	  "order by l.id desc limit $2::integer");
STATEMENT(adjustment_get, 2,
	  "select api_payment(l) from ledger l where l.id = $1 and l.kind = 'adjustment' and l.cdr_id is null "
	  "and ($2::bigint is null or l.carrier_id = $2)");
STATEMENT(adjustment_insert, 1,
	  "insert into ledger (carrier_id, amount, kind, note) select r.carrier_id, r.amount, 'adjustment', r.note "
	  "from jsonb_populate_record(null::ledger, $1::jsonb) r returning id, api_payment(ledger)");

/* The ledger, newest first: filters carrier_id, kind, cdr_id, from, to. */
STATEMENT(booking_list, 8,
	  "select l.id, api_booking(l) from ledger l where ($1::bigint is null or l.id < $1) "
	  "and ($3::bigint is null or l.carrier_id = $3) and ($4::bigint is null or l.carrier_id = $4) "
	  "and ($5::text is null or l.kind = $5) and ($6::uuid is null or l.cdr_id = $6) "
	  "and ($7::timestamptz is null or l.created_at >= $7) and ($8::timestamptz is null or l.created_at < $8) "
	  "order by l.id desc limit $2::integer");
STATEMENT(booking_get, 2,
	  "select api_booking(l) from ledger l where l.id = $1 and ($2::bigint is null or l.carrier_id = $2)");
STATEMENT(booking_reverse, 1, "select ledger_reverse($1)");

/* Corrections by re-rating, newest first: filters carrier_id, cdr_id, side, from, to. */
STATEMENT(correction_list, 8,
	  "select r.id, api_correction(r) from rerates r where ($1::bigint is null or r.id < $1) "
	  "and ($3::bigint is null or r.carrier_id = $3) and ($4::bigint is null or r.carrier_id = $4) "
	  "and ($5::uuid is null or r.cdr_id = $5) and ($6::text is null or r.side = $6) "
	  "and ($7::timestamptz is null or r.created_at >= $7) and ($8::timestamptz is null or r.created_at < $8) "
	  "order by r.id desc limit $2::integer");
STATEMENT(correction_get, 2,
	  "select api_correction(r) from rerates r where r.id = $1 and ($2::bigint is null or r.carrier_id = $2)");

/* Alerts, newest first: filters carrier_id, kind, standing. */
STATEMENT(alert_list, 6,
	  "select a.id, api_alert(a) from alerts a where ($1::bigint is null or a.id < $1) and $3::bigint is null "
	  "and ($4::bigint is null or a.carrier_id = $4) and ($5::text is null or a.kind = $5) "
	  "and ($6::boolean is null or (a.cleared_at is null) = $6) order by a.id desc limit $2::integer");
STATEMENT(alert_get, 2, "select api_alert(a) from alerts a where a.id = $1 and $2::bigint is null");

/* API keys: filters name, role, carrier_id. */
STATEMENT(key_list, 6,
	  "select k.id, api_key(k) from api_keys k where ($1::bigint is null or k.id > $1) and $3::bigint is null "
	  "and ($4::text is null or k.name = $4) and ($5::text is null or k.role = $5) "
	  "and ($6::bigint is null or k.carrier_id = $6) order by k.id limit $2::integer");
STATEMENT(key_get, 2, "select api_key(k) from api_keys k where k.id = $1 and $2::bigint is null");
STATEMENT(key_lock, 2, "select k.id, api_key(k) from api_keys k where k.id = $1 and $2::bigint is null for update");
STATEMENT(key_insert, 1,
	  "insert into api_keys (name, role, carrier_id, key_hash) "
	  "select r.name, r.role, r.carrier_id, decode($1::jsonb ->> 'key_sha256', 'hex') "
	  "from jsonb_populate_record(null::api_keys, $1::jsonb - 'key_hash') r returning id, api_key(api_keys)");
STATEMENT(keys_gone, 1,
	  "select i from unnest($1::bigint[]) i where not exists (select from api_keys k where k.id = i)");
STATEMENT(key_delete, 1, "delete from api_keys where id = $1");
STATEMENT(key_find, 1, "select id, name, role, carrier_id, key_hash, stale from api_key_find($1)");
STATEMENT(key_used, 1, "update api_keys set last_used_at = now() where id = $1");

/* The audit log, newest first: filters actor, action, resource, resource_id, from, to. */
STATEMENT(audit_list, 9,
	  "select a.id, api_audit(a) from audit_log a where ($1::bigint is null or a.id < $1) and $3::bigint is null "
	  "and ($4::text is null or a.actor = $4) and ($5::text is null or a.action = $5) "
	  "and ($6::text is null or a.resource = $6) and ($7::text is null or a.resource_id = $7) "
	  "and ($8::timestamptz is null or a.at >= $8) and ($9::timestamptz is null or a.at < $9) "
	  "order by a.id desc limit $2::integer");

/* Import jobs, newest first: filters rate_deck_id, status. */
STATEMENT(import_list, 5,
	  "select i.id, api_import(i) from imports i where ($1::bigint is null or i.id < $1) and $3::bigint is null "
	  "and ($4::bigint is null or i.deck_id = $4) and ($5::text is null or i.status = $5) "
	  "order by i.id desc limit $2::integer");
STATEMENT(import_get, 2, "select api_import(i) from imports i where i.id = $1 and $2::bigint is null");
/* What a dry run would change, by prefix: filters kind, prefix_starts, short_notice. Kept for a week. */
STATEMENT(import_change_list, 7,
	  "select c.n, api_import_change(c) from import_changes c "
	  "where c.import_id = $4 and ($1::bigint is null or c.n > $1) and $3::bigint is null "
	  "and ($5::text is null or c.kind = $5) and ($6::text is null or starts_with(c.prefix, $6)) "
	  "and ($7::boolean is null or c.short_notice = $7) "
	  "order by c.n limit $2::integer");
/* What was imported into a deck, newest first. */
STATEMENT(
	rate_version_list, 4,
	"select v.id, json_build_object('id', v.id, 'rate_deck_id', v.deck_id, 'at', api_time(v.at), 'actor', v.actor, "
	"'import_id', v.import_id, 'rolled_back_to', v.rolled_back_to, 'added', v.added, 'changed', v.changed, "
	"'ended', v.ended, 'unchanged', v.unchanged) from rate_versions v "
	"where v.deck_id = $4 and ($1::bigint is null or v.id < $1) and $3::bigint is null "
	"order by v.id desc limit $2::integer");
/* A piece of what is older, first imports first: a table of millions takes longer than a statement may. Ids of imports
 * rise with time, so that nothing but the key is read when there is nothing to remove. All up to a key, and not a list
 * of rows: the plan is kept from when the table was small, and must be good for a large one. */
STATEMENT(import_changes_expire, 0,
	  "delete from import_changes where (import_id, n) <= "
	  "(select p.import_id, p.n from (select c.import_id, c.n from import_changes c where c.import_id <= "
	  "(select max(i.id) from imports i where i.created_at < now() - interval '7 days') "
	  "order by c.import_id, c.n limit 50000) p order by p.import_id desc, p.n desc limit 1)");
STATEMENT(rate_past_expire, 0, "select rate_past_expire()");
STATEMENT(import_insert, 6,
	  "insert into imports (deck_id, dry_run, replace, actor, worker, version_id, heartbeat_at) "
	  "values ($1, $2, $3, $4, $5, $6, now()) returning id, api_import(imports)");
STATEMENT(rate_version_find, 2, "select from rate_versions where deck_id = $1 and id = $2");
/* The worker's own: a job that another has given up as dead stays failed. */
STATEMENT(import_start, 2,
	  "update imports set status = 'running', heartbeat_at = now() "
	  "where id = $1 and worker = $2 and status = 'queued' returning deck_id, dry_run, replace, actor, "
	  "coalesce(version_id, 0)");
STATEMENT(import_progress, 3,
	  "update imports set progress = $3, heartbeat_at = now() where id = $1 and worker = $2 and status = 'running' "
	  "returning id");
STATEMENT(
	import_finish, 4,
	"update imports set status = $3, report = $4::jsonb, progress = case $3 when 'done' then 1 else progress end, "
	"finished_at = now() where id = $1 and worker = $2 and status in ('queued', 'running')");
STATEMENT(import_beat, 1,
	  "update imports set heartbeat_at = now() where worker = $1 and status in ('queued', 'running')");
STATEMENT(import_cancel, 1, "select pg_cancel_backend($1)");
STATEMENT(import_orphans, 1,
	  "update imports set status = 'failed', finished_at = now(), report = jsonb_build_object('added', 0, "
	  "'changed', 0, "
	  "'ended', 0, 'unchanged', 0, 'short_notice', 0, 'rejected', 0, 'errors', "
	  "jsonb_build_array(jsonb_build_object('line', null, "
	  "'reason', "
	  "'the server that ran this import stopped; if the deck''s rates_version has not risen nothing was applied: "
	  "send the file again'))) "
	  "where status in ('queued', 'running') and worker is distinct from $1 and heartbeat_at < now() - interval "
	  "'30 seconds' "
	  "returning id");

/* CDRs, newest first: the cursor is "microseconds:id". Filters from, to, carrier_id, trunk_id, called, calling,
 * called_prefix, sip_code, answered. */
#define CDR_KEY "(extract(epoch from c.started_at) * 1000000)::bigint || ':' || c.id"
#define CDR_PAGE                                                                                                       \
	"($1::text is null or (c.started_at, c.id) < (timestamptz 'epoch' "                                            \
	"+ split_part($1, ':', 1)::bigint * interval '1 microsecond', split_part($1, ':', 2)::uuid)) "                 \
	"and ($4::timestamptz is null or c.started_at >= $4) and ($5::timestamptz is null or c.started_at < $5) "      \
	"and ($11::integer is null or c.sip_code = $11) "                                                              \
	"and ($12::boolean is null or (c.answered_at is not null) = $12) "
#define CDR_ORDER "order by c.started_at desc, c.id desc limit $2::integer"
STATEMENT(cdr_list, 12,
	  "select " CDR_KEY ", api_cdr(c) from cdrs c where $3::bigint is null and " CDR_PAGE
	  "and ($6::bigint is null or c.ingress_carrier_id = $6 or c.egress_carrier_id = $6) "
	  "and ($7::bigint is null or c.ingress_trunk_id = $7 or c.egress_trunk_id = $7) "
	  "and ($8::text is null or c.called_in = $8) and ($9::text is null or c.calling_in = $9) "
	  "and ($10::text is null or c.called_in like $10 || '%' or c.called_in like '+' || $10 || '%') " CDR_ORDER);
/* For a key bound to a carrier ($3): its calls as a customer or else as a vendor, found only by what it may see of
 * them. */
#define CDR_OWN(customers, vendors) "(case when c.ingress_carrier_id = $3 then c." customers " else c." vendors " end)"
STATEMENT(cdr_list_bound, 12,
	  "select " CDR_KEY
	  ", api_cdr_own(c, $3) from cdrs c where (c.ingress_carrier_id = $3::bigint or c.egress_carrier_id = $3) "
	  "and " CDR_PAGE "and ($6::bigint is null or $6 = $3) "
	  "and ($7::bigint is null or " CDR_OWN(
		  "ingress_trunk_id",
		  "egress_trunk_id") " = $7) "
				     "and ($8::text is null or " CDR_OWN(
					     "called_in",
					     "called_out") " = $8) "
							   "and ($9::text is null or " CDR_OWN(
								   "calling_in",
								   "calling_out") " = $9) "
										  "and ($10::text is null or "
										  "ltrim(" CDR_OWN(
											  "called_in",
											  "called_out") ", '+') like "
													"$10 || "
													"'%')"
													" " CDR_ORDER);
STATEMENT(cdr_sides, 1,
	  "select exists (select from trunks where carrier_id = $1 and direction = 'ingress') "
	  "or exists (select from cdrs where ingress_carrier_id = $1), "
	  "exists (select from trunks where carrier_id = $1 and direction = 'egress') "
	  "or exists (select from cdrs where egress_carrier_id = $1)");
/* id, carrier bound to, the millisecond that the id carries and the next one: with these times known when it is
 * planned, one partition of each table is looked at. */
#define CDR_ONE "from cdrs c where c.id = $1 and c.started_at >= $3::timestamptz and c.started_at < $4::timestamptz "
STATEMENT(cdr_get, 4,
	  "select api_cdr(c), (select coalesce(json_agg(api_attempt(a) order by a.n), '[]') from cdr_attempts a "
	  "where a.cdr_id = $1), (select t.trace from cdr_traces t where t.cdr_id = $1) " CDR_ONE
	  "and $2::bigint is null");
STATEMENT(cdr_get_bound, 4,
	  "select api_cdr_own(c, $2) " CDR_ONE "and (c.ingress_carrier_id = $2::bigint or c.egress_carrier_id = $2)");

/* Figures: group_by with commas, by vendors, from, to, carrier, trunk, destination, where the page starts, groups to
 * skip there, limit. */
STATEMENT(stats, 10,
	  "select next, item from stats_read(string_to_array($1, ','), $2::boolean, $3::timestamptz, $4::timestamptz, "
	  "$5::bigint, $6::bigint, $7, $8::bigint, $9::integer, $10::integer)");

/* Idempotency keys: claim gives a row if the key is new; a second claimer waits for the first one's transaction. */
STATEMENT(idempotency_claim, 3,
	  "insert into idempotency_keys (actor, key, fingerprint) values ($1, $2, decode($3, 'hex')) "
	  "on conflict (actor, key) do update set fingerprint = excluded.fingerprint, status = null, location = null, "
	  "body = null, created_at = now() where idempotency_keys.created_at < now() - interval '1 day' returning key");
STATEMENT(idempotency_find, 3,
	  "select encode(fingerprint, 'hex'), status, location, body from idempotency_keys "
	  "where actor = $1 and key = $2 and $3::text is not null and status is not null");
STATEMENT(idempotency_keep, 5,
	  "update idempotency_keys set status = $3::integer, location = $4, body = $5 where actor = $1 and key = $2");
STATEMENT(idempotency_expire, 0, "delete from idempotency_keys where created_at < now() - interval '1 day'");
