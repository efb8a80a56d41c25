/* SPDX-License-Identifier: Apache-2.0 */
/* One thread owns the file. Each of its turns takes what the SIP threads gave, writes it in one transaction together
 * with what the poster settled, and gives the poster its next batch. Nothing leaves memory before its transaction
 * stands: a transaction that fails (the disk is full) is repeated with all that came since.
 *
 * A reservation stands for one call: two places in the queue (its answer, its end) and RECORD_BYTES on disk.
 */
#include "billing/spool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "billing/cdr_row.h"
#include "billing/poster.h"
#include "billing/spool_db.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/queue.h"
#include "lib/thread.h"

#define CALLS_MAX 65536
#define DISK_RESERVE (16u << 20)
#define DISK_SHARE 4	  /* no more than one part in so many of a disk is kept free */
#define LOG_SHARE 4	  /* of that, what SQLite's log may grow to before it is copied into the file */
#define KEPT_BYTES 1024	  /* about what a record takes in the file */
#define RECORD_BYTES 8192 /* of one call on disk: the open call, the record and their share of the log */
#define COMMIT_US (40 * 1000LL)
#define POST_US (150 * 1000LL) /* small batches are gathered for so long */
#define POST_MANY 2000	       /* not longer than this many */
#define POST_MAX 4000	       /* records a batch */
#define SECOND_US (1000 * 1000LL)
#define RETRY_US (200 * 1000LL)
#define FORGET_MAX 4000		       /* records a transaction */
#define FORGET_MIN 16		       /* as few, where the disk has no room for the log of more */
#define MARKS 32		       /* steps in which kept records go */
#define STOP_WRITE_US (10 * SECOND_US) /* how long a full disk may hold up a stop */

struct mark { /* up to seq, fates were known at this moment (monotonic) */
	int64_t us, seq;
};

struct spool {
	struct queue *queue;
	struct spool_db *db;
	struct poster *poster;
	pthread_t thread;
	size_t calls_max;
	uint64_t disk_reserve;

	_Atomic size_t reserved;
	_Atomic size_t closing;
	_Atomic uint64_t free_bytes;
	_Atomic bool write_failed;
	_Atomic int64_t stop_us; /* monotonic: post no longer than this; 0: not stopping */
	_Atomic uint64_t on_disk, open_calls, posted, refused;
	_Atomic int64_t oldest_us;

	/* The thread's own. */
	struct cdr **given; /* taken from the queue, not yet committed, in order */
	size_t given_n, given_slots;
	struct spool_batch *back; /* from the poster, not yet committed */
	int64_t commit_us, beat_us, second_us, post_us,
		failing_us; /* monotonic: of the last one; failing_us: since when, 0 not */
	int64_t cursor;	    /* the last record read for the poster */
	bool told_low;
	uint64_t with_poster;		  /* how many it has */
	int64_t keep_us, settled, forget; /* settled: the last record whose fate is known; forget: the last not kept */
	bool forgetting;		  /* some up to there are still on disk */
	int forget_most, forget_max;	  /* how many of them at a time, now and at best */
	struct mark mark[MARKS];	  /* a ring */
	size_t next_mark;
};

/* ---- for SIP threads ---- */

static bool lacks_room(const struct spool *s, uint64_t free_bytes, size_t reserved)
{
	return free_bytes < s->disk_reserve + (uint64_t)reserved * RECORD_BYTES;
}

static bool disk_low(struct spool *s, size_t reserved)
{
	uint64_t free_bytes = atomic_load_explicit(&s->free_bytes, memory_order_relaxed);

	return lacks_room(s, free_bytes, reserved) || atomic_load_explicit(&s->write_failed, memory_order_relaxed);
}

bool spool_reserve(struct spool *s)
{
	size_t before = atomic_fetch_add(&s->reserved, 1);

	if (before < s->calls_max && !disk_low(s, before + 1))
		return true;
	atomic_fetch_sub(&s->reserved, 1);
	return false;
}

void spool_unreserve(struct spool *s)
{
	size_t before = atomic_fetch_sub(&s->reserved, 1);

	assert(before > 0);
	(void)before;
}

static void give(struct spool *s, struct cdr *c, bool open)
{
	c->given_open = open;
	c->given_mono_us = clock_mono_us();
	int err = queue_push(s->queue, c);

	assert(err == 0); /* the reservation is the place */
	(void)err;
}

void spool_answered(struct spool *s, struct cdr *c)
{
	give(s, c, true);
}

void spool_close(struct spool *s, struct cdr *c)
{
	atomic_fetch_add(&s->closing, 1);
	give(s, c, false);
}

void spool_stats(struct spool *s, struct spool_stats *out)
{
	size_t reserved, closing;

	do { /* both of one moment */
		reserved = atomic_load(&s->reserved);
		closing = atomic_load(&s->closing);
	} while (reserved != atomic_load(&s->reserved));
	*out = (struct spool_stats){
		.reserved = reserved,
		.closing = closing,
		.queued = queue_depth(s->queue),
		.on_disk = atomic_load(&s->on_disk),
		.open_calls = atomic_load(&s->open_calls),
		.posted = atomic_load(&s->posted),
		.refused = atomic_load(&s->refused),
		.oldest_us = atomic_load(&s->oldest_us),
		.database_up = poster_database_up(s->poster),
		.disk_low = disk_low(s, reserved + 1),
	};
}

/* ---- the thread ---- */

static void take_given(struct spool *s)
{
	struct cdr *c;

	while ((c = queue_pop(s->queue)) != NULL) {
		if (s->given_n == s->given_slots) {
			s->given_slots = s->given_slots > 0 ? s->given_slots * 2 : 1024;
			s->given = xrealloc(s->given, s->given_slots * sizeof(*s->given));
		}
		s->given[s->given_n++] = c;
	}
}

struct tally { /* what a transaction changes, to be booked once it stands */
	int64_t records, open_calls, closed;
	bool forgetting; /* more of the kept records are to go */
	bool forgot;	 /* some of them were to go with it */
};

static int write_given(struct spool *s, struct tally *t, struct status *st)
{
	int err = 0, was_open;

	for (size_t i = 0; err == 0 && i < s->given_n; i++) {
		if (s->given[i]->given_open) {
			err = spool_db_put_open(s->db, s->given[i], st);
			t->open_calls++;
			continue;
		}
		err = spool_db_put_record(s->db, s->given[i], &was_open, st);
		t->records++;
		t->closed++;
		t->open_calls -= was_open;
	}
	return err;
}

static int write_turn(struct spool *s, struct tally *t, bool heartbeat, struct status *st)
{
	int err = spool_db_begin(s->db, st);

	if (err == 0)
		err = write_given(s, t, st);
	if (err == 0 && s->back != NULL)
		err = spool_db_settle(s->db, s->back, st);
	if (err == 0 && heartbeat)
		err = spool_db_heartbeat(s->db, clock_mono_us(), st);
	t->forgetting = s->forgetting;
	t->forgot = err == 0 && s->forgetting && s->failing_us == 0;
	if (t->forgot)
		err = spool_db_forget(s->db, s->forget, s->forget_most, &t->forgetting, st);
	if (err == 0)
		err = spool_db_commit(s->db, st);
	if (err != 0)
		spool_db_rollback(s->db);
	return err;
}

static void forget_settled(struct spool *s)
{
	struct spool_batch *b = s->back;
	uint64_t posted = 0, refused = 0;

	if (b == NULL)
		return;
	for (size_t i = 0; i < b->n && b->record[i].fate != SPOOL_WAITING; i++) {
		posted += b->record[i].fate == SPOOL_POSTED;
		refused += b->record[i].fate == SPOOL_REFUSED;
		s->settled = b->record[i].seq;
	}
	atomic_fetch_add(&s->posted, posted);
	atomic_fetch_add(&s->refused, refused);
	atomic_fetch_sub(&s->on_disk, posted + refused);
	s->with_poster -= b->n;
	spool_batch_free(&s->back);
}

static void forget_given(struct spool *s, const struct tally *t)
{
	for (size_t i = 0; i < s->given_n; i++)
		cdr_free(&s->given[i]);
	s->given_n = 0;
	atomic_fetch_add(&s->on_disk, (uint64_t)t->records);
	atomic_fetch_add(&s->open_calls, (uint64_t)t->open_calls);
	atomic_fetch_sub(&s->reserved, (size_t)t->closed);
	atomic_fetch_sub(&s->closing, (size_t)t->closed);
}

static void report(struct spool *s, int err, const struct status *st)
{
	int64_t now_us = clock_mono_us();
	char reason[600];

	if (err != 0 && s->failing_us == 0) {
		s->failing_us = now_us;
		log_event(LOG_LEVEL_ERROR, "CDRs cannot be written to disk: new calls are refused until they can",
			  "reason=%s waiting=%zu", log_quote(st->text, reason, sizeof(reason)), s->given_n);
	} else if (err == 0 && s->failing_us != 0) {
		log_event(LOG_LEVEL_INFO, "CDRs are written to disk again", "after_ms=%lld",
			  (long long)(now_us - s->failing_us) / 1000);
		s->failing_us = 0;
	}
	atomic_store(&s->write_failed, err != 0);
}

/* Deleting takes room in the log, too: what a nearly full disk has none for is tried again in smaller pieces, once all
 * else is written. */
static void forget_pace(struct spool *s, bool stood)
{
	int most = stood ? s->forget_most * 2 : s->forget_most / 8;

	s->forget_most = most > s->forget_max ? s->forget_max : most < FORGET_MIN ? FORGET_MIN : most;
}

/* One transaction with all that there is to write. 0 also if there is nothing. */
static int commit(struct spool *s)
{
	struct tally t = {0};
	struct status st = {""};
	int64_t now_us = clock_mono_us();
	bool heartbeat = now_us - s->beat_us >= SECOND_US && atomic_load(&s->open_calls) > 0;

	if (s->given_n == 0 && s->back == NULL && !heartbeat && !s->forgetting)
		return 0;
	int err = write_turn(s, &t, heartbeat, &st);
	report(s, err, &st);
	s->commit_us = now_us;
	if (t.forgot)
		forget_pace(s, err == 0);
	if (err != 0)
		return err;
	s->forgetting = t.forgetting;
	if (heartbeat)
		s->beat_us = now_us;
	forget_settled(s);
	forget_given(s, &t);
	return 0;
}

/* ---- what PostgreSQL has is kept for a while ---- */

static void forget_upto(struct spool *s, int64_t seq)
{
	if (seq <= s->forget)
		return;
	s->forget = seq;
	s->forgetting = true;
}

/* Every second at most: note how far fates are known, and let go of what was so long enough ago; of all that is only
 * kept, long before the disk would be low. */
static void forget_old(struct spool *s, int64_t now_us)
{
	const struct mark *last = &s->mark[(s->next_mark + MARKS - 1) % MARKS];
	size_t reserved = atomic_load(&s->reserved) + 1;
	uint64_t free_bytes = atomic_load(&s->free_bytes);
	bool tight = disk_low(s, reserved) || lacks_room(s, free_bytes - free_bytes / 2, reserved);

	if (s->keep_us == 0 || tight) {
		forget_upto(s, s->settled);
		return;
	}
	if (now_us - last->us >= s->keep_us / (MARKS - 2)) {
		s->mark[s->next_mark] = (struct mark){now_us, s->settled};
		s->next_mark = (s->next_mark + 1) % MARKS;
	}
	for (size_t i = 0; i < MARKS; i++)
		if (s->mark[i].us != 0 && now_us - s->mark[i].us >= s->keep_us)
			forget_upto(s, s->mark[i].seq);
}

/* The database lacks records that it had confirmed: those that are kept wait again. */
static void take_lost(struct spool *s)
{
	int64_t lost = poster_take_lost(s->poster), waiting;
	struct status st = {""};
	char reason[600];

	if (lost < 0)
		return;
	if (spool_db_rewind(s->db, lost, &waiting, &st) != 0) {
		log_event(LOG_LEVEL_ERROR, "CDRs that the database lost are posted again after the next start only",
			  "reason=%s", log_quote(st.text, reason, sizeof(reason)));
		return;
	}
	int64_t again = waiting - (int64_t)atomic_load(&s->on_disk);

	log_event(LOG_LEVEL_WARN, "the database lost CDRs that it had confirmed: those kept here are posted again",
		  "lost=%lld kept=%lld", (long long)(s->settled - lost), (long long)again);
	atomic_store(&s->on_disk, (uint64_t)waiting);
	s->settled = s->cursor = lost;
	s->with_poster = 0;
	memset(s->mark, 0, sizeof(s->mark));
}

/* Say once that space runs out, and once that there is some again. */
static void report_space(struct spool *s)
{
	uint64_t free_bytes = atomic_load(&s->free_bytes);
	bool low = lacks_room(s, free_bytes, atomic_load(&s->reserved) + 1);

	if (low && !s->told_low)
		log_event(LOG_LEVEL_WARN, "little disk is left for CDRs: new calls are refused",
			  "free_bytes=%llu on_disk=%llu", (unsigned long long)free_bytes,
			  (unsigned long long)atomic_load(&s->on_disk));
	else if (!low && s->told_low)
		log_event(LOG_LEVEL_INFO, "disk for CDRs again", "free_bytes=%llu", (unsigned long long)free_bytes);
	s->told_low = low;
}

static void look_around(struct spool *s)
{
	int64_t now_us = clock_mono_us();
	uint64_t free_bytes =
		spool_db_free_bytes(s->db); /* each turn: a second's records may be all that a small disk holds */
	bool due = now_us - s->second_us >= SECOND_US;

	if (due && lacks_room(s, free_bytes, atomic_load(&s->reserved) + 1)) {
		spool_db_trim(s->db);
		free_bytes = spool_db_free_bytes(s->db);
	}
	atomic_store(&s->free_bytes, free_bytes);
	if (!due)
		return;
	s->second_us = now_us;
	atomic_store(&s->oldest_us, spool_db_oldest_us(s->db));
	report_space(s);
	forget_old(s, now_us);
}

/* The next batch from disk, or NULL. It counts as the poster's from now on. */
static struct spool_batch *read_batch(struct spool *s)
{
	struct spool_batch *b = NULL;
	struct status st;

	if (spool_db_read(s->db, s->cursor, POST_MAX, &b, &st) != 0) {
		static struct log_limit every = {.interval_us = 10 * SECOND_US};
		char reason[600];
		uint64_t skipped;

		if (log_limit(&every, clock_mono_us(), &skipped))
			log_event(LOG_LEVEL_ERROR, "spool cannot be read", "reason=%s",
				  log_quote(st.text, reason, sizeof(reason)));
		return NULL;
	}
	if (b != NULL) {
		s->cursor = b->record[b->n - 1].seq;
		s->with_poster += b->n;
	}
	return b;
}

/* Is there a batch worth a transaction? One that waits behind others shall be a large one. */
static bool worth_posting(const struct spool *s, int64_t now_us)
{
	uint64_t waiting = atomic_load(&s->on_disk) - s->with_poster;

	if (waiting >= POST_MANY)
		return poster_busy(s->poster) == 0 || poster_database_up(s->poster);
	return waiting > 0 && poster_busy(s->poster) == 0 && now_us - s->post_us >= POST_US;
}

/* Give the poster what it has room for: the next batches wait in its hands, not on disk. */
static void hand_over(struct spool *s)
{
	int64_t now_us = clock_mono_us();

	while (poster_has_room(s->poster) && worth_posting(s, now_us)) {
		struct spool_batch *b = read_batch(s);

		if (b == NULL)
			return;
		s->post_us = now_us;
		poster_give(s->poster, b);
	}
}

static void pause_until(int64_t mono_us)
{
	int64_t left_us = mono_us - clock_mono_us();

	if (left_us <= 0)
		return;
	struct timespec t = {.tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000};
	nanosleep(&t, NULL); /* an interrupted pause is a short one */
}

/* Sleep until something comes, then let more come until the next commit is due. */
static void rest(struct spool *s, int err)
{
	if (err != 0) {
		pause_until(s->commit_us + RETRY_US);
		return;
	}
	bool gathering = atomic_load(&s->on_disk) > s->with_poster && poster_busy(s->poster) == 0;
	int64_t wait_us = gathering ? POST_US : SECOND_US / 2, stop_us = atomic_load(&s->stop_us);

	if (s->forgetting)
		wait_us = 0;
	if (stop_us != 0 && stop_us - clock_mono_us() < wait_us)
		wait_us = stop_us > clock_mono_us() ? stop_us - clock_mono_us() : 0;
	queue_wait(s->queue, wait_us);
	pause_until(s->commit_us + COMMIT_US);
}

/* All is said and done, or there is no more time. */
static bool may_stop(struct spool *s, int err)
{
	int64_t stop_us = atomic_load(&s->stop_us), now_us = clock_mono_us();

	if (stop_us == 0)
		return false;
	if (s->given_n > 0 || queue_depth(s->queue) > 0)
		return err != 0 && now_us >= stop_us && now_us - s->failing_us >= STOP_WRITE_US;
	return atomic_load(&s->on_disk) == 0 || now_us >= stop_us;
}

/* The disk did not take them to the last: the log shall have them. */
static void log_given(struct spool *s)
{
	char quoted[8192];
	struct buf row = {0};

	for (size_t i = 0; i < s->given_n; i++) {
		cdr_row_put(&row, s->given[i]);
		log_event(LOG_LEVEL_ERROR, "CDR lost: the disk is full", "row=%s",
			  log_quote(row.text, quoted, sizeof(quoted)));
		cdr_free(&s->given[i]);
		buf_reset(&row);
	}
	s->given_n = 0;
	buf_free(&row);
}

static void *spool_thread(void *arg)
{
	struct spool *s = arg;
	int err = 0;

	thread_settle("spool", 1);
	while (!may_stop(s, err)) {
		rest(s, err);
		take_given(s);
		if (s->back == NULL)
			s->back = poster_take(s->poster);
		if (s->back == NULL)
			take_lost(s);
		hand_over(s); /* the poster need not wait for this commit */
		err = commit(s);
		look_around(s);
		hand_over(s);
	}
	return NULL;
}

static void wake(void *arg)
{
	struct spool *s = arg;

	queue_wake(s->queue);
}

/* ---- start and stop ---- */

static void spool_release(struct spool **s)
{
	assert((*s)->given_n == 0);
	poster_free(&(*s)->poster); /* what it has is still on disk */
	spool_batch_free(&(*s)->back);
	spool_db_close(&(*s)->db);
	queue_free(&(*s)->queue);
	free((*s)->given);
	free(*s);
	*s = NULL;
}

/* What stays free on the disk for the calls that were let in: SQLite's log, and the file while the log is copied into
 * it. A disk too small for what a large one gets keeps its share, and a log to match; what is deleted at a time fits
 * into that. */
static void reserve_set(struct spool *s, uint64_t wanted)
{
	uint64_t share = spool_db_disk_bytes(s->db) / DISK_SHARE, log_bytes, records;

	s->disk_reserve = wanted > 0 ? wanted : share < DISK_RESERVE ? share : DISK_RESERVE;
	log_bytes = s->disk_reserve / LOG_SHARE;
	spool_db_log_limit(s->db, log_bytes);
	records = log_bytes / KEPT_BYTES;
	s->forget_max = records < FORGET_MIN ? FORGET_MIN : records > FORGET_MAX ? FORGET_MAX : (int)records;
	s->forget_most = s->forget_max;
}

static size_t power_of_two(size_t at_least)
{
	size_t n = 2;

	while (n < at_least)
		n *= 2;
	return n;
}

static int start(struct spool *s, const struct spool_options *options, struct status *st)
{
	struct spool_db_counts counts = {0};
	int err = queue_new(&s->queue, power_of_two(2 * s->calls_max));

	if (err != 0)
		return status_set(st, err, "spool: cannot make a queue: %s", strerror(-err));
	err = spool_db_open(&s->db, options->dir, options->node, &counts, st);
	if (err != 0)
		return err;
	if (counts.recovered > 0)
		log_event(LOG_LEVEL_WARN, "calls of an earlier run closed as recovered", "calls=%lld",
			  (long long)counts.recovered);
	s->settled = s->cursor = counts.settled;
	atomic_store(&s->on_disk, (uint64_t)counts.records);
	atomic_store(&s->open_calls, (uint64_t)counts.open_calls);
	reserve_set(s, options->disk_reserve);
	look_around(s);
	err = poster_start(&s->poster,
			   &(struct poster_options){.database_url = options->database_url,
						    .chain = counts.chain,
						    .settled = counts.settled,
						    .connections = options->connections > 0 ? options->connections
											    : POSTER_CONNECTIONS_MAX,
						    .done = wake,
						    .arg = s,
						    .posted = options->posted,
						    .posted_arg = options->arg},
			   st);
	if (err != 0)
		return err;
	err = -pthread_create(&s->thread, NULL, spool_thread, s);
	return err == 0 ? 0 : status_set(st, err, "spool: cannot start its thread: %s", strerror(-err));
}

int spool_start(struct spool **out, const struct spool_options *options, struct status *st)
{
	struct spool *s = xcalloc(1, sizeof(*s));
	int err;

	s->calls_max = options->calls_max > 0 ? options->calls_max : CALLS_MAX;
	s->keep_us = options->keep_ms * 1000;
	s->beat_us = s->second_us = s->post_us = clock_mono_us() - SECOND_US; /* all is due */
	err = start(s, options, st);
	if (err != 0)
		spool_release(&s);
	else
		*out = s;
	return err;
}

/* What the stopped poster had in hand, as far as fates are known. What a failed commit does not settle is posted once
 * more after the next start, which changes nothing. */
static void settle_left(struct spool *s)
{
	struct spool_batch *left;

	while ((left = poster_left(s->poster)) != NULL) {
		s->back = left;
		if (commit(s) != 0)
			spool_batch_free(&s->back);
	}
	(void)commit(s); /* log_given tells of what it does not take */
}

int64_t spool_stop(struct spool **s, int64_t post_ms)
{
	struct spool *stopping = *s;
	int64_t left;

	if (stopping == NULL)
		return 0;
	atomic_store(&stopping->stop_us, clock_mono_us() + post_ms * 1000);
	queue_wake(stopping->queue);
	pthread_join(stopping->thread, NULL);
	if (stopping->back != NULL && commit(stopping) != 0)
		spool_batch_free(&stopping->back); /* posted twice at worst: the second time changes nothing */
	poster_stop(stopping->poster);
	settle_left(stopping);
	log_given(stopping);
	left = (int64_t)atomic_load(&stopping->on_disk);
	spool_release(s);
	return left;
}
