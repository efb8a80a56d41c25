/* SPDX-License-Identifier: Apache-2.0 */
/* tandem export deliver, tandem export options */
#include <stdio.h>

#include "billing/export_delivery.h"
#include "cli/cli.h"

static json_t *describe(const struct export_delivery *d)
{
	return json_pack("{sI sI ss ss*}", "run", (json_int_t)d->run, "carrier_id", (json_int_t)d->carrier_id, "name",
			 d->name, "error", d->problem[0] != '\0' ? d->problem : NULL);
}

/* everything that is due; one file that fails holds up no other */
static enum cli_exit deliver(struct cli *cli, struct pg *pg, const char *program, json_t *told)
{
	const struct export_options o = {
		.dir = cli->settings->export_dir, .node = cli->settings->node_id, .actor = cli_actor()};
	struct export_delivery d = {0};
	struct status st = {""};
	int failures = 0, found;

	while ((found = export_deliver_next(pg, &o, program, &d, &st)) > 0) {
		json_array_append_new(told, describe(&d));
		failures += d.problem[0] != '\0';
	}
	if (found < 0)
		return cli_fail("%s", st.text);
	if (failures > 0)
		return cli_fail("%d file%s could not be sent; the next `tandem export deliver` tries again", failures,
				failures == 1 ? "" : "s");
	return CLI_DONE;
}

static void print_told(const json_t *told, bool json)
{
	const json_t *one;
	size_t i;

	if (json) {
		cli_print_json(told);
		return;
	}
	json_array_foreach(told, i, one)
	{
		const char *problem = json_string_value(json_object_get(one, "error"));

		printf("run %" JSON_INTEGER_FORMAT " %s: %s\n", json_integer_value(json_object_get(one, "run")),
		       json_string_value(json_object_get(one, "name")), problem != NULL ? problem : "sent");
	}
}

static enum cli_exit run_deliver(struct cli *cli, int argc, char **argv)
{
	const char *program = NULL;
	bool json = false;
	const struct cli_option options[] = {{.name = "command", .value = &program}, {.name = "json", .flag = &json}};
	enum cli_exit status;

	if (!cli_parse(cli, argc, argv, options, 2, NULL, 0, &status))
		return status;

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	json_t *told = json_array();
	status = deliver(cli, pg, program, told);
	print_told(told, json);
	json_decref(told);
	pg_free(&pg);
	return status;
}

static enum cli_exit run_options(struct cli *cli, int argc, char **argv)
{
	const char *carrier = NULL, *side = NULL, *target = NULL;
	struct export_wish wish = {.format = "csv", .columns = ""};
	const struct cli_option options[] = {
		{.name = "carrier", .value = &carrier, .required = true},
		{.name = "side", .value = &side, .required = true},
		{.name = "format", .value = &wish.format},
		{.name = "columns", .value = &wish.columns},
		{.name = "deliver", .value = &target},
	};
	enum cli_exit status;
	struct status st = {""};
	int64_t id;
	bool sell;

	if (!cli_parse(cli, argc, argv, options, sizeof(options) / sizeof(options[0]), NULL, 0, &status))
		return status;
	if (!cli_parse_carrier(cli, carrier, &id) || !cli_parse_side(cli, side, &sell))
		return CLI_USAGE;

	enum export_side which = sell ? EXPORT_SELL : EXPORT_BUY;
	if (export_wish_check(which, &wish, &st) != 0)
		return cli_usage(cli, "%s", st.text);
	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	status = CLI_DONE;
	if (export_wish_set(pg, id, which, &wish, target, &st) != 0)
		status = cli_fail("%s", st.text);
	pg_free(&pg);
	return status;
}

const struct command command_export_deliver = {
	.name = "export deliver",
	.synopsis = "[--command PROGRAM] [--json]",
	.meaning = "send export files to the partners that want them",
	.help = "  --command PROGRAM   also those by command: PROGRAM FILE RUN CARRIER NAME; status 0 means sent\n"
		"  --json              each file, with its error if it failed\n\n"
		"A file that fails is tried again by later calls: after 1, 2, 4 minutes and so on, six hours at "
		"most.\n",
	.run = run_deliver,
};

const struct command command_export_options = {
	.name = "export options",
	.synopsis = "--carrier ID --side sell|buy [--format csv|jsonl] [--columns NAMES] [--deliver ADDRESS]",
	.meaning = "say how a partner wants its export files from the next run on",
	.help = "  --carrier ID        the partner\n"
		"  --side sell|buy     its calls as a customer, or as a vendor\n"
		"  --format csv|jsonl  default: csv\n"
		"  --columns NAMES     with commas between; default: all that the partner may see\n"
		"  --deliver ADDRESS   sftp://user@host[:port]/directory, or command; default: not sent\n\n"
		"What is not given goes back to its default.\n",
	.run = run_options,
};
