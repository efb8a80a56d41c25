/* SPDX-License-Identifier: Apache-2.0 */
/* tandem rerate */
#include "billing/rerate.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "lib/clock.h"
#include "routing/loader.h"
#include "routing/number.h"

static bool number_of_call(void *arg, int64_t trunk_id, const char *called_in, const char *calling_in,
			   char called[static RERATE_NUMBER_MAX], char calling[static RERATE_NUMBER_MAX])
{
	const struct trunk *trunk = snapshot_trunk(arg, trunk_id);
	struct number_pair numbers;

	_Static_assert(RERATE_NUMBER_MAX == NUMBER_MAX, "one size of numbers");
	if (trunk == NULL || trunk->direction != TRUNK_INGRESS ||
	    number_in(trunk, called_in, calling_in, &numbers) != 0)
		return false;
	memcpy(called, numbers.called, NUMBER_MAX);
	memcpy(calling, numbers.calling, NUMBER_MAX);
	return true;
}

static void print_report(json_t *report)
{
	struct table *t = table_new(
		(const char *const[]){"destination", ">calls", ">changed", ">old", ">new", ">difference", NULL});
	char calls[24], changed[24];
	const char *reason;
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(report, "destinations"), i, one)
	{
		table_row(t, (const char *const[]){cli_text(one, "destination"), cli_number(one, "calls", calls),
						   cli_number(one, "changed", changed), cli_text(one, "old"),
						   cli_text(one, "new"), cli_text(one, "difference")});
	}
	table_row(t, (const char *const[]){"all", cli_number(report, "calls", calls),
					   cli_number(report, "changed", changed), cli_text(report, "old"),
					   cli_text(report, "new"), cli_text(report, "difference")});
	table_print(&t);
	json_object_foreach(json_object_get(report, "unrated"), reason, one)
	{
		printf("left as they are: %" JSON_INTEGER_FORMAT " (%s)\n", json_integer_value(one), reason);
	}
	printf("%s %s %s\n", json_is_true(json_object_get(report, "applied")) ? "booked" : "would be booked:",
	       cli_text(report, "difference"), cli_text(report, "currency"));
}

static enum cli_exit rerate(struct cli *cli, struct rerate_options *o, bool json)
{
	enum cli_exit status = CLI_DONE;
	struct snapshot *snapshot = NULL;
	struct status st = {""};
	json_t *report = NULL;
	struct pg *pg = cli_database(cli);

	if (pg == NULL)
		return CLI_FAILED;
	int err = loader_one_number(pg, 0, NULL, NULL, &snapshot, &st); /* the trunks, no rates */
	if (err == 0) {
		o->arg = snapshot;
		err = rerate_run(pg, o, &report, &st);
		snapshot_unref(&snapshot);
	}
	if (err != 0)
		status = cli_fail("%s", st.text);
	else if (json)
		cli_print_json(report);
	else
		print_report(report);
	json_decref(report);
	pg_free(&pg);
	return status;
}

static bool parse_time(const struct cli *cli, const char *name, const char *text, char out[static CLOCK_TEXT_MAX])
{
	int64_t us;

	if (clock_parse(text, &us) != 0) {
		(void)cli_usage(cli, "--%s is a time such as 2026-01-31T00:00:00Z or 2026-01-31", name);
		return false;
	}
	clock_format(us, out);
	return true;
}

static enum cli_exit run(struct cli *cli, int argc, char **argv)
{
	const char *carrier = NULL, *side = NULL, *from = NULL, *to = NULL;
	bool apply = false, json = false;
	const struct cli_option options[] = {
		{.name = "carrier", .value = &carrier, .required = true},
		{.name = "side", .value = &side, .required = true},
		{.name = "from", .value = &from, .required = true},
		{.name = "to", .value = &to, .required = true},
		{.name = "apply", .flag = &apply},
		{.name = "json", .flag = &json},
	};
	char from_text[CLOCK_TEXT_MAX], to_text[CLOCK_TEXT_MAX];
	struct rerate_options o = {.number = number_of_call};
	enum cli_exit status;

	if (!cli_parse(cli, argc, argv, options, sizeof(options) / sizeof(options[0]), NULL, 0, &status))
		return status;
	if (!cli_parse_carrier(cli, carrier, &o.carrier_id) || !cli_parse_side(cli, side, &o.sell))
		return CLI_USAGE;
	if (!parse_time(cli, "from", from, from_text) || !parse_time(cli, "to", to, to_text))
		return CLI_USAGE;
	o.from = from_text;
	o.to = to_text;
	o.apply = apply;
	o.actor = cli_actor();
	return rerate(cli, &o, json);
}

const struct command command_rerate = {
	.name = "rerate",
	.synopsis = "--carrier ID --side sell|buy --from TIME --to TIME [--apply] [--json]",
	.meaning = "show or book what a carrier's calls cost under the decks as they now stand",
	.help = "  --carrier ID       the customer (sell) or the vendor (buy)\n"
		"  --side sell|buy    which price of its calls\n"
		"  --from, --to TIME  calls that started from here on, and before\n"
		"  --apply            book the difference; without it nothing is changed\n"
		"  --json             the whole report, with the corrections one by one (the first 1000)\n\n"
		"Each answered call is rated by the rate in force at its start. What was booked already counts: a "
		"second\n"
		"--apply books nothing.\n",
	.run = run,
};
