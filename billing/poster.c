/* SPDX-License-Identifier: Apache-2.0 */
/* A batch has a place: which one since the start. `turn` is the place whose batch may commit; it goes on when the fate
 * of each of that batch's records is known. A lane is a thread with a connection: it takes the first batch that nobody
 * has. One that gets no connection gives its batch back, and who waits behind that batch takes it instead of his own:
 * one connection that works is enough.
 */
#include "billing/poster.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "billing/ingest.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/thread.h"

#define RETRY_US (500 * 1000LL)
#define IDLE_US (1000 * 1000LL) /* how often an idle lane looks whether the database is there */
#define TURN_US (1000 * 1000LL) /* how long work that is done waits for its turn before it is undone */
#define FOREVER INT64_MAX
#define NONE_LOST INT64_MAX
#define HANDS (POSTER_CONNECTIONS_MAX + 1)

struct hand {
	struct spool_batch *batch; /* NULL: free */
	uint64_t place;
	bool begun, finished; /* finished: waits for poster_take */
};

enum lane_state { LANE_NEW, LANE_UP, LANE_FAILING };

struct lane {
	struct poster *poster;
	pthread_t thread;
	bool started;
	struct ingest *ingest;
	struct hand *hand;     /* that it works for; NULL: none */
	enum lane_state state; /* under the mutex: how its last turn ended */
};

struct poster {
	char *database_url, *chain;
	void (*done)(void *arg);
	void *arg;
	void (*posted)(void *arg, struct uuid *ids, size_t n);
	void *posted_arg;
	int stop_fd; /* an eventfd: readable once the poster is to stop */
	int lanes;
	struct lane lane[POSTER_CONNECTIONS_MAX];

	pthread_mutex_t mutex; /* of all below */
	pthread_cond_t changed;
	bool stop;
	struct hand hand[HANDS];
	uint64_t given, turn; /* places: of the last batch given; of the one that may commit */
	int64_t decided;      /* the last record whose fate is known */
	int64_t lost;	      /* the last record that the database still has of those; NONE_LOST: it has them all */
	bool told_away;
	_Atomic bool up;
};

/* ---- turns ---- */

static struct timespec after(int64_t us)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	int64_t ns = t.tv_nsec + us % 1000000 * 1000;
	t.tv_sec += us / 1000000 + ns / 1000000000;
	t.tv_nsec = ns % 1000000000;
	return t;
}

/* The first batch that nobody has, or NULL. Under the mutex. */
static struct hand *next_hand(struct poster *p)
{
	struct hand *next = NULL;

	for (size_t i = 0; p->lost == NONE_LOST && i < HANDS; i++) {
		struct hand *h = &p->hand[i];

		if (h->batch != NULL && !h->begun && (next == NULL || h->place < next->place))
			next = h;
	}
	return next;
}

/* A batch before this one was given back, or all are to be. Under the mutex. */
static bool is_needed_before(struct poster *p, const struct hand *h)
{
	const struct hand *next = next_hand(p);

	return p->lost != NONE_LOST || (next != NULL && next->place < h->place);
}

static bool has_turn(struct lane *l)
{
	pthread_mutex_lock(&l->poster->mutex);
	bool mine = l->poster->turn == l->hand->place;
	pthread_mutex_unlock(&l->poster->mutex);
	return mine;
}

/* 0 it is this lane's turn; -EAGAIN not yet, after so long or as nobody has a batch before its own; -ECANCELED a stop
 */
static int await_turn(struct lane *l, int64_t limit_us, struct status *st)
{
	struct poster *p = l->poster;
	struct timespec until = after(limit_us == FOREVER ? 0 : limit_us);
	int late = 0;

	pthread_mutex_lock(&p->mutex);
	while (!p->stop && late == 0 && p->turn != l->hand->place && !is_needed_before(p, l->hand))
		late = limit_us == FOREVER ? pthread_cond_wait(&p->changed, &p->mutex)
					   : pthread_cond_timedwait(&p->changed, &p->mutex, &until);
	int err = p->stop ? -ECANCELED : p->turn == l->hand->place && p->lost == NONE_LOST ? 0 : -EAGAIN;
	pthread_mutex_unlock(&p->mutex);
	return err == -ECANCELED ? status_set(st, err, "stopping") : err;
}

/* ---- a batch ---- */

static void set_fates(struct spool_batch *b, size_t first, size_t n, enum spool_fate fate)
{
	for (size_t i = first; i < first + n; i++)
		b->record[i].fate = fate;
}

/* The record stands alone, and the server will not have it. */
static int refuse(struct lane *l, size_t i, struct status *st)
{
	struct spool_batch *b = l->hand->batch;
	struct spool_record *r = &b->record[i];
	char reason[600];

	r->why = arena_strdup(b->arena, st->text);
	log_event(LOG_LEVEL_ERROR, "CDR set aside: the database refuses it", "id=%s chain_seq=%lld reason=%s", r->id,
		  (long long)r->seq, log_quote(st->text, reason, sizeof(reason)));
	int err = ingest_list_refused(l->ingest, b, r, st);
	if (err == 0)
		r->fate = SPOOL_REFUSED;
	return err;
}

/* All but the end of the transaction, and then its end, if the turn comes soon enough.
 * 0; -EAGAIN undone, as the turn is another's; else as ingest.h */
static int post_once(struct lane *l, size_t first, size_t n, struct status *st)
{
	int err = ingest_stage(l->ingest, l->hand->batch, first, n, st);

	if (err == 0)
		err = await_turn(l, TURN_US, st);
	if (err == 0)
		err = ingest_commit(l->ingest, st);
	if (err == -EAGAIN || err == -EINVAL) {
		struct status why = {""};
		int undone = ingest_rollback(l->ingest, &why);

		if (undone != 0) {
			*st = why;
			err = undone;
		}
	}
	return err;
}

/* What the disk has changed is booked by nobody: its records are set aside, one by one, in their turn. 0: none is
 * damaged */
static int find_damaged(struct lane *l, size_t first, size_t n, struct status *st)
{
	const struct spool_batch *b = l->hand->batch;

	for (size_t i = first; i < first + n; i++) {
		if (!b->record[i].damaged)
			continue;
		int err = await_turn(l, FOREVER, st);

		return err != 0 ? err : status_set(st, -EINVAL, "damaged on the spool's disk");
	}
	return 0;
}

/* Post records first..first+n, whose fate is open; 0 once each has one. What fails before its turn is done once more in
 * its turn: only then is it known to be the data's fault, and only then may a part of it be committed. */
static int post(struct lane *l, size_t first, size_t n, struct status *st)
{
	struct spool_batch *b = l->hand->batch;
	bool in_turn = has_turn(l);
	int err = find_damaged(l, first, n, st);
	bool damaged = err != 0;

	if (!damaged)
		err = post_once(l, first, n, st);
	if (!damaged && !in_turn && (err == -EAGAIN || err == -EINVAL)) {
		err = await_turn(l, FOREVER, st);
		if (err == 0)
			err = post_once(l, first, n, st);
	}
	if (err == 0)
		set_fates(b, first, n, SPOOL_POSTED);
	if (err != -EINVAL)
		return err;
	if (n == 1)
		return refuse(l, first, st);
	err = post(l, first, n / 2, st); /* as deep as log2 of a batch */
	return err == 0 ? post(l, first + n / 2, n - n / 2, st) : err;
}

/* 0; -EAGAIN a batch before this one needs the lane; else as ingest.h */
static int post_open(struct lane *l, struct status *st)
{
	const struct spool_batch *b = l->hand->batch;
	int err = 0;

	for (size_t first = 0, next; err == 0 && first < b->n; first = next) {
		for (next = first; next < b->n && b->record[next].fate == SPOOL_WAITING; next++)
			;
		if (next > first)
			err = post(l, first, next - first, st);
		else
			next++;
	}
	return err == 0 ? await_turn(l, FOREVER, st) : err; /* nothing was open: it still ends in its turn */
}

/* ---- a lane ---- */

static bool is_up(const struct poster *p)
{
	for (int i = 0; i < p->lanes; i++)
		if (p->lane[i].state == LANE_UP)
			return true;
	return false;
}

/* Say once that no lane has the database, and once that one has it again; and of a lane that fails beside one that
 * works. */
static void report(struct lane *l, int err, const struct status *st)
{
	struct poster *p = l->poster;
	char reason[600];

	if (err == -ECANCELED)
		return;
	pthread_mutex_lock(&p->mutex);
	bool fails = err != 0 && l->state != LANE_FAILING;
	l->state = err != 0 ? LANE_FAILING : LANE_UP;
	bool up = is_up(p), tell = up == p->told_away;
	p->told_away = !up;
	atomic_store(&p->up, up);
	pthread_mutex_unlock(&p->mutex);
	(void)log_quote(st->text, reason, sizeof(reason));
	if (tell && !up)
		log_event(LOG_LEVEL_WARN, "CDRs wait on disk: the database does not take them", "reason=%s", reason);
	else if (tell)
		log_event(LOG_LEVEL_INFO, "database takes CDRs again", "%s", "");
	else if (up && fails)
		log_event(LOG_LEVEL_WARN, "a connection for CDRs fails: the other one goes on", "reason=%s", reason);
}

/* A lane that works sleeps until there is a batch, and takes it; one that does not, or that has one to try again,
 * sleeps its time out. A stop ends either. Returns whether to go on. */
static bool rest(struct lane *l, bool works)
{
	struct poster *p = l->poster;
	struct timespec until = after(works ? IDLE_US : RETRY_US);
	bool takes = works && l->hand == NULL;
	int late = 0;

	pthread_mutex_lock(&p->mutex);
	while (!p->stop && late == 0 && !(takes && next_hand(p) != NULL))
		late = pthread_cond_timedwait(&p->changed, &p->mutex, &until);
	if (takes && (l->hand = next_hand(p)) != NULL)
		l->hand->begun = true;
	bool go_on = !p->stop;
	pthread_mutex_unlock(&p->mutex);
	return go_on;
}

/* The database lacks records: once nobody works at one, all batches go back as they are. Under the mutex. */
static bool hand_back_all(struct poster *p)
{
	bool some = false;

	for (size_t i = 0; p->lost != NONE_LOST && i < HANDS; i++)
		if (p->hand[i].begun && !p->hand[i].finished)
			return false;
	for (size_t i = 0; p->lost != NONE_LOST && i < HANDS; i++) {
		some = some || (p->hand[i].batch != NULL && !p->hand[i].finished);
		p->hand[i].finished = p->hand[i].batch != NULL;
	}
	if (some)
		p->turn = p->given + 1;
	return p->lost != NONE_LOST;
}

static void give_back(struct lane *l)
{
	struct poster *p = l->poster;

	pthread_mutex_lock(&p->mutex);
	if (l->hand != NULL)
		l->hand->begun = false;
	l->hand = NULL;
	bool all = hand_back_all(p);
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->mutex);
	if (all)
		p->done(p->arg);
}

static int64_t decided_now(struct poster *p)
{
	pthread_mutex_lock(&p->mutex);
	int64_t decided = p->decided;
	pthread_mutex_unlock(&p->mutex);
	return decided;
}

/* Has the database all that was decided before this connection was made? 0, or -EAGAIN: nothing is posted to it before
 * what it lacks */
static int check_head(struct lane *l, int64_t decided)
{
	struct poster *p = l->poster;
	int64_t head = ingest_take_head(l->ingest);

	pthread_mutex_lock(&p->mutex);
	if (head < decided && head < p->decided) {
		p->lost = p->lost < head ? p->lost : head;
		p->decided = head;
	}
	int err = p->lost != NONE_LOST ? -EAGAIN : 0;
	pthread_mutex_unlock(&p->mutex);
	return err;
}

static void tell_posted(const struct poster *p, const struct spool_batch *b)
{
	struct uuid *ids = xcalloc(b->n, sizeof(*ids));
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		if (b->record[i].fate == SPOOL_POSTED && uuid_parse(b->record[i].id, &ids[n]) == 0)
			n++;
	p->posted(p->posted_arg, ids, n);
}

/* The batch is decided; the next one's turn. */
static void finish(struct lane *l)
{
	struct poster *p = l->poster;

	if (p->posted != NULL)
		tell_posted(p, l->hand->batch);
	pthread_mutex_lock(&p->mutex);
	const struct spool_batch *b = l->hand->batch;

	if (p->lost == NONE_LOST)
		p->decided = b->record[b->n - 1].seq;
	l->hand->finished = true;
	l->hand = NULL;
	p->turn++;
	(void)hand_back_all(p); /* done() is called below */
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->mutex);
	p->done(p->arg);
}

static void *lane_thread(void *arg)
{
	struct lane *l = arg;
	bool go_on = true;

	thread_settle("poster", 5);
	while (go_on) {
		struct status st = {""};
		int64_t decided = decided_now(l->poster);
		int err = ingest_ready(l->ingest, &st), posted = 0;

		if (err == 0)
			posted = check_head(l, decided);
		if (err == 0 && posted == 0 && l->hand != NULL)
			posted = post_open(l, &st);
		if (err != 0 || posted == -EAGAIN)
			give_back(l);
		else if (posted != 0)
			err = posted; /* the batch stays with this lane, which tries again */
		report(l, err, &st);
		if (err != 0)
			ingest_drop(l->ingest); /* whatever state it is in: nothing of it is trusted */
		else if (l->hand != NULL)
			finish(l);
		go_on = rest(l, err == 0);
	}
	ingest_drop(l->ingest);
	return NULL;
}

/* ---- start and stop ---- */

static int start_lane(struct poster *p, struct lane *l)
{
	l->poster = p;
	l->ingest = ingest_new(p->database_url, p->chain, p->stop_fd);
	int err = -pthread_create(&l->thread, NULL, lane_thread, l);
	l->started = err == 0;
	return err;
}

int poster_start(struct poster **out, const struct poster_options *options, struct status *st)
{
	struct poster *p = xcalloc(1, sizeof(*p));
	pthread_condattr_t clock;

	assert(options->connections >= 1 && options->connections <= POSTER_CONNECTIONS_MAX);
	p->database_url = xstrdup(options->database_url);
	p->chain = xstrdup(options->chain);
	p->decided = options->settled;
	p->lost = NONE_LOST;
	p->done = options->done;
	p->arg = options->arg;
	p->posted = options->posted;
	p->posted_arg = options->posted_arg;
	p->lanes = options->connections;
	p->turn = 1;
	pthread_mutex_init(&p->mutex, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &clock);
	pthread_condattr_destroy(&clock);
	p->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int err = p->stop_fd < 0 ? -errno : 0;
	for (int i = 0; err == 0 && i < p->lanes; i++)
		err = start_lane(p, &p->lane[i]);
	if (err != 0) {
		poster_stop(p);
		poster_free(&p);
		return status_set(st, err, "spool: cannot start the poster: %s", strerror(-err));
	}
	*out = p;
	return 0;
}

void poster_stop(struct poster *p)
{
	pthread_mutex_lock(&p->mutex);
	p->stop = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->mutex);
	if (p->stop_fd >= 0)
		eventfd_write(p->stop_fd, 1);
	for (int i = 0; i < p->lanes; i++) {
		if (p->lane[i].started)
			pthread_join(p->lane[i].thread, NULL);
		p->lane[i].started = false;
	}
}

/* The first batch in hand; NULL: none. Under the mutex, or without threads. */
static struct hand *first_hand(struct poster *p, bool finished)
{
	struct hand *first = NULL;

	for (size_t i = 0; i < HANDS; i++) {
		struct hand *h = &p->hand[i];

		if (h->batch != NULL && (h->finished || !finished) && (first == NULL || h->place < first->place))
			first = h;
	}
	return first;
}

static struct spool_batch *take_first(struct poster *p, bool finished)
{
	struct hand *first = first_hand(p, finished);
	struct spool_batch *b = first != NULL ? first->batch : NULL;

	if (first != NULL)
		*first = (struct hand){.batch = NULL};
	return b;
}

struct spool_batch *poster_left(struct poster *p)
{
	return take_first(p, false);
}

void poster_free(struct poster **p)
{
	struct spool_batch *b;

	if (*p == NULL)
		return;
	while ((b = poster_left(*p)) != NULL)
		spool_batch_free(&b);
	for (int i = 0; i < (*p)->lanes; i++)
		ingest_free(&(*p)->lane[i].ingest);
	free((*p)->database_url);
	free((*p)->chain);
	if ((*p)->stop_fd >= 0)
		close((*p)->stop_fd);
	pthread_cond_destroy(&(*p)->changed);
	pthread_mutex_destroy(&(*p)->mutex);
	free(*p);
	*p = NULL;
}

/* ---- for the spool's thread ---- */

int poster_busy(const struct poster *p)
{
	struct poster *locked = (struct poster *)p; /* the mutex is no part of what is observed */
	int busy = 0;

	pthread_mutex_lock(&locked->mutex);
	for (size_t i = 0; i < HANDS; i++)
		busy += p->hand[i].batch != NULL && !p->hand[i].finished;
	pthread_mutex_unlock(&locked->mutex);
	return busy;
}

static struct hand *free_hand(struct poster *p)
{
	for (int i = 0; i <= p->lanes; i++)
		if (p->hand[i].batch == NULL)
			return &p->hand[i];
	return NULL;
}

bool poster_has_room(const struct poster *p)
{
	struct poster *locked = (struct poster *)p;

	pthread_mutex_lock(&locked->mutex);
	bool room = p->lost == NONE_LOST && free_hand(locked) != NULL;
	pthread_mutex_unlock(&locked->mutex);
	return room;
}

void poster_give(struct poster *p, struct spool_batch *b)
{
	pthread_mutex_lock(&p->mutex);
	struct hand *h = free_hand(p);

	assert(h != NULL);
	*h = (struct hand){.batch = b, .place = ++p->given};
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->mutex);
}

struct spool_batch *poster_take(struct poster *p)
{
	pthread_mutex_lock(&p->mutex);
	struct spool_batch *b = take_first(p, true);
	pthread_mutex_unlock(&p->mutex);
	return b;
}

int64_t poster_take_lost(struct poster *p)
{
	int64_t lost = -1;

	pthread_mutex_lock(&p->mutex);
	if (p->lost != NONE_LOST && first_hand(p, false) == NULL) {
		lost = p->lost;
		p->lost = NONE_LOST;
	}
	pthread_mutex_unlock(&p->mutex);
	return lost;
}

bool poster_database_up(const struct poster *p)
{
	return atomic_load(&p->up);
}
