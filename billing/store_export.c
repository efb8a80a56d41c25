/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/store_export.h"

const struct pg_statement store_export_claim = {"billing_export_claim", "select export_claim($1::timestamptz, $2)", 2};

const struct pg_statement store_export_next = {
	"billing_export_next",
	"select id from export_runs where finished_at is null and id > $1 order by id limit 1 for update skip locked",
	1};

const struct pg_statement store_export_lock = {
	"billing_export_lock",
	"select to_char(created_at at time zone 'UTC', 'YYYY-MM-DD'), api_time(cutoff), api_time(created_at),"
	" finished_at is not null, columns from export_runs where id = $1 for update",
	1};

const struct pg_statement store_export_carriers = {
	"billing_export_carriers",
	"select carrier_id, currency, sell_format, array_to_string(sell_columns, ','), buy_format,"
	" array_to_string(buy_columns, ',') from export_run_carriers where run_id = $1 order by carrier_id",
	1};

const struct pg_statement store_export_open = {"billing_export_open", "select export_open($1)", 1};
const struct pg_statement store_export_fetch = {"billing_export_fetch", "fetch 2000 from export_cdrs", 0};

const struct pg_statement store_export_open_rerates = {"billing_export_open_rerates", "select export_open_rerates($1)",
						       1};
const struct pg_statement store_export_fetch_rerates = {"billing_export_fetch_rerates",
							"fetch 2000 from export_rerates", 0};

const struct pg_statement store_export_root = {
	"billing_export_root",
	"select r.day, encode(r.root, 'hex'), encode(r.signature, 'hex'), encode(r.public_key, 'hex')"
	" from export_runs e join cdr_roots r on r.day = e.root_day where e.id = $1",
	1};

const struct pg_statement store_export_file_put = {
	"billing_export_file_put",
	"insert into export_files (run_id, name, rows, amount, currency, bytes, sha256)"
	" values ($1, $2, $3, $4, $5, $6, $7)",
	7};
const struct pg_statement store_export_file_get = {
	"billing_export_file_get", "select sha256 from export_files where run_id = $1 and name = $2", 2};

const struct pg_statement store_export_finish = {"billing_export_finish", "select export_finish($1, $2)", 2};

const struct pg_statement store_export_delivery_take = {
	"billing_export_delivery_take", "select run_id, name, carrier_id, target from export_delivery_take($1)", 1};
const struct pg_statement store_export_delivery_done = {"billing_export_delivery_done",
							"select export_delivery_done($1, $2, $3)", 3};
const struct pg_statement store_export_wish = {
	"billing_export_wish",
	"insert into export_options (carrier_id, side, format, columns, deliver)"
	" values ($1, $2, $3, string_to_array(nullif($4, ''), ','), $5) on conflict (carrier_id, side) do update"
	" set format = excluded.format, columns = excluded.columns, deliver = excluded.deliver",
	5};

const struct pg_statement store_export_show = {"billing_export_show",
					       "select api_export(e) from export_runs e where e.id = $1", 1};
const struct pg_statement store_export_list = {
	"billing_export_list", "select api_export(e) from export_runs e order by e.id desc limit 100", 0};
