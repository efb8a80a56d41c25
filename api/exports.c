/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/exports: runs of the CDR export and their files. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/endpoint.h"
#include "api/exporter.h"
#include "api/handlers.h"
#include "api/idempotency.h"
#include "api/resource.h"
#include "api/service.h"
#include "api/store.h"
#include "billing/export_dir.h"
#include "lib/log.h"

#define RO FIELD_READ_ONLY
#define RON (FIELD_READ_ONLY | FIELD_NULLABLE)
#define WAIT_MS 8000 /* how long an answer waits for the files */

static const char *const statuses[] = {"running", "done", NULL};

static const struct field file_fields[] = {
	{.name = "name",
	 .type = FIELD_TEXT,
	 .flags = RO,
	 .example = "\"carrier-3-sell.csv.gz\"",
	 .meaning = "Under /v1/exports/{id}/files/."},
	{.name = "rows", .type = FIELD_INT, .flags = RO, .example = "1250", .meaning = "Calls, or corrections."},
	{.name = "amount",
	 .type = FIELD_MONEY,
	 .flags = RON,
	 .example = "\"18.750000\"",
	 .meaning = "Their sum; null: a file of all sides, or of several currencies."},
	{.name = "currency", .type = FIELD_TEXT, .flags = RON, .example = "\"EUR\"", .meaning = "Of the amount."},
	{.name = "bytes", .type = FIELD_INT, .flags = RO, .example = "76031", .meaning = "Compressed."},
	{.name = "sha256",
	 .type = FIELD_TEXT,
	 .flags = RO,
	 .example = "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
	 .meaning = "Of the file as it is sent, in hexadecimal."},
	{.name = "delivered_at",
	 .type = FIELD_TIME,
	 .flags = RON,
	 .meaning = "When it reached the partner; null: it is not to be sent, or not sent yet."},
	{.name = "delivery_error",
	 .type = FIELD_TEXT,
	 .flags = RON,
	 .example = "\"sftp: connection refused\"",
	 .meaning = "Why the last attempt to send it failed; not shown to a partner's key."},
};
static const struct field file_item = {
	.type = FIELD_OBJECT, .item = file_fields, .items = sizeof(file_fields) / sizeof(*file_fields)};

static const struct field fields[] = {
	{.name = "id", .type = FIELD_ID, .flags = RO, .example = "1", .meaning = "Id; the run's number."},
	{.name = "cutoff",
	 .type = FIELD_TIME,
	 .flags = FIELD_NULLABLE,
	 .meaning = "Only calls that ended before; null: now."},
	{.name = "status",
	 .type = FIELD_CHOICE,
	 .flags = RO,
	 .choices = statuses,
	 .example = "\"done\"",
	 .meaning = "running: claimed, the files are not all there yet."},
	{.name = "files",
	 .type = FIELD_LIST,
	 .flags = RO,
	 .item = &file_item,
	 .items = 1,
	 .meaning = "What was written; beside them stands manifest.json."},
	{.name = "actor",
	 .type = FIELD_TEXT,
	 .flags = RO | FIELD_INTERNAL,
	 .example = "\"ops\"",
	 .meaning = "Who asked for it."},
	{.name = "node",
	 .type = FIELD_TEXT,
	 .flags = RON | FIELD_INTERNAL,
	 .example = "\"sw1\"",
	 .meaning = "Who wrote it first."},
	FIELD_MADE("When it was claimed."),
	{.name = "finished_at", .type = FIELD_TIME, .flags = RON, .meaning = "When its files were there."},
};

const struct resource exports = {
	.collection = "exports",
	.large = true,
	.noun = "export run",
	.meaning = "Runs of the CDR export: every CDR is in exactly one.",
	.fields = fields,
	.n = sizeof(fields) / sizeof(*fields),
	.list = &store_export_run_list,
	.get = &store_export_run_get,
};

/* ---- a new run ---- */

/* The run as it is now becomes the answer. */
static int answer_run(struct request *r, int status, const char *id)
{
	const char *values[] = {id, NULL};
	PGresult *result;

	if (store_query(r, &store_export_run_get, values, &result) != 0)
		return -1;
	buf_reset(&r->answer.body);
	request_answer_text(r, status, PQgetvalue(result, 0, 0));
	r->answer.location = arena_printf(r->arena, "/v1/exports/%s", id);
	PQclear(result);
	return 0;
}

static int run_claim(struct request *r, const char *cutoff, const char **id)
{
	const char *values[] = {cutoff, r->caller.name};
	PGresult *result;

	if (store_query(r, &store_export_run_insert, values, &result) != 0)
		return -1;
	*id = arena_strdup(r->arena, PQgetvalue(result, 0, 0));
	PQclear(result);
	if (answer_run(r, 201, *id) != 0)
		return -1;
	json_t *run = json_loads(r->answer.body.text, 0, NULL);
	int rc = store_audit(
		r, &(struct store_change){.action = "create", .resource = "exports", .id = *id, .after = run});
	json_decref(run);
	return rc != 0 ? -1 : idempotency_keep(r);
}

/* The answer with the files. If it can't be had any more, the one that says what was claimed stands: so does the run,
 * and a second try would make another. */
static void answer_written(struct request *r, const char *id)
{
	struct answer claimed = r->answer;

	r->answer = (struct answer){0};
	if (answer_run(r, 201, id) == 0 && idempotency_keep(r) == 0) {
		buf_free(&claimed.body);
		return;
	}
	buf_free(&r->answer.body);
	r->answer = claimed;
	r->again = false;
	log_event(LOG_LEVEL_WARN, "an answer shows an export run without its files", "run=%s", id);
}

void exports_create(struct request *r)
{
	struct errors e = {NULL};
	json_t *input, *object;
	const char *id = NULL;

	if (params_check(r, NULL, NULL, NULL) != 0)
		return;
	input = r->body.len > 0 ? request_json(r) : json_object(); /* nothing is needed, so nothing need be sent */
	if (input == NULL)
		return;
	object = fields_check(exports.fields, exports.n, input, NULL, &e);
	json_decref(input);
	if (e.list != NULL) {
		request_problem_fields(r, 422, "At least one field is wrong; see errors.", e.list);
	} else if (store_begin(r) == 0 && idempotency_claim(r) == 0 &&
		   run_claim(r, json_string_value(json_object_get(object, "cutoff")), &id) == 0 &&
		   store_commit(r) == 0) {
		/* The run stands. Most are written at once: then the answer shows the files. */
		if (exporter_write(r->service->exporter, strtoll(id, NULL, 10), WAIT_MS) == 0)
			answer_written(r, id);
	}
	store_rollback(r);
	json_decref(object);
}

/* ---- a file ---- */

static int path_find(struct request *r, char path[static PATH_MAX])
{
	const char *values[] = {r->parent, r->id, request_is_bound(r) ? r->caller.carrier_text : NULL};
	struct status st;
	PGresult *result;
	int err = -ENOENT;

	if (store_query(r, &store_export_run_day, values, &result) != 0)
		return -1;
	if (PQntuples(result) == 1)
		err = export_dir_path(r->service->settings->export_dir, PQgetvalue(result, 0, 0),
				      strtoll(r->parent, NULL, 10), path, &st);
	PQclear(result);
	if (err == 0)
		return 0;
	request_problem(r, 404, "There is no such file of an export run.");
	return -1;
}

/* The file, written again if this node does not have it; -1 after an answer. */
static int file_open(struct request *r, const char *path, const char *name)
{
	int dir, fd = -1, err = 0;

	for (int tries = 0; tries < 2 && err == 0; tries++) {
		dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0) {
			fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
			close(dir);
		}
		if (fd >= 0)
			return fd;
		if (tries == 0)
			err = exporter_write(r->service->exporter, strtoll(r->parent, NULL, 10), WAIT_MS);
	}
	request_problem(r, 503,
			err == -EINPROGRESS ? "The files are being written; try again."
					    : "The file cannot be had here now; the log says why.");
	r->answer.retry_after_s = 10;
	return -1;
}

void exports_file(struct request *r)
{
	char path[PATH_MAX];
	struct stat info;

	if (params_check(r, NULL, NULL, NULL) != 0 || path_find(r, path) != 0)
		return;
	int fd = file_open(r, path, r->id);
	if (fd < 0)
		return;
	if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
		close(fd);
		request_problem(r, 404, "There is no such file of an export run.");
		return;
	}
	request_answer_file(r, fd, info.st_size,
			    strcmp(r->id, "manifest.json") == 0 ? "application/json" : "application/gzip");
}
