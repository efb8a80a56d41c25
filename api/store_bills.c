/* SPDX-License-Identifier: Apache-2.0 */
/* The statements of export runs and invoices. */
#include "api/store.h"

#define STATEMENT(name, params, sql) const struct pg_statement store_##name = {"api_" #name, sql, params}

/* Export runs, newest first: no filters. A bound key sees those that have files of its carrier. */
STATEMENT(export_run_list, 3,
	  "select e.id, api_export(e, $3) from export_runs e where ($1::bigint is null or e.id < $1) "
	  "and ($3::bigint is null or e.finished_at is not null and exists (select from export_files f "
	  "where f.run_id = e.id and export_file_of(f.name, $3))) order by e.id desc limit $2::integer");
STATEMENT(export_run_get, 2,
	  "select api_export(e, $2) from export_runs e where e.id = $1 and ($2::bigint is null "
	  "or e.finished_at is not null and exists (select from export_files f where f.run_id = e.id "
	  "and export_file_of(f.name, $2)))");
/* cut-off or null, actor */
STATEMENT(export_run_insert, 2, "select export_claim($1::timestamptz, $2)");
/* run, name, carrier bound to: the day of its directory, if it has that file and the reader may see it */
STATEMENT(export_run_day, 3,
	  "select to_char(e.created_at at time zone 'UTC', 'YYYY-MM-DD') from export_runs e where e.id = $1 "
	  "and e.finished_at is not null and ($3::bigint is null or export_file_of($2, $3)) "
	  "and ($2 = 'manifest.json' or exists (select from export_files f where f.run_id = e.id and f.name = $2))");

/* How partners want their files: filters carrier_id, side. */
STATEMENT(export_option_list, 5,
	  "select o.id, api_export_option(o) from export_options o where ($1::bigint is null or o.id > $1) "
	  "and $3::bigint is null and ($4::bigint is null or o.carrier_id = $4) and ($5::text is null or o.side = $5) "
	  "order by o.id limit $2::integer");
STATEMENT(export_option_get, 2,
	  "select api_export_option(o) from export_options o where o.id = $1 and $2::bigint is null");
STATEMENT(export_option_lock, 2,
	  "select o.id, api_export_option(o) from export_options o where o.id = $1 and $2::bigint is null for update");
STATEMENT(export_option_insert, 1,
	  "insert into export_options (carrier_id, side, format, columns, deliver) "
	  "select r.carrier_id, r.side, r.format, r.columns, r.deliver "
	  "from jsonb_populate_record(null::export_options, $1::jsonb) r returning id, "
	  "api_export_option(export_options)");
STATEMENT(export_option_update, 2,
	  "update export_options o set format = r.format, columns = r.columns, deliver = r.deliver "
	  "from jsonb_populate_record(null::export_options, $2::jsonb) r where o.id = $1 returning o.id, "
	  "api_export_option(o)");
STATEMENT(export_option_delete, 1, "delete from export_options where id = $1");

/* Invoices, newest first: filters carrier_id, side, status. */
STATEMENT(bill_list, 6,
	  "select i.id, api_invoice(i) from invoices i where ($1::bigint is null or i.id < $1) "
	  "and ($3::bigint is null or (i.carrier_id = $3 and i.status <> 'draft')) "
	  "and ($4::bigint is null or i.carrier_id = $4) and ($5::text is null or i.side = $5) "
	  "and ($6::text is null or i.status = $6) order by i.id desc limit $2::integer");
STATEMENT(bill_get, 2,
	  "select api_invoice(i) from invoices i where i.id = $1 "
	  "and ($2::bigint is null or (i.carrier_id = $2 and i.status <> 'draft'))");
STATEMENT(bill_lock, 2,
	  "select i.id, api_invoice(i) from invoices i where i.id = $1 and $2::bigint is null for update");
STATEMENT(bill_insert, 1, "select id, shown from api_invoice_insert($1)");
STATEMENT(bill_delete, 1, "delete from invoices where id = $1 and status = 'draft'");
STATEMENT(bill_users, 1,
	  "select 'its number, which stays: an issued invoice is made void' from invoices i where i.id = $1 "
	  "and i.status <> 'draft'");
/* Who sends invoices, oldest first: no filters. */
STATEMENT(sender_list, 3,
	  "select s.id, api_invoice_sender(s) from invoice_senders s where ($1::bigint is null or s.id > $1) "
	  "and $3::bigint is null order by s.id limit $2::integer");
STATEMENT(sender_get, 2, "select api_invoice_sender(s) from invoice_senders s where s.id = $1 and $2::bigint is null");
STATEMENT(
	sender_lock, 2,
	"select s.id, api_invoice_sender(s) from invoice_senders s where s.id = $1 and $2::bigint is null for update");
STATEMENT(sender_insert, 1,
	  "insert into invoice_senders (name, address, tax_id, effective_from) select r.name, r.address, r.tax_id, "
	  "coalesce(r.effective_from, date_trunc('milliseconds', clock_timestamp())) "
	  "from jsonb_populate_record(null::invoice_senders, $1::jsonb) r returning id, "
	  "api_invoice_sender(invoice_senders)");
STATEMENT(sender_delete, 1, "delete from invoice_senders where id = $1");
STATEMENT(bill_issue_it, 1, "select invoice_issue($1)");
STATEMENT(bill_void_it, 1, "select invoice_void($1)");
