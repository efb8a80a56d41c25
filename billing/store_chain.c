/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/store_chain.h"

#define IN_RANGE(column)                                                                                               \
	"(" column " >= $1::timestamptz or $1 is null) and (" column " < $2::timestamptz or $2 is null)"

const struct pg_statement store_chain_list = {
	"billing_chain_list",
	"select chain_id, min(first), max(last) from ("
	" select chain_id, min(chain_seq) as first, max(chain_seq) as last from cdrs"
	"  where chain_id is not null and " IN_RANGE(
		"started_at") " group by chain_id"
			      " union all select chain_id, chain_seq, chain_seq from cdr_refused"
			      "  where stored_at is null and $1::timestamptz is null and $2::timestamptz is null"
			      " union all select chain_id, first_seq, last_seq from cdr_anchors"
			      "  where $1::timestamptz is null and $2::timestamptz is null"
			      ") x group by chain_id order by chain_id",
	2};

const struct pg_statement store_chain_head = {"billing_chain_head",
					      "select seq from cdr_heads where chain_id = $1::uuid", 1};

const struct pg_statement store_chain_loose = {
	"billing_chain_loose",
	"select min(id::text), count(*) from cdrs"
	" where (chain_id is null or chain_seq is null or chain_hash is null) and " IN_RANGE("started_at"),
	2};

const struct pg_statement store_chain_hash_at = {
	"billing_chain_hash_at",
	"select encode(hash, 'hex') from ("
	" select chain_hash as hash from cdrs where chain_id = $1::uuid and chain_seq = $2::bigint"
	" union all select chain_hash from cdr_refused where chain_id = $1::uuid and chain_seq = $2::bigint and "
	"stored_at is null"
	" union all select case when last_seq = $2::bigint then last_hash end from cdr_anchors"
	"  where chain_id = $1::uuid and $2::bigint between first_seq and last_seq"
	") x order by hash is null limit 1",
	2};

const struct pg_statement store_chain_page = {
	"billing_chain_page",
	"select kind, first, last, encode(hash, 'hex'), id, cdr, attempts from ("
	" (select 'row' as kind, chain_seq as first, chain_seq as last, chain_hash as hash, c.id::text as id,"
	"   cdr_line(c) as cdr, cdr_attempt_lines(c.id) as attempts from cdrs c"
	"   where chain_id = $1::uuid and chain_seq > $2::bigint and chain_seq <= $3::bigint order by chain_seq limit "
	"2000)"
	" union all (select 'refused', chain_seq, chain_seq, chain_hash, cdr_id, cdr, attempts from cdr_refused"
	"   where chain_id = $1::uuid and chain_seq > $2::bigint and chain_seq <= $3::bigint and stored_at is null"
	"   order by chain_seq limit 2000)"
	" union all (select 'anchor', first_seq, last_seq, last_hash, day::text, '', '' from cdr_anchors"
	"   where chain_id = $1::uuid and last_seq > $2::bigint and first_seq <= $3::bigint order by first_seq limit "
	"2000)"
	") x order by first, last, id limit 2000",
	3};

const struct pg_statement store_refused_add = {
	"billing_refused_add",
	"insert into cdr_refused (chain_id, chain_seq, chain_hash, cdr_id, node, reason, cdr, attempts, trace)"
	" values ($1::uuid, $2::bigint, decode($3, 'hex'), $4, $5, $6, $7, $8, $9) on conflict do nothing",
	9};

const struct pg_statement store_refused_list = {
	"billing_refused_list",
	"select chain_id, chain_seq, cdr_id, node,"
	" to_char(refused_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), reason"
	" from cdr_refused where stored_at is null order by refused_at, chain_id, chain_seq",
	0};

const struct pg_statement store_refused_open = {
	"billing_refused_open",
	"select chain_id, chain_seq, encode(chain_hash, 'hex'), cdr, attempts, trace, cdr_id"
	" from cdr_refused where stored_at is null order by refused_at, chain_id, chain_seq",
	0};

const struct pg_statement store_refused_stored = {
	"billing_refused_stored",
	"update cdr_refused set stored_at = now() where chain_id = $1::uuid and chain_seq = $2::bigint", 2};

const struct pg_statement store_root_days = {"billing_root_days",
					     "select d::date from generate_series("
					     " coalesce((select max(day) + 1 from cdr_roots), (select (min(started_at) "
					     "at time zone 'UTC')::date from cdrs)),"
					     " (now() at time zone 'UTC')::date - 1, interval '1 day') d",
					     0};

/* Yesterday's root, the last there is, also names chains that have come further since they were named, by calls of days
 * that were sealed before: nobody may call anything more on such a chain. */
const struct pg_statement store_root_heads = {
	"billing_root_heads",
	"with day as materialized ("
	"  select distinct on (chain_id) chain_id, chain_seq, chain_hash from cdrs"
	"   where started_at >= $1::date::timestamp at time zone 'UTC'"
	"     and started_at < ($1::date + 1)::timestamp at time zone 'UTC' and chain_hash is not null"
	"   order by chain_id, chain_seq desc"
	"), named as ("
	"  select split_part(line, ' ', 1)::uuid as chain_id, max(split_part(line, ' ', 2)::bigint) as seq"
	"    from cdr_roots, regexp_split_to_table(heads, E'\\n') line where day < $1::date and line <> '' group by 1"
	"), late as ("
	"  select l.* from (select chain_id, seq from named union all select chain_id, 0 from cdr_heads"
	"     where chain_id not in (select chain_id from named)) k,"
	"   lateral (select c.chain_id, c.chain_seq, c.chain_hash from cdrs c where c.chain_id = k.chain_id"
	"     and c.chain_seq > k.seq and c.chain_hash is not null order by c.chain_seq desc limit 1) l"
	"   where $1::date = (now() at time zone 'UTC')::date - 1 and k.chain_id not in (select chain_id from day)"
	")"
	" select coalesce((select string_agg(chain_id || ' ' || chain_seq || ' ' || encode(chain_hash, 'hex') || "
	"E'\\n', ''"
	"   order by chain_id) from (select * from day union all select * from late) h), ''),"
	" coalesce((select encode(root, 'hex') from cdr_roots where day < $1::date order by day desc limit 1), '')",
	1};

const struct pg_statement store_root_add = {
	"billing_root_add",
	"insert into cdr_roots (day, heads, root, signature, public_key)"
	" values ($1::date, $2, decode($3, 'hex'), decode($4, 'hex'), decode($5, 'hex')) on conflict do nothing",
	5};

const struct pg_statement store_root_list = {
	"billing_root_list",
	"select day, heads, encode(root, 'hex'), encode(signature, 'hex'), encode(public_key, 'hex'),"
	" coalesce(encode(lag(root) over (order by day), 'hex'), '') from cdr_roots order by day",
	0};
