/* SPDX-License-Identifier: Apache-2.0 */
#include "api/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

struct constraint { /* what a violated constraint means to the caller */
	const char *name, *field, *message;
};

static const struct constraint uniques[] = {
	{"carriers_name_unique", "name", "another carrier has this name"},
	{"trunks_name_unique", "name", "another trunk of this carrier has this name"},
	{"rate_decks_name_unique", "name", "another rate deck has this name"},
	{"routing_plans_name_unique", "name", "another routing plan has this name"},
	{"number_lists_name_unique", "name", "another number list has this name"},
	{"number_lengths_prefix_unique", "prefix", "there is a rule of this prefix already"},
	{"api_keys_name_unique", "name", "another API key has this name"},
	{"export_options_pkey", "side", "this side of the carrier has its options already"},
	{"exchange_rates_unique", "effective_from", "there is a rate of this pair from this moment already"},
	{"invoice_senders_unique", "effective_from", "there is a sender from this moment already"},
	{"rates_one_at_a_time", "effective_from",
	 "there is a rate of this prefix, origin and schedule from this moment already"},
};

static const struct constraint references[] = {
	{"trunks_carrier_id_fkey", "carrier_id", "there is no such carrier"},
	{"trunks_rate_deck_id_fkey", "rate_deck_id", "there is no such rate deck"},
	{"trunks_routing_plan_id_fkey", "routing_plan_id", "there is no such routing plan"},
	{"trunks_registered_as_fkey", "registered_as", "there is no such trunk"},
	{"routing_plan_members_trunk_id_fkey", "members", "there is no trunk of one of these ids"},
	{"balances_carrier_id_fkey", "carrier_id", "there is no such carrier"},
	{"export_options_carrier_id_fkey", "carrier_id", "there is no such carrier"},
	{"invoices_carrier_id_fkey", "carrier_id", "there is no such carrier"},
	{"api_keys_carrier_id_fkey", "carrier_id", "there is no such carrier"},
};

static const struct constraint checks[] = {
	{"rates_check", "effective_to",
	 "must not be before effective_from (the present moment, where that is not given)"},
};

static const struct constraint *constraint_find(const struct constraint *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

static void answer_field(struct request *r, int status, const char *detail, const struct constraint *c)
{
	json_t *errors = json_pack("[{s:s, s:s}]", "field", c->field, "message", c->message);

	request_problem_fields(r, status, detail, errors);
}

static void answer_reference(struct request *r)
{
	const struct constraint *c =
		constraint_find(references, sizeof(references) / sizeof(*references), pg_constraint(r->pg));

	if (r->method == REQUEST_DELETE)
		request_problem(r, 409, "It is still referenced by something else.");
	else if (c != NULL)
		answer_field(r, 422, "A reference leads nowhere; see errors.", c);
	else
		request_problem(r, 422, "A reference leads nowhere.");
}

static void answer_duplicate(struct request *r)
{
	const struct constraint *c = constraint_find(uniques, sizeof(uniques) / sizeof(*uniques), pg_constraint(r->pg));

	if (c != NULL)
		answer_field(r, 409, c->message, c);
	else
		request_problem(r, 409, "There is one like it already.");
}

static void log_failure(const struct request *r, const char *what, const struct status *st)
{
	char quoted[600];

	log_event(LOG_LEVEL_ERROR, "statement failed", "statement=%s sqlstate=%s error=%s", what, pg_sqlstate(r->pg),
		  log_quote(st->text, quoted, sizeof(quoted)));
}

static void answer_value(struct request *r, const char *what, const struct status *st)
{
	const struct constraint *c = constraint_find(checks, sizeof(checks) / sizeof(*checks), pg_constraint(r->pg));

	if (c != NULL) {
		answer_field(r, 422, "What was sent does not fit to the rest; see errors.", c);
		return;
	}
	log_failure(r, what, st);
	request_problem(r, 422, "The database refused a value.");
}

/* Undefined table, column or function: the database is of another version than this program. */
static bool schema_differs(const struct request *r)
{
	const char *state = pg_sqlstate(r->pg);

	return strcmp(state, "42P01") == 0 || strcmp(state, "42703") == 0 || strcmp(state, "42883") == 0;
}

static void answer_failure(struct request *r, int err, const char *what, const struct status *st)
{
	switch (err) {
	case -ENOTCONN:
		r->again = !r->committing;
		request_problem(r, 503, "The database is away; try again.");
		break;
	case -ETIMEDOUT:
		log_failure(r, what, st);
		request_problem(r, 503, "The database took too long; try again.");
		break;
	case -EAGAIN:
		r->again = true;
		request_problem(r, 503, "The request collided with another; try again.");
		break;
	case -EEXIST:
		answer_duplicate(r);
		break;
	case -EBUSY:
		answer_reference(r);
		break;
	case -EINVAL:
		if (r->method == REQUEST_GET) {
			request_problem(r, 400, "A filter or the cursor is not valid.");
			break;
		}
		answer_value(r, what, st);
		break;
	default:
		if (strcmp(pg_sqlstate(r->pg), "55P03") == 0) { /* lock_not_available: an import holds the deck, say */
			request_problem(r, 503, "Another change of the same objects takes its time; try again.");
			break;
		}
		log_failure(r, what, st);
		if (schema_differs(r))
			request_problem(r, 503, "The database is not at this program's version; run tandem migrate.");
		else
			request_problem(r, 500, "Something went wrong here; the log says what.");
	}
}

int store_query(struct request *r, const struct pg_statement *s, const char *const *params, PGresult **result)
{
	struct status st = {0};
	int err = pg_exec(r->pg, s, params, result, &st);

	if (err == 0)
		return 0;
	*result = NULL;
	answer_failure(r, err, s->name, &st);
	return -1;
}

static int simple(struct request *r, const char *sql)
{
	struct status st = {0};
	int err = pg_simple(r->pg, sql, &st);

	if (err == 0)
		return 0;
	answer_failure(r, err, sql, &st);
	return -1;
}

int store_begin(struct request *r)
{
	if (simple(r, "begin") != 0)
		return -1;
	r->in_transaction = true;
	return 0;
}

int store_begin_config(struct request *r)
{
	return store_begin(r) != 0 ? -1 : simple(r, "select api_lock()");
}

int store_commit(struct request *r)
{
	r->committing = true; /* a connection lost now leaves it open whether all was done: no repeating */
	int rc = simple(r, "commit");
	r->committing = false;
	if (rc == 0)
		r->in_transaction = false;
	return rc;
}

void store_rollback(struct request *r)
{
	struct status st = {0};

	if (!r->in_transaction)
		return;
	r->in_transaction = false;
	/* A connection that can't even roll back is of no use: the server ends the transaction with it. */
	if (pg_simple(r->pg, "rollback", &st) != 0)
		pg_drop(r->pg);
}

const char *store_text(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

int store_audit(struct request *r, const struct store_change *change)
{
	static const struct pg_statement insert = {
		"api_audit_insert",
		"insert into audit_log (actor, action, resource, resource_id, before, after) "
		"values ($1, $2, $3, $4, $5::jsonb, $6::jsonb)",
		6};
	char *before = change->before != NULL ? json_dumps(change->before, JSON_COMPACT) : NULL;
	char *after = change->after != NULL ? json_dumps(change->after, JSON_COMPACT) : NULL;
	const char *values[] = {r->caller.name, change->action, change->resource, change->id, before, after};
	PGresult *result;
	int rc = store_query(r, &insert, values, &result);

	if (rc == 0)
		PQclear(result);
	free(before);
	free(after);
	return rc;
}
