/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/migrate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "sql/migrate_priv.h"

/* "tandem" in ASCII. Held to the end of each transaction, so that two at once apply each migration once. */
#define LOCK_SQL "select pg_advisory_xact_lock(127961812723053)"
#define TABLE_SQL                                                                                                      \
	"create table if not exists schema_migrations ("                                                               \
	" number integer primary key, name text not null, applied_at timestamptz not null default now())"

static const struct pg_statement table_there = {"migrate_table_there",
						"select to_regclass('schema_migrations') is not null", 0};
static const struct pg_statement numbers_applied = {"migrate_applied",
						    "select number from schema_migrations order by number", 0};
static const struct pg_statement number_add = {"migrate_add",
					       "insert into schema_migrations (number, name) values ($1, $2)", 2};

static int table_exists(struct pg *pg, bool *there, struct status *st)
{
	PGresult *result = NULL;
	int err = pg_exec(pg, &table_there, NULL, &result, st);

	if (err == 0)
		*there = PQgetvalue(result, 0, 0)[0] == 't';
	PQclear(result);
	return err;
}

/* the first migration that the rows (ascending numbers) lack, NULL if none; a number past ours is refused */
static int first_missing(const PGresult *rows, const struct migration **missing, struct status *st)
{
	int n = PQntuples(rows);
	long newest = n > 0 ? strtol(PQgetvalue(rows, n - 1, 0), NULL, 10) : 0;
	int row = 0;

	*missing = NULL;
	if (newest > migrations[migrations_count - 1].number)
		return status_set(
			st, -EPROTO,
			"the database is at schema version %ld, this program knows %d: install a newer tandem", newest,
			migrations[migrations_count - 1].number);
	for (size_t i = 0; i < migrations_count && *missing == NULL; i++) {
		while (row < n && strtol(PQgetvalue(rows, row, 0), NULL, 10) < migrations[i].number)
			row++;
		if (row == n || strtol(PQgetvalue(rows, row, 0), NULL, 10) != migrations[i].number)
			*missing = &migrations[i];
	}
	return 0;
}

static int find_missing(struct pg *pg, const struct migration **missing, struct status *st)
{
	PGresult *rows = NULL;
	int err = pg_exec(pg, &numbers_applied, NULL, &rows, st);

	if (err == 0)
		err = first_missing(rows, missing, st);
	PQclear(rows);
	return err;
}

static int apply_one(struct pg *pg, const struct migration *m, struct status *st)
{
	struct status cause = {""};
	char number[16];
	int err = pg_simple(pg, m->sql, &cause);

	if (err != 0)
		return status_set(st, err, "migration %s: %.400s", m->name, cause.text);
	snprintf(number, sizeof(number), "%d", m->number);
	return pg_exec(pg, &number_add, (const char *const[]){number, m->name}, NULL, st);
}

/* One transaction: the first that is missing, if any. *more tells whether to come again. */
static int step(struct pg *pg, bool *more, struct status *st)
{
	const struct migration *next = NULL;
	int err = pg_simple(pg, "begin", st);

	*more = false;
	if (err != 0)
		return err;
	err = pg_simple(pg, LOCK_SQL, st);
	if (err == 0)
		err = pg_simple(pg, TABLE_SQL, st);
	if (err == 0)
		err = find_missing(pg, &next, st);
	if (err == 0 && next != NULL)
		err = apply_one(pg, next, st);
	if (err == 0)
		err = pg_simple(pg, "commit", st);
	else if (pg_raw(pg) != NULL && pg_simple(pg, "rollback", NULL) != 0)
		pg_drop(pg);
	*more = err == 0 && next != NULL;
	return err;
}

int migrate_run(struct pg *pg, int *applied, struct status *st)
{
	bool more;
	int err;

	for (*applied = 0; (err = step(pg, &more, st)) == 0 && more; (*applied)++)
		;
	return err;
}

int migrate_check(struct pg *pg, struct status *st)
{
	const struct migration *missing = &migrations[0];
	bool there = false;
	int err = table_exists(pg, &there, st);

	if (err == 0 && there)
		err = find_missing(pg, &missing, st);
	if (err == 0 && missing != NULL)
		err = status_set(st, -EPROTO, "the database lacks migration %s: run `tandem migrate`", missing->name);
	return err;
}
