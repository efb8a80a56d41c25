/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/store_invoice.h"

const struct pg_statement store_invoice_draft = {"billing_invoice_draft",
						 "select invoice_draft($1, $2, $3::date, $4::date, $5::jsonb, $6)", 6};
const struct pg_statement store_invoice_issue = {"billing_invoice_issue", "select invoice_issue($1)", 1};
const struct pg_statement store_invoice_void = {"billing_invoice_void", "select invoice_void($1)", 1};
const struct pg_statement store_invoice_show = {"billing_invoice_show",
						"select api_invoice(i) from invoices i where i.id = $1", 1};
const struct pg_statement store_invoice_list = {"billing_invoice_list",
						"select api_invoice(i) from invoices i where $1::bigint is null or "
						"i.carrier_id = $1 order by i.id desc limit 100",
						1};
const struct pg_statement store_invoice_audit = {
	"billing_invoice_audit",
	"insert into audit_log (actor, action, resource, resource_id, after)"
	" select $1, $2, 'invoices', i.id::text, api_invoice(i)::jsonb from invoices i where i.id = $3::bigint",
	3};
