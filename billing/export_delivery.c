/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/export_delivery.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "billing/export_send.h"
#include "billing/store_export.h"

enum { TAKEN_RUN, TAKEN_NAME, TAKEN_CARRIER, TAKEN_TARGET };

/* The file stands here, or is written here now. */
static int file_here(struct pg *pg, const struct export_options *o, const struct export_delivery *d,
		     char path[static PATH_MAX], struct status *st)
{
	struct export_result result;
	int err = export_write(pg, o, d->run, false, &result, st);

	if (err == 0 && snprintf(path, PATH_MAX, "%s/%s", result.path, d->name) >= PATH_MAX)
		err = status_set(st, -ENAMETOOLONG, "the path of %s is too long", d->name);
	return err;
}

static int send(struct pg *pg, const struct export_options *o, const char *program, const PGresult *taken,
		const struct export_delivery *d, struct status *st)
{
	const char *target = PQgetisnull(taken, 0, TAKEN_TARGET) ? NULL : PQgetvalue(taken, 0, TAKEN_TARGET);
	char path[PATH_MAX];
	const struct export_parcel parcel = {.path = path,
					     .run = PQgetvalue(taken, 0, TAKEN_RUN),
					     .name = d->name,
					     .carrier = PQgetvalue(taken, 0, TAKEN_CARRIER)};

	if (target == NULL)
		return status_set(st, -EINVAL, "carrier %s wants no files any more", parcel.carrier);
	int err = file_here(pg, o, d, path, st);
	if (err != 0)
		return err;
	if (strcmp(target, "command") == 0)
		return export_send_command(&parcel, program, st);
	return export_send_sftp(&parcel, target, st);
}

static int deliver(struct pg *pg, const struct export_options *o, const char *program, const PGresult *taken,
		   struct export_delivery *d, struct status *st)
{
	struct status why = {""};

	d->run = pg_number(taken, 0, TAKEN_RUN);
	d->carrier_id = pg_number(taken, 0, TAKEN_CARRIER);
	snprintf(d->name, sizeof(d->name), "%s", PQgetvalue(taken, 0, TAKEN_NAME));
	d->problem[0] = '\0';
	if (send(pg, o, program, taken, d, &why) != 0)
		snprintf(d->problem, sizeof(d->problem), "%s", why.text);

	const char *const params[] = {PQgetvalue(taken, 0, TAKEN_RUN), d->name,
				      d->problem[0] != '\0' ? d->problem : NULL};
	return pg_exec(pg, &store_export_delivery_done, params, NULL, st);
}

int export_deliver_next(struct pg *pg, const struct export_options *o, const char *program, struct export_delivery *out,
			struct status *st)
{
	const char *const params[] = {program != NULL ? "true" : "false"};
	PGresult *taken;
	int err = pg_exec(pg, &store_export_delivery_take, params, &taken, st);

	if (err != 0)
		return err;
	if (PQntuples(taken) == 1) {
		err = deliver(pg, o, program, taken, out, st);
		if (err == 0)
			err = 1;
	}
	PQclear(taken);
	return err;
}

int export_wish_set(struct pg *pg, int64_t carrier_id, enum export_side side, const struct export_wish *wish,
		    const char *deliver_to, struct status *st)
{
	char carrier[24];
	const char *const params[] = {carrier, side == EXPORT_SELL ? "sell" : "buy", wish->format, wish->columns,
				      deliver_to};
	int err = export_wish_check(side, wish, st);

	if (err != 0)
		return err;
	snprintf(carrier, sizeof(carrier), "%" PRId64, carrier_id);
	err = pg_exec(pg, &store_export_wish, params, NULL, st);
	if (err == -EBUSY)
		return status_set(st, -ENOENT, "there is no carrier %s", carrier);
	if (err == -EINVAL)
		return status_set(st, -EINVAL,
				  "files are delivered to sftp://user@host[:port]/directory, or by command");
	return err;
}
