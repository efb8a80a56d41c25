/* SPDX-License-Identifier: Apache-2.0 */
/* The spool with its database away: what is on disk, and what a second start makes of it. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "billing/cdr_row.h"
#include "billing/spool.h"
#include "billing/spool_db.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "tests/unit/quickest.h"

#define NOWHERE "host=/nonexistent"
#define MS 1000LL

static char dir[64];

/* What a child that kills itself tells before it does. */
static struct word {
	int64_t begun_us, answered_us,
		end_us; /* monotonic: just before the answer, just after it, just before the kill */
	int64_t took_us;
} * word;

/* SQLite's, for the disk of a test: each of its writes takes so long. */
static _Atomic int sync_us;

int fdatasync(int fd)
{
	if (sync_us > 0)
		usleep((useconds_t)sync_us);
	return (int)syscall(SYS_fdatasync, fd);
}

static int word_make(void **state)
{
	word = mmap(NULL, sizeof *word, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return word != MAP_FAILED ? 0 : -1;
}

static int setup(void **state)
{
	log_set_level(LOG_LEVEL_ERROR);
	snprintf(dir, sizeof(dir), "/tmp/test_spool_XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = {"spool.db", "spool.db-wal", "spool.db-shm", "lock", ""};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)remove(path);
	}
	return 0;
}

static struct spool *start_with(size_t calls_max, uint64_t disk_reserve)
{
	struct spool_options o = {.dir = dir,
				  .node = "sw1",
				  .database_url = NOWHERE,
				  .calls_max = calls_max,
				  .disk_reserve = disk_reserve};
	struct spool *s;
	struct status st;

	if (spool_start(&s, &o, &st) != 0)
		fail_msg("%s", st.text);
	return s;
}

static struct spool *start(void)
{
	return start_with(0, 0);
}

static struct cdr *call(int64_t answered_us)
{
	struct cdr *c = cdr_new();

	c->started_us = clock_wall_us();
	uuid_make(&c->id, c->started_us);
	c->node = "sw1";
	c->answered_us = answered_us;
	c->ended_us = c->started_us;
	c->sell = (struct cdr_side){.rated = true, .prefix = "49", .currency = "EUR"};
	c->sell.terms = rate_terms_plain(60000000);
	c->attempts = 1;
	c->attempt[0] =
		(struct cdr_attempt){.trunk_id = 1, .carrier_id = 1, .started_us = c->started_us, .reason = "answered"};
	return c;
}

/* What stands in the file, read by the means of the spool itself. */
static struct spool_batch *records(void)
{
	struct spool_db *db;
	struct spool_db_counts counts;
	struct spool_batch *b;
	struct status st;

	if (spool_db_open(&db, dir, "sw1", &counts, &st) != 0 || spool_db_read(db, 0, 1000, &b, &st) != 0)
		fail_msg("%s", st.text);
	spool_db_close(&db);
	return b;
}

static void a_finished_call_is_on_disk_after_a_stop_without_database(void **state)
{
	struct spool *s = start();
	struct spool_batch *b;

	for (int i = 0; i < 3; i++) {
		assert_true(spool_reserve(s));
		spool_close(s, call(0));
	}
	assert_int_equal(spool_stop(&s, 0), 3);
	b = records();
	assert_int_equal(b->n, 3);
	assert_int_equal(b->record[0].seq, 1);
	assert_int_equal(b->record[2].seq, 3);
	assert_string_not_equal(b->record[0].attempts, "");
	assert_int_equal(strlen(b->chain), UUID_TEXT_MAX - 1);
	spool_batch_free(&b);
}

static void a_sequence_number_is_never_used_twice(void **state)
{
	struct spool_db *db;
	struct spool_db_counts counts;
	struct spool_batch *b;
	struct status st;
	int was_open;

	assert_int_equal(spool_db_open(&db, dir, "sw1", &counts, &st), 0);
	for (int i = 0; i < 2; i++) {
		struct cdr *c = call(0);

		assert_int_equal(spool_db_begin(db, &st), 0);
		assert_int_equal(spool_db_put_record(db, c, &was_open, &st), 0);
		assert_int_equal(spool_db_commit(db, &st), 0);
		cdr_free(&c);
		assert_int_equal(spool_db_read(db, 0, 10, &b, &st), 0);
		assert_int_equal(b->n, 1);
		assert_int_equal(b->record[0].seq, i + 1);
		b->record[0].fate = SPOOL_POSTED;
		assert_int_equal(spool_db_settle(db, b, &st), 0);
		spool_batch_free(&b);
	}
	spool_db_close(&db);
}

static void a_refused_record_is_set_aside_and_those_before_the_open_one_go(void **state)
{
	struct spool_db *db;
	struct spool_db_counts counts;
	struct spool_batch *b;
	struct status st;
	int was_open;

	assert_int_equal(spool_db_open(&db, dir, "sw1", &counts, &st), 0);
	for (int i = 0; i < 5; i++) {
		struct cdr *c = call(0);

		assert_int_equal(spool_db_put_record(db, c, &was_open, &st), 0);
		cdr_free(&c);
	}
	assert_int_equal(spool_db_read(db, 0, 10, &b, &st), 0);
	b->record[0].fate = b->record[1].fate = b->record[4].fate = SPOOL_POSTED;
	b->record[2].fate = SPOOL_REFUSED;
	b->record[2].why = "too odd";
	assert_int_equal(spool_db_settle(db, b, &st), 0);
	spool_batch_free(&b);
	assert_int_equal(spool_db_read(db, 0, 10, &b, &st), 0);
	assert_int_equal(b->n, 2); /* the one whose fate is open, and what comes after it */
	assert_int_equal(b->record[0].seq, 4);
	spool_batch_free(&b);
	spool_db_close(&db);
}

static void settle_all(struct spool_db *db, size_t n, size_t refused)
{
	struct spool_batch *b;
	struct status st;

	assert_int_equal(spool_db_read(db, 0, 100, &b, &st), 0);
	assert_int_equal(b->n, n);
	for (size_t i = 0; i < b->n; i++) {
		b->record[i].fate = i == refused ? SPOOL_REFUSED : SPOOL_POSTED;
		b->record[i].why = "too odd";
	}
	assert_int_equal(spool_db_settle(db, b, &st), 0);
	spool_batch_free(&b);
}

static void what_the_database_lost_waits_again_but_what_it_refused(void **state)
{
	struct spool_db *db;
	struct spool_db_counts counts;
	struct spool_batch *b;
	struct status st;
	int64_t waiting;
	int was_open;
	bool more;

	assert_int_equal(spool_db_open(&db, dir, "sw1", &counts, &st), 0);
	for (int i = 0; i < 6; i++) {
		struct cdr *c = call(0);

		assert_int_equal(spool_db_put_record(db, c, &was_open, &st), 0);
		cdr_free(&c);
	}
	settle_all(db, 6, 3);
	assert_int_equal(spool_db_forget(db, 2, 100, &more, &st), 0);
	assert_false(more);
	spool_db_close(&db);
	assert_int_equal(spool_db_open(&db, dir, "sw1", &counts, &st), 0);
	assert_int_equal(counts.records, 0);
	assert_int_equal(counts.settled, 6);
	assert_int_equal(spool_db_rewind(db, 1, &waiting, &st), 0);
	assert_int_equal(waiting, 3); /* 2 is not kept any more, 4 was refused */
	assert_int_equal(spool_db_forget(db, 6, 100, &more, &st), 0);
	assert_int_equal(spool_db_read(db, 1, 100, &b, &st), 0);
	assert_int_equal(b->n, 3); /* what waits is not forgotten, whatever is said */
	assert_int_equal(b->record[0].seq, 3);
	assert_int_equal(b->record[1].seq, 5);
	assert_int_equal(b->record[2].seq, 6);
	spool_batch_free(&b);
	settle_all(db, 3, 100);
	assert_int_equal(spool_db_forget(db, 6, 100, &more, &st), 0);
	assert_int_equal(spool_db_rewind(db, 0, &waiting, &st), 0);
	assert_int_equal(waiting, 0);
	spool_db_close(&db);
}

/* The last heartbeat on disk, as another process reads it; 0: none yet. */
static int64_t beat_on_disk(void)
{
	char path[128];
	sqlite3 *file;
	sqlite3_stmt *q;
	int64_t beat_us = 0;

	snprintf(path, sizeof(path), "%s/spool.db", dir);
	if (sqlite3_open_v2(path, &file, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
	    sqlite3_busy_timeout(file, 1000) == SQLITE_OK &&
	    sqlite3_prepare_v2(file, "select value from state where name = 'heartbeat_us'", -1, &q, NULL) ==
		    SQLITE_OK) {
		if (sqlite3_step(q) == SQLITE_ROW)
			beat_us = sqlite3_column_int64(q, 0);
		sqlite3_finalize(q);
	}
	sqlite3_close(file);
	return beat_us;
}

static void answer_one(struct spool *s)
{
	word->begun_us = clock_mono_us();
	if (spool_reserve(s))
		spool_answered(s, call(clock_wall_us()));
	word->answered_us = clock_mono_us();
}

/* duration_ms of the first record of a batch that is a recovered call; 0 where there is none */
static int64_t recovered_ms(struct spool_batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		char *field = NULL, *rest = (char *)b->record[i].cdr;

		if (strstr(rest, "switch_restart") == NULL)
			continue;
		for (int n = 0; n < 17; n++)
			field = strsep(&rest, "\t");
		assert_non_null(strstr(rest, "switch_restart\tswitch\t1\t49\t0.060000\t"));
		assert_string_equal(strrchr(rest, '\t') - 2, "\tt\t\\N"); /* recovered; no lrn */
		assert_null(strstr(rest, "0.000000"));			  /* it is rated */
		return atol(field);
	}
	return 0;
}

static void die(void)
{
	word->end_us = clock_mono_us();
	kill(getpid(), SIGKILL);
}

static void an_answered_call_is_recovered_after_a_crash_with_what_is_proven(void **state)
{
	struct spool_batch *b;
	pid_t child = fork();

	if (child == 0) {
		struct spool *s = start();

		answer_one(s);
		if (spool_reserve(s)) { /* one that ends in time */
			struct cdr *c = call(clock_wall_us());

			spool_answered(s, cdr_copy(c));
			spool_close(s, c);
		}
		while (beat_on_disk() < word->answered_us + 1000 * MS)
			usleep(1000);
		die();
	}
	assert_int_equal(waitpid(child, NULL, 0), child);

	struct spool *s = start();
	struct spool_stats stats;
	spool_stats(s, &stats);
	assert_int_equal(stats.on_disk, 2);
	assert_int_equal(stats.open_calls, 0);
	assert_int_equal(spool_stop(&s, 0), 2);
	b = records();
	assert_int_equal(b->n, 2);
	assert_in_range(recovered_ms(b), 1000, (word->end_us - word->begun_us) / MS);
	spool_batch_free(&b);
}

/* A disk whose every write takes 60 ms, and calls that end all the time: the spool is in a transaction at any moment.
 */
static void a_slow_disk_does_not_hold_up_the_heartbeat(void **state)
{
	struct spool_batch *b;
	pid_t child = fork();

	if (child == 0) {
		struct spool *s = start();

		sync_us = 60 * MS;
		answer_one(s);
		while (clock_mono_us() - word->begun_us < 6000 * MS) {
			if (spool_reserve(s))
				spool_close(s, call(0));
			usleep(20 * MS);
		}
		die();
	}
	assert_int_equal(waitpid(child, NULL, 0), child);

	struct spool *s = start();
	assert_true(spool_stop(&s, 0) > 1);
	b = records();
	int64_t talked_ms = (word->end_us - word->begun_us) / MS;
	assert_in_range(recovered_ms(b), talked_ms - 2500, talked_ms);
	spool_batch_free(&b);
}

static void change_file(const char *script)
{
	char path[128];
	sqlite3 *file;

	snprintf(path, sizeof(path), "%s/spool.db", dir);
	assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
	assert_int_equal(sqlite3_exec(file, script, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(file);
}

static void what_the_disk_changed_is_known_by_its_hash(void **state)
{
	static const bool damaged[] = {true, true, false, true, true, false, true};
	struct spool *s = start();
	struct spool_batch *b;

	for (int i = 0; i < 7; i++) {
		assert_true(spool_reserve(s));
		spool_close(s, call(0));
	}
	assert_int_equal(spool_stop(&s, 0), 7);
	change_file("update records set attempts = '' where seq = 1;"
		    "update records set cdr = replace(cdr, 'sw1', 'sw0') where seq = 2;"
		    "update records set hash = 'zz' || substr(hash, 3) where seq = 4;"
		    "update records set hash = substr(hash, 3) || substr(hash, 1, 2) where seq = 5;"
		    "update records set attempts = attempts || 'x' where seq = 7");
	b = records();
	assert_int_equal(b->n, 7);
	for (size_t i = 0; i < b->n; i++)
		assert_int_equal(b->record[i].damaged, damaged[i]);
	spool_batch_free(&b);
}

static int format_of_file(int set)
{
	char path[128], script[64];
	sqlite3_stmt *q;
	sqlite3 *file;
	int format;

	snprintf(path, sizeof(path), "%s/spool.db", dir);
	assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
	snprintf(script, sizeof(script), "pragma user_version = %d", set);
	if (set != 0)
		assert_int_equal(sqlite3_exec(file, script, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(file, "pragma user_version", -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	format = sqlite3_column_int(q, 0);
	sqlite3_finalize(q);
	sqlite3_close(file);
	return format;
}

static void a_spool_of_the_format_before_is_taken_over(void **state)
{
	struct spool_options o = {.dir = dir, .node = "sw1", .database_url = NOWHERE, .calls_max = 10};
	struct spool *s = start();
	struct status st = {""};

	assert_true(spool_reserve(s));
	spool_close(s, call(0));
	assert_int_equal(spool_stop(&s, 0), 1);
	int format = format_of_file(0);
	assert_int_equal(format_of_file(format - 1), format - 1);
	s = start();
	assert_int_equal(spool_stop(&s, 0), 1);
	assert_int_equal(format_of_file(0), format); /* the earlier program reads it no more */
	assert_int_equal(format_of_file(1), 1);
	assert_int_equal(spool_start(&s, &o, &st), -EPROTO);
}

/* How long until so many calls were on disk, as the spool itself says; then kill -9, and they are there. */
static int64_t outlive_us(void)
{
	struct spool_batch *b;
	pid_t child = fork();

	if (child == 0) {
		struct spool *s = start();
		struct spool_stats stats;
		int64_t before_us = clock_mono_us();

		for (int i = 0; i < 200; i++)
			if (spool_reserve(s))
				spool_close(s, call(0));
		do {
			usleep(500);
			spool_stats(s, &stats);
		} while (stats.on_disk < 200);
		word->took_us = clock_mono_us() - before_us;
		die();
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	b = records();
	assert_non_null(b);
	assert_int_equal(b->n, 200);
	spool_batch_free(&b);
	(void)teardown(NULL);
	assert_int_equal(setup(NULL), 0);
	return word->took_us;
}

static void what_was_given_outlives_kill_9_150_ms_later(void **state)
{
	assert_in_range(quickest_us(outlive_us, 150 * MS), 0, 150 * MS);
}

static void a_second_process_is_kept_out(void **state)
{
	struct spool *s = start(), *second;
	struct spool_options o = {.dir = dir, .node = "sw1", .database_url = NOWHERE};
	struct status st;

	assert_int_equal(spool_start(&second, &o, &st), -EBUSY);
	assert_non_null(strstr(st.text, "another process"));
	assert_int_equal(spool_stop(&s, 0), 0);
}

static void a_directory_that_cannot_be_made_is_one_clear_error(void **state)
{
	struct spool *s;
	struct spool_options o = {.dir = "/dev/null/spool", .node = "sw1", .database_url = NOWHERE};
	struct status st;

	assert_int_equal(spool_start(&s, &o, &st), -ENOTDIR);
	assert_string_equal(st.text, "spool /dev/null/spool: cannot make the directory: Not a directory");
}

static void a_file_that_is_no_spool_is_one_clear_error(void **state)
{
	struct spool *s;
	struct spool_options o = {.dir = dir, .node = "sw1", .database_url = NOWHERE};
	struct status st;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/spool.db", dir);
	f = fopen(path, "w");
	for (int i = 0; i < 1000; i++)
		fputs("this is no database at all\n", f);
	fclose(f);
	assert_true(spool_start(&s, &o, &st) < 0);
	assert_non_null(strstr(st.text, "not a database"));
}

static void reservations_are_bounded(void **state)
{
	struct spool *s = start_with(2, 0);
	struct spool_stats stats;

	assert_true(spool_reserve(s));
	assert_true(spool_reserve(s));
	assert_false(spool_reserve(s));
	spool_unreserve(s);
	assert_true(spool_reserve(s));
	spool_close(s, call(0));
	do { /* the place is free again once the record is on disk */
		usleep(1000);
		spool_stats(s, &stats);
	} while (stats.on_disk < 1);
	assert_true(spool_reserve(s));
	spool_unreserve(s);
	spool_unreserve(s);
	assert_int_equal(spool_stop(&s, 0), 1);
}

static void a_nearly_full_disk_gives_no_reservation(void **state)
{
	struct spool *s = start_with(0, UINT64_MAX / 2);
	struct spool_stats stats;

	assert_false(spool_reserve(s));
	spool_stats(s, &stats);
	assert_true(stats.disk_low);
	assert_int_equal(stats.reserved, 0);
	assert_int_equal(spool_stop(&s, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define IN_A_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		IN_A_DIRECTORY(a_finished_call_is_on_disk_after_a_stop_without_database),
		IN_A_DIRECTORY(a_sequence_number_is_never_used_twice),
		IN_A_DIRECTORY(a_refused_record_is_set_aside_and_those_before_the_open_one_go),
		IN_A_DIRECTORY(what_the_database_lost_waits_again_but_what_it_refused),
		IN_A_DIRECTORY(an_answered_call_is_recovered_after_a_crash_with_what_is_proven),
		IN_A_DIRECTORY(a_slow_disk_does_not_hold_up_the_heartbeat),
		IN_A_DIRECTORY(what_the_disk_changed_is_known_by_its_hash),
		IN_A_DIRECTORY(a_spool_of_the_format_before_is_taken_over),
		IN_A_DIRECTORY(what_was_given_outlives_kill_9_150_ms_later),
		IN_A_DIRECTORY(a_second_process_is_kept_out),
		IN_A_DIRECTORY(a_directory_that_cannot_be_made_is_one_clear_error),
		IN_A_DIRECTORY(a_file_that_is_no_spool_is_one_clear_error),
		IN_A_DIRECTORY(reservations_are_bounded),
		IN_A_DIRECTORY(a_nearly_full_disk_gives_no_reservation),
	};

	return cmocka_run_group_tests(tests, word_make, NULL);
}
