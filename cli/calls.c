/* SPDX-License-Identifier: Apache-2.0 */
/* tandem calls, tandem hangup */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "cluster/live.h"
#include "lib/clock.h"

static const char *text_of(const json_t *call, const char *key)
{
	return json_string_value(json_object_get(call, key));
}

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
	const char *started = text_of(call, "started_at");
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

		table_row(t, (const char *const[]){text_of(call, "id"), text_of(call, "node"), text_of(call, "state"),
						   text_of(call, "calling"), text_of(call, "called"),
						   id_of(call, "ingress_trunk_id", in),
						   id_of(call, "egress_trunk_id", out), age_of(call, now_us, age),
						   text_of(call, "cost_so_far"), text_of(call, "currency")});
	}
	table_print(&t);
}

static enum cli_exit run_calls(struct cli *cli, int argc, char **argv)
{
	bool json = false;
	const struct cli_option options[] = {{.name = "json", .flag = &json}};
	struct status st = {""};
	enum cli_exit status;
	json_t *calls = NULL;

	if (!cli_parse(cli, argc, argv, options, 1, NULL, 0, &status))
		return status;

	struct redis *r = cli_redis(cli);
	if (r == NULL)
		return CLI_FAILED;
	int err = live_calls(r, &calls, &st);
	redis_free(&r);
	if (err != 0)
		return cli_fail("%s", st.text);
	if (json)
		cli_print_json(calls);
	else
		print_calls(calls);
	json_decref(calls);
	return CLI_DONE;
}

static enum cli_exit run_hangup(struct cli *cli, int argc, char **argv)
{
	const char *call_id = NULL;
	struct status st = {""};
	enum cli_exit status;

	if (!cli_parse(cli, argc, argv, NULL, 0, &call_id, 1, &status))
		return status;

	struct redis *r = cli_redis(cli);
	if (r == NULL)
		return CLI_FAILED;
	int err = live_hangup(r, call_id, &st);
	redis_free(&r);
	if (err == -ENOENT)
		return cli_fail("there is no live call %.64s", call_id);
	return err == 0 ? CLI_DONE : cli_fail("%s", st.text);
}

const struct command command_calls = {
	.name = "calls",
	.synopsis = "[--json]",
	.meaning = "list the live calls of all nodes",
	.help = "  --json   as /v1/calls shows them\n",
	.run = run_calls,
};

const struct command command_hangup = {
	.name = "hangup",
	.synopsis = "CALL_ID",
	.meaning = "end a live call",
	.run = run_hangup,
};
