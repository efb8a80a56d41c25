/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/ratesheet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "billing/ratesheet_parse.h"
#include "billing/store.h"
#include "lib/buf.h"
#include "lib/csv.h"
#include "lib/money.h"

#define CHUNK_BYTES 65536
#define READ_SHARE 0.6 /* of the whole work, as the progress bar has it: the rest is the merge */

struct import {
	struct pg *pg;
	const struct ratesheet_options *options;
	struct ratesheet_report *report;
	struct status *st;
	struct sheet_header header;
	bool has_header;
	bool has_notice; /* the deck has a notice period */
	int64_t now_us, rows, prefixes, read_bytes;
	struct buf chunk; /* COPY data, not yet sent */
};

static void reject(struct ratesheet_report *report, int64_t line, const char *reason)
{
	report->rejected++;
	if (report->n_errors == RATESHEET_ERRORS_MAX)
		return;
	if (report->n_errors == 0)
		report->errors = xcalloc(RATESHEET_ERRORS_MAX, sizeof(*report->errors));
	report->errors[report->n_errors++] = (struct ratesheet_error){line, xstrdup(reason)};
}

void ratesheet_report_free(struct ratesheet_report *report)
{
	for (size_t i = 0; i < report->n_errors; i++)
		free(report->errors[i].reason);
	free(report->errors);
	*report = (struct ratesheet_report){0};
}

static int copy_lost(struct import *im)
{
	int err = status_set(im->st, -ENOTCONN, "database: %s", PQerrorMessage(pg_raw(im->pg)));

	pg_drop(im->pg);
	return err;
}

static int copy_send(struct import *im)
{
	if (im->chunk.len > 0 && PQputCopyData(pg_raw(im->pg), im->chunk.text, (int)im->chunk.len) != 1)
		return copy_lost(im);
	buf_reset(&im->chunk);
	return 0;
}

/* why - NULL: the data is whole; else COPY is to fail with it, which is no error here */
static int copy_end(struct import *im, const char *why)
{
	PGconn *conn = pg_raw(im->pg);
	PGresult *r;
	int err = 0;

	if (conn == NULL)
		return -ENOTCONN;
	if (PQputCopyEnd(conn, why) != 1)
		return copy_lost(im);
	while ((r = PQgetResult(conn)) != NULL) {
		if (why == NULL && PQresultStatus(r) != PGRES_COMMAND_OK && err == 0)
			err = status_set(im->st, -EIO, "database: %s", PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
		PQclear(r);
	}
	return PQstatus(conn) == CONNECTION_BAD ? copy_lost(im) : err;
}

/* *text: the caller's, what row->schedule then is; NULL if it has none */
static int read_schedule(const struct import *im, struct sheet_row *row, char **text, struct status *st)
{
	*text = NULL;
	if (row->schedule == NULL)
		return 0;
	if (im->options->schedule_text == NULL)
		return status_set(st, -EINVAL, "schedules are not taken here");
	int err = im->options->schedule_text(row->schedule, text, st);
	if (err == 0 && strlen(*text) > SHEET_SCHEDULE_MAX) {
		free(*text);
		err = status_set(st, -EINVAL, "schedule is longer than %d bytes", SHEET_SCHEDULE_MAX);
	}
	if (err == 0)
		row->schedule = *text;
	return err;
}

/* A line for each prefix of the row. One row may make many times a chunk of them. */
static int put_row_lines(struct import *im, int64_t line, const struct sheet_row *row)
{
	char prefix[DIGITS_MAX + 1];
	struct codes_walk walk;
	int err = 0;

	codes_walk_begin(&row->codes, &walk);
	while (err == 0 && codes_next(&walk, prefix)) {
		sheet_row_put(&im->chunk, line, prefix, row);
		if (im->chunk.len >= CHUNK_BYTES)
			err = copy_send(im);
	}
	return err;
}

static int on_record(void *arg, int64_t line, char **fields, size_t n)
{
	struct import *im = arg;
	struct status why = {""};
	struct sheet_row row;
	char *schedule;

	if (!im->has_header) {
		im->has_header = true;
		if (sheet_header_read(fields, n, &im->header, &why) == 0)
			return 0;
		return status_set(im->st, -EINVAL, "line %" PRId64 ": %s", line, why.text);
	}
	im->rows++;
	if (sheet_row_read(&im->header, fields, n, im->now_us, &row, &why) != 0 ||
	    read_schedule(im, &row, &schedule, &why) != 0) {
		reject(im->report, line, why.text);
		return 0;
	}
	im->prefixes += row.codes.n;
	int err = im->prefixes <= RATESHEET_PREFIXES_MAX
			  ? put_row_lines(im, line, &row)
			  : status_set(im->st, -EINVAL, "line %" PRId64 ": the sheet names more than %d prefixes", line,
				       RATESHEET_PREFIXES_MAX);
	free(schedule);
	return err;
}

static int tell(const struct import *im, double share)
{
	if (im->options->progress == NULL || im->options->progress(im->options->arg, share) == 0)
		return 0;
	return status_set(im->st, -ECANCELED, "cancelled; nothing was applied");
}

static double share_read(const struct import *im)
{
	if (im->options->size <= 0)
		return 0;
	double share = (double)im->read_bytes / (double)im->options->size;

	return READ_SHARE * (share < 1 ? share : 1);
}

static int read_sheet(struct import *im, long (*read)(void *source, char *bytes, long max), void *source)
{
	struct csv_reader *csv = csv_reader_new(on_record, im);
	char *bytes = xcalloc(1, CHUNK_BYTES);
	long n;
	int err = 0;

	while (err == 0 && (n = read(source, bytes, CHUNK_BYTES)) != 0) {
		if (n < 0) {
			err = status_set(im->st, (int)n, "cannot read the sheet: %s", strerror((int)-n));
			break;
		}
		im->read_bytes += n;
		err = csv_feed(csv, bytes, (size_t)n, im->st);
		if (err == 0)
			err = tell(im, share_read(im));
	}
	if (err == 0)
		err = csv_end(csv, im->st);
	if (err == 0 && !im->has_header)
		err = status_set(im->st, -EINVAL, "the sheet is empty");
	if (err == 0 && im->rows == 0)
		err = status_set(im->st, -EINVAL, "the sheet has no rates, only a header");
	if (err == 0)
		err = copy_send(im);
	free(bytes);
	csv_reader_free(&csv);
	return err;
}

static int by_line(const void *a, const void *b)
{
	const struct ratesheet_error *x = a, *y = b;

	return (x->line > y->line) - (x->line < y->line);
}

/* The second and later lines of a prefix, origin, schedule and time are rejected. */
static int find_repeats(struct import *im)
{
	struct status why;
	PGresult *r;
	int err = pg_exec(im->pg, &store_rate_repeats, NULL, &r, im->st);

	if (err != 0)
		return err;
	for (int i = 0; i < PQntuples(r); i++) {
		status_set(&why, 0, "the same prefix, origin, schedule and time as line %s: %s", PQgetvalue(r, i, 1),
			   PQgetvalue(r, i, 3));
		reject(im->report, pg_number(r, i, 0), why.text);
	}
	if (PQntuples(r) > 0)
		im->report->rejected += pg_number(r, 0, 2) - PQntuples(r);
	PQclear(r);
	if (im->report->n_errors > 1)
		qsort(im->report->errors, im->report->n_errors, sizeof(*im->report->errors), by_line);
	return 0;
}

static const char *id_text(int64_t id, char out[static 24])
{
	snprintf(out, 24, "%" PRId64, id);
	return out;
}

void ratesheet_report_count(struct ratesheet_report *report, const PGresult *row)
{
	report->added = pg_number(row, 0, 0);
	report->changed = pg_number(row, 0, 1);
	report->ended = pg_number(row, 0, 2);
	report->unchanged = pg_number(row, 0, 3);
}

static int merge(struct import *im)
{
	char deck[24];
	const char *const params[] = {id_text(im->options->deck_id, deck), im->options->replace ? "true" : "false"};
	PGresult *r;
	int err = pg_exec(im->pg, &store_rates_apply, params, &r, im->st);

	if (err != 0)
		return err;
	ratesheet_report_count(im->report, r);
	PQclear(r);
	return 0;
}

/* Before anything is applied: the changes are written down, and increases on short notice counted. */
static int compare(struct import *im)
{
	char import[24], deck[24];
	const char *const params[] = {id_text(im->options->import_id, import), id_text(im->options->deck_id, deck),
				      im->options->replace ? "true" : "false"};
	PGresult *r;

	if (!im->has_notice && !(im->options->dry_run && im->options->import_id != 0))
		return 0;
	int err = pg_exec(im->pg, &store_rates_compare, params, &r, im->st);
	if (err != 0)
		return err;
	im->report->short_notice = pg_number(r, 0, 0);
	PQclear(r);
	return 0;
}

/* A dry run is a real one up to the savepoint that it ends at. */
static int trial_begin(struct import *im)
{
	return pg_simple(im->pg, "savepoint trial", im->st);
}

static int trial_end(struct import *im)
{
	return pg_simple(im->pg, "rollback to savepoint trial", im->st);
}

static int audit(struct import *im)
{
	char deck[24], added[24], changed[24], ended[24], unchanged[24], import[24];
	const char *const params[] = {im->options->actor != NULL ? im->options->actor : "",
				      id_text(im->options->deck_id, deck),
				      im->options->replace ? "true" : "false",
				      id_text(im->report->added, added),
				      id_text(im->report->changed, changed),
				      id_text(im->report->ended, ended),
				      id_text(im->report->unchanged, unchanged),
				      id_text(im->options->import_id, import)};

	return pg_exec(im->pg, &store_import_audit, params, NULL, im->st);
}

/* Inside the transaction, the sheet staged: 0 if it is to be committed. */
static int apply(struct import *im)
{
	char deck[24];
	int err = find_repeats(im);

	if (err == 0 && im->report->rejected > 0)
		err = status_set(im->st, -EINVAL, "%" PRId64 " of %" PRId64 " rows rejected; nothing was applied",
				 im->report->rejected, im->rows);
	if (err == 0)
		err = tell(im, READ_SHARE);
	if (err == 0) /* so that what counts as now is after all that others have stored */
		err = pg_exec(im->pg, &store_rate_deck_lock, (const char *const[]){id_text(im->options->deck_id, deck)},
			      NULL, im->st);
	if (err == 0)
		err = compare(im);
	if (err == 0 && im->options->dry_run)
		err = trial_begin(im);
	if (err == 0)
		err = merge(im);
	if (err == 0)
		err = tell(im, 0.95);
	if (err == 0)
		err = im->options->dry_run ? trial_end(im) : audit(im);
	return err;
}

static int stage(struct import *im, long (*read)(void *source, char *bytes, long max), void *source)
{
	int err = pg_simple(im->pg, store_rate_stage_copy, im->st);

	if (err != 0)
		return err;
	err = read_sheet(im, read, source);
	if (err == 0)
		return copy_end(im, NULL);
	(void)copy_end(
		im, "the sheet cannot be used"); /* err says why; a connection lost here is rolled back by the server */
	return err;
}

static int deck_begin(struct import *im)
{
	char deck[24];
	const char *const params[] = {id_text(im->options->deck_id, deck)};
	PGresult *r;
	int err = pg_exec(im->pg, &store_deck_begin, params, &r, im->st);

	if (err != 0)
		return err;
	if (PQntuples(r) == 1) {
		im->now_us = pg_number(r, 0, 0);
		im->has_notice = *PQgetvalue(r, 0, 1) == 't';
	} else {
		err = status_set(im->st, -ENOENT, "there is no rate deck %s", deck);
	}
	PQclear(r);
	return err;
}

int ratesheet_import(struct pg *pg, const struct ratesheet_options *o,
		     long (*read)(void *source, char *bytes, long max), void *source, struct ratesheet_report *report,
		     struct status *st)
{
	struct import im = {.pg = pg, .options = o, .report = report, .st = st};
	struct status ignored;
	int err;

	*report = (struct ratesheet_report){0};
	err = deck_begin(&im);
	if (err == 0)
		err = pg_simple(pg, store_rate_stage_begin, st);
	if (err != 0)
		return err;
	err = stage(&im, read, source);
	if (err == 0)
		err = apply(&im);
	if (err == 0)
		err = pg_simple(pg, "commit", st);
	else if (pg_raw(pg) != NULL && pg_simple(pg, "rollback", &ignored) != 0)
		pg_drop(pg);
	buf_free(&im.chunk);
	if (err == 0 && o->progress != NULL)
		(void)o->progress(o->arg, 1); /* too late to cancel */
	return err;
}

int ratesheet_deck(struct pg *pg, const char *name_or_id, int64_t *id, struct status *st)
{
	const char *const params[] = {name_or_id};
	PGresult *r;
	int err = pg_exec(pg, &store_deck_find, params, &r, st);

	if (err != 0)
		return err;
	if (PQntuples(r) == 1)
		*id = pg_number(r, 0, 0);
	else
		err = status_set(st, -ENOENT, "there is no rate deck \"%.200s\"", name_or_id);
	PQclear(r);
	return err;
}

static void put_decimal(struct buf *out, const char *text)
{
	char shown[MONEY_TEXT_MAX];
	struct money m;

	csv_put(out, *text != '\0' && money_parse(text, &m) == 0 ? money_format(m, 6, shown) : text);
}

static void put_row(struct buf *out, const PGresult *r, int row)
{
	for (int column = 0; column < SHEET_COLUMNS; column++) {
		const char *text = PQgetvalue(r, row, column);

		if (column > 0)
			buf_putc(out, ',');
		if (column == SHEET_PRICE || column == SHEET_CONNECT_FEE || column == SHEET_INITIAL_PRICE)
			put_decimal(out, text);
		else
			csv_put(out, text);
	}
	buf_putc(out, '\n');
}

static int write_out(FILE *out, struct buf *text, struct status *st)
{
	if (text->len > 0 && fwrite(text->text, 1, text->len, out) != text->len)
		return status_set(st, -EIO, "cannot write the sheet: %s", strerror(errno));
	buf_reset(text);
	return 0;
}

static int export_pages(struct pg *pg, int64_t deck_id, FILE *out, struct status *st)
{
	char deck[24], prefix[40] = "", id[24] = "0";
	const char *const params[] = {id_text(deck_id, deck), prefix, id};
	struct buf text = {0};
	int rows = 1, err = 0;

	for (int i = 0; i < SHEET_COLUMNS; i++)
		buf_printf(&text, "%s%s", i > 0 ? "," : "", sheet_column_names[i]);
	buf_putc(&text, '\n');
	err = write_out(out, &text, st);
	while (err == 0 && rows > 0) {
		PGresult *r;

		err = pg_exec(pg, &store_rates_page, params, &r, st);
		if (err != 0)
			break;
		rows = PQntuples(r);
		for (int i = 0; i < rows; i++)
			put_row(&text, r, i);
		if (rows > 0) {
			snprintf(prefix, sizeof(prefix), "%s", PQgetvalue(r, rows - 1, 0));
			snprintf(id, sizeof(id), "%s", PQgetvalue(r, rows - 1, SHEET_COLUMNS));
		}
		PQclear(r);
		err = write_out(out, &text, st);
	}
	buf_free(&text);
	if (err == 0 && fflush(out) != 0)
		err = status_set(st, -EIO, "cannot write the sheet: %s", strerror(errno));
	return err;
}

int ratesheet_export(struct pg *pg, int64_t deck_id, FILE *out, struct status *st)
{
	struct import im = {.pg = pg, .options = &(struct ratesheet_options){.deck_id = deck_id}, .st = st};
	struct status ignored;
	int err = deck_begin(&im);

	if (err == 0) /* one picture of the deck over all pages */
		err = pg_simple(pg, "begin isolation level repeatable read read only", st);
	if (err != 0)
		return err;
	err = export_pages(pg, deck_id, out, st);
	if (pg_raw(pg) != NULL && pg_simple(pg, "commit", &ignored) != 0)
		pg_drop(pg);
	return err;
}
