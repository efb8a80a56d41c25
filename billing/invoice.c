/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/invoice.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/store_invoice.h"
#include "lib/csv.h"
#include "lib/json_read.h"
#include "lib/money.h"

#define TAXES_MAX 8
#define PERCENT_NANO_STEP 100000 /* 4 decimals */

int invoice_taxes_check(const json_t *taxes, struct status *st)
{
	const json_t *tax;
	size_t i;

	if (!json_is_array(taxes) || json_array_size(taxes) > TAXES_MAX)
		return status_set(st, -EINVAL, "taxes are a list of at most %d", TAXES_MAX);
	json_array_foreach(taxes, i, tax)
	{
		const char *name = json_string_value(json_object_get(tax, "name"));
		const char *percent = json_string_value(json_object_get(tax, "percent"));
		struct money m;

		if (name == NULL || *name == '\0' || strlen(name) > 40)
			return status_set(st, -EINVAL, "a tax has a name of at most 40 bytes");
		if (percent == NULL || money_parse(percent, &m) != 0 || m.nano < 0 || m.nano > 100 * MONEY_NANO ||
		    m.nano % PERCENT_NANO_STEP != 0)
			return status_set(st, -EINVAL, "the percentage of %.40s is 0 to 100 with at most 4 decimals",
					  name);
	}
	return 0;
}

/* ---- changes ---- */

static int audit(struct pg *pg, const char *actor, const char *action, const char *id, struct status *st)
{
	return pg_exec(pg, &store_invoice_audit, (const char *const[]){actor, action, id}, NULL, st);
}

/* The end of a transaction: err, or the commit's. */
static int end(struct pg *pg, int err, struct status *st)
{
	if (err == 0)
		return pg_simple(pg, "commit", st);
	if (pg_raw(pg) != NULL && pg_simple(pg, "rollback", NULL) != 0)
		pg_drop(pg);
	return err;
}

static int draft_make(struct pg *pg, const struct invoice_order *o, char id[static 24], struct status *st)
{
	char carrier[24], *taxes = o->taxes != NULL ? json_dumps(o->taxes, JSON_COMPACT) : NULL;
	const char *const params[] = {carrier, o->sell ? "sell" : "buy", o->first, o->last, taxes, o->note};
	PGresult *r;

	snprintf(carrier, sizeof(carrier), "%" PRId64, o->carrier_id);
	int err = pg_exec(pg, &store_invoice_draft, params, &r, st);
	free(taxes);
	if (err == -EBUSY)
		return status_set(st, -ENOENT, "there is no carrier %s", carrier);
	if (err == -EINVAL && strcmp(pg_constraint(pg), "invoices_period") == 0)
		return status_set(st, -EINVAL, "the last day is before the first");
	if (err == -EINVAL)
		return status_set(st, -EINVAL, "a day is a date such as 2026-01-31");
	if (err != 0)
		return err;
	snprintf(id, 24, "%s", PQgetvalue(r, 0, 0));
	PQclear(r);
	return 0;
}

int invoice_draft(struct pg *pg, const struct invoice_order *o, const char *actor, int64_t *id, struct status *st)
{
	char text[24];
	int err = o->taxes != NULL ? invoice_taxes_check(o->taxes, st) : 0;

	if (err == 0)
		err = pg_simple(pg, "begin", st);
	if (err != 0)
		return err;
	err = draft_make(pg, o, text, st);
	if (err == 0)
		err = audit(pg, actor, "create", text, st);
	err = end(pg, err, st);
	if (err == 0)
		*id = strtoll(text, NULL, 10);
	return err;
}

/* one step of an invoice's life; refusal: what to say if it is not in the state for it */
static int step(struct pg *pg, const struct pg_statement *s, const char *id, const char *refusal, struct status *st)
{
	PGresult *r;
	int err = pg_exec(pg, s, (const char *const[]){id}, &r, st);

	if (err != 0)
		return err;
	if (PQgetvalue(r, 0, 0)[0] != 't')
		err = status_set(st, -EINVAL, "%s %s", refusal, id);
	PQclear(r);
	return err;
}

static int change(struct pg *pg, const struct pg_statement *s, int64_t id, const char *actor, struct status *st)
{
	bool issues = s == &store_invoice_issue;
	char text[24];
	int err = pg_simple(pg, "begin", st);

	if (err != 0)
		return err;
	snprintf(text, sizeof(text), "%" PRId64, id);
	err = step(pg, s, text, issues ? "there is no draft" : "there is no issued invoice", st);
	if (err == 0)
		err = audit(pg, actor, issues ? "issue" : "void", text, st);
	return end(pg, err, st);
}

int invoice_issue(struct pg *pg, int64_t id, const char *actor, struct status *st)
{
	return change(pg, &store_invoice_issue, id, actor, st);
}

int invoice_void(struct pg *pg, int64_t id, const char *actor, struct status *st)
{
	return change(pg, &store_invoice_void, id, actor, st);
}

/* ---- looks ---- */

int invoice_show(struct pg *pg, int64_t id, json_t **invoice, struct status *st)
{
	char text[24];
	PGresult *r;

	snprintf(text, sizeof(text), "%" PRId64, id);
	int err = pg_exec(pg, &store_invoice_show, (const char *const[]){text}, &r, st);
	if (err != 0)
		return err;
	*invoice = PQntuples(r) == 1 ? json_loads(PQgetvalue(r, 0, 0), 0, NULL) : NULL;
	PQclear(r);
	return *invoice != NULL ? 0 : status_set(st, -ENOENT, "there is no invoice %s", text);
}

int invoice_list(struct pg *pg, int64_t carrier_id, json_t **invoices, struct status *st)
{
	char text[24];
	PGresult *r;

	snprintf(text, sizeof(text), "%" PRId64, carrier_id);
	int err = pg_exec(pg, &store_invoice_list, (const char *const[]){carrier_id != 0 ? text : NULL}, &r, st);
	if (err != 0)
		return err;
	*invoices = json_array();
	for (int i = 0; i < PQntuples(r); i++)
		json_array_append_new(*invoices, json_loads(PQgetvalue(r, i, 0), 0, NULL));
	PQclear(r);
	return 0;
}

/* ---- CSV ---- */

static void put_line(struct buf *out, const char *kind, const char *destination, const json_t *line, const char *amount)
{
	csv_put(out, kind);
	buf_putc(out, ',');
	csv_put_guarded(out, destination);
	if (line != NULL)
		buf_printf(out, ",%" JSON_INTEGER_FORMAT ",%" JSON_INTEGER_FORMAT ",",
			   json_integer_value(json_object_get(line, "calls")),
			   json_integer_value(json_object_get(line, "seconds")));
	else
		buf_puts(out, ",,,");
	buf_puts(out, amount);
	buf_putc(out, '\n');
}

/* Its words stand under "destination"; nothing if none was told. */
static void put_sender(struct buf *out, const json_t *sender)
{
	const json_t *line;
	size_t i;

	if (!json_is_object(sender))
		return;
	put_line(out, "sender", json_read_text(sender, "name"), NULL, "");
	json_array_foreach(json_object_get(sender, "address"), i, line)
	{
		put_line(out, "sender_address", json_string_value(line), NULL, "");
	}
	if (*json_read_text(sender, "tax_id") != '\0')
		put_line(out, "sender_tax_id", json_read_text(sender, "tax_id"), NULL, "");
}

void invoice_put_csv(struct buf *out, const json_t *invoice)
{
	const json_t *one;
	size_t i;

	buf_puts(out, "kind,destination,calls,seconds,amount\n");
	put_sender(out, json_object_get(invoice, "sender"));
	json_array_foreach(json_object_get(invoice, "lines"), i, one)
	{
		put_line(out, json_read_text(one, "kind"), json_read_text(one, "destination"), one,
			 json_read_text(one, "amount"));
	}
	put_line(out, "net", "", NULL, json_read_text(invoice, "net"));
	json_array_foreach(json_object_get(invoice, "taxes"), i, one)
	{
		char name[96];

		snprintf(name, sizeof(name), "%s %s %%", json_read_text(one, "name"), json_read_text(one, "percent"));
		put_line(out, "tax", name, NULL, json_read_text(one, "amount"));
	}
	put_line(out, "total", json_read_text(invoice, "currency"), NULL, json_read_text(invoice, "total"));
}
