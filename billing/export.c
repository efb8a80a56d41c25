/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/export.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "billing/export_dir.h"
#include "billing/export_parts.h"
#include "billing/store_export.h"

struct writing { /* one run, from the lock of its row to the commit */
	struct pg *pg;
	const struct export_options *options;
	struct status *st;
	char id[24];
	char day[16], cutoff[32], created_at[32];
	bool finished; /* it was written before */
	int columns;   /* of its cdrs.csv.gz, fixed when it was claimed */
	struct export_parts *parts;
	struct export_dir dir;
};

int export_claim(struct pg *pg, const char *cutoff, const char *actor, int64_t *id, struct status *st)
{
	const char *const params[] = {cutoff, actor};
	PGresult *r;
	int err = pg_exec(pg, &store_export_claim, params, &r, st);

	if (err != 0)
		return err;
	*id = pg_number(r, 0, 0);
	PQclear(r);
	return 0;
}

/* ---- what a run is ---- */

static int lock_run(struct writing *w)
{
	PGresult *r;
	int err = pg_exec(w->pg, &store_export_lock, (const char *const[]){w->id}, &r, w->st);

	if (err != 0)
		return err;
	if (PQntuples(r) == 0) {
		err = status_set(w->st, -ENOENT, "there is no export run %s", w->id);
	} else {
		snprintf(w->day, sizeof(w->day), "%s", PQgetvalue(r, 0, 0));
		snprintf(w->cutoff, sizeof(w->cutoff), "%s", PQgetvalue(r, 0, 1));
		snprintf(w->created_at, sizeof(w->created_at), "%s", PQgetvalue(r, 0, 2));
		w->finished = PQgetvalue(r, 0, 3)[0] == 't';
		w->columns = (int)strtol(PQgetvalue(r, 0, 4), NULL, 10);
		if (w->columns > EXPORT_COLUMNS)
			err = status_set(w->st, -ENOTSUP, "export run %s has %d columns, this version knows %d", w->id,
					 w->columns, EXPORT_COLUMNS);
	}
	PQclear(r);
	return err;
}

static int add_carriers(struct writing *w)
{
	PGresult *r;
	int err = pg_exec(w->pg, &store_export_carriers, (const char *const[]){w->id}, &r, w->st);

	if (err != 0)
		return err;
	for (int i = 0; i < PQntuples(r) && err == 0; i++) {
		struct export_wish wish[] = {
			{PQgetvalue(r, i, 2), PQgetvalue(r, i, 3)},
			{PQgetvalue(r, i, 4), PQgetvalue(r, i, 5)},
		};
		err = export_parts_add_carrier(w->parts, pg_number(r, i, 0), PQgetvalue(r, i, 1), wish, w->st);
	}
	PQclear(r);
	return err;
}

/* ---- rows ---- */

static int put_rows(struct writing *w, const PGresult *r)
{
	const char *values[EXPORT_COLUMNS];
	int err = 0;

	for (int row = 0; row < PQntuples(r) && err == 0; row++) {
		for (int i = 0; i < EXPORT_COLUMNS; i++)
			values[i] = PQgetisnull(r, row, i) ? NULL : PQgetvalue(r, row, i);
		err = export_parts_put(w->parts, values, w->st);
	}
	return err;
}

static int go_on(const struct writing *w)
{
	if (w->options->stopping != NULL && atomic_load(w->options->stopping))
		return status_set(w->st, -ECANCELED, "stopped; run %s is finished by the next export", w->id);
	return 0;
}

static int put_cdrs(struct writing *w)
{
	int err = pg_exec(w->pg, &store_export_open, (const char *const[]){w->id}, NULL, w->st), rows = 1;

	while (err == 0 && rows > 0) {
		PGresult *r;

		err = pg_exec(w->pg, &store_export_fetch, NULL, &r, w->st);
		if (err != 0)
			break;
		rows = PQntuples(r);
		err = put_rows(w, r);
		PQclear(r);
		if (err == 0)
			err = go_on(w);
	}
	return err;
}

static int put_rerates(struct writing *w)
{
	int err = pg_exec(w->pg, &store_export_open_rerates, (const char *const[]){w->id}, NULL, w->st), rows = 1;

	while (err == 0 && rows > 0) {
		PGresult *r;

		err = pg_exec(w->pg, &store_export_fetch_rerates, NULL, &r, w->st);
		if (err != 0)
			break;
		rows = PQntuples(r);
		for (int i = 0; i < rows && err == 0; i++) {
			const struct export_correction c = {PQgetvalue(r, i, 1), PQgetvalue(r, i, 2),
							    PQgetvalue(r, i, 3), PQgetvalue(r, i, 4),
							    PQgetvalue(r, i, 5)};
			err = export_parts_put_correction(w->parts, pg_number(r, i, 0), &c, w->st);
		}
		PQclear(r);
	}
	return err;
}

/* ---- manifest ---- */

static int manifest_store(struct writing *w, json_t *manifest)
{
	char *text = json_dumps(manifest, JSON_INDENT(2));
	size_t len = strlen(text);
	int fd = openat(w->dir.fd, "manifest.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640), err = 0;

	text[len] = '\n'; /* in place of the NUL */
	errno = ENOSPC;	  /* what a short write means */
	if (fd < 0 || write(fd, text, len + 1) != (ssize_t)(len + 1) || fsync(fd) != 0)
		err = status_set(w->st, -errno, "cannot write manifest.json: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	free(text);
	return err;
}

/* The signed root of the last day that was sealed when the run was claimed; null: none was. */
static int manifest_add_root(struct writing *w, json_t *manifest)
{
	PGresult *r;
	int err = pg_exec(w->pg, &store_export_root, (const char *const[]){w->id}, &r, w->st);

	if (err != 0)
		return err;
	json_t *root = PQntuples(r) == 0
			       ? json_null()
			       : json_pack("{ss ss ss ss}", "day", PQgetvalue(r, 0, 0), "root", PQgetvalue(r, 0, 1),
					   "signature", PQgetvalue(r, 0, 2), "public_key", PQgetvalue(r, 0, 3));
	json_object_set_new(manifest, "chain_root", root);
	PQclear(r);
	return 0;
}

static int manifest_write(struct writing *w)
{
	json_t *manifest = json_pack("{sI ss ss so}", "run", (json_int_t)strtoll(w->id, NULL, 10), "cutoff", w->cutoff,
				     "created_at", w->created_at, "files", export_parts_describe(w->parts));
	int err = manifest_add_root(w, manifest);

	if (err == 0)
		err = manifest_store(w, manifest);
	json_decref(manifest);
	return err;
}

/* ---- the run in the database ---- */

/* A file written for the first time is recorded; written again, it must be the same. */
static int file_record(struct writing *w, const struct export_part_facts *f)
{
	char rows[24], bytes[24];
	const char *const params[] = {w->id, f->name, rows, f->amount, f->currency, bytes, f->sha256};
	PGresult *r;

	snprintf(rows, sizeof(rows), "%" PRId64, f->rows);
	snprintf(bytes, sizeof(bytes), "%" PRId64, f->bytes);
	if (!w->finished)
		return pg_exec(w->pg, &store_export_file_put, params, NULL, w->st);

	int err = pg_exec(w->pg, &store_export_file_get, params, &r, w->st);
	if (err != 0)
		return err;
	if (PQntuples(r) == 0 || strcmp(PQgetvalue(r, 0, 0), f->sha256) != 0)
		err = status_set(w->st, -EBADMSG,
				 "%s of run %s is not what was written first: CDRs or zlib have changed", f->name,
				 w->id);
	PQclear(r);
	return err;
}

static int files_record(struct writing *w)
{
	struct export_part_facts facts;
	int err = 0;

	for (size_t i = 0; err == 0 && export_parts_facts(w->parts, i, &facts); i++)
		err = file_record(w, &facts);
	return err;
}

static int write_files(struct writing *w)
{
	int err = export_dir_open(&w->dir, w->options->dir, w->day, strtoll(w->id, NULL, 10), w->st);

	if (err != 0)
		return err;
	w->parts = export_parts_new(w->dir.fd, w->columns);
	err = add_carriers(w);
	if (err == 0)
		err = put_cdrs(w);
	if (err == 0)
		err = put_rerates(w);
	if (err == 0)
		err = export_parts_seal(w->parts, w->st);
	if (err == 0)
		err = manifest_write(w);
	if (err == 0)
		err = files_record(w);
	if (err == 0)
		err = export_dir_publish(&w->dir, w->st);
	if (err == 0 && !w->finished)
		err = pg_exec(w->pg, &store_export_finish, (const char *const[]){w->id, w->options->node}, NULL, w->st);
	return err;
}

static bool stands_here(const struct writing *w, const char *path)
{
	struct stat info;

	return w->finished && stat(path, &info) == 0;
}

static int write_locked(struct writing *w, bool again, struct export_result *out)
{
	int64_t id = strtoll(w->id, NULL, 10);
	int err = export_dir_path(w->options->dir, w->day, id, out->path, w->st);

	out->id = id;
	out->rows = -1;
	if (err != 0 || (!again && stands_here(w, out->path)))
		return err;
	err = write_files(w);
	if (err == 0)
		out->rows = export_parts_rows(w->parts);
	export_parts_free(&w->parts);
	export_dir_close(&w->dir);
	return err;
}

/* The end of a transaction: err, or the commit's. */
static int end(struct pg *pg, int err, struct status *st)
{
	if (err >= 0)
		return pg_simple(pg, "commit", st) == 0 ? err : -ENOTCONN;
	if (pg_raw(pg) != NULL && pg_simple(pg, "rollback", NULL) != 0)
		pg_drop(pg);
	return err;
}

int export_write(struct pg *pg, const struct export_options *o, int64_t id, bool again, struct export_result *out,
		 struct status *st)
{
	struct writing w = {.pg = pg, .options = o, .st = st, .dir = {.fd = -1, .day_fd = -1, .base_fd = -1}};
	int err = pg_simple(pg, "begin", st);

	if (err != 0)
		return err;
	snprintf(w.id, sizeof(w.id), "%" PRId64, id);
	err = lock_run(&w);
	if (err == 0)
		err = write_locked(&w, again, out);
	return end(pg, err, st);
}

int export_finish_left(struct pg *pg, const struct export_options *o, int64_t after, struct export_result *out,
		       struct status *st)
{
	struct writing w = {.pg = pg, .options = o, .st = st, .dir = {.fd = -1, .day_fd = -1, .base_fd = -1}};
	PGresult *r = NULL;
	int err = pg_simple(pg, "begin", st);

	if (err != 0)
		return err;
	snprintf(w.id, sizeof(w.id), "%" PRId64, after);
	err = pg_exec(pg, &store_export_next, (const char *const[]){w.id}, &r, st);
	if (err == 0 && PQntuples(r) == 1) {
		snprintf(w.id, sizeof(w.id), "%s", PQgetvalue(r, 0, 0));
		err = lock_run(&w);
		if (err == 0)
			err = write_locked(&w, false, out);
		if (err == 0)
			err = 1;
	}
	PQclear(r);
	return end(pg, err, st);
}

int export_show(struct pg *pg, int64_t id, json_t **run, struct status *st)
{
	char text[24];
	PGresult *r;

	snprintf(text, sizeof(text), "%" PRId64, id);
	int err = pg_exec(pg, &store_export_show, (const char *const[]){text}, &r, st);
	if (err != 0)
		return err;
	*run = PQntuples(r) == 1 ? json_loads(PQgetvalue(r, 0, 0), 0, NULL) : NULL;
	PQclear(r);
	return *run != NULL ? 0 : status_set(st, -ENOENT, "there is no export run %s", text);
}

int export_list(struct pg *pg, json_t **runs, struct status *st)
{
	PGresult *r;
	int err = pg_exec(pg, &store_export_list, NULL, &r, st);

	if (err != 0)
		return err;
	*runs = json_array();
	for (int i = 0; i < PQntuples(r); i++)
		json_array_append_new(*runs, json_loads(PQgetvalue(r, i, 0), 0, NULL));
	PQclear(r);
	return 0;
}
