/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/rate-decks/{id}/imports and /v1/imports. */

#include "api/endpoint.h"
#include "api/handlers.h"
#include "api/idempotency.h"
#include "api/importer.h"
#include "api/resource.h"
#include "api/service.h"
#include "api/store.h"

#define RO FIELD_READ_ONLY
#define RON (FIELD_READ_ONLY | FIELD_NULLABLE)

static const char *const statuses[] = {"queued", "running", "done", "failed", NULL};

const char *const import_change_kinds[] = {"new", "up", "down", "other", "ended", "unchanged", NULL};

static const struct field error_fields[] = {
	{.name = "line",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "17",
	 .meaning = "Line of the file; null: the file as a whole."},
	{.name = "reason",
	 .type = FIELD_TEXT,
	 .flags = RO,
	 .example = "\"price is not a decimal\"",
	 .meaning = "What is wrong."},
};
static const struct field error_item = {.type = FIELD_OBJECT, .item = error_fields, .items = 2};

static const struct field report_fields[] = {
	{.name = "added",
	 .type = FIELD_INT,
	 .flags = RO,
	 .example = "112333",
	 .meaning = "Rates for prefixes that had none."},
	{.name = "changed",
	 .type = FIELD_INT,
	 .flags = RO,
	 .example = "12",
	 .meaning = "Rates that follow or alter one."},
	{.name = "ended", .type = FIELD_INT, .flags = RO, .example = "0", .meaning = "Rates that `replace` ended."},
	{.name = "unchanged", .type = FIELD_INT, .flags = RO, .example = "5", .meaning = "Rows that hold already."},
	{.name = "short_notice",
	 .type = FIELD_INT,
	 .flags = RO,
	 .example = "0",
	 .meaning = "Increases sooner than the deck's `notice_days`; they are applied all the same."},
	{.name = "rejected",
	 .type = FIELD_INT,
	 .flags = RO,
	 .example = "0",
	 .meaning = "Bad rows; one, and nothing is applied."},
	{.name = "errors",
	 .type = FIELD_LIST,
	 .flags = RO,
	 .item = &error_item,
	 .items = 1,
	 .meaning = "The first thousand."},
};

static const struct field fields[] = {
	{.name = "id", .type = FIELD_ID, .flags = RO, .example = "1", .meaning = "Id."},
	{.name = "rate_deck_id",
	 .type = FIELD_ID,
	 .flags = RO,
	 .refers = "rate-decks",
	 .example = "1",
	 .meaning = "Into this deck."},
	{.name = "status",
	 .type = FIELD_CHOICE,
	 .flags = RO,
	 .choices = statuses,
	 .example = "\"done\"",
	 .meaning = "queued, running, done (applied) or failed (nothing was)."},
	{.name = "progress", .type = FIELD_NUMBER, .flags = RO, .example = "0.5", .meaning = "0 to 1."},
	{.name = "dry_run", .type = FIELD_BOOL, .flags = RO, .example = "false", .meaning = "Only reports."},
	{.name = "replace",
	 .type = FIELD_BOOL,
	 .flags = RO,
	 .example = "false",
	 .meaning = "Ends every rate that the file lacks."},
	{.name = "version_id",
	 .type = FIELD_ID,
	 .flags = FIELD_REQUIRED | FIELD_NULLABLE,
	 .refers = "rate-versions",
	 .example = "3",
	 .meaning = "The version that a roll-back brings back. Null: the job imports a sheet."},
	{.name = "report",
	 .type = FIELD_OBJECT,
	 .flags = RON,
	 .item = report_fields,
	 .items = sizeof(report_fields) / sizeof(*report_fields),
	 .meaning = "What came of it; null until it ends."},
	FIELD_MADE("When it was asked for."),
	{.name = "finished_at", .type = FIELD_TIME, .flags = RON, .meaning = "When it ended."},
};

const struct resource imports = {
	.collection = "imports",
	.large = true,
	.noun = "import job",
	.meaning = "CSV imports of rates and roll-backs of decks, all or nothing, run beside the requests.",
	.fields = fields,
	.n = sizeof(fields) / sizeof(*fields),
	.list = &store_import_list,
	.get = &store_import_get,
};

static const struct field change_fields[] = {
	{.name = "n", .type = FIELD_INT, .flags = RO, .example = "1", .meaning = "Its place, by prefix."},
	{.name = "kind",
	 .type = FIELD_CHOICE,
	 .flags = RO,
	 .choices = import_change_kinds,
	 .example = "\"up\"",
	 .meaning = "new: no rate holds where this one begins; up, down: the price; other: its other terms or its end; "
		    "ended: by `replace`; unchanged: it holds already."},
	{.name = "prefix", .type = FIELD_DIGITS, .flags = RO, .example = "\"49\"", .meaning = "Of the rate."},
	{.name = "destination",
	 .type = FIELD_TEXT,
	 .flags = RO,
	 .example = "\"Germany\"",
	 .meaning = "As the sheet has it; of an ended rate as it was."},
	{.name = "origin_prefix",
	 .type = FIELD_DIGITS,
	 .flags = RO,
	 .example = "\"\"",
	 .meaning = "Only for calling numbers that start so."},
	{.name = "old_price",
	 .type = FIELD_MONEY,
	 .flags = RON,
	 .example = "\"0.012000\"",
	 .meaning = "Price a minute that holds until then. Null: none."},
	{.name = "new_price",
	 .type = FIELD_MONEY,
	 .flags = RON,
	 .example = "\"0.012500\"",
	 .meaning = "Price a minute from then on. Null: it ends."},
	{.name = "effective_from", .type = FIELD_TIME, .flags = RO, .meaning = "From when the change would hold."},
	{.name = "short_notice",
	 .type = FIELD_BOOL,
	 .flags = RO,
	 .example = "false",
	 .meaning = "Dearer (price, fee, intervals, grace), and sooner than the deck's `notice_days`."},
	{.name = "line",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "17",
	 .meaning = "Line of the file; null: the file lacks it."},
};

const struct resource import_changes = {
	.collection = "import-changes",
	.noun = "change",
	.meaning = "What a dry run, or an import into a deck with `notice_days`, changes: each rate of the sheet and "
		   "each that "
		   "ends. Kept for a week.",
	.fields = change_fields,
	.n = sizeof(change_fields) / sizeof(*change_fields),
	.parent = &imports,
	.list = &store_import_change_list,
};

static const struct field version_fields[] = {
	{.name = "id", .type = FIELD_ID, .flags = RO, .example = "3", .meaning = "`version_id` of a roll-back."},
	{.name = "rate_deck_id",
	 .type = FIELD_ID,
	 .flags = RO,
	 .refers = "rate-decks",
	 .example = "1",
	 .meaning = "Of this deck."},
	{.name = "at", .type = FIELD_TIME, .flags = RO, .meaning = "When it was applied."},
	{.name = "actor", .type = FIELD_TEXT, .flags = RO, .example = "\"key:1\"", .meaning = "By whom."},
	{.name = "import_id",
	 .type = FIELD_ID,
	 .flags = RON,
	 .refers = "imports",
	 .example = "1",
	 .meaning = "The import job; null: the command line."},
	{.name = "rolled_back_to",
	 .type = FIELD_ID,
	 .flags = RON,
	 .example = "1",
	 .meaning = "The version that it brought back; null: an import."},
	{.name = "added",
	 .type = FIELD_INT,
	 .flags = RO,
	 .example = "12",
	 .meaning = "Rates that began where none held."},
	{.name = "changed",
	 .type = FIELD_INT,
	 .flags = RO,
	 .example = "3",
	 .meaning = "Rates that follow or alter one."},
	{.name = "ended", .type = FIELD_INT, .flags = RO, .example = "0", .meaning = "Rates that it ended."},
	{.name = "unchanged", .type = FIELD_INT, .flags = RO, .example = "5", .meaning = "Rates that held already."},
};

const struct resource rate_versions = {
	.collection = "rate-versions",
	.noun = "version",
	.meaning = "What was imported into a rate deck and applied, or brought back by a roll-back.",
	.fields = version_fields,
	.n = sizeof(version_fields) / sizeof(*version_fields),
	.parent = &rate_decks,
	.list = &store_rate_version_list,
};

static int deck_check(struct request *r)
{
	const char *values[] = {r->parent, NULL};
	PGresult *result;

	if (store_query(r, &store_deck_get, values, &result) != 0)
		return -1;
	int rows = PQntuples(result);
	PQclear(result);
	if (rows == 0)
		request_problem(r, 404, "There is no such rate deck.");
	return rows == 0 ? -1 : 0;
}

struct new_job {
	const char *dry_run, *replace; /* NULL: false */
	const char *version;	       /* to be brought back; NULL: a sheet is imported */
};

static int job_insert(struct request *r, const struct new_job *job, int64_t *id)
{
	const char *values[] = {r->parent,
				job->dry_run != NULL ? job->dry_run : "false",
				job->replace != NULL ? job->replace : "false",
				r->caller.name,
				r->service->instance,
				job->version};
	PGresult *result;

	if (store_query(r, &store_import_insert, values, &result) != 0)
		return -1;
	*id = pg_number(result, 0, 0);
	request_answer_text(r, 202, PQgetvalue(result, 0, 1));
	r->answer.location = arena_printf(r->arena, "/v1/imports/%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	return idempotency_keep(r);
}

static int room_check(struct request *r)
{
	if (importer_has_room(r->service->importer))
		return 0;
	request_problem(r, 429, "Too many imports wait; try again later.");
	r->answer.retry_after_s = 10;
	return -1;
}

void imports_create(struct request *r)
{
	const char *values[2];
	int64_t id;

	if (params_check(r, r->endpoint->params, values, NULL) != 0)
		return;
	if (r->body_bytes == 0) {
		request_problem(r, 422, "The body is empty: a CSV file with a header is expected.");
		return;
	}
	if (room_check(r) != 0)
		return;
	const struct new_job job = {.dry_run = values[0], .replace = values[1]};
	if (store_begin(r) == 0 && idempotency_claim(r) == 0 && deck_check(r) == 0 && job_insert(r, &job, &id) == 0 &&
	    store_commit(r) == 0) {
		importer_add(r->service->importer, id, r->body_fd, r->body_bytes);
		r->body_fd = -1;
	}
	store_rollback(r);
}

/* ---- roll-backs ---- */

static int version_check(struct request *r, const char *version)
{
	const char *values[] = {r->parent, version};
	struct errors e = {NULL};
	PGresult *result;

	if (store_query(r, &store_rate_version_find, values, &result) != 0)
		return -1;
	int rows = PQntuples(result);
	PQclear(result);
	if (rows > 0)
		return 0;
	errors_add(&e, "version_id", "the deck has no version %s", version);
	request_problem_fields(r, 422, "At least one field is wrong; see errors.", e.list);
	return -1;
}

/* The version that the body names (arena), or NULL after an answer. */
static const char *version_read(struct request *r)
{
	struct errors e = {NULL};
	const char *version = NULL;
	json_t *input = request_json(r), *object;

	if (input == NULL)
		return NULL;
	object = fields_check(imports.fields, imports.n, input, NULL, &e);
	if (e.list != NULL)
		request_problem_fields(r, 422, "At least one field is wrong; see errors.", e.list);
	else
		version = arena_printf(r->arena, "%" JSON_INTEGER_FORMAT,
				       json_integer_value(json_object_get(object, "version_id")));
	json_decref(object);
	json_decref(input);
	return version;
}

void rollbacks_create(struct request *r)
{
	struct new_job job = {.replace = "true"};
	const char *values[1];
	int64_t id;

	if (params_check(r, r->endpoint->params, values, NULL) != 0 || (job.version = version_read(r)) == NULL ||
	    room_check(r) != 0)
		return;
	job.dry_run = values[0];
	if (store_begin(r) == 0 && idempotency_claim(r) == 0 && deck_check(r) == 0 &&
	    version_check(r, job.version) == 0 && job_insert(r, &job, &id) == 0 && store_commit(r) == 0)
		importer_add(r->service->importer, id, -1, 0);
	store_rollback(r);
}
