/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/refused.h"

#include <errno.h>
#include <string.h>

#include "billing/cdr_row.h"
#include "billing/copy.h"
#include "billing/store.h"
#include "billing/store_chain.h"
#include "lib/buf.h"

int refused_list(struct pg *pg, json_t **list, struct status *st)
{
	PGresult *r;
	int err = pg_exec(pg, &store_refused_list, NULL, &r, st);

	if (err != 0)
		return err;
	*list = json_array();
	for (int i = 0; i < PQntuples(r); i++)
		json_array_append_new(*list, json_pack("{ss ss ss sI ss ss}", "id", PQgetvalue(r, i, 2), "node",
						       PQgetvalue(r, i, 3), "chain_id", PQgetvalue(r, i, 0),
						       "chain_seq", (json_int_t)pg_number(r, i, 1), "refused_at",
						       PQgetvalue(r, i, 4), "reason", PQgetvalue(r, i, 5)));
	PQclear(r);
	return 0;
}

/* One record in one transaction. 0; -EINVAL refused again; -ENOTCONN; st says why. */
static int store_one(struct pg *pg, const char *post, const char *cdr_line, const char *attempts, struct status *st)
{
	PGconn *conn = pg_raw(pg);
	PGresult *result;
	int copies = 0, err = 0;

	if (conn == NULL || !PQsendQuery(conn, post))
		return status_set(st, -ENOTCONN, "the database went away");
	while ((result = PQgetResult(conn)) != NULL) {
		ExecStatusType status = PQresultStatus(result);
		const char *line = copies++ == 0 ? cdr_line : attempts;

		if (status == PGRES_COPY_IN &&
		    (PQputCopyData(conn, line, (int)strlen(line)) < 0 || PQputCopyEnd(conn, NULL) < 0))
			err = status_set(st, -ENOTCONN, "%s", PQerrorMessage(conn));
		else if (status == PGRES_FATAL_ERROR && err == 0)
			err = status_set(st, -EINVAL, "%s", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
		PQclear(result);
		if (err == -ENOTCONN)
			break;
	}
	return PQstatus(conn) == CONNECTION_BAD ? status_set(st, -ENOTCONN, "%s", PQerrorMessage(conn)) : err;
}

static int retry_one(struct pg *pg, const char *post, const PGresult *open, int i, struct status *st)
{
	const char *const key[] = {PQgetvalue(open, i, 0), PQgetvalue(open, i, 1)};
	struct buf line = {0};

	cdr_row_put_whole(&line, PQgetvalue(open, i, 3));
	buf_printf(&line, "\t%s\t%s\t\\\\x%s\t", key[0], key[1], PQgetvalue(open, i, 2));
	copy_put(&line, PQgetisnull(open, i, 5) ? NULL : PQgetvalue(open, i, 5));
	buf_putc(&line, '\n');
	int err = store_one(pg, post, line.text, PQgetvalue(open, i, 4), st);
	buf_free(&line);
	return err == 0 ? pg_exec(pg, &store_refused_stored, key, NULL, st) : err;
}

int refused_retry(struct pg *pg, struct refused_result *result, struct status *st)
{
	struct buf post = {0};
	PGresult *open;
	int err = pg_exec(pg, &store_refused_open, NULL, &open, st);

	*result = (struct refused_result){0};
	if (err != 0)
		return err;
	store_put_cdr_post(&post);
	err = pg_simple(pg, store_cdr_stage_make, st);
	for (int i = 0; err == 0 && i < PQntuples(open); i++) {
		err = retry_one(pg, post.text, open, i, st);
		result->stored += err == 0;
		if (err != -EINVAL)
			continue;
		if (result->refused++ == 0)
			result->why = *st;
		err = 0;
	}
	PQclear(open);
	buf_free(&post);
	return err;
}
