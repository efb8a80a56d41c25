/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/archive_check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "billing/archive.h"
#include "billing/store_archive.h"

static int check_days(struct pg *pg, struct chain_report *report, struct status *st)
{
	PGresult *r;
	int err = pg_exec(pg, &store_archive_said, NULL, &r, st);

	if (err != 0)
		return err;
	for (int i = 0; i < PQntuples(r); i++) {
		int64_t links = pg_number(r, i, 1), calls = pg_number(r, i, 2);

		if (links > calls)
			chain_bad(report,
				  "deleted: %" PRId64 " of %s are said to be archived, its files have %" PRId64
				  " calls",
				  links, PQgetvalue(r, i, 0), calls);
	}
	PQclear(r);
	return 0;
}

/* Lines of a gzip file from its start; -1: it cannot be read to its end */
static int64_t lines_of(int fd)
{
	char block[65536];
	int64_t lines = 0;
	int n = -1, copy = lseek(fd, 0, SEEK_SET) == 0 ? dup(fd) : -1; /* gzclose closes what it reads from */
	gzFile in = copy >= 0 ? gzdopen(copy, "rb") : NULL;

	if (in == NULL) {
		if (copy >= 0)
			close(copy);
		return -1;
	}
	while ((n = gzread(in, block, sizeof(block))) > 0)
		for (const char *at = block; (at = memchr(at, '\n', (size_t)(block + n - at))) != NULL; at++)
			lines++;
	return gzclose(in) == Z_OK && n == 0 ? lines : -1;
}

static void check_file(const char *dir, const char *name, int64_t rows, const char *sha256, struct chain_report *report)
{
	char path[4096], hex[65];
	int n = snprintf(path, sizeof(path), "%s/cdrs-%s.jsonl.gz", dir, name);
	int fd = n < (int)sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0) {
		chain_bad(report, "deleted: %" PRId64 " calls were archived as cdrs-%s.jsonl.gz, which is not in %s",
			  rows, name, dir);
		return;
	}
	if (archive_hash(fd, hex) != 0 || strcmp(hex, sha256) != 0)
		chain_bad(report, "edited: cdrs-%s.jsonl.gz is not what was written", name);
	else if (lines_of(fd) != rows)
		chain_bad(report,
			  "edited: cdrs-%s.jsonl.gz does not hold the %" PRId64 " calls that are said to be in it",
			  name, rows);
	close(fd);
}

static int check_files(struct pg *pg, const char *dir, struct chain_report *report, struct status *st)
{
	PGresult *r;
	int err = pg_exec(pg, &store_archive_files, NULL, &r, st);

	if (err != 0)
		return err;
	for (int i = 0; i < PQntuples(r); i++)
		check_file(dir, PQgetvalue(r, i, 0), pg_number(r, i, 1), PQgetvalue(r, i, 2), report);
	PQclear(r);
	return 0;
}

int archive_check(struct pg *pg, const char *dir, struct chain_report *report, struct status *st)
{
	int err = check_days(pg, report, st);

	return err == 0 && dir != NULL ? check_files(pg, dir, report, st) : err;
}
