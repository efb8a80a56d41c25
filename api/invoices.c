/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/invoices: bills, drafted, issued, made void; as JSON, CSV and PDF. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/endpoint.h"
#include "api/handlers.h"
#include "api/idempotency.h"
#include "api/resource.h"
#include "api/service.h"
#include "api/store.h"
#include "billing/invoice.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "settings/settings.h"

#define RO FIELD_READ_ONLY
#define RON (FIELD_READ_ONLY | FIELD_NULLABLE)

static const char *const sides[] = {"sell", "buy", NULL};
static const char *const statuses[] = {"draft", "issued", "void", NULL};
static const char *const kinds[] = {"calls", "late_calls", "corrections", NULL};

static void check_day(const json_t *value, const char *path, struct errors *e)
{
	int64_t us;

	if (strlen(json_string_value(value)) != 10 || clock_parse(json_string_value(value), &us) != 0)
		errors_add(e, path, "must be a day such as 2026-01-31");
}

static const struct field tax_fields[] = {
	{.name = "name",
	 .type = FIELD_TEXT,
	 .flags = FIELD_REQUIRED,
	 .min = 1,
	 .max = 40,
	 .example = "\"VAT\"",
	 .meaning = "As printed."},
	{.name = "percent",
	 .type = FIELD_TEXT,
	 .flags = FIELD_REQUIRED,
	 .min = 1,
	 .max = 8,
	 .example = "\"19\"",
	 .meaning = "Of the net amount; a decimal in a string, 0 to 100, up to 4 decimals."},
	{.name = "amount", .type = FIELD_MONEY, .flags = RO, .example = "\"3.562500\"", .meaning = "Rounded half up."},
};
static const struct field tax_item = {
	.type = FIELD_OBJECT, .item = tax_fields, .items = sizeof(tax_fields) / sizeof(*tax_fields)};

static const struct field line_fields[] = {
	{.name = "kind",
	 .type = FIELD_CHOICE,
	 .flags = RO,
	 .choices = kinds,
	 .example = "\"calls\"",
	 .meaning = "Calls of the period, earlier ones that came late, or re-ratings."},
	{.name = "destination",
	 .type = FIELD_TEXT,
	 .flags = RO,
	 .example = "\"UK London\"",
	 .meaning = "Of the sell rate."},
	{.name = "calls", .type = FIELD_INT, .flags = RO, .example = "1250", .meaning = "How many were billed."},
	{.name = "seconds", .type = FIELD_INT, .flags = RO, .example = "75000", .meaning = "Billed seconds."},
	{.name = "amount", .type = FIELD_MONEY, .flags = RO, .example = "\"18.750000\"", .meaning = "Their sum."},
};
static const struct field line_item = {
	.type = FIELD_OBJECT, .item = line_fields, .items = sizeof(line_fields) / sizeof(*line_fields)};

static const struct field sender_line = {.type = FIELD_TEXT, .example = "\"1 Exchange Street\""};
static const struct field sender_fields[] = {
	{.name = "name", .type = FIELD_TEXT, .flags = RO, .example = "\"Example Telecom Ltd\"", .meaning = "Its name."},
	{.name = "address", .type = FIELD_LIST, .flags = RO, .item = &sender_line, .items = 1, .meaning = "Its lines."},
	{.name = "tax_id", .type = FIELD_TEXT, .flags = RO, .example = "\"VAT GB123456789\"", .meaning = "Its tax id."},
};

static const struct field fields[] = {
	{.name = "id", .type = FIELD_ID, .flags = RO, .example = "1", .meaning = "Id."},
	FIELD_CARRIER(FIELD_REQUIRED, "Whom it is for."),
	{.name = "carrier", .type = FIELD_TEXT, .flags = RO, .example = "\"Acme Telecom\"", .meaning = "Its name."},
	{.name = "sender",
	 .type = FIELD_OBJECT,
	 .flags = RON,
	 .item = sender_fields,
	 .items = sizeof(sender_fields) / sizeof(*sender_fields),
	 .meaning = "Who sends it, from `/v1/invoice-senders`; an issued one keeps it. Null: none was told."},
	{.name = "side",
	 .type = FIELD_CHOICE,
	 .choices = sides,
	 .fallback = "\"sell\"",
	 .example = "\"sell\"",
	 .meaning = "Its calls as a customer, or as a vendor: what we owe it."},
	{.name = "status",
	 .type = FIELD_CHOICE,
	 .flags = RO,
	 .choices = statuses,
	 .example = "\"draft\"",
	 .meaning = "An issued one has claimed its bookings; a void one has given them back."},
	{.name = "number",
	 .type = FIELD_TEXT,
	 .flags = RON,
	 .example = "\"INV000001\"",
	 .meaning = "Without gaps; null: a draft."},
	{.name = "from",
	 .type = FIELD_TEXT,
	 .flags = FIELD_REQUIRED,
	 .min = 10,
	 .max = 10,
	 .check = check_day,
	 .example = "\"2026-05-01\"",
	 .meaning = "First day, in the carrier's time zone."},
	{.name = "to",
	 .type = FIELD_TEXT,
	 .flags = FIELD_REQUIRED,
	 .min = 10,
	 .max = 10,
	 .check = check_day,
	 .example = "\"2026-05-31\"",
	 .meaning = "Last day."},
	{.name = "timezone",
	 .type = FIELD_TEXT,
	 .flags = RO,
	 .example = "\"Europe/Berlin\"",
	 .meaning = "The carrier's, when it was drafted."},
	{.name = "currency", .type = FIELD_TEXT, .flags = RO, .example = "\"EUR\"", .meaning = "The carrier's."},
	{.name = "net",
	 .type = FIELD_MONEY,
	 .flags = RO,
	 .example = "\"18.750000\"",
	 .meaning = "Sum of the lines, and of the bookings it claims."},
	{.name = "taxes",
	 .type = FIELD_LIST,
	 .min = 0,
	 .max = 8,
	 .item = &tax_item,
	 .items = 1,
	 .fallback = "[]",
	 .meaning = "Booked when it is issued."},
	{.name = "tax", .type = FIELD_MONEY, .flags = RO, .example = "\"3.562500\"", .meaning = "Their sum."},
	{.name = "total", .type = FIELD_MONEY, .flags = RO, .example = "\"22.312500\"", .meaning = "Net and tax."},
	{.name = "note",
	 .type = FIELD_TEXT,
	 .flags = FIELD_NULLABLE,
	 .min = 0,
	 .max = 120,
	 .example = "\"payable within 14 days\"",
	 .meaning = "Printed on it."},
	{.name = "lines",
	 .type = FIELD_LIST,
	 .flags = RO,
	 .item = &line_item,
	 .items = 1,
	 .meaning = "By destination."},
	FIELD_MADE("When it was drafted."),
	{.name = "issued_at", .type = FIELD_TIME, .flags = RON, .meaning = "When it was numbered."},
	{.name = "voided_at", .type = FIELD_TIME, .flags = RON, .meaning = "When it was taken back."},
	{.name = "version",
	 .type = FIELD_INT,
	 .flags = RO,
	 .example = "1",
	 .meaning = "Rises with each change; the ETag."},
};

static void check(json_t *object, struct errors *e)
{
	struct status st = {""};

	if (invoice_taxes_check(json_object_get(object, "taxes"), &st) != 0)
		errors_add(e, "taxes", "%s", st.text);
	if (strcmp(json_string_value(json_object_get(object, "from")),
		   json_string_value(json_object_get(object, "to"))) > 0)
		errors_add(e, "to", "is before from");
}

const struct resource invoices = {
	.collection = "invoices",
	.large = true,
	.noun = "invoice",
	.meaning = "Bills by period and destination. A key bound to a carrier sees its own, but no drafts.",
	.fields = fields,
	.n = sizeof(fields) / sizeof(*fields),
	.list = &store_bill_list,
	.get = &store_bill_get,
	.lock = &store_bill_lock,
	.insert = &store_bill_insert,
	.remove = &store_bill_delete,
	.users = &store_bill_users,
	.check = check,
};

/* The invoice as the asker may see it, or NULL after an answer. Not locked: invoice_issue and invoice_void lock its
 * carrier first. */
static json_t *load(struct request *r)
{
	const char *values[] = {r->id, request_is_bound(r) ? r->caller.carrier_text : NULL};
	json_t *invoice = NULL;
	PGresult *result;

	if (params_check(r, NULL, NULL, NULL) != 0 || store_query(r, &store_bill_get, values, &result) != 0)
		return NULL;
	if (PQntuples(result) == 1)
		invoice = json_loads(PQgetvalue(result, 0, 0), 0, NULL);
	else
		request_problem(r, 404, "There is no such invoice.");
	PQclear(result);
	return invoice;
}

/* ---- issue, void ---- */

static int answer_changed(struct request *r, const char *action, const json_t *before)
{
	const char *values[] = {r->id, NULL};
	PGresult *result;

	if (store_query(r, &store_bill_get, values, &result) != 0)
		return -1;
	json_t *invoice = json_loads(PQgetvalue(result, 0, 0), 0, NULL);
	PQclear(result);
	int rc = store_audit(
		r, &(struct store_change){
			   .action = action, .resource = "invoices", .id = r->id, .before = before, .after = invoice});
	if (rc == 0) {
		request_answer_json(r, 200, invoice);
		request_etag(r, invoice);
		rc = idempotency_keep(r);
	}
	json_decref(invoice);
	return rc;
}

static int step(struct request *r, const struct pg_statement *s, const char *refusal)
{
	const char *values[] = {r->id};
	PGresult *result;

	if (store_query(r, s, values, &result) != 0)
		return -1;
	bool done = PQgetvalue(result, 0, 0)[0] == 't';
	PQclear(result);
	if (!done)
		request_problem(r, 409, "%s", refusal);
	return done ? 0 : -1;
}

static void change(struct request *r, const struct pg_statement *s, const char *action, const char *refusal)
{
	json_t *before = NULL;
	bool done = store_begin(r) == 0 && idempotency_claim(r) == 0 && (before = load(r)) != NULL &&
		    step(r, s, refusal) == 0 && answer_changed(r, action, before) == 0 && store_commit(r) == 0;
	if (!done)
		store_rollback(r);
	json_decref(before);
}

void invoices_issue(struct request *r)
{
	change(r, &store_bill_issue_it, "issue", "Only a draft can be issued.");
}

void invoices_void(struct request *r)
{
	change(r, &store_bill_void_it, "void", "Only an issued invoice can be made void.");
}

/* ---- as files ---- */

void invoices_csv(struct request *r)
{
	json_t *invoice = load(r);

	if (invoice == NULL)
		return;
	buf_reset(&r->answer.body);
	invoice_put_csv(&r->answer.body, invoice);
	request_answer(r, 200, "text/csv");
	json_decref(invoice);
}

void invoices_pdf(struct request *r)
{
	json_t *invoice = load(r);
	const struct settings *settings = r->service->settings;
	struct invoice_fonts fonts = {settings->invoice_font, settings->invoice_font_bold};
	struct status st = {""};
	char quoted[600];

	if (invoice == NULL)
		return;
	buf_reset(&r->answer.body);
	if (invoice_put_pdf(&r->answer.body, invoice, &fonts, &st) == 0) {
		request_answer(r, 200, "application/pdf");
	} else {
		log_event(LOG_LEVEL_ERROR, "invoice not drawn", "invoice=%s error=%s", r->id,
			  log_quote(st.text, quoted, sizeof(quoted)));
		request_problem(r, 500, "Something went wrong here; the log says what.");
	}
	json_decref(invoice);
}
