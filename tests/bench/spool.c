/* SPDX-License-Identifier: Apache-2.0 */
/* spool - how many CDRs a second go from the spool into PostgreSQL, with attempts, ledger and balances.
 *
 *   spool --database URL --dir DIR [--count N] [--connections 1|2]
 *
 * First N CDRs of answered calls are written to a spool whose database is away, then the spool is started with the real
 * one and timed until it is empty. Checks that every CDR, attempt and booking is there. The database is left with them:
 * give it one of its own, migrated.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "billing/spool.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/pg.h"

#define NOWHERE "host=/nonexistent connect_timeout=2"

static struct pg_statement carrier_add = {
	"carrier_add",
	"insert into carriers (name, currency) values ($1 || clock_timestamp()::text, 'EUR') returning id", 1};
static struct pg_statement count_cdrs = {"count_cdrs",
					 "select (select count(*) from cdrs where ingress_carrier_id = $1),"
					 " (select count(*) from cdr_attempts where carrier_id = $2),"
					 " (select count(*) from ledger where carrier_id in ($1, $2)),"
					 " coalesce((select balance from balances where carrier_id = $1), 0)",
					 2};

static void die(const char *what, const struct status *st)
{
	fprintf(stderr, "spool: %s: %s\n", what, st->text);
	exit(1);
}

static int64_t add_carrier(struct pg *pg, const char *name)
{
	const char *const params[] = {name};
	struct status st;
	PGresult *r;

	if (pg_exec(pg, &carrier_add, params, &r, &st) != 0)
		die("cannot add a carrier", &st);
	int64_t id = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	return id;
}

static void add_side(struct cdr_side *side, const char *prefix, int64_t price_n)
{
	side->rated = true;
	side->prefix = prefix;
	side->currency = "EUR";
	side->terms = rate_terms_plain(price_n);
}

#define DESTINATIONS 4
static const char *const destinations[DESTINATIONS] = {"Germany Berlin", "Germany Mobile T-Mobile", "Germany Mobile O2",
						       "Germany"};

static struct cdr *make(int64_t customer, int64_t vendor)
{
	struct cdr *c = cdr_new();
	char number[32];

	c->started_us = clock_wall_us() - 61 * 1000000LL;
	uuid_make(&c->id, c->started_us);
	c->node = "bench";
	c->progress_us = c->started_us + 500000;
	c->answered_us = c->started_us + 1000000;
	c->duration_ms = 60000;
	c->ended_us = c->answered_us + c->duration_ms * 1000;
	c->ingress_carrier_id = customer;
	c->egress_carrier_id = vendor;
	c->ingress_trunk_id = c->egress_trunk_id = 1;
	snprintf(number, sizeof(number), "4930%08u", (unsigned)random() % 100000000);
	c->called_in = c->called_out = cdr_text(c, number);
	snprintf(number, sizeof(number), "4420%08u", (unsigned)random() % 100000000);
	c->calling_in = c->calling_out = cdr_text(c, number);
	c->rated_called = c->called_in;
	c->rated_calling = c->calling_in;
	c->destination = destinations[random() % DESTINATIONS];
	c->pdd_ms = 500;
	c->sip_code = 200;
	c->q850_cause = 16;
	add_side(&c->sell, "4930", 12000000);
	add_side(&c->buy, "49", 9000000);
	c->source_ip = "192.0.2.10";
	c->a_call_id = "2b1c74a8-6c1f-4a2c@192.0.2.10";
	c->b_call_id = "8f7e3d1a9b2c4d5e6f708192";
	c->attempts = 1;
	c->attempt[0] = (struct cdr_attempt){.trunk_id = 1,
					     .carrier_id = vendor,
					     .started_us = c->started_us,
					     .progress_us = c->progress_us,
					     .answered_us = c->answered_us,
					     .ended_us = c->ended_us,
					     .sip_code = 200,
					     .reason = "answered",
					     .buy_prefix = "49",
					     .buy_price_n = 9000000,
					     .b_call_id = c->b_call_id};
	if (cdr_rate(c) != 0)
		abort();
	return c;
}

static int connections = 2;

static struct spool *start(const char *dir, const char *url)
{
	struct spool *s;
	struct status st;
	struct spool_options o = {.dir = dir, .node = "bench", .database_url = url, .connections = connections};

	if (spool_start(&s, &o, &st) != 0)
		die("cannot start the spool", &st);
	return s;
}

static void fill(const char *dir, long count, int64_t customer, int64_t vendor)
{
	struct spool *s = start(dir, NOWHERE);
	int64_t from_us = clock_mono_us();

	for (long i = 0; i < count; i++) {
		struct cdr *c = make(customer, vendor);

		while (!spool_reserve(s))
			usleep(1000);
		spool_answered(s, cdr_copy(c));
		spool_close(s, c);
	}
	(void)spool_stop(&s, 0);
	double seconds = (double)(clock_mono_us() - from_us) / 1e6;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("to disk       %ld CDRs, each with its answer, in %.2f s: %.0f CDRs/s\n", count, seconds,
	       (double)count / seconds);
}

static void drain(const char *dir, const char *url, long count)
{
	struct spool_stats stats;
	struct spool *s = start(dir, url);
	int64_t from_us = clock_mono_us();

	do {
		usleep(2000);
		spool_stats(s, &stats);
	} while (stats.on_disk > 0);
	double seconds = (double)(clock_mono_us() - from_us) / 1e6;
	printf("to PostgreSQL %ld CDRs in %.2f s: %.0f CDRs/s (connections: %d), %llu refused\n", count, seconds,
	       (double)count / seconds, connections, (unsigned long long)stats.refused);
	(void)spool_stop(&s, 0);
}

static int verify(struct pg *pg, long count, int64_t customer, int64_t vendor)
{
	char ids[2][24], balance[MONEY_TEXT_MAX];
	const char *const params[] = {ids[0], ids[1]};
	struct status st;
	PGresult *r;
	int bad, err;

	snprintf(ids[0], sizeof(ids[0]), "%lld", (long long)customer);
	snprintf(ids[1], sizeof(ids[1]), "%lld", (long long)vendor);
	int64_t until_us = clock_mono_us() + 30 * 1000000LL; /* a story may have killed the server's processes */
	while ((err = pg_exec(pg, &count_cdrs, params, &r, &st)) == -ENOTCONN && clock_mono_us() < until_us)
		usleep(200000);
	if (err != 0)
		die("cannot count", &st);
	money_format((struct money){-12000000LL * count}, 9, balance);
	bad = atol(PQgetvalue(r, 0, 0)) != count || atol(PQgetvalue(r, 0, 1)) != count ||
	      atol(PQgetvalue(r, 0, 2)) != 2 * count || strcmp(PQgetvalue(r, 0, 3), balance) != 0;
	printf("there         %s CDRs, %s attempts, %s bookings, customer's balance %s: %s\n", PQgetvalue(r, 0, 0),
	       PQgetvalue(r, 0, 1), PQgetvalue(r, 0, 2), PQgetvalue(r, 0, 3), bad ? "WRONG" : "right");
	PQclear(r);
	return bad;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"database", required_argument, NULL, 'd'},
						{"count", required_argument, NULL, 'n'},
						{"dir", required_argument, NULL, 'D'},
						{"connections", required_argument, NULL, 'c'},
						{NULL, 0, NULL, 0}};
	const char *url = NULL, *dir = NULL;
	long count = 100000;
	int letter, bad;

	while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (letter == 'd')
			url = optarg;
		else if (letter == 'n')
			count = atol(optarg);
		else if (letter == 'D')
			dir = optarg;
		else if (letter == 'c')
			connections = atoi(optarg);
		else
			return 2;
	}
	if (url == NULL || dir == NULL || count <= 0 || connections < 1 || connections > 2) {
		fprintf(stderr, "usage: spool --database URL --dir DIR [--count N] [--connections 1|2]\n");
		return 2;
	}
	log_set_level(LOG_LEVEL_ERROR);
	struct pg *pg = pg_new(&(struct pg_options){.url = url, .application_name = "tandem bench"});
	int64_t customer = add_carrier(pg, "bench customer "), vendor = add_carrier(pg, "bench vendor ");
	fill(dir, count, customer, vendor);
	drain(dir, url, count);
	bad = verify(pg, count, customer, vendor);
	pg_free(&pg);
	return bad;
}
