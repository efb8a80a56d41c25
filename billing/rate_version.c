/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/rate_version.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "billing/store.h"

static int64_t number_at(const PGresult *r, int row, int column)
{
	return strtoll(PQgetvalue(r, row, column), NULL, 10);
}

int rate_version_each(struct pg *pg, int64_t deck_id, void (*tell)(void *arg, const struct rate_version *v), void *arg,
		      struct status *st)
{
	char deck[24];
	const char *const params[] = {deck};
	PGresult *r;

	snprintf(deck, sizeof(deck), "%" PRId64, deck_id);
	int err = pg_exec(pg, &store_rate_versions, params, &r, st);
	if (err != 0)
		return err;
	for (int i = 0; i < PQntuples(r); i++) {
		const struct rate_version v = {
			.id = number_at(r, i, 0),
			.at = PQgetvalue(r, i, 1),
			.actor = PQgetvalue(r, i, 2),
			.rolled_back_to = number_at(r, i, 3),
			.added = number_at(r, i, 4),
			.changed = number_at(r, i, 5),
			.ended = number_at(r, i, 6),
			.unchanged = number_at(r, i, 7),
		};
		tell(arg, &v);
	}
	PQclear(r);
	return 0;
}

static int restore(struct pg *pg, const struct rate_version_restore *o, struct ratesheet_report *report,
		   struct status *st)
{
	char deck[24], to[24], import[24];
	const char *const params[] = {deck, to, o->actor, import, o->dry_run ? "true" : "false"};
	PGresult *r;

	snprintf(deck, sizeof(deck), "%" PRId64, o->deck_id);
	snprintf(to, sizeof(to), "%" PRId64, o->version);
	snprintf(import, sizeof(import), "%" PRId64, o->import_id);
	int err = pg_exec(pg, &store_rates_rollback, params, &r, st);
	if (err != 0 && strcmp(pg_sqlstate(pg), "P0002") == 0)
		return status_set(st, -ENOENT, "the deck has no version %s", to);
	if (err != 0)
		return err;
	report->added = number_at(r, 0, 0);
	report->changed = number_at(r, 0, 1);
	report->ended = number_at(r, 0, 2);
	report->unchanged = number_at(r, 0, 3);
	PQclear(r);
	return 0;
}

int rate_version_restore(struct pg *pg, const struct rate_version_restore *o, struct ratesheet_report *report,
			 struct status *st)
{
	struct status ignored;
	int err = pg_simple(pg, store_rate_stage_begin, st);

	*report = (struct ratesheet_report){0};
	if (err == 0)
		err = restore(pg, o, report, st);
	if (err == 0)
		err = pg_simple(pg, "commit", st);
	else if (pg_raw(pg) != NULL && pg_simple(pg, "rollback", &ignored) != 0)
		pg_drop(pg);
	return err;
}
