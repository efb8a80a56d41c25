/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/log.h"

#define PAGE_ROWS 20000

/* ---- statements ---- */

/* clang-format off */

/* A timestamp as microseconds; an infinite one is none */
#define US(column) "case when isfinite(" column ") then (extract(epoch from " column ") * 1000000)::bigint end"
#define NANO(column) "(" column " * 1000000000)::bigint"

static const struct pg_statement versions = {
	.name = "routing_versions",
	.params = 0,
	.sql =
	"select 0::bigint, version from config_version union all select id, rates_version from rate_decks order by 1",
};

/* `source` says which database this is: a version says nothing about another one, or about a restored copy. */
static const struct pg_statement document = {
	.name = "routing_document",
	.params = 0,
	.sql =
	"select json_build_object("
	" 'format', 1,"
	" 'source', (select system_identifier from pg_control_system())"
	"  || '-' || (select oid from pg_database where datname = current_database())"
	"  || '-' || (select timeline_id from pg_control_checkpoint()),"
	" 'version', (select version from config_version),"
	" 'carriers', (select coalesce(json_agg(json_build_object("
	"   'id', id, 'name', name, 'currency', currency, 'active', status = 'active',"
	"   'prepaid', billing_mode = 'prepaid', 'credit_limit', " NANO("credit_limit") ","
	"   'vendor_limit', " NANO("vendor_limit") ","
	"   'max_channels', max_channels, 'max_cps', max_cps) order by id), '[]') from carriers),"
	" 'trunks', (select coalesce(json_agg(json_build_object("
	"   'id', id, 'carrier_id', carrier_id, 'name', name, 'direction', direction, 'enabled', enabled,"
	"   'max_channels', max_channels, 'max_cps', max_cps, 'translations', translations, 'codecs', codecs,"
	"   'identity', identity, 'pass_headers', pass_headers, 'allow_refer', allow_refer,"
	"   'media', media, 'session_expires', session_expires, 'max_duration', max_duration, 'listen', listen,"
	"   'transport', transport, 'tech_prefix', tech_prefix, 'username', username, 'password', password,"
	"   'rate_deck_id', rate_deck_id, 'source_cidrs', source_cidrs::text[], 'routing_plan_id', routing_plan_id,"
	"   'trust_pai', trust_pai, 'min_margin', " NANO("min_margin") ","
	"   'min_margin_percent', " NANO("min_margin_percent") ", 'allow_loss', allow_loss,"
	"   'hunt_after_media', hunt_after_media, 'code_map', code_map, 'mode', mode, 'host', host, 'port', port,"
	"   'register', register, 'probe_interval', probe_interval, 'no_response_timeout', no_response_timeout,"
	"   'progress_timeout', progress_timeout, 'ring_timeout', ring_timeout, 'stop_codes', stop_codes,"
	"   'max_redirects', max_redirects, 'registered_as', registered_as,"
	"   'forced', (select force from vendor_forces f where f.trunk_id = trunks.id)) order by id), '[]') from trunks),"
	" 'plans', (select coalesce(json_agg(json_build_object("
	"   'id', p.id, 'name', p.name, 'policy', p.policy, 'min_margin', " NANO("p.min_margin") ","
	"   'min_margin_percent', " NANO("p.min_margin_percent") ", 'allow_loss', p.allow_loss,"
	"   'allow_return', p.allow_return, 'max_attempts', p.max_attempts, 'members', m.members) order by p.id), '[]')"
	"  from routing_plans p cross join lateral (select coalesce(json_agg(json_build_object("
	"   'trunk_id', trunk_id, 'priority', priority, 'weight', weight, 'prefixes', prefixes)"
	"   order by position), '[]') as members from routing_plan_members where plan_id = p.id) m),"
	" 'lists', (select coalesce(json_agg(json_build_object("
	"   'name', name, 'kind', kind, 'match', match, 'entries', entries, 'trunk_ids', trunk_ids,"
	"   'carrier_ids', carrier_ids) order by id), '[]') from number_lists),"
	" 'lengths', (select coalesce(json_agg(json_build_object("
	"   'prefix', prefix, 'min', min_length, 'max', max_length) order by id), '[]') from number_lengths),"
	" 'exchange', (select coalesce(json_agg(json_build_object("
	"   'from', \"from\", 'to', \"to\", 'rate', rate::text, 'from_us', " US("effective_from") ")), '[]')"
	"  from exchange_rates)"
	")::text",
};

#define DECK_COLUMNS \
	"id, rates_version, side, currency, rounding_mode, rounding_places, default_initial, default_increment," \
	" duration_rounding"
enum deck_column {
	DECK_ID, DECK_VERSION, DECK_SIDE, DECK_CURRENCY, DECK_ROUNDING, DECK_PLACES, DECK_INITIAL, DECK_INCREMENT,
	DECK_DURATION
};

static const struct pg_statement deck_row = {
	.name = "routing_deck",
	.params = 1,
	.sql = "select " DECK_COLUMNS " from rate_decks where id = $1",
};

static const struct pg_statement deck_rows = {
	.name = "routing_decks",
	.params = 1,
	.sql = "select " DECK_COLUMNS " from rate_decks where id = any($1::bigint[]) order by id",
};

#define RATE_COLUMNS \
	"r.id, r.deck_id, r.prefix, r.destination, r.origin_prefix, " NANO("r.price") ", " NANO("r.initial_price") ", " \
	NANO("r.connect_fee") ", r.initial, r.increment, r.grace, " US("r.effective_from") ", " US("r.effective_to") \
	", r.blocked, r.schedule::text"
enum rate_column {
	RATE_ID, RATE_DECK, RATE_PREFIX, RATE_DESTINATION, RATE_ORIGIN, RATE_PRICE, RATE_INITIAL_PRICE, RATE_FEE,
	RATE_INITIAL, RATE_INCREMENT, RATE_GRACE, RATE_FROM, RATE_TO, RATE_BLOCKED, RATE_SCHEDULE
};

/* A page of a deck, in the order of its index. A rate that has just ended is kept for a day: clocks differ, and a call
 * is looked up at its start. */
static const struct pg_statement deck_page = {
	.name = "routing_deck_page",
	.params = 4,
	.sql =
	"select " RATE_COLUMNS " from rates r where r.deck_id = $1 and r.prefix >= $2"
	" and (r.prefix, r.id) > ($2, $3::bigint)"
	" and (r.effective_to is null or r.effective_to > now() - interval '1 day')"
	" order by r.prefix, r.id limit $4::integer",
};

static const struct pg_statement rates_of_number = {
	.name = "routing_rates_of_number",
	.params = 2,
	.sql =
	"select " RATE_COLUMNS " from rates r where r.deck_id = any($1::bigint[]) and r.prefix = any($2::text[])"
	" order by r.deck_id, r.prefix, r.id",
};

static const struct pg_statement owed = {
	.name = "routing_owed",
	.params = 0,
	.sql =
	/* a balance may be more than we count in: then it is as much as can be */
	"select c.id, " NANO("greatest(-9223372036, least(9223372036, coalesce(b.balance, 0)))")
	" from carriers c left join balances b on b.carrier_id = c.id"
	" where c.vendor_limit is not null",
};

/* clang-format on */

/* ---- versions, document ---- */

static int64_t integer_or(const PGresult *r, int row, int column, int64_t absent)
{
	return PQgetisnull(r, row, column) ? absent : pg_number(r, row, column);
}

int store_versions(struct pg *pg, struct store_version **list, size_t *n, struct status *st)
{
	PGresult *r;
	int err = pg_exec(pg, &versions, NULL, &r, st);
	if (err != 0)
		return err;
	*n = (size_t)PQntuples(r);
	*list = xcalloc(*n + 1, sizeof **list);
	for (size_t i = 0; i < *n; i++)
		(*list)[i] = (struct store_version){pg_number(r, (int)i, 0), pg_number(r, (int)i, 1)};
	PQclear(r);
	return 0;
}

int store_document(struct pg *pg, json_t **out, struct status *st)
{
	PGresult *r;
	json_error_t why;
	int err = pg_exec(pg, &document, NULL, &r, st);
	if (err != 0)
		return err;
	*out = json_loads(PQntuples(r) == 1 ? PQgetvalue(r, 0, 0) : "", 0, &why);
	PQclear(r);
	return *out != NULL ? 0 : status_set(st, -EIO, "the configuration is not readable: %s", why.text);
}

int store_owed(struct pg *pg, struct store_owed **list, size_t *n, struct status *st)
{
	PGresult *r;
	int err = pg_exec(pg, &owed, NULL, &r, st);
	if (err != 0)
		return err;
	*n = (size_t)PQntuples(r);
	*list = xcalloc(*n + 1, sizeof **list);
	for (size_t i = 0; i < *n; i++)
		(*list)[i] = (struct store_owed){pg_number(r, (int)i, 0), {pg_number(r, (int)i, 1)}};
	PQclear(r);
	return 0;
}

int store_listen(struct pg *pg, struct status *st)
{
	return pg_simple(pg, "listen tandem_config; listen tandem_deck", st);
}

/* ---- decks ---- */

struct deck_making {
	struct deck_words words;
	int32_t default_initial, default_increment;
	struct deck_builder *builder;
};

static int choice(const char *text, const char *first, const char *second)
{
	return strcmp(text, first) == 0 ? 0 : strcmp(text, second) == 0 ? 1 : 2;
}

static void making_start(struct deck_making *m, const PGresult *r, int row, uint64_t source)
{
	bool sells = strcmp(PQgetvalue(r, row, DECK_SIDE), "sell") == 0;
	*m = (struct deck_making){
		.words = {.id = pg_number(r, row, DECK_ID),
			  .version = pg_number(r, row, DECK_VERSION),
			  .source = source,
			  .side = sells ? DECK_SELL : DECK_BUY,
			  .rounding = choice(PQgetvalue(r, row, DECK_ROUNDING), "half_up", "up"),
			  .places = (int)pg_number(r, row, DECK_PLACES),
			  .duration_rounding = choice(PQgetvalue(r, row, DECK_DURATION), "up", "half_up")},
		.default_initial = (int32_t)pg_number(r, row, DECK_INITIAL),
		.default_increment = (int32_t)pg_number(r, row, DECK_INCREMENT)};
	snprintf(m->words.currency, sizeof m->words.currency, "%s", PQgetvalue(r, row, DECK_CURRENCY));
	m->builder = deck_builder_new(&m->words);
}

/* A rate that cannot be compiled must neither stop the others nor let a shorter prefix take its place: it is blocked.
 */
static int making_add(struct deck_making *m, const PGresult *r, int row, struct status *st)
{
	struct deck_row rate = {
		.prefix = PQgetvalue(r, row, RATE_PREFIX),
		.destination = PQgetvalue(r, row, RATE_DESTINATION),
		.origin_prefix = PQgetvalue(r, row, RATE_ORIGIN),
		.price_n = pg_number(r, row, RATE_PRICE),
		.initial_price_n = integer_or(r, row, RATE_INITIAL_PRICE, RATE_SAME),
		.connect_fee_n = pg_number(r, row, RATE_FEE),
		.initial_s = (int32_t)integer_or(r, row, RATE_INITIAL, m->default_initial),
		.increment_s = (int32_t)integer_or(r, row, RATE_INCREMENT, m->default_increment),
		.grace_s = (int32_t)pg_number(r, row, RATE_GRACE),
		.effective_from_us = integer_or(r, row, RATE_FROM, 0),
		.effective_to_us = integer_or(r, row, RATE_TO, 0),
		.blocked = PQgetvalue(r, row, RATE_BLOCKED)[0] == 't',
		.schedule = PQgetisnull(r, row, RATE_SCHEDULE) ? NULL : PQgetvalue(r, row, RATE_SCHEDULE),
	};
	struct status why;
	char quoted[300];

	if (deck_builder_add(m->builder, &rate, &why) == 0)
		return 0;
	log_event(LOG_LEVEL_WARN, "rate is not usable and is treated as blocked", "deck=%" PRId64 " rate=%s why=%s",
		  m->words.id, PQgetvalue(r, row, RATE_ID), log_quote(why.text, quoted, sizeof quoted));
	rate.blocked = true;
	rate.schedule = NULL;
	return deck_builder_add(m->builder, &rate, st);
}

static int deck_pages(struct pg *pg, struct deck_making *m, struct status *st)
{
	char id[24], last[24] = "0", prefix[DIGITS_MAX + 1] = "", limit[24];
	const char *params[] = {id, prefix, last, limit};
	int rows = PAGE_ROWS;

	snprintf(id, sizeof id, "%" PRId64, m->words.id);
	snprintf(limit, sizeof limit, "%d", PAGE_ROWS);
	while (rows == PAGE_ROWS) {
		PGresult *r;
		int err = pg_exec(pg, &deck_page, params, &r, st);
		if (err != 0)
			return err;
		rows = PQntuples(r);
		for (int i = 0; i < rows && err == 0; i++)
			err = making_add(m, r, i, st);
		if (rows > 0) {
			snprintf(prefix, sizeof prefix, "%s", PQgetvalue(r, rows - 1, RATE_PREFIX));
			snprintf(last, sizeof last, "%s", PQgetvalue(r, rows - 1, RATE_ID));
		}
		PQclear(r);
		if (err != 0)
			return err;
	}
	return 0;
}

static int deck_read(struct pg *pg, int64_t deck_id, uint64_t source, struct deck **out, struct status *st)
{
	struct deck_making m;
	PGresult *r;
	char id[24];

	snprintf(id, sizeof id, "%" PRId64, deck_id);
	int err = pg_exec(pg, &deck_row, (const char *const[]){id}, &r, st);
	if (err != 0)
		return err;
	if (PQntuples(r) == 0) {
		PQclear(r);
		return status_set(st, -ENOENT, "there is no rate deck %s", id);
	}
	making_start(&m, r, 0, source);
	PQclear(r);
	err = deck_pages(pg, &m, st);
	if (err == 0)
		err = deck_builder_finish(&m.builder, out, st);
	deck_builder_free(&m.builder);
	return err;
}

int store_deck(struct pg *pg, int64_t deck_id, uint64_t source, struct deck **out, struct status *st)
{
	int err = pg_simple(pg, "begin isolation level repeatable read read only", st);
	if (err != 0)
		return err;
	err = deck_read(pg, deck_id, source, out, st);
	struct status why;
	if (pg_simple(pg, err == 0 ? "commit" : "rollback", &why) != 0)
		pg_drop(pg); /* whatever was read was read whole; only the connection is in doubt */
	return err;
}

static void array_put(struct buf *b, const char *item)
{
	buf_puts(b, b->len == 0 ? "{" : ",");
	buf_puts(b, item);
}

static int decks_fill(struct pg *pg, const char *ids, const char *called, struct deck_making *making, size_t n,
		      struct status *st)
{
	struct buf prefixes = {0};
	char prefix[DIGITS_MAX + 1];
	PGresult *r;

	for (size_t len = 1; len <= DIGITS_MAX && called[len - 1] != '\0'; len++) {
		snprintf(prefix, sizeof prefix, "%.*s", (int)len, called);
		array_put(&prefixes, prefix);
	}
	buf_puts(&prefixes, prefixes.len == 0 ? "{}" : "}");
	int err = pg_exec(pg, &rates_of_number, (const char *const[]){ids, prefixes.text}, &r, st);
	buf_free(&prefixes);
	if (err != 0)
		return err;
	for (int row = 0; row < PQntuples(r) && err == 0; row++) {
		int64_t deck_id = pg_number(r, row, RATE_DECK);
		for (size_t i = 0; i < n; i++)
			if (making[i].words.id == deck_id) {
				err = making_add(&making[i], r, row, st);
				break;
			}
	}
	PQclear(r);
	return err;
}

int store_decks_of_number(struct pg *pg, const int64_t *ids, size_t n, const char *called, struct deck ***decks,
			  size_t *n_decks, struct status *st)
{
	struct buf list = {0};
	struct deck_making *making = NULL;
	size_t made = 0;
	char id[24];
	PGresult *r = NULL;

	for (size_t i = 0; i < n; i++) {
		snprintf(id, sizeof id, "%" PRId64, ids[i]);
		array_put(&list, id);
	}
	buf_puts(&list, list.len == 0 ? "{}" : "}");
	*n_decks = 0;
	int err = pg_exec(pg, &deck_rows, (const char *const[]){list.text}, &r, st);
	if (err != 0)
		goto out;
	made = (size_t)PQntuples(r);
	making = xcalloc(made + 1, sizeof *making);
	for (size_t i = 0; i < made; i++)
		making_start(&making[i], r, (int)i, 0);
	PQclear(r);
	err = decks_fill(pg, list.text, called, making, made, st);
	if (err != 0)
		goto out;
	*decks = xcalloc(made + 1, sizeof **decks);
	for (; *n_decks < made && err == 0; *n_decks += err == 0)
		err = deck_builder_finish(&making[*n_decks].builder, &(*decks)[*n_decks], st);
	if (err != 0) {
		while (*n_decks > 0)
			deck_unref(&(*decks)[--*n_decks]);
		free(*decks);
	}
out:
	for (size_t i = 0; i < made; i++)
		deck_builder_free(&making[i].builder);
	free(making);
	buf_free(&list);
	return err;
}
