/* SPDX-License-Identifier: Apache-2.0 */
/* tandem bench-routes - how long look-ups take in memory: everything is loaded here as a node loads it, then looked up
 * on a thread that asks for what a node's SIP threads ask for, with nothing else going on in the process. */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/store.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/random.h"
#include "lib/thread.h"
#include "routing/loader.h"
#include "routing/route.h"

#define SEED 20260101
#define PREFIXES_MAX "200000"
#define NUMBER_DIGITS 12
#define LOAD_LIMIT_S 300
#define COUNT_MAX 100000000
#define WARM_UP 2000	/* look-ups before those that count: a node in service has done many */
#define WORKER_NICE -10 /* as a node's SIP threads */

/* where the loader's snapshots arrive */
struct inbox {
	pthread_mutex_t lock;
	pthread_cond_t arrived;
	struct snapshot *newest;
};

static void take_in(void *arg, struct snapshot *s)
{
	struct inbox *in = arg;

	pthread_mutex_lock(&in->lock);
	snapshot_unref(&in->newest);
	in->newest = s;
	pthread_cond_signal(&in->arrived);
	pthread_mutex_unlock(&in->lock);
}

/* the first snapshot with routes; NULL if none came in time */
static struct snapshot *wait_for_routes(struct inbox *in)
{
	struct snapshot *s = NULL;
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LOAD_LIMIT_S;
	pthread_mutex_lock(&in->lock);
	while (in->newest == NULL || !snapshot_has_routes(in->newest)) {
		if (pthread_cond_timedwait(&in->arrived, &in->lock, &until) != 0)
			break;
	}
	if (in->newest != NULL && snapshot_has_routes(in->newest))
		s = snapshot_ref(in->newest);
	pthread_mutex_unlock(&in->lock);
	return s;
}

struct numbers {
	PGresult *prefixes;
	uint64_t seed;
};

/* a number of the usual length that begins with one of the sell deck's prefixes */
static void draw_number(struct numbers *n, char out[static DIGITS_MAX + 1])
{
	int row = (int)(random_draw(&n->seed) % (uint64_t)PQntuples(n->prefixes));
	size_t len = (size_t)snprintf(out, DIGITS_MAX + 1, "%s", PQgetvalue(n->prefixes, row, 0));
	uint64_t digits = random_draw(&n->seed);

	do {
		if (len >= DIGITS_MAX)
			break;
		out[len++] = (char)('0' + digits % 10);
		digits /= 10;
	} while (len < NUMBER_DIGITS);
	out[len] = '\0';
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

struct spread {
	double p50_us, p99_us;
};

struct measured {
	int64_t count, routed;
	struct spread found, decided; /* the rates alone; the whole decision */
};

static struct spread spread_of(int64_t *took_ns, int64_t count)
{
	qsort(took_ns, (size_t)count, sizeof(*took_ns), by_value);
	return (struct spread){.p50_us = (double)took_ns[count / 2] / 1000,
			       .p99_us = (double)took_ns[count * 99 / 100] / 1000};
}

/* The sell rate, and the rate of each vendor of the plan in its own deck. */
static struct spread measure_found(const struct trunk *trunk, struct numbers *numbers, int64_t count)
{
	const struct plan *plan = trunk->plan;
	size_t n = 0, most = plan != NULL ? (size_t)plan->n_members : 0;
	int64_t *took_ns = xcalloc((size_t)count, sizeof(*took_ns));
	const struct deck **deck = xcalloc(most + 1, sizeof(*deck));
	struct deck_hit *hit = xcalloc(most + 1, sizeof(*hit));
	char called[DIGITS_MAX + 1];

	if (trunk->deck != NULL)
		deck[n++] = trunk->deck;
	for (size_t i = 0; i < most; i++)
		if (plan->member[i].trunk->deck != NULL)
			deck[n++] = plan->member[i].trunk->deck;
	for (int64_t i = -WARM_UP; i < count; i++) {
		draw_number(numbers, called);
		int64_t at_us = clock_wall_us(), before_ns = clock_mono_ns();
		deck_find_many(deck, n, called, "", at_us, hit);
		if (i >= 0)
			took_ns[i] = clock_mono_ns() - before_ns;
	}
	struct spread spread = spread_of(took_ns, count);
	free(took_ns);
	free(deck);
	free(hit);
	return spread;
}

static void measure(const struct snapshot *s, const struct trunk *trunk, struct numbers *numbers, struct measured *m)
{
	int64_t *took_ns = xcalloc((size_t)m->count, sizeof(*took_ns));
	struct route *route = route_new(1);
	char called[DIGITS_MAX + 1];

	m->found = measure_found(trunk, numbers, m->count);
	route_fit(route, s);
	for (int64_t i = -WARM_UP; i < m->count; i++) {
		draw_number(numbers, called);
		struct route_query q = {
			.snap = s,
			.ingress = trunk,
			.called = called,
			.calling = "",
			.at_us = clock_wall_us(),
			.mono_us = clock_mono_us(),
			.now = true,
			.seed = numbers->seed,
			.terse = true,
		};
		int64_t before_ns = clock_mono_ns();
		enum route_outcome outcome = route_permit(route, &q);
		if (outcome == ROUTE_OK)
			outcome = route_decide(route, &q);
		if (i < 0)
			continue;
		took_ns[i] = clock_mono_ns() - before_ns;
		m->routed += outcome == ROUTE_OK;
	}
	m->decided = spread_of(took_ns, m->count);
	free(took_ns);
	route_free(&route);
}

static void print_measured(const struct measured *m, const struct loader_stats *stats, bool json)
{
	double bytes_per_rate = stats->rates > 0 ? (double)stats->bytes / (double)stats->rates : 0;

	if (json) {
		json_t *j = json_pack("{sI sI sf sf sf sf sI sI sf}", "count", (json_int_t)m->count, "routed",
				      (json_int_t)m->routed, "p50_us", m->found.p50_us, "p99_us", m->found.p99_us,
				      "decision_p50_us", m->decided.p50_us, "decision_p99_us", m->decided.p99_us,
				      "rates", (json_int_t)stats->rates, "decks", (json_int_t)stats->decks,
				      "bytes_per_rate", bytes_per_rate);
		json_dumpf(j, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
		putchar('\n');
		json_decref(j);
		return;
	}
	printf("look-ups        %" PRId64 ", %" PRId64 " with a route\n", m->count, m->routed);
	printf("p50_us          %.2f\np99_us          %.2f\n", m->found.p50_us, m->found.p99_us);
	printf("decision        p50 %.2f us, p99 %.2f us\n", m->decided.p50_us, m->decided.p99_us);
	printf("rates           %" PRIu64 " in %" PRIu64 " decks\n", stats->rates, stats->decks);
	printf("bytes_per_rate  %.1f\n", bytes_per_rate);
}

/* Stops the loader: what it would go on doing, copies of images and questions to PostgreSQL, is not what is measured.
 */
static enum cli_exit bench(struct loader **loader, struct inbox *in, struct numbers *numbers, int64_t trunk_id,
			   int64_t count, bool json)
{
	struct snapshot *s = wait_for_routes(in);
	struct measured m = {.count = count};
	struct loader_stats stats;

	if (s == NULL)
		return cli_fail("no routes were loaded in %d s", LOAD_LIMIT_S);

	const struct trunk *trunk = snapshot_trunk(s, trunk_id);
	if (trunk == NULL) {
		snapshot_unref(&s);
		return cli_fail("there is no trunk %" PRId64, trunk_id);
	}
	loader_stats(*loader, &stats);
	loader_stop(loader);
	thread_settle("tandem", WORKER_NICE);
	thread_hasten();
	measure(s, trunk, numbers, &m);
	print_measured(&m, &stats, json);
	snapshot_unref(&s);
	return CLI_DONE;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static enum cli_exit load_and_bench(struct cli *cli, struct numbers *numbers, int64_t trunk_id, int64_t count,
				    bool json)
{
	/* a cache of its own: that of a node on this machine is another user's, and in use */
	char dir[] = "/tmp/tandem-bench-XXXXXX";
	struct gauge_table *gauges = gauge_table_new();
	struct inbox in = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL};
	struct loader *loader = NULL;
	struct status st = {""};
	enum cli_exit status;

	if (mkdtemp(dir) == NULL) {
		gauge_table_free(&gauges);
		return cli_fail("%s: %s", dir, strerror(errno));
	}
	struct loader_options o = {
		.database_url = cli->settings->database_url,
		.redis_url = cli->settings->redis_url,
		.cache_dir = dir,
		.gauges = gauges,
		.publish = take_in,
		.arg = &in,
	};
	if (loader_start(&loader, &o, &st) != 0)
		status = cli_fail("%s", st.text);
	else
		status = bench(&loader, &in, numbers, trunk_id, count, json);
	loader_stop(&loader);
	snapshot_unref(&in.newest);
	gauge_table_free(&gauges);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return status;
}

static enum cli_exit run(struct cli *cli, int argc, char **argv)
{
	const char *trunk = NULL, *count = NULL;
	bool json = false;
	const struct cli_option options[] = {
		{.name = "trunk", .value = &trunk, .required = true},
		{.name = "count", .value = &count, .required = true},
		{.name = "json", .flag = &json},
	};
	struct numbers numbers = {.seed = SEED};
	struct status st = {""};
	enum cli_exit status;
	int64_t trunk_id, n;

	if (!cli_parse(cli, argc, argv, options, sizeof(options) / sizeof(options[0]), NULL, 0, &status))
		return status;
	if (!cli_parse_int(trunk, 1, INT64_MAX, &trunk_id))
		return cli_usage(cli, "--trunk must be a trunk's id");
	if (!cli_parse_int(count, 1, COUNT_MAX, &n))
		return cli_usage(cli, "--count must be from 1 to %d", COUNT_MAX);

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	int err = pg_exec(pg, &cli_sell_prefixes, (const char *const[]){trunk, PREFIXES_MAX}, &numbers.prefixes, &st);
	pg_free(&pg);
	if (err != 0)
		status = cli_fail("%s", st.text);
	else if (PQntuples(numbers.prefixes) == 0)
		status = cli_fail("there is no ingress trunk %s with a rate in its sell deck", trunk);
	else
		status = load_and_bench(cli, &numbers, trunk_id, n, json);
	PQclear(numbers.prefixes);
	return status;
}

const struct command command_bench_routes = {
	.name = "bench-routes",
	.synopsis = "--trunk INGRESS_ID --count N [--json]",
	.meaning = "look random numbers up in memory and say how long it took",
	.help = "  --trunk ID   the ingress trunk; the numbers begin with its sell deck's prefixes\n"
		"  --count N    how many\n"
		"  --json       count, routed, p50_us, p99_us (the rates of all vendors), decision_p50_us, "
		"decision_p99_us\n"
		"               (with margins and ranking), rates, decks, bytes_per_rate\n",
	.run = run,
};
