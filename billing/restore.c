/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "billing/archive.h"
#include "billing/chain.h"
#include "billing/copy.h"
#include "billing/store_archive.h"
#include "lib/buf.h"

#define NAME_MAX_LEN 32

/* The day and number in .../cdrs-YYYYMMDD_N.jsonl.gz */
static bool name_of(const char *path, char name[static NAME_MAX_LEN])
{
	static const char head[] = "cdrs-", tail[] = ".jsonl.gz";
	const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
	size_t len = strlen(base), around = sizeof(head) - 1 + sizeof(tail) - 1;

	if (len <= around + 9 || len - around >= NAME_MAX_LEN || strncmp(base, head, sizeof(head) - 1) != 0 ||
	    strcmp(base + len - (sizeof(tail) - 1), tail) != 0)
		return false;
	memcpy(name, base + sizeof(head) - 1, len - around);
	name[len - around] = '\0';
	return strspn(name, "0123456789") == 8 && name[8] == '_' && strspn(name + 9, "0123456789") == strlen(name + 9);
}

/* One line without its end, of any length: 1; 0 at the file's end; or -EBADMSG */
static int read_line(gzFile in, struct buf *line)
{
	char piece[65536];
	int code;

	buf_reset(line);
	while (gzgets(in, piece, sizeof(piece)) != NULL) {
		buf_puts(line, piece);
		if (line->text[line->len - 1] != '\n')
			continue;
		line->text[--line->len] = '\0';
		return 1;
	}
	(void)gzerror(in, &code);
	return code != Z_OK || line->len > 0 ? -EBADMSG : 0; /* a line without an end was cut */
}

static int send_lines(PGconn *conn, gzFile in, const char *path, struct status *st)
{
	struct buf line = {0}, row = {0};
	int more, err = 0;

	while (err == 0 && (more = read_line(in, &line)) != 0) {
		if (more < 0) {
			err = status_set(st, more, "%s: cannot be read to its end", path);
			break;
		}
		buf_reset(&row);
		copy_put(&row, line.text);
		buf_putc(&row, '\n');
		if (PQputCopyData(conn, row.text, (int)row.len) < 0)
			err = status_set(st, -ENOTCONN, "%s", PQerrorMessage(conn));
	}
	buf_free(&line);
	buf_free(&row);
	return err;
}

static int copy_file(struct pg *pg, gzFile in, const char *path, struct status *st)
{
	PGconn *conn = pg_raw(pg);
	PGresult *result = PQexec(conn, store_restore_copy);
	int err = 0;

	if (PQresultStatus(result) != PGRES_COPY_IN)
		err = status_set(st, -EIO, "%s", PQerrorMessage(conn));
	PQclear(result);
	if (err != 0)
		return err;
	err = send_lines(conn, in, path, st);
	if (PQputCopyEnd(conn, err != 0 ? "the file cannot be read" : NULL) < 0 && err == 0)
		err = status_set(st, -ENOTCONN, "%s", PQerrorMessage(conn));
	while ((result = PQgetResult(conn)) != NULL) {
		if (PQresultStatus(result) != PGRES_COMMAND_OK && err == 0)
			err = status_set(st, -EBADMSG, "%s: %s", path,
					 PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
		PQclear(result);
	}
	return err;
}

/* What is staged into the day's partitions; then each link of that day must hold. */
static int put_back(struct pg *pg, const char *name, const char *sha256, int64_t *calls, struct status *st)
{
	const char *params[] = {name, sha256};
	struct chain_report report;
	PGresult *result;
	int err = pg_exec(pg, &store_restore, params, &result, st);

	if (err != 0)
		return err == -EINVAL ? -EBADMSG : err;
	*calls = pg_number(result, 0, 0);
	if (*calls > 0)
		err = chain_verify(pg, PQgetvalue(result, 0, 1), PQgetvalue(result, 0, 2), &report, st);
	if (*calls > 0 && err == 0 && report.bad > 0)
		err = status_set(st, -EBADMSG, "%s", report.first);
	PQclear(result);
	return err;
}

static int make_day(struct pg *pg, const char *name, const char *sha256, struct status *st)
{
	const char *params[] = {name, sha256};
	PGresult *result;
	int err = pg_exec(pg, &store_restore_day, params, &result, st);

	if (err == 0)
		PQclear(result);
	return err;
}

static int restore_open(struct pg *pg, int fd, const char *path, const char *name, int64_t *calls, struct status *st)
{
	char sha256[65];

	if (archive_hash(fd, sha256) != 0 || lseek(fd, 0, SEEK_SET) != 0)
		return status_set(st, -EIO, "%s: cannot be read", path);
	int copy = dup(fd); /* gzclose closes what it reads from */
	gzFile in = copy >= 0 ? gzdopen(copy, "rb") : NULL;
	if (in == NULL) {
		if (copy >= 0)
			close(copy);
		return status_set(st, -ENOMEM, "%s: cannot be read", path);
	}
	int err = make_day(pg, name, sha256, st);
	if (err == 0)
		err = pg_simple(pg, store_restore_begin, st);
	if (err == 0)
		err = copy_file(pg, in, path, st);
	if (err == 0)
		err = put_back(pg, name, sha256, calls, st);
	if (err == 0)
		err = pg_simple(pg, store_restore_end, st);
	if (err != 0) {
		struct status why;

		if (pg_simple(pg, store_restore_undo, &why) != 0)
			pg_drop(pg); /* which undoes it, too */
	}
	(void)gzclose(in); /* it was read to its end, or err says why not */
	return err;
}

int restore_file(struct pg *pg, const char *path, int64_t *calls, struct status *st)
{
	char name[NAME_MAX_LEN];

	*calls = 0;
	if (!name_of(path, name))
		return status_set(st, -EBADMSG, "%s: not named cdrs-YYYYMMDD_N.jsonl.gz", path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return status_set(st, -errno, "%s: %s", path, strerror(errno));
	int err = restore_open(pg, fd, path, name, calls, st);
	close(fd);
	return err;
}
