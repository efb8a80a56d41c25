/* SPDX-License-Identifier: Apache-2.0 */
/* tandem calls, tandem calls hangup, tandem hangup */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"
#include "cli/store.h"
#include "cli/table.h"
#include "cluster/live.h"
#include "lib/clock.h"

#define AUDIT_TIMEOUT_MS 5000

static const char *id_of(const json_t *call, const char *key, char out[static 24])
{
	const json_t *id = json_object_get(call, key);

	if (!json_is_integer(id))
		return NULL;
	snprintf(out, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(id));
	return out;
}

/* how long since it began, as H:MM:SS */
static const char *age_of(const json_t *call, int64_t now_us, char out[static 24])
{
	const char *started = cli_text(call, "started_at");
	int64_t us, age_s;

	if (started == NULL || clock_parse(started, &us) != 0)
		return NULL;
	age_s = now_us > us ? (now_us - us) / 1000000 : 0;
	snprintf(out, 24, "%" PRId64 ":%02d:%02d", age_s / 3600, (int)(age_s / 60 % 60), (int)(age_s % 60));
	return out;
}

static void print_calls(const json_t *calls)
{
	struct table *t = table_new((const char *const[]){"!id", "node", "state", "calling", "called", ">in", ">out",
							  ">age", ">cost", "currency", NULL});
	int64_t now_us = clock_wall_us();
	const json_t *call;
	size_t i;

	json_array_foreach(calls, i, call)
	{
		char in[24], out[24], age[24];

		table_row(t, (const char *const[]){cli_text(call, "id"), cli_text(call, "node"),
						   cli_text(call, "state"), cli_text(call, "calling"),
						   cli_text(call, "called"), id_of(call, "ingress_trunk_id", in),
						   id_of(call, "egress_trunk_id", out), age_of(call, now_us, age),
						   cli_text(call, "cost_so_far"), cli_text(call, "currency")});
	}
	table_print(&t);
}

/* Which calls are meant: the options that listing and hanging up have in common. */
#define FILTER_OPTIONS(f)                                                                                              \
	{.name = "node", .value = &(f).node}, {.name = "state", .value = &(f).state},                                  \
		{.name = "carrier", .value = &(f).carrier_id}, {.name = "trunk", .value = &(f).trunk_id},              \
		{.name = "ingress-trunk", .value = &(f).ingress_trunk_id},                                             \
		{.name = "egress-trunk", .value = &(f).egress_trunk_id}, {.name = "called", .value = &(f).called},     \
		{.name = "calling", .value = &(f).calling},                                                            \
	{                                                                                                              \
		.name = "called-prefix", .value = &(f).called_prefix                                                   \
	}
#define FILTER_HELP                                                                                                    \
	"  --carrier ID         from or to this carrier\n"                                                             \
	"  --trunk ID           in or out by this trunk\n"                                                             \
	"  --ingress-trunk ID   in by this trunk\n"                                                                    \
	"  --egress-trunk ID    out by this trunk\n"                                                                   \
	"  --called N           exactly this called number\n"                                                          \
	"  --calling N          exactly this calling number\n"                                                         \
	"  --called-prefix P    called numbers that start so\n"                                                        \
	"  --state STATE        routing, ringing or answered\n"                                                        \
	"  --node NODE          on this node\n"

static bool is_id(const char *text)
{
	int64_t n;

	return text == NULL || cli_parse_int(text, 1, INT64_MAX, &n);
}

/* CLI_DONE, or CLI_USAGE after a line that says what is wrong */
static enum cli_exit filter_check(const struct cli *cli, const struct live_filter *f)
{
	const char *s = f->state;

	if (!is_id(f->carrier_id) || !is_id(f->trunk_id) || !is_id(f->ingress_trunk_id) || !is_id(f->egress_trunk_id))
		return cli_usage(cli, "an id is a number from 1");
	if (s != NULL && strcmp(s, "routing") != 0 && strcmp(s, "ringing") != 0 && strcmp(s, "answered") != 0)
		return cli_usage(cli, "--state is routing, ringing or answered");
	if (f->called_prefix != NULL && f->called_prefix[strspn(f->called_prefix, "0123456789")] != '\0')
		return cli_usage(cli, "--called-prefix is digits");
	return CLI_DONE;
}

static bool filter_empty(const struct live_filter *f)
{
	return f->node == NULL && f->state == NULL && f->ingress_trunk_id == NULL && f->egress_trunk_id == NULL &&
	       f->carrier_id == NULL && f->trunk_id == NULL && f->called == NULL && f->calling == NULL &&
	       f->called_prefix == NULL;
}

/* the live calls that the filter names (new reference); NULL after cli_fail */
static json_t *calls_read(struct redis *r, const struct live_filter *f)
{
	json_t *all = NULL, *meant, *call;
	struct status st = {""};
	size_t i;

	if (live_calls(r, &all, &st) != 0) {
		cli_fail("%s", st.text);
		return NULL;
	}
	meant = json_array();
	json_array_foreach(all, i, call) if (live_call_passes(call, f)) json_array_append(meant, call);
	json_decref(all);
	return meant;
}

static enum cli_exit run_calls(struct cli *cli, int argc, char **argv)
{
	bool json = false;
	struct live_filter f = {NULL};
	const struct cli_option options[] = {{.name = "json", .flag = &json}, FILTER_OPTIONS(f)};
	enum cli_exit status;

	if (!cli_parse(cli, argc, argv, options, sizeof(options) / sizeof(options[0]), NULL, 0, &status))
		return status;
	if ((status = filter_check(cli, &f)) != CLI_DONE)
		return status;

	struct redis *r = cli_redis(cli);
	if (r == NULL)
		return CLI_FAILED;
	json_t *calls = calls_read(r, &f);
	redis_free(&r);
	if (calls == NULL)
		return CLI_FAILED;
	if (json)
		cli_print_json(calls);
	else
		print_calls(calls);
	json_decref(calls);
	return CLI_DONE;
}

/* A line in the audit log for each. Calls must be ended even while PostgreSQL is away: then that is said, no more. */
static void hangups_audit(struct cli *cli, const json_t *calls)
{
	struct status st = {""};
	struct pg *pg = NULL;
	PGresult *result;

	if (json_array_size(calls) == 0)
		return;
	char *text = json_dumps(calls, JSON_COMPACT);
	const char *values[] = {cli_actor(), text};
	int err = cli_connect(cli->settings->database_url, CLI_SERVICE_ACCOUNT, AUDIT_TIMEOUT_MS, &pg, &st);
	if (err == 0 && (err = pg_exec(pg, &cli_hangups_audit, values, &result, &st)) == 0)
		PQclear(result);
	if (err != 0)
		fprintf(stderr, "tandem: not in the audit log: %s\n", st.text);
	pg_free(&pg);
	free(text);
}

/* the call of that id, whatever its letters' case, or NULL (borrowed) */
static json_t *call_find(json_t *calls, const char *id)
{
	json_t *call;
	size_t i;

	json_array_foreach(calls, i, call) if (strcasecmp(cli_text(call, "id"), id) == 0) return call;
	return NULL;
}

static enum cli_exit hang_up_one(struct cli *cli, struct redis *r, json_t *call)
{
	const char *id = cli_text(call, "id");
	struct status st = {""};
	int err = live_hangup(r, id, &st);

	if (err == -ENOENT)
		return cli_fail("there is no live call %s", id);
	if (err != 0)
		return cli_fail("%s", st.text);
	json_t *told = json_pack("[O]", call);
	hangups_audit(cli, told);
	json_decref(told);
	return CLI_DONE;
}

static enum cli_exit run_hangup(struct cli *cli, int argc, char **argv)
{
	const struct live_filter all = {NULL};
	const char *call_id = NULL;
	enum cli_exit status;

	if (!cli_parse(cli, argc, argv, NULL, 0, &call_id, 1, &status))
		return status;

	struct redis *r = cli_redis(cli);
	if (r == NULL)
		return CLI_FAILED;
	json_t *calls = calls_read(r, &all), *call = call_find(calls, call_id);
	if (calls == NULL)
		status = CLI_FAILED;
	else if (call == NULL)
		status = cli_fail("there is no live call %.64s", call_id);
	else
		status = hang_up_one(cli, r, call);
	json_decref(calls);
	redis_free(&r);
	return status;
}

/* Takes the proxied calls out, each named on stderr. How many there were. */
static size_t leave_proxied(json_t *calls)
{
	json_t *proxied = live_take_proxied(calls), *call;
	size_t n = json_array_size(proxied), i;

	json_array_foreach(proxied, i, call)
		fprintf(stderr, "tandem: call %s has mode proxy: only its ends can hang it up\n", cli_text(call, "id"));
	json_decref(proxied);
	return n;
}

static enum cli_exit hang_up(struct cli *cli, struct redis *r, const json_t *calls, size_t skipped, bool json)
{
	struct status st = {""};
	size_t told;

	hangups_audit(cli, calls);
	int err = live_hangup_all(r, calls, &told, &st);
	if (json && err == 0)
		cli_print_json(calls);
	else if (!json)
		printf("%zu of %zu calls hung up\n", told, json_array_size(calls) + skipped);
	return err == 0 ? CLI_DONE : cli_fail("%s", st.text);
}

static enum cli_exit run_calls_hangup(struct cli *cli, int argc, char **argv)
{
	bool json = false, dry_run = false, all = false;
	struct live_filter f = {NULL};
	const struct cli_option options[] = {{.name = "json", .flag = &json},
					     {.name = "dry-run", .flag = &dry_run},
					     {.name = "all", .flag = &all},
					     FILTER_OPTIONS(f)};
	enum cli_exit status;

	if (!cli_parse(cli, argc, argv, options, sizeof(options) / sizeof(options[0]), NULL, 0, &status))
		return status;
	if ((status = filter_check(cli, &f)) != CLI_DONE)
		return status;
	if (filter_empty(&f) && !all)
		return cli_usage(cli, "say which calls are meant, or --all");

	struct redis *r = cli_redis(cli);
	if (r == NULL)
		return CLI_FAILED;
	json_t *calls = calls_read(r, &f);
	size_t skipped = calls != NULL ? leave_proxied(calls) : 0;
	if (calls == NULL)
		status = CLI_FAILED;
	else if (!dry_run)
		status = hang_up(cli, r, calls, skipped, json);
	else if (json)
		cli_print_json(calls);
	else
		print_calls(calls);
	json_decref(calls);
	redis_free(&r);
	return status;
}

const struct command command_calls = {
	.name = "calls",
	.synopsis = "[FILTERS] [--json]",
	.meaning = "list the live calls of all nodes",
	.help = FILTER_HELP "  --json               as /v1/calls shows them\n",
	.run = run_calls,
};

const struct command command_calls_hangup = {
	.name = "calls hangup",
	.synopsis = "FILTERS | --all [--dry-run] [--json]",
	.meaning = "end all live calls that the filters name",
	.help = FILTER_HELP "  --all                every live call\n"
			    "  --dry-run            only list them\n"
			    "  --json               the calls, as /v1/calls shows them\n",
	.run = run_calls_hangup,
};

const struct command command_hangup = {
	.name = "hangup",
	.synopsis = "CALL_ID",
	.meaning = "end a live call",
	.run = run_hangup,
};
