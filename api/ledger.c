/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/ledger: every booking, and the reversal of what was booked by hand. */
#include "api/handlers.h"
#include "api/idempotency.h"
#include "api/params.h"
#include "api/resource.h"
#include "api/store.h"

static const char *const kinds[] = {"payment", "charge", "cost", "adjustment", "tax", "rerate", NULL};

static const char *const accounts[] = {"bank", "revenue", "cost", "tax", "adjustment", NULL};

static const struct field booking_fields[] = {
	FIELD_OWN_ID,
	FIELD_CARRIER(FIELD_READ_ONLY, "Whose balance it moves."),
	{.name = "amount",
	 .type = FIELD_MONEY,
	 .flags = FIELD_READ_ONLY,
	 .example = "\"-0.300000\"",
	 .meaning = "Signed, in the carrier's currency."},
	{.name = "kind",
	 .type = FIELD_CHOICE,
	 .flags = FIELD_READ_ONLY,
	 .choices = kinds,
	 .example = "\"charge\"",
	 .meaning = "What it stands for."},
	{.name = "account",
	 .type = FIELD_CHOICE,
	 .flags = FIELD_READ_ONLY,
	 .choices = accounts,
	 .example = "\"revenue\"",
	 .meaning = "Our own account, which takes the opposite amount."},
	{.name = "cdr_id",
	 .type = FIELD_UUID,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .meaning = "The call that it is for."},
	{.name = "note",
	 .type = FIELD_TEXT,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .example = "\"wire 4711\"",
	 .meaning = "A word about it."},
	{.name = "reverses",
	 .type = FIELD_ID,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .meaning = "The booking that it takes back."},
	{.name = "reversed_by",
	 .type = FIELD_ID,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .meaning = "The booking that takes it back."},
	FIELD_MADE("When it was booked."),
};

const struct resource ledger = {
	.collection = "ledger",
	.noun = "booking",
	.meaning = "Every booking; their sum is the balance. None is ever edited or removed.",
	.fields = booking_fields,
	.n = sizeof(booking_fields) / sizeof(*booking_fields),
	.list = &store_booking_list,
	.get = &store_booking_get,
};

/* ---- reversal ---- */

/* The booking of that id, or NULL: answered. */
static json_t *booking(struct request *r, const char *id)
{
	const char *values[] = {id, NULL};
	PGresult *result;
	json_t *found = NULL;

	if (store_query(r, &store_booking_get, values, &result) != 0)
		return NULL;
	if (PQntuples(result) == 0)
		request_problem(r, 404, "There is no such booking.");
	else if ((found = json_loads(PQgetvalue(result, 0, 0), 0, NULL)) == NULL)
		request_problem(r, 500, "The booking could not be read.");
	PQclear(result);
	return found;
}

/* Books the opposite; the reversal, or NULL: answered. */
static json_t *reverse(struct request *r)
{
	const char *values[] = {r->id};
	PGresult *result;
	json_t *made = NULL;

	if (store_query(r, &store_booking_reverse, values, &result) != 0)
		return NULL;
	if (PQgetisnull(result, 0, 0))
		request_problem(r, 409, "Only a payment or an adjustment can be reversed, once, and no reversal.");
	else
		made = booking(r, PQgetvalue(result, 0, 0));
	PQclear(result);
	return made;
}

static int answer_reversed(struct request *r, const json_t *before, json_t *made)
{
	struct store_change change = {
		.action = "reverse", .resource = "ledger", .id = r->id, .before = before, .after = made};

	if (store_audit(r, &change) != 0)
		return -1;
	request_answer_json(r, 200, made);
	return idempotency_keep(r);
}

void ledger_reverse(struct request *r)
{
	json_t *was = NULL, *made = NULL;

	if (params_check(r, NULL, NULL, NULL) != 0)
		return;
	bool done = store_begin(r) == 0 && idempotency_claim(r) == 0 && (was = booking(r, r->id)) != NULL &&
		    (made = reverse(r)) != NULL && answer_reversed(r, was, made) == 0 && store_commit(r) == 0;
	if (!done)
		store_rollback(r);
	json_decref(was);
	json_decref(made);
}
