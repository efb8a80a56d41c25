/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/rate_version.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "billing/store.h"

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
			.id = pg_number(r, i, 0),
			.at = PQgetvalue(r, i, 1),
			.actor = PQgetvalue(r, i, 2),
			.rolled_back_to = pg_number(r, i, 3),
			.added = pg_number(r, i, 4),
			.changed = pg_number(r, i, 5),
			.ended = pg_number(r, i, 6),
			.unchanged = pg_number(r, i, 7),
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
	ratesheet_report_count(report, r);
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
