/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/store.h"

#include "billing/cdr_row.h"

const char store_cdr_stage_make[] = "select cdr_stage_make()";
const char store_cdr_partitions_ahead[] = "select cdr_partitions_ahead()";

/* A batch commits in its turn, so this row is the chain's last one: whoever goes on with the chain waits for nobody
 * here. */
const char store_cdr_commit[] =
	"insert into cdr_heads (chain_id, seq) select chain_id, max(chain_seq) from pg_temp.cdr_stage group by 1"
	" on conflict (chain_id) do update set seq = excluded.seq; commit";
const char store_cdr_rollback[] = "rollback";

void store_put_cdr_stage(struct buf *out)
{
	buf_puts(out, "begin; ");
	store_put_cdr_post(out);
}

void store_put_cdr_post(struct buf *out)
{
	buf_puts(out, "copy pg_temp.cdr_stage (");
	cdr_row_put_columns(out);
	buf_puts(out, ", chain_id, chain_seq, chain_hash, trace) from stdin; copy pg_temp.cdr_attempt_stage (");
	cdr_row_put_attempt_columns(out);
	buf_puts(out, ") from stdin; select cdr_ingest()");
}

const struct pg_statement store_deck_find = {
	"billing_deck_find",
	"select id from rate_decks where name = $1 or id::text = $1 order by name = $1 desc limit 1", 1};

const struct pg_statement store_deck_begin = {
	"billing_deck_begin",
	"select (extract(epoch from clock_timestamp()) * 1000000)::bigint, notice_days is not null from rate_decks"
	" where id = $1",
	1};

/* An import lives in one transaction. It may take longer than the statements of the connection's other users. */
const char store_rate_stage_begin[] = "begin; set local statement_timeout = 0; select rate_stage_make()";
const char store_rate_stage_copy[] = "copy pg_temp.rate_stage (line, prefix, destination, price, initial_price, "
				     "connect_fee, initial, increment, grace,"
				     " effective_from, effective_to, blocked, origin_prefix, schedule) from stdin";

const struct pg_statement store_rate_deck_lock = {"billing_rate_deck_lock",
						  "select from rate_decks where id = $1 for update", 1};

const struct pg_statement store_rate_repeats = {
	"billing_rate_repeats",
	"select line, first_line, count(*) over (), prefix from rate_stage_repeats() order by line limit 1000", 0};

const struct pg_statement store_rates_apply = {
	"billing_rates_apply",
	"select added, changed, ended, unchanged"
	" from rates_apply($1, date_trunc('milliseconds', clock_timestamp()), $2)",
	2};

const struct pg_statement store_rates_compare = {
	"billing_rates_compare",
	"select rates_compare(nullif($1::bigint, 0), $2, date_trunc('milliseconds', clock_timestamp()), $3)", 3};

const struct pg_statement store_import_audit = {
	"billing_import_audit",
	"with version as (insert into rate_versions (deck_id, actor, import_id, added, changed, ended, unchanged)"
	" values ($2::text::bigint, $1, nullif($8::bigint, 0), $4::bigint, $5::bigint, $6::bigint, $7::bigint) "
	"returning id)"
	" insert into audit_log (actor, action, resource, resource_id, after) select $1, 'import', 'rate-decks', "
	"$2::text,"
	" jsonb_build_object('replace', $3::boolean, 'added', $4::bigint, 'changed', $5::bigint, 'ended', $6::bigint,"
	" 'unchanged', $7::bigint, 'version', version.id) from version",
	8};

#define TIME_TEXT(column) "to_char(" column " at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

const struct pg_statement store_rate_versions = {
	"billing_rate_versions",
	"select id, " TIME_TEXT("at") ", actor, coalesce(rolled_back_to, 0), added, changed, ended, unchanged"
				      " from rate_versions where deck_id = $1 order by id desc limit 1000",
	1};

const struct pg_statement store_rates_rollback = {"billing_rates_rollback",
						  "select added, changed, ended, unchanged"
						  " from rates_rollback($1, $2, null, $3, nullif($4::bigint, 0), $5)",
						  5};

const struct pg_statement store_rates_page = {
	"billing_rates_page",
	"select prefix, destination, price, connect_fee, initial, increment, " TIME_TEXT(
		"effective_from") ", " TIME_TEXT("effective_to") ", case when blocked then 'true' else 'false' end, "
								 "initial_price, grace, origin_prefix,"
								 " schedule, id from rates"
								 " where deck_id = $1 and prefix >= $2 and (prefix, "
								 "id) > ($2, $3::bigint)"
								 " and (effective_to is null or effective_to > now())"
								 " order by prefix, id limit 5000",
	3};
