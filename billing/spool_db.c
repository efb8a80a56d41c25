/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/spool_db_priv.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "billing/cdr_row.h"
#include "billing/chain.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"

#define FORMAT 4      /* pragma user_version; raise it with every change of the tables or of the packed text */
#define FORMAT_READ 2 /* the oldest that is read as it is: its records lack the rated numbers */
#define LOG_PAGES_MIN 16
#define LOG_PAGES_MAX 1000 /* SQLite's own */
#define SETTLED "coalesce((select value from state where name = 'settled_seq'), 0)"
#define SET_ASIDE_BEFORE "exists (select 1 from refused where refused.seq = records.seq)"

static const char schema[] =
	"create table records (seq integer primary key autoincrement, id text not null, closed_us integer not null,"
	" cdr text not null, attempts text not null, trace text, hash text not null);"
	"create table open_calls (id text primary key, mono_us integer not null, cdr text not null) without rowid;"
	"create table refused (id text not null, seq integer, refused_us integer not null, reason text not null,"
	" cdr text not null, attempts text not null, trace text);" /* seq null: an open call that could not be read */
	"create table state (name text primary key, value) without rowid;"
	"create index refused_seq on refused (seq);"
	"pragma user_version = 4;";
/* No zeros over what is deleted, whatever the library was built with: they would go through the log, on a disk that may
 * be full. */
static const char setting[] =
	"pragma journal_mode = wal; pragma synchronous = full; pragma temp_store = memory; pragma secure_delete = off";
static const char later_schema[] = "create index if not exists refused_seq on refused (seq); pragma user_version = 4";

static const char *const sql[STATEMENTS] = {
	[BEGIN] = "begin immediate",
	[COMMIT] = "commit",
	[ROLLBACK] = "rollback",
	[PUT_RECORD] = "insert into records (id, closed_us, cdr, attempts, trace, hash) values (?, ?, ?, ?, ?, ?)",
	[PUT_OPEN] = "insert or replace into open_calls (id, mono_us, cdr) values (?, ?, ?)",
	[DROP_OPEN] = "delete from open_calls where id = ?",
	[SET_STATE] = "insert or replace into state (name, value) values (?, ?)",
	[GET_STATE] = "select value from state where name = ?",
	[FORGET] = "delete from records where seq <= (select max(seq) from (select seq from records where seq <= "
		   "min(?, " SETTLED ") order by seq limit ?))",
	[SET_ASIDE] = "insert into refused (id, seq, refused_us, reason, cdr, attempts, trace)"
		      " select id, seq, ?, ?, cdr, attempts, trace from records where seq = ?",
	[READ] = "select seq, id, cdr, attempts, trace, hash from records where seq > max(?, " SETTLED
		 ") and not " SET_ASIDE_BEFORE " order by seq limit ?",
	[HASH_OF] = "select hash from records where seq = ?",
	[OLDEST] = "select closed_us from records where seq > " SETTLED " order by seq limit 1",
	[COUNT_RECORDS] = "select count(*) from records where seq > " SETTLED " and not " SET_ASIDE_BEFORE,
	[GET_SETTLED] = "select " SETTLED,
	[COUNT_OPEN] = "select count(*) from open_calls",
	[EACH_OPEN] = "select id, mono_us, cdr from open_calls",
	[SET_OPEN_ASIDE] = "insert into refused (id, seq, refused_us, reason, cdr, attempts, trace)"
			   " select id, null, ?, ?, cdr, '', null from open_calls where id = ?",
	[FREE_PAGES] = "pragma freelist_count",
	[PAGE_SIZE] = "pragma page_size",
	[TRIM] = "pragma wal_checkpoint(truncate)",
};

int spool_db_failed(struct spool_db *db, struct status *st)
{
	int code = sqlite3_errcode(db->sqlite), err;

	switch (code & 0xff) {
	case SQLITE_FULL:
		err = -ENOSPC;
		break;
	case SQLITE_BUSY:
		err = -EBUSY;
		break;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		err = -EACCES;
		break;
	default:
		err = -EIO;
	}
	return status_set(st, err, "spool %s: %s", db->dir, sqlite3_errmsg(db->sqlite));
}

sqlite3_stmt *spool_db_statement(struct spool_db *db, enum spool_statement which, struct status *st)
{
	sqlite3_stmt **s = &db->statement[which];

	if (*s == NULL &&
	    sqlite3_prepare_v3(db->sqlite, sql[which], -1, SQLITE_PREPARE_PERSISTENT, s, NULL) != SQLITE_OK) {
		(void)spool_db_failed(db, st);
		return NULL;
	}
	sqlite3_clear_bindings(*s);
	return *s;
}

int spool_db_run(struct spool_db *db, sqlite3_stmt *s, struct status *st)
{
	int code = sqlite3_step(s), err = 0;

	if (code != SQLITE_DONE && code != SQLITE_ROW)
		err = spool_db_failed(db, st);
	sqlite3_reset(s);
	return err;
}

static int run_plain(struct spool_db *db, enum spool_statement which, struct status *st)
{
	sqlite3_stmt *s = spool_db_statement(db, which, st);

	return s != NULL ? spool_db_run(db, s, st) : -EIO;
}

void spool_db_bind_text(sqlite3_stmt *s, int place, const char *text)
{
	sqlite3_bind_text(s, place, text, -1, SQLITE_STATIC); /* NULL is NULL; borrowed until the step is done */
}

int spool_db_number(struct spool_db *db, enum spool_statement which, const char *text, int64_t *out, struct status *st)
{
	sqlite3_stmt *s = spool_db_statement(db, which, st);
	int code, err = 0;

	*out = 0;
	if (s == NULL)
		return -EIO;
	if (text != NULL)
		spool_db_bind_text(s, 1, text);
	code = sqlite3_step(s);
	if (code == SQLITE_ROW)
		*out = sqlite3_column_int64(s, 0);
	else if (code != SQLITE_DONE)
		err = spool_db_failed(db, st);
	sqlite3_reset(s);
	return err;
}

static int set_state(struct spool_db *db, const char *name, const char *text, int64_t number, struct status *st)
{
	sqlite3_stmt *s = spool_db_statement(db, SET_STATE, st);

	if (s == NULL)
		return -EIO;
	spool_db_bind_text(s, 1, name);
	if (text != NULL)
		spool_db_bind_text(s, 2, text);
	else
		sqlite3_bind_int64(s, 2, number);
	return spool_db_run(db, s, st);
}

int spool_db_begin(struct spool_db *db, struct status *st)
{
	return run_plain(db, BEGIN, st);
}

/* The hash of the last record, as it stands in the file. */
static int get_head(struct spool_db *db, struct status *st)
{
	sqlite3_stmt *s = spool_db_statement(db, GET_STATE, st);
	int code, err = 0;

	if (s == NULL)
		return -EIO;
	spool_db_bind_text(s, 1, "chain_hash");
	code = sqlite3_step(s);
	if (code != SQLITE_ROW || sqlite3_column_text(s, 0) == NULL ||
	    chain_parse((const char *)sqlite3_column_text(s, 0), &db->head) != 0)
		err = status_set(st, -EBADMSG, "spool %s: the file has no chain_hash: it is damaged", db->dir);
	sqlite3_reset(s);
	db->head_moved = false;
	return err;
}

int spool_db_commit(struct spool_db *db, struct status *st)
{
	char hex[CHAIN_HEX_MAX];
	int err = db->head_moved ? set_state(db, "chain_hash", chain_hex(&db->head, hex), 0, st) : 0;

	if (err == 0)
		err = run_plain(db, COMMIT, st);
	if (err == 0)
		db->head_moved = false;
	return err;
}

void spool_db_rollback(struct spool_db *db)
{
	struct status st;

	char reason[600];

	if (!sqlite3_get_autocommit(db->sqlite) && run_plain(db, ROLLBACK, &st) != 0)
		log_event(LOG_LEVEL_ERROR, "spool rollback failed", "reason=%s",
			  log_quote(st.text, reason, sizeof(reason)));
	if (db->head_moved && get_head(db, &st) != 0)
		log_event(LOG_LEVEL_ERROR, "spool: the chain's head cannot be read", "reason=%s",
			  log_quote(st.text, reason, sizeof(reason)));
}

int spool_db_put_open(struct spool_db *db, const struct cdr *c, struct status *st)
{
	sqlite3_stmt *s = spool_db_statement(db, PUT_OPEN, st);
	char id[UUID_TEXT_MAX];

	if (s == NULL)
		return -EIO;
	buf_reset(&db->cdr);
	cdr_row_pack(&db->cdr, c);
	spool_db_bind_text(s, 1, uuid_format(&c->id, id));
	sqlite3_bind_int64(s, 2, c->given_mono_us);
	spool_db_bind_text(s, 3, db->cdr.text);
	return spool_db_run(db, s, st);
}

int spool_db_drop_open(struct spool_db *db, const char *id, int *was_open, struct status *st)
{
	sqlite3_stmt *s = spool_db_statement(db, DROP_OPEN, st);
	int err = -EIO;

	if (s == NULL)
		return err;
	spool_db_bind_text(s, 1, id);
	err = spool_db_run(db, s, st);
	*was_open = err == 0 ? sqlite3_changes(db->sqlite) : 0;
	return err;
}

int spool_db_put_record(struct spool_db *db, const struct cdr *c, int *was_open, struct status *st)
{
	char id[UUID_TEXT_MAX], hash[CHAIN_HEX_MAX];
	int err = spool_db_drop_open(db, uuid_format(&c->id, id), was_open, st);
	sqlite3_stmt *s = spool_db_statement(db, PUT_RECORD, st);

	if (err != 0 || s == NULL)
		return err != 0 ? err : -EIO;
	buf_reset(&db->cdr);
	buf_reset(&db->attempts);
	cdr_row_put(&db->cdr, c);
	cdr_row_put_attempts(&db->attempts, c);
	spool_db_bind_text(s, 1, id);
	sqlite3_bind_int64(s, 2, c->ended_us);
	spool_db_bind_text(s, 3, db->cdr.text);
	spool_db_bind_text(s, 4, db->attempts.len > 0 ? db->attempts.text : "");
	spool_db_bind_text(s, 5, c->trace);
	chain_link(&db->head, db->cdr.text, db->attempts.len > 0 ? db->attempts.text : "");
	db->head_moved = true;
	spool_db_bind_text(s, 6, chain_hex(&db->head, hash));
	return spool_db_run(db, s, st);
}

int spool_db_heartbeat(struct spool_db *db, int64_t mono_us, struct status *st)
{
	return set_state(db, "heartbeat_us", NULL, mono_us, st);
}

static int set_aside(struct spool_db *db, const struct spool_record *r, struct status *st)
{
	sqlite3_stmt *s = spool_db_statement(db, SET_ASIDE, st);

	if (s == NULL)
		return -EIO;
	sqlite3_bind_int64(s, 1, clock_wall_us());
	spool_db_bind_text(s, 2, r->why);
	sqlite3_bind_int64(s, 3, r->seq);
	return spool_db_run(db, s, st);
}

int spool_db_settle(struct spool_db *db, const struct spool_batch *b, struct status *st)
{
	int64_t settled = 0;
	int err = 0;

	for (size_t i = 0; err == 0 && i < b->n && b->record[i].fate != SPOOL_WAITING; i++) {
		settled = b->record[i].seq;
		if (b->record[i].fate == SPOOL_REFUSED)
			err = set_aside(db, &b->record[i], st);
	}
	return err == 0 && settled > 0 ? set_state(db, "settled_seq", NULL, settled, st) : err;
}

int spool_db_forget(struct spool_db *db, int64_t upto, int most, bool *more, struct status *st)
{
	sqlite3_stmt *s = spool_db_statement(db, FORGET, st);

	if (s == NULL)
		return -EIO;
	sqlite3_bind_int64(s, 1, upto);
	sqlite3_bind_int64(s, 2, most);
	int err = spool_db_run(db, s, st);
	*more = err == 0 && sqlite3_changes(db->sqlite) == most;
	return err;
}

int spool_db_rewind(struct spool_db *db, int64_t settled, int64_t *waiting, struct status *st)
{
	int err = spool_db_begin(db, st);

	if (err == 0)
		err = set_state(db, "settled_seq", NULL, settled, st);
	if (err == 0)
		err = spool_db_number(db, COUNT_RECORDS, NULL, waiting, st);
	if (err == 0)
		err = spool_db_commit(db, st);
	if (err != 0)
		spool_db_rollback(db);
	return err;
}

/* The hash of a record that is in no batch. 0; -ENOENT it is not kept, or cannot be read */
static int hash_of(struct spool_db *db, int64_t seq, struct chain_hash *out)
{
	sqlite3_stmt *s = spool_db_statement(db, HASH_OF, NULL);
	int err = -ENOENT;

	*out = (struct chain_hash){{0}};
	if (seq == 0)
		return 0; /* a chain begins with zero bytes */
	if (s == NULL)
		return err;
	sqlite3_bind_int64(s, 1, seq);
	if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_text(s, 0) != NULL &&
	    chain_parse((const char *)sqlite3_column_text(s, 0), out) == 0)
		err = 0;
	sqlite3_reset(s);
	return err;
}

/* A disk may change a bit and say nothing. Each record must follow from the hash before it: the one that stands there,
 * or, should that one be damaged, the one that should. Of the first that is kept nothing is known before. */
static void find_damage(struct spool_db *db, struct spool_batch *b)
{
	struct chain_hash stands = {{0}}, should = {{0}};
	bool known = false;

	for (size_t i = 0; i < b->n; i++) {
		struct spool_record *r = &b->record[i];
		struct chain_hash by_stored, by_made, stored = {{0}};

		if (i == 0 || b->record[i - 1].seq != r->seq - 1) {
			known = hash_of(db, r->seq - 1, &stands) == 0;
			should = stands;
		}
		by_stored = stands;
		by_made = should;
		bool readable = chain_parse(r->hash, &stored) == 0;
		if (known) {
			chain_link(&by_stored, r->cdr, r->attempts);
			if (memcmp(&stands, &should, sizeof(should)) == 0)
				by_made = by_stored;
			else
				chain_link(&by_made, r->cdr, r->attempts);
			r->damaged = !readable || (memcmp(&by_stored, &stored, sizeof(stored)) != 0 &&
						   memcmp(&by_made, &stored, sizeof(stored)) != 0);
		}
		should = known ? by_stored : stored;
		stands = readable ? stored : should;
		known = known || readable;
	}
}

int spool_db_read(struct spool_db *db, int64_t after, size_t max, struct spool_batch **out, struct status *st)
{
	sqlite3_stmt *s = spool_db_statement(db, READ, st);
	int code, err = 0;

	*out = NULL;
	if (s == NULL)
		return -EIO;
	struct spool_batch *b = spool_batch_new(db->chain, max);
	sqlite3_bind_int64(s, 1, after);
	sqlite3_bind_int64(s, 2, (int64_t)max);
	while ((code = sqlite3_step(s)) == SQLITE_ROW) {
		struct spool_record *r = &b->record[b->n++];

		r->seq = sqlite3_column_int64(s, 0);
		r->id = arena_strdup(b->arena, (const char *)sqlite3_column_text(s, 1));
		r->cdr = arena_strdup(b->arena, (const char *)sqlite3_column_text(s, 2));
		r->attempts = arena_strdup(b->arena, (const char *)sqlite3_column_text(s, 3));
		r->trace = arena_strdup(b->arena, (const char *)sqlite3_column_text(s, 4));
		r->hash = arena_strdup(b->arena, (const char *)sqlite3_column_text(s, 5));
	}
	if (code != SQLITE_DONE)
		err = spool_db_failed(db, st);
	sqlite3_reset(s);
	if (err == 0)
		find_damage(db, b);
	if (err != 0 || b->n == 0)
		spool_batch_free(&b);
	*out = b;
	return err;
}

int64_t spool_db_oldest_us(struct spool_db *db)
{
	int64_t closed_us;

	return spool_db_number(db, OLDEST, NULL, &closed_us, NULL) == 0 ? closed_us : 0;
}

/* What SQLite's log holds of the disk, as far as it is meant to: it is written over again and again. */
static uint64_t log_bytes(const struct spool_db *db)
{
	char path[4096];
	struct stat log;

	snprintf(path, sizeof(path), "%s/spool.db-wal", db->dir);
	uint64_t bytes = stat(path, &log) == 0 ? (uint64_t)log.st_blocks * 512 : 0;
	return bytes < db->log_limit ? bytes : db->log_limit;
}

uint64_t spool_db_free_bytes(struct spool_db *db)
{
	struct statvfs fs;
	int64_t pages, page_size;

	if (statvfs(db->dir, &fs) != 0 || spool_db_number(db, FREE_PAGES, NULL, &pages, NULL) != 0 ||
	    spool_db_number(db, PAGE_SIZE, NULL, &page_size, NULL) != 0)
		return UINT64_MAX;
	return (uint64_t)fs.f_bavail * fs.f_frsize + log_bytes(db) + (uint64_t)pages * (uint64_t)page_size;
}

uint64_t spool_db_disk_bytes(struct spool_db *db)
{
	struct statvfs fs;

	return statvfs(db->dir, &fs) == 0 ? (uint64_t)fs.f_blocks * fs.f_frsize : UINT64_MAX;
}

void spool_db_log_limit(struct spool_db *db, uint64_t bytes)
{
	struct status st;
	int64_t page_size;
	uint64_t pages = LOG_PAGES_MAX;

	if (spool_db_number(db, PAGE_SIZE, NULL, &page_size, &st) == 0 && page_size > 0)
		pages = bytes / (uint64_t)page_size;
	if (pages < LOG_PAGES_MIN)
		pages = LOG_PAGES_MIN;
	if (pages > LOG_PAGES_MAX)
		pages = LOG_PAGES_MAX;
	sqlite3_wal_autocheckpoint(db->sqlite, (int)pages);
	db->log_limit = bytes;
}

void spool_db_trim(struct spool_db *db)
{
	struct status st;

	(void)run_plain(db, TRIM,
			&st); /* no room to copy the log into the file: the log stays, the next turn tries again */
}

static int execute(struct spool_db *db, const char *script, struct status *st)
{
	return sqlite3_exec(db->sqlite, script, NULL, NULL, NULL) == SQLITE_OK ? 0 : spool_db_failed(db, st);
}

static int user_version(struct spool_db *db, int *version, struct status *st)
{
	sqlite3_stmt *s = NULL;
	int err = 0;

	if (sqlite3_prepare_v2(db->sqlite, "pragma user_version", -1, &s, NULL) != SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW)
		err = spool_db_failed(db, st);
	else
		*version = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	return err;
}

static int make_tables(struct spool_db *db, struct status *st)
{
	struct uuid chain;
	char text[UUID_TEXT_MAX];
	int err = spool_db_begin(db, st);

	if (err != 0)
		return err;
	uuid_make(&chain, clock_wall_us());
	err = execute(db, schema, st);
	if (err == 0)
		err = set_state(db, "chain_id", uuid_format(&chain, text), 0, st);
	db->head = (struct chain_hash){{0}};
	db->head_moved = true;
	if (err == 0)
		err = spool_db_commit(db, st);
	if (err != 0)
		spool_db_rollback(db);
	return err;
}

static int get_chain(struct spool_db *db, struct status *st)
{
	sqlite3_stmt *s = spool_db_statement(db, GET_STATE, st);
	struct uuid chain;
	int err = 0;

	if (s == NULL)
		return -EIO;
	spool_db_bind_text(s, 1, "chain_id");
	if (sqlite3_step(s) == SQLITE_ROW)
		snprintf(db->chain, sizeof(db->chain), "%s", (const char *)sqlite3_column_text(s, 0));
	sqlite3_reset(s);
	if (uuid_parse(db->chain, &chain) != 0)
		err = status_set(st, -EBADMSG, "spool %s: the file has no chain_id: it is damaged", db->dir);
	return err;
}

static int open_file(struct spool_db *db, struct status *st)
{
	char path[4096];
	int version = 0, err;

	snprintf(path, sizeof(path), "%s/spool.db",
		 db->dir); /* "lock" fitted; this is cut and refused if it does not */
	if (sqlite3_open_v2(path, &db->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK)
		return spool_db_failed(db, st);
	sqlite3_busy_timeout(db->sqlite, 1000); /* a person looking into the file */
	err = execute(db, setting, st);
	if (err == 0)
		err = user_version(db, &version, st);
	if (err == 0 && version > FORMAT)
		return status_set(st, -EPROTO, "spool %s: written by a newer tandem (format %d, this one knows %d)",
				  db->dir, version, FORMAT);
	if (err == 0 && version > 0 && version < FORMAT_READ)
		return status_set(
			st, -EPROTO,
			"spool %s: written before the first release (format %d): let the tandemd that wrote it "
			"post all, then remove the directory",
			db->dir, version);
	if (err == 0 && version == 0)
		err = make_tables(db, st);
	else if (err == 0 && version < FORMAT)
		err = execute(db, later_schema, st); /* an earlier tandemd must not read on */
	if (err == 0)
		err = get_chain(db, st);
	return err == 0 ? get_head(db, st) : err;
}

int spool_db_open(struct spool_db **out, const char *dir, const char *node, struct spool_db_counts *counts,
		  struct status *st)
{
	struct spool_db *db = xcalloc(1, sizeof(*db));
	int err;

	db->lock_fd = -1;
	db->dir = xstrdup(dir);
	err = spool_dir_take(dir, &db->lock_fd, st);
	if (err == 0)
		err = open_file(db, st);
	if (err == 0)
		err = spool_recover(db, node, &counts->recovered, st);
	if (err == 0)
		err = spool_db_number(db, COUNT_RECORDS, NULL, &counts->records, st);
	if (err == 0)
		err = spool_db_number(db, COUNT_OPEN, NULL, &counts->open_calls, st);
	if (err == 0)
		err = spool_db_number(db, GET_SETTLED, NULL, &counts->settled, st);
	counts->chain = err == 0 ? db->chain : NULL;
	if (err != 0)
		spool_db_close(&db);
	*out = db;
	return err;
}

void spool_db_close(struct spool_db **db)
{
	if (*db == NULL)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize((*db)->statement[i]);
	sqlite3_close((*db)->sqlite);
	if ((*db)->lock_fd >= 0)
		close((*db)->lock_fd);
	buf_free(&(*db)->cdr);
	buf_free(&(*db)->attempts);
	free((*db)->dir);
	free(*db);
	*db = NULL;
}
