/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "billing/store_archive.h"

#define FIRST_ID "00000000-0000-0000-0000-000000000000"

int archive_detach(struct pg *pg, int64_t keep_days, int *days, struct status *st)
{
	char keep[24];
	const char *params[] = {keep};
	PGresult *list;

	*days = 0;
	snprintf(keep, sizeof(keep), "%" PRId64, keep_days);
	int err = pg_exec(pg, &store_archive_days, params, &list, st);
	if (err != 0)
		return err;
	for (int i = 0; err == 0 && i < PQntuples(list); i++) {
		const char *day[] = {PQgetvalue(list, i, 0)};

		PGresult *name;

		err = pg_exec(pg, &store_archive_detach, day, &name, st);
		if (err != 0)
			break;
		*days += !PQgetisnull(
			name, 0, 0); /* null: another was first, or a late record has come that is in no export yet */
		PQclear(name);
	}
	PQclear(list);
	return err;
}

static int write_page(gzFile out, const PGresult *page, const char *path, struct status *st)
{
	for (int i = 0; i < PQntuples(page); i++) {
		int len = PQgetlength(page, i, 1);

		if (gzwrite(out, PQgetvalue(page, i, 1), (unsigned)len) != len || gzwrite(out, "\n", 1) != 1)
			return status_set(st, -EIO, "%s: cannot be written", path);
	}
	return 0;
}

static int write_lines(struct pg *pg, const char *name, gzFile out, struct archive_file *file, struct status *st)
{
	char after[64] = FIRST_ID;
	const char *params[] = {name, after};
	int n, err;

	do {
		PGresult *page;

		err = pg_exec(pg, &store_archive_lines, params, &page, st);
		if (err != 0)
			return err;
		n = PQntuples(page);
		err = write_page(out, page, file->path, st);
		if (n > 0)
			snprintf(after, sizeof(after), "%s", PQgetvalue(page, n - 1, 0));
		file->rows += n;
		PQclear(page);
	} while (err == 0 && n > 0);
	return err;
}

/* What the disk has, not what we meant to write. */
int archive_hash(int fd, char hex[static 65])
{
	unsigned char block[65536], hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	ssize_t n = -1;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int good = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 && lseek(fd, 0, SEEK_SET) == 0;

	while (good && (n = read(fd, block, sizeof(block))) > 0)
		good = EVP_DigestUpdate(md, block, (size_t)n) == 1;
	good = good && n == 0 && EVP_DigestFinal_ex(md, hash, &len) == 1;
	EVP_MD_CTX_free(md);
	for (unsigned i = 0; good && i < len; i++)
		snprintf(hex + 2 * (size_t)i, 3, "%02x", hash[i]);
	return good ? 0 : -EIO;
}

static int write_open(struct pg *pg, const char *name, int fd, struct archive_file *file, struct status *st)
{
	int copy = dup(fd); /* gzclose closes what it writes to */
	gzFile out = copy >= 0 ? gzdopen(copy, "wb") : NULL;

	if (out == NULL) {
		if (copy >= 0)
			close(copy);
		return status_set(st, -ENOMEM, "%s: cannot be written", file->path);
	}
	int err = write_lines(pg, name, out, file, st);
	if (gzclose(out) != Z_OK && err == 0)
		err = status_set(st, -EIO, "%s: cannot be written", file->path);
	if (err == 0 && (fsync(fd) != 0 || archive_hash(fd, file->sha256) != 0))
		err = status_set(st, -EIO, "%s: %s", file->path, strerror(errno));
	return err;
}

/* The new name, too, must survive a crash before the tables go. */
static int sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;

	if (fd < 0 || fsync(fd) != 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

static int write_file(struct pg *pg, const char *dir, const char *name, struct archive_file *file, struct status *st)
{
	char unfinished[sizeof(file->path) + 8];

	int n = snprintf(file->path, sizeof(file->path), "%s/cdrs-%s.jsonl.gz", dir, name);
	if (n >= (int)sizeof(file->path))
		return status_set(st, -ENAMETOOLONG, "%s: too long", dir);
	snprintf(unfinished, sizeof(unfinished), "%s.tmp", file->path);
	int fd = open(unfinished, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return status_set(st, -errno, "%s: %s", unfinished, strerror(errno));
	int err = write_open(pg, name, fd, file, st);
	close(fd);
	if (err == 0 && rename(unfinished, file->path) != 0)
		err = status_set(st, -errno, "%s: %s", file->path, strerror(errno));
	if (err == 0 && (err = sync_dir(dir)) != 0)
		(void)status_set(st, err, "%s: %s", dir, strerror(-err));
	if (err != 0)
		(void)unlink(unfinished);
	return err;
}

/* In a transaction: the day that it takes is written by nobody else until its end. */
static int write_next(struct pg *pg, const char *dir, struct archive_file *file, struct status *st)
{
	PGresult *next;
	int err = pg_exec(pg, &store_archive_next, NULL, &next, st);

	if (err != 0)
		return err;
	char rows[24];
	const char *params[] = {PQgetvalue(next, 0, 0), file->path, rows, file->sha256};
	bool some = !PQgetisnull(next, 0, 0);

	if (some)
		err = write_file(pg, dir, params[0], file, st);
	snprintf(rows, sizeof(rows), "%" PRId64, file->rows);
	if (some && err == 0)
		err = pg_exec(pg, &store_archive_drop, params, NULL, st);
	PQclear(next);
	return err == 0 ? some : err;
}

int archive_write(struct pg *pg, const char *dir, struct archive_file *file, struct status *st)
{
	*file = (struct archive_file){.rows = 0};
	int err = pg_simple(pg, "begin", st);

	if (err != 0)
		return err;
	err = write_next(pg, dir, file, st);
	if (err >= 0)
		return pg_simple(pg, "commit", st) == 0 ? err : -ENOTCONN;
	if (pg_raw(pg) != NULL && pg_simple(pg, "rollback", NULL) != 0)
		pg_drop(pg);
	return err;
}
