/* SPDX-License-Identifier: Apache-2.0 */
/* tandem route - the routes of a call that is not placed; what /v1/route-lookups answers. */
#include "routing/route.h"

#include <errno.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "lib/clock.h"
#include "lib/random.h"
#include "lib/redis.h"
#include "routing/loader.h"
#include "routing/number.h"
#include "routing/portability.h"
#include "routing/standing_live.h"

#define REDIS_TIMEOUT_MS 2000

struct query {
	int64_t trunk_id;
	const char *called, *calling;
	int64_t at_us; /* 0: now */
	struct gauge_table *gauges;
};

static const char *number_of(const json_t *object, const char *key, char out[static 32])
{
	const json_t *value = json_object_get(object, key);

	if (json_is_integer(value))
		snprintf(out, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		snprintf(out, 32, "%.3f", json_real_value(value));
	else
		return json_string_value(value);
	return out;
}

static void print_routes(const json_t *routes)
{
	struct table *t = table_new(
		(const char *const[]){">#", ">trunk", ">carrier", "prefix", ">price", ">margin", ">score", NULL});
	char position[24], trunk[32], carrier[32], score[32];
	const json_t *route;
	size_t i;

	json_array_foreach(routes, i, route)
	{
		snprintf(position, sizeof(position), "%zu", i + 1);
		table_row(t, (const char *const[]){position, number_of(route, "trunk_id", trunk),
						   number_of(route, "carrier_id", carrier), cli_text(route, "prefix"),
						   cli_text(route, "price"), cli_text(route, "expected_margin"),
						   number_of(route, "score", score)});
	}
	table_print(&t);
}

static void print_excluded(const json_t *excluded)
{
	struct table *t =
		table_new((const char *const[]){">trunk", "left out", "prefix", ">price", ">margin", "why", NULL});
	const json_t *one;
	char trunk[32];
	size_t i;

	json_array_foreach(excluded, i, one)
	{
		table_row(t, (const char *const[]){number_of(one, "trunk_id", trunk), cli_text(one, "reason"),
						   cli_text(one, "prefix"), cli_text(one, "price"),
						   cli_text(one, "expected_margin"), cli_text(one, "detail")});
	}
	table_print(&t);
}

static void print_result(const json_t *found)
{
	const json_t *sell = json_object_get(found, "sell"), *routes = json_object_get(found, "routes"),
		     *excluded = json_object_get(found, "excluded");
	const char *reason = cli_text(found, "reason"), *lrn = cli_text(found, "lrn");

	if (lrn != NULL)
		printf("ported: routed by %s\n", lrn);
	if (json_is_object(sell)) {
		const char *destination = cli_text(sell, "destination"), *currency = cli_text(sell, "currency");

		printf("sells at %s %s a minute: prefix %s%s%s\n", cli_text(sell, "price"),
		       currency != NULL ? currency : "", cli_text(sell, "prefix"),
		       destination != NULL && *destination != '\0' ? ", " : "", destination != NULL ? destination : "");
	}
	if (json_array_size(routes) > 0) {
		printf("\n");
		print_routes(routes);
	} else {
		printf("no route: %s%s%s\n", cli_text(found, "outcome"), reason != NULL && *reason != '\0' ? ", " : "",
		       reason != NULL ? reason : "");
	}
	if (json_array_size(excluded) > 0) {
		printf("\n");
		print_excluded(excluded);
	}
}

static const struct trunk *ingress_of(const struct snapshot *s, int64_t id, struct status *st)
{
	const struct trunk *trunk = snapshot_trunk(s, id);

	if (trunk == NULL || trunk->direction != TRUNK_INGRESS) {
		status_set(st, -ENOENT, "there is no ingress trunk %lld", (long long)id);
		return NULL;
	}
	return trunk;
}

/* the numbers as they are routed: tech prefix and translations of the trunk applied */
static int translate(struct pg *pg, const struct query *q, struct number_pair *numbers, struct status *st)
{
	struct snapshot *s = NULL;
	int err = loader_one_number(pg, q->trunk_id, NULL, NULL, &s, st);

	if (err != 0)
		return err;
	const struct trunk *trunk = ingress_of(s, q->trunk_id, st);
	if (trunk == NULL)
		err = -ENOENT;
	else if (number_in(trunk, q->called, q->calling, numbers) != 0)
		err = status_set(st, -EINVAL, "after translation the called number is not 3 to 32 digits (484)");
	snapshot_unref(&s);
	return err;
}

/* the number that a call to this one would be routed by: an LRN, or the number itself; why it was not asked for */
static const char *ported(const struct settings *s, struct redis *redis, const char *called,
			  char lrn[static DIGITS_MAX + 1], struct status *why)
{
	if (portability_look(&(struct portability_options){.lookup = s->portability_lookup,
							   .prefixes = s->portability_prefixes,
							   .dns_servers = s->dns_servers,
							   .timeout_ms = s->portability_timeout_ms,
							   .cache_ms = s->portability_cache_ms},
			     redis, called, lrn, why) != 0)
		fprintf(stderr, "tandem: %s; by the dialled number\n", why->text);
	return lrn[0] != '\0' ? lrn : called;
}

static int look_up(struct cli *cli, struct pg *pg, struct redis *redis, const struct query *q, json_t **found,
		   struct status *st)
{
	struct number_pair numbers;
	char lrn[DIGITS_MAX + 1] = "";
	struct status unasked = {""};
	struct snapshot *s = NULL;
	int err = translate(pg, q, &numbers, st);

	if (err == 0)
		err = loader_one_number(pg, q->trunk_id, ported(cli->settings, redis, numbers.called, lrn, &unasked),
					q->gauges, &s, st);
	if (err != 0)
		return err;
	const struct trunk *trunk = ingress_of(s, q->trunk_id, st);
	if (trunk == NULL) {
		snapshot_unref(&s);
		return -ENOENT;
	}

	struct route_query query = {
		.snap = s,
		.ingress = trunk,
		.called = numbers.called,
		.calling = numbers.calling,
		.at_us = q->at_us != 0 ? q->at_us : clock_wall_us(),
		.mono_us = clock_mono_us(),
		.now = q->at_us == 0,
		.seed = random_u64(),
		.settled = true,
	};
	struct route *route = route_new(1);
	route_fit(route, s);
	if (route_permit(route, &query) == ROUTE_OK) { /* number lists look at what was dialled */
		query.called = lrn[0] != '\0' ? lrn : numbers.called;
		(void)standing_decide(route, &query, redis, pg, q->gauges);
	}
	*found = route_json(route);
	json_object_set_new(*found, "lrn", lrn[0] != '\0' ? json_string(lrn) : json_null());
	json_object_set_new(*found, "lrn_error", unasked.text[0] != '\0' ? json_string(unasked.text) : json_null());
	route_free(&route);
	snapshot_unref(&s);
	return 0;
}

static enum cli_exit run(struct cli *cli, int argc, char **argv)
{
	const char *trunk = NULL, *called = NULL, *calling = "", *at = NULL;
	bool json = false;
	const struct cli_option options[] = {
		{.name = "trunk", .value = &trunk, .required = true},
		{.name = "called", .value = &called, .required = true},
		{.name = "calling", .value = &calling},
		{.name = "at", .value = &at},
		{.name = "json", .flag = &json},
	};
	struct query q = {0};
	struct status st = {""};
	enum cli_exit status;
	json_t *found = NULL;

	if (!cli_parse(cli, argc, argv, options, sizeof(options) / sizeof(options[0]), NULL, 0, &status))
		return status;
	if (!cli_parse_int(trunk, 1, INT64_MAX, &q.trunk_id))
		return cli_usage(cli, "--trunk must be a trunk's id");
	if (at != NULL && clock_parse(at, &q.at_us) != 0)
		return cli_usage(cli, "--at must be a time such as 2026-01-31T12:00:00Z or 2026-01-31");
	q.called = called;
	q.calling = calling;

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	struct redis *redis = redis_new(cli->settings->redis_url, REDIS_TIMEOUT_MS);
	q.gauges = gauge_table_new();
	int err = look_up(cli, pg, redis, &q, &found, &st);
	gauge_table_free(&q.gauges);
	redis_free(&redis);
	pg_free(&pg);
	if (err != 0)
		return cli_fail("%s", st.text);
	if (json)
		cli_print_json(found);
	else
		print_result(found);
	json_decref(found);
	return CLI_DONE;
}

const struct command command_route = {
	.name = "route",
	.synopsis = "--trunk INGRESS_ID --called N [--calling N] [--at TIME] [--json]",
	.meaning = "show the ordered routes of a call that is not placed, and why anything was left out",
	.help = "  --trunk ID     the ingress trunk\n"
		"  --called N     the number called, as it would come in\n"
		"  --calling N    the caller's number\n"
		"  --at TIME      by the rates of that time (UTC); default now\n"
		"  --json         as /v1/route-lookups answers\n",
	.run = run,
};
