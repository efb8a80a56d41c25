/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/store.h"

const struct pg_statement cli_key_insert = {
	"cli_key_insert",
	"with made as ("
	" insert into api_keys (name, role, carrier_id, key_hash)"
	" values ($1, $2, $3::bigint, decode($4, 'hex')) returning id, name, role, carrier_id)"
	" insert into audit_log (actor, action, resource, resource_id, after)"
	" select $5, 'create', 'api-keys', id::text, to_jsonb(made) from made",
	5,
};

const struct pg_statement cli_sell_prefixes = {
	"cli_sell_prefixes",
	"select r.prefix from trunks t join rates r on r.deck_id = t.rate_deck_id"
	" where t.id = $1::bigint and t.direction = 'ingress' and not r.blocked and r.effective_from <= now()"
	" and (r.effective_to is null or r.effective_to > now())"
	" group by r.prefix order by md5(r.prefix), r.prefix limit $2::bigint",
	2,
};

const struct pg_statement cli_server = {
	"cli_server",
	"select current_setting('server_version'), pg_is_in_recovery()",
	0,
};

const struct pg_statement cli_role_and_database = {
	"cli_role_and_database",
	"select exists (select from pg_roles where rolname = $1::text),"
	" exists (select from pg_database where datname = $2::text)",
	2,
};

const struct pg_statement cli_role_create_text = {
	"cli_role_create_text",
	"select format('create role %I login', $1::text)"
	" || case when $2::text is null then '' else format(' password %L', $2::text) end",
	2,
};

const struct pg_statement cli_role_password_text = {
	"cli_role_password_text",
	"select format('alter role %I password %L', $1::text, $2::text)",
	2,
};

const struct pg_statement cli_database_create_text = {
	"cli_database_create_text",
	"select format('create database %I owner %I encoding ''UTF8'' template template0', $1::text, $2::text)",
	2,
};

const struct pg_statement cli_admin_keys = {
	"cli_admin_keys",
	"select count(*) from api_keys where role = 'admin' and carrier_id is null",
	0,
};

const struct pg_statement cli_export_audit = {
	"cli_export_audit",
	"insert into audit_log (actor, action, resource, resource_id, after)"
	" values ($1, 'create', 'exports', $2::bigint::text, $3::jsonb)",
	3,
};

const struct pg_statement cli_hangups_audit = {
	"cli_hangups_audit",
	"insert into audit_log (actor, action, resource, resource_id, before)"
	" select $1, 'hangup', 'calls', c ->> 'id', c from jsonb_array_elements($2::jsonb) c",
	2,
};

const struct pg_statement cli_carriers = {
	"cli_carriers",
	"select api_carrier(c) from carriers c where ($1::text is null or c.name = $1) and $2::bigint is null order by "
	"c.id",
	2,
};

const struct pg_statement cli_trunks = {
	"cli_trunks",
	"select api_trunk(t) from trunks t where ($1::text is null or t.name = $1)"
	" and ($2::bigint is null or t.carrier_id = $2) order by t.id",
	2,
};

const struct pg_statement cli_decks = {
	"cli_decks",
	"select api_rate_deck(d) from rate_decks d where ($1::text is null or d.name = $1) and $2::bigint is null"
	" order by d.id",
	2,
};

const struct pg_statement cli_plans = {
	"cli_plans",
	"select api_routing_plan(p) from routing_plans p where ($1::text is null or p.name = $1) and $2::bigint is null"
	" order by p.id",
	2,
};
