/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that were answered and not finished when the process before this one ended become records. */
#include <errno.h>
#include <stdlib.h>

#include "billing/cdr_row.h"
#include "billing/spool_db_priv.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"

/* What is proven of an answered call whose process died: it talked until the last heartbeat. */
static void close_recovered(struct cdr *c, const char *node, int64_t answered_mono_us, int64_t heartbeat_us)
{
	int64_t proven_us = heartbeat_us - answered_mono_us;

	if (c->node == NULL || c->node[0] == '\0')
		c->node = cdr_text(c, node);
	c->recovered = true;
	c->reason = CDR_SWITCH_RESTART;
	c->party = CDR_SWITCH;
	c->duration_ms = proven_us > 0 ? proven_us / 1000 : 0;
	c->ended_us = c->answered_us + c->duration_ms * 1000;
	for (int i = 0; i < c->attempts; i++)
		if (c->attempt[i].ended_us == 0)
			c->attempt[i].ended_us = c->ended_us;
	if (cdr_rate(c) != 0)
		log_event(LOG_LEVEL_ERROR, "recovered call cannot be rated", "duration_ms=%lld",
			  (long long)c->duration_ms);
}

static int set_open_aside(struct spool_db *db, const char *id, struct status *st)
{
	sqlite3_stmt *s = spool_db_statement(db, SET_OPEN_ASIDE, st);
	int was_open, err;

	if (s == NULL)
		return -EIO;
	log_event(LOG_LEVEL_ERROR, "open call of an earlier run set aside", "id=%s reason=\"cannot be read\"", id);
	sqlite3_bind_int64(s, 1, clock_wall_us());
	spool_db_bind_text(s, 2, "open call cannot be read");
	spool_db_bind_text(s, 3, id);
	err = spool_db_run(db, s, st);
	return err == 0 ? spool_db_drop_open(db, id, &was_open, st) : err;
}

struct open_call {
	char *id, *cdr;
	int64_t mono_us;
};

static int read_open(struct spool_db *db, struct open_call **out, size_t *n, struct status *st)
{
	sqlite3_stmt *s = spool_db_statement(db, EACH_OPEN, st);
	struct open_call *call = NULL;
	size_t slots = 0;
	int code, err = 0;

	*out = NULL;
	*n = 0;
	if (s == NULL)
		return -EIO;
	while ((code = sqlite3_step(s)) == SQLITE_ROW) {
		if (*n == slots) {
			slots = slots > 0 ? slots * 2 : 64;
			call = xrealloc(call, slots * sizeof(*call));
		}
		call[*n].id = xstrdup((const char *)sqlite3_column_text(s, 0));
		call[*n].mono_us = sqlite3_column_int64(s, 1);
		call[*n].cdr = xstrdup((const char *)sqlite3_column_text(s, 2));
		(*n)++;
	}
	if (code != SQLITE_DONE)
		err = spool_db_failed(db, st);
	sqlite3_reset(s);
	*out = call;
	return err;
}

static int recover_one(struct spool_db *db, const struct open_call *call, const char *node, int64_t heartbeat_us,
		       struct status *st)
{
	struct cdr *c;
	int was_open, err;

	if (cdr_row_unpack(call->cdr, &c) != 0)
		return set_open_aside(db, call->id, st);
	close_recovered(c, node, call->mono_us, heartbeat_us);
	err = spool_db_put_record(db, c, &was_open, st);
	cdr_free(&c);
	return err;
}

/* In one transaction: the open calls become records, and the heartbeat of the earlier run, which may be of an earlier
 * boot of the machine, goes. */
int spool_recover(struct spool_db *db, const char *node, int64_t *recovered, struct status *st)
{
	struct open_call *call = NULL;
	int64_t heartbeat_us;
	size_t n = 0;
	int err = spool_db_begin(db, st);

	if (err != 0)
		return err;
	err = spool_db_number(db, GET_STATE, "heartbeat_us", &heartbeat_us, st);
	if (err == 0)
		err = read_open(db, &call, &n, st);
	for (size_t i = 0; i < n; i++) {
		if (err == 0)
			err = recover_one(db, &call[i], node, heartbeat_us, st);
		free(call[i].id);
		free(call[i].cdr);
	}
	free(call);
	if (err == 0)
		err = spool_db_heartbeat(db, clock_mono_us(), st);
	if (err == 0)
		err = spool_db_commit(db, st);
	if (err != 0)
		spool_db_rollback(db);
	*recovered = (int64_t)n;
	return err;
}
