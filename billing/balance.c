/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/balance.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "billing/store_money.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/pg.h"

#define READ_US (1000 * 1000LL)
#define READ_AGAIN_US (200 * 1000LL) /* however much is posted and paid: each reading is of all */
#define LOOK_MS 50		     /* how soon what was posted is looked after */
#define STATEMENT_MS 3000

struct balance_reader {
	char *database_url;
	void (*tell)(void *arg, struct balance_news *news);
	void *arg;
	pthread_t thread;
	_Atomic bool stop;

	pthread_mutex_t mutex; /* of what is given: the poster and the purse, never a SIP thread */
	struct uuid *posted;
	size_t n_posted;
	struct balance_estate *estates;
	char *owner;		    /* of holds */
	struct balance_hold *holds; /* NULL: nothing new */
	size_t n_holds;

	struct pg *pg; /* from here on: the thread's own */
	uint64_t generation;
	int64_t read_us;
	bool moved; /* by more than calls; told with the next reading */
	bool told_away;
};

void balance_estate_free(struct balance_estate **e)
{
	if (*e == NULL)
		return;
	free((*e)->owner);
	free((*e)->spent);
	free(*e);
	*e = NULL;
}

static void estates_free(struct balance_estate *list)
{
	while (list != NULL) {
		struct balance_estate *next = list->next;

		balance_estate_free(&list);
		list = next;
	}
}

void balance_news_free(struct balance_news **news)
{
	if (*news == NULL)
		return;
	estates_free((*news)->estates);
	free((*news)->balance);
	free((*news)->posted);
	free(*news);
	*news = NULL;
}

/* ---- what is given ---- */

void balance_posted(struct balance_reader *b, struct uuid *ids, size_t n)
{
	pthread_mutex_lock(&b->mutex);
	b->posted = xrealloc(b->posted, (b->n_posted + n) * sizeof(*ids));
	memcpy(b->posted + b->n_posted, ids, n * sizeof(*ids));
	b->n_posted += n;
	pthread_mutex_unlock(&b->mutex);
	free(ids);
}

static void estates_add(struct balance_estate **list, struct balance_estate *more)
{
	while (*list != NULL)
		list = &(*list)->next;
	*list = more;
}

void balance_book(struct balance_reader *b, struct balance_estate *estate)
{
	estate->next = NULL;
	pthread_mutex_lock(&b->mutex);
	estates_add(&b->estates, estate);
	pthread_mutex_unlock(&b->mutex);
}

void balance_show(struct balance_reader *b, const char *owner, struct balance_hold *holds, size_t n)
{
	pthread_mutex_lock(&b->mutex);
	free(b->holds);
	b->holds = holds;
	b->n_holds = n;
	if (b->owner == NULL)
		b->owner = xstrdup(owner);
	pthread_mutex_unlock(&b->mutex);
}

static struct balance_news *take_given(struct balance_reader *b)
{
	struct balance_news *news = xcalloc(1, sizeof(*news));

	pthread_mutex_lock(&b->mutex);
	news->posted = b->posted;
	news->n_posted = b->n_posted;
	news->estates = b->estates;
	b->posted = NULL;
	b->n_posted = 0;
	b->estates = NULL;
	pthread_mutex_unlock(&b->mutex);
	return news;
}

/* The database is away: what was to be told with its balances waits. */
static void give_back(struct balance_reader *b, struct balance_news *news)
{
	if (news->n_posted > 0) {
		balance_posted(b, news->posted, news->n_posted);
		news->posted = NULL;
	}
	pthread_mutex_lock(&b->mutex);
	estates_add(&b->estates, news->estates);
	pthread_mutex_unlock(&b->mutex);
	news->estates = NULL;
	balance_news_free(&news);
}

/* ---- the thread ---- */

static int listen_anew(struct balance_reader *b, struct status *st)
{
	int err = pg_connect(b->pg, st);

	if (err != 0 || pg_generation(b->pg) == b->generation)
		return err;
	err = pg_simple(b->pg, store_balance_listen, st);
	if (err == 0) {
		b->generation = pg_generation(b->pg);
		b->moved = true;
	}
	return err;
}

static int book(struct balance_reader *b, const struct balance_estate *e, struct status *st)
{
	char node[128];
	int err = 0;

	snprintf(node, sizeof(node), "%.*s", (int)strcspn(e->owner, "/"), e->owner);
	const char *owner[] = {e->owner};

	for (size_t i = 0; err == 0 && i < e->n; i++) {
		char call[UUID_TEXT_MAX], carrier[24], micro[24];

		snprintf(carrier, sizeof(carrier), "%" PRId64, e->spent[i].carrier_id);
		snprintf(micro, sizeof(micro), "%" PRId64, e->spent[i].micro);
		const char *params[] = {uuid_format(&e->spent[i].call, call), carrier, micro, node};
		err = pg_exec(b->pg, &store_provisional_book, params, NULL, st);
		if (err == -EINVAL || err == -EBUSY) { /* its carrier is gone: nobody is left to be charged */
			log_event(LOG_LEVEL_ERROR, "a dead node's call cannot be booked", "call=%s carrier=%s", call,
				  carrier);
			err = 0;
		}
	}
	return err == 0 ? pg_exec(b->pg, &store_holds_drop, owner, NULL, st) : err;
}

static int write_holds(struct balance_reader *b, struct status *st)
{
	struct buf carriers = {0}, micro = {0};

	pthread_mutex_lock(&b->mutex);
	struct balance_hold *holds = b->holds;
	size_t n = b->n_holds;
	b->holds = NULL;
	pthread_mutex_unlock(&b->mutex);
	if (holds == NULL)
		return 0;
	for (size_t i = 0; i < n; i++) {
		buf_printf(&carriers, "%c%" PRId64, i == 0 ? '{' : ',', holds[i].carrier_id);
		buf_printf(&micro, "%c%" PRId64, i == 0 ? '{' : ',', holds[i].micro);
	}
	buf_puts(&carriers, n == 0 ? "{}" : "}");
	buf_puts(&micro, n == 0 ? "{}" : "}");
	const char *params[] = {b->owner, carriers.text, micro.text};
	int err = pg_exec(b->pg, &store_holds_put, params, NULL, st);
	buf_free(&carriers);
	buf_free(&micro);
	free(holds);
	return err;
}

static int read_balances(struct balance_reader *b, struct balance_news *news, struct status *st)
{
	PGresult *result;

	news->read_us = clock_mono_us();
	int err = pg_exec(b->pg, &store_balances, NULL, &result, st);

	if (err != 0)
		return err;
	news->n = (size_t)PQntuples(result);
	news->balance = xcalloc(news->n > 0 ? news->n : 1, sizeof(*news->balance));
	for (size_t i = 0; i < news->n; i++)
		news->balance[i] = (struct balance){
			.carrier_id = pg_number(result, (int)i, 0),
			.micro = pg_number(result, (int)i, 1),
			.version = pg_number(result, (int)i, 2),
		};
	PQclear(result);
	return 0;
}

static void report(struct balance_reader *b, int err, const struct status *st)
{
	char reason[600];

	if (err != 0 && !b->told_away)
		log_event(LOG_LEVEL_WARN, "balances cannot be read: those known hold on", "reason=%s",
			  log_quote(st->text, reason, sizeof(reason)));
	else if (err == 0 && b->told_away)
		log_event(LOG_LEVEL_INFO, "balances are read again", NULL);
	b->told_away = err != 0;
}

/* Book, then read, then tell: in this order, so that the balances told hold what is told of. */
static void turn(struct balance_reader *b)
{
	struct balance_news *news = take_given(b);
	struct status st = {""};
	int err = listen_anew(b, &st);

	for (struct balance_estate *e = news->estates; err == 0 && e != NULL; e = e->next)
		err = book(b, e, &st);
	if (err == 0)
		err = read_balances(b, news, &st);
	if (err == 0)
		err = write_holds(b, &st);
	report(b, err, &st);
	b->read_us = clock_mono_us();
	if (err == 0) {
		news->moved = b->moved;
		b->moved = false;
		b->tell(b->arg, news);
	} else
		give_back(b, news);
}

static bool something_given(struct balance_reader *b)
{
	pthread_mutex_lock(&b->mutex);
	bool given = b->n_posted > 0 || b->estates != NULL;
	pthread_mutex_unlock(&b->mutex);
	return given;
}

static void rest(int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	nanosleep(&t, NULL);
}

static void *reader_thread(void *arg)
{
	struct balance_reader *b = arg;
	char channel[64], payload[256];
	bool asked = true; /* a payment came, or something was given */

	pthread_setname_np(pthread_self(), "balances");
	b->read_us = clock_mono_us() - READ_US;
	while (!atomic_load(&b->stop)) {
		bool away = b->told_away;
		struct status st;

		if (pg_raw(b->pg) == NULL)
			rest(LOOK_MS);
		else if (pg_listen_wait(b->pg, LOOK_MS, channel, payload, &st) != 0)
			asked = b->moved = true; /* a lost connection, too: look at once */
		asked = asked || something_given(b);
		if (clock_mono_us() - b->read_us < (asked && !away ? READ_AGAIN_US : READ_US))
			continue;
		turn(b);
		asked = false;
	}
	turn(b);
	pg_drop(b->pg);
	return NULL;
}

/* ---- start and stop ---- */

static void reader_release(struct balance_reader **b)
{
	estates_free((*b)->estates);
	free((*b)->posted);
	free((*b)->holds);
	free((*b)->owner);
	pg_free(&(*b)->pg);
	pthread_mutex_destroy(&(*b)->mutex);
	free((*b)->database_url);
	free(*b);
	*b = NULL;
}

int balance_start(struct balance_reader **out, const struct balance_options *options, struct status *st)
{
	struct balance_reader *b = xcalloc(1, sizeof(*b));

	b->database_url = xstrdup(options->database_url);
	b->tell = options->tell;
	b->arg = options->arg;
	pthread_mutex_init(&b->mutex, NULL);
	b->pg = pg_new(&(struct pg_options){.url = b->database_url,
					    .application_name = "tandemd balances",
					    .statement_timeout_ms = STATEMENT_MS,
					    .retry_ms = 500});
	int err = -pthread_create(&b->thread, NULL, reader_thread, b);
	if (err != 0) {
		reader_release(&b);
		return status_set(st, err, "cannot start the thread that reads balances: %s", strerror(-err));
	}
	*out = b;
	return 0;
}

void balance_stop(struct balance_reader **b)
{
	if (*b == NULL)
		return;
	atomic_store(&(*b)->stop, true);
	pthread_join((*b)->thread, NULL);
	reader_release(b);
}
