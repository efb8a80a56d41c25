/* SPDX-License-Identifier: Apache-2.0 */
/* tandem export run, tandem export write, tandem export list */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "billing/export.h"
#include "cli/cli.h"
#include "cli/store.h"
#include "cli/table.h"
#include "lib/clock.h"

/* The runs that a command wrote, as /v1/exports shows them, each with `path` on this node. */
static int add_run(struct pg *pg, const struct export_result *result, json_t *runs, struct status *st)
{
	json_t *run = NULL;
	int err = export_show(pg, result->id, &run, st);

	if (err != 0)
		return err;
	json_object_set_new(run, "path", json_string(result->path));
	json_array_append_new(runs, run);
	return 0;
}

static void print_files(const json_t *run)
{
	struct table *t =
		table_new((const char *const[]){"!file", ">rows", ">amount", "currency", ">bytes", "!sha256", NULL});
	const json_t *file;
	size_t i;

	json_array_foreach(json_object_get(run, "files"), i, file)
	{
		char rows[24], bytes[24];

		table_row(t, (const char *const[]){cli_text(file, "name"), cli_number(file, "rows", rows),
						   cli_text(file, "amount"), cli_text(file, "currency"),
						   cli_number(file, "bytes", bytes), cli_text(file, "sha256")});
	}
	table_print(&t);
}

static void print_runs(json_t *runs, bool json)
{
	const json_t *run;
	size_t i;

	if (json) {
		cli_print_json(runs);
		return;
	}
	json_array_foreach(runs, i, run)
	{
		char id[24];

		printf("run %s, CDRs that ended before %s: %s\n", cli_number(run, "id", id), cli_text(run, "cutoff"),
		       cli_text(run, "path"));
		print_files(run);
	}
}

/* Runs that somebody claimed and did not finish. One that fails holds up no other. */
static enum cli_exit finish_left(struct pg *pg, const struct export_options *o, json_t *runs)
{
	struct export_result result = {0};
	enum cli_exit status = CLI_DONE;
	int64_t after = 0;

	for (;;) {
		struct status st = {""};
		int found = export_finish_left(pg, o, after, &result, &st);

		if (found == 0)
			return status;
		if (found > 0)
			found = add_run(pg, &result, runs, &st);
		if (found < 0)
			status = cli_fail("an earlier run is still not finished: %s", st.text);
		if (result.id <= after)
			return status; /* not even its number is known */
		after = result.id;
	}
}

static bool has_run(const json_t *runs, int64_t id)
{
	const json_t *run;
	size_t i;

	json_array_foreach(runs, i, run)
	{
		if (json_integer_value(json_object_get(run, "id")) == id)
			return true;
	}
	return false;
}

static enum cli_exit write_one(struct pg *pg, const struct export_options *o, int64_t id, bool again, json_t *runs)
{
	struct export_result result;
	struct status st = {""};
	int err = export_write(pg, o, id, again, &result, &st);

	if (err == 0)
		err = add_run(pg, &result, runs, &st);
	return err == 0 ? CLI_DONE : cli_fail("%s", st.text);
}

/* Claims a run; a line in the audit log says so, as it does of those that the API runs. */
static int claim(struct pg *pg, const struct export_options *o, const char *cutoff, int64_t *id, struct status *st)
{
	json_t *run = NULL;
	char number[24];
	int err = export_claim(pg, cutoff, o->actor, id, st);

	if (err == 0)
		err = export_show(pg, *id, &run, st);
	if (err != 0)
		return err;
	char *text = json_dumps(run, JSON_COMPACT);
	snprintf(number, sizeof(number), "%" PRId64, *id);
	const char *values[] = {o->actor, number, text};
	err = pg_exec(pg, &cli_export_audit, values, NULL, st);
	free(text);
	json_decref(run);
	return err;
}

static enum cli_exit run_new(struct pg *pg, const struct export_options *o, const char *cutoff, json_t *runs)
{
	struct status st = {""};
	int64_t id;

	if (claim(pg, o, cutoff, &id, &st) != 0)
		return cli_fail("%s", st.text);
	enum cli_exit left = finish_left(pg, o, runs), own = CLI_DONE;
	if (!has_run(runs, id))
		own = write_one(pg, o, id, false, runs);
	return own == CLI_DONE ? left : own;
}

static struct export_options options_of(const struct cli *cli)
{
	return (struct export_options){
		.dir = cli->settings->export_dir, .node = cli->settings->node_id, .actor = cli_actor()};
}

static enum cli_exit run_run(struct cli *cli, int argc, char **argv)
{
	const char *cutoff = NULL;
	bool json = false;
	const struct cli_option options[] = {{.name = "cutoff", .value = &cutoff}, {.name = "json", .flag = &json}};
	char before[CLOCK_TEXT_MAX];
	enum cli_exit status;
	int64_t cutoff_us;

	if (!cli_parse(cli, argc, argv, options, 2, NULL, 0, &status))
		return status;
	if (cutoff != NULL && clock_parse(cutoff, &cutoff_us) != 0)
		return cli_usage(cli, "--cutoff is a time such as 2026-01-31T00:00:00Z or 2026-01-31");

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	struct export_options o = options_of(cli);
	json_t *runs = json_array();
	status = run_new(pg, &o, cutoff != NULL ? clock_format(cutoff_us, before) : NULL, runs);
	print_runs(runs, json);
	json_decref(runs);
	pg_free(&pg);
	return status;
}

static enum cli_exit run_write(struct cli *cli, int argc, char **argv)
{
	const char *text = NULL;
	bool json = false;
	const struct cli_option options[] = {{.name = "json", .flag = &json}};
	enum cli_exit status;
	int64_t id;

	if (!cli_parse(cli, argc, argv, options, 1, &text, 1, &status))
		return status;
	if (!cli_parse_int(text, 1, INT64_MAX, &id))
		return cli_usage(cli, "RUN is a run's number");

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	struct export_options o = options_of(cli);
	json_t *runs = json_array();
	status = write_one(pg, &o, id, true, runs);
	if (status == CLI_DONE)
		print_runs(runs, json);
	json_decref(runs);
	pg_free(&pg);
	return status;
}

static void print_list(const json_t *runs)
{
	struct table *t = table_new((const char *const[]){"!run", "cutoff", "status", ">files", "by", "node", NULL});
	const json_t *run;
	size_t i;

	json_array_foreach(runs, i, run)
	{
		char id[24], files[24];

		snprintf(files, sizeof(files), "%zu", json_array_size(json_object_get(run, "files")));
		table_row(t, (const char *const[]){cli_number(run, "id", id), cli_text(run, "cutoff"),
						   cli_text(run, "status"), files, cli_text(run, "actor"),
						   cli_text(run, "node")});
	}
	table_print(&t);
}

static enum cli_exit run_list(struct cli *cli, int argc, char **argv)
{
	bool json = false;
	const struct cli_option options[] = {{.name = "json", .flag = &json}};
	struct status st = {""};
	enum cli_exit status;
	json_t *runs = NULL;

	if (!cli_parse(cli, argc, argv, options, 1, NULL, 0, &status))
		return status;

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	int err = export_list(pg, &runs, &st);
	pg_free(&pg);
	if (err != 0)
		return cli_fail("%s", st.text);
	if (json)
		cli_print_json(runs);
	else
		print_list(runs);
	json_decref(runs);
	return CLI_DONE;
}

const struct command command_export_run = {
	.name = "export run",
	.synopsis = "[--cutoff TIME] [--json]",
	.meaning = "write the export files of all CDRs that are in no earlier run",
	.help = "  --cutoff TIME   only of calls that ended before; default: now\n"
		"  --json          the runs written, as /v1/exports shows them, with their paths\n\n"
		"A run that an earlier command left unfinished is finished, too.\n",
	.run = run_run,
};

const struct command command_export_write = {
	.name = "export write",
	.synopsis = "RUN [--json]",
	.meaning = "write the files of a run on this node again, byte for byte",
	.help = "  --json   as `tandem export run` prints it\n",
	.run = run_write,
};

const struct command command_export_list = {
	.name = "export list",
	.synopsis = "[--json]",
	.meaning = "list the latest 100 export runs",
	.help = "  --json   as /v1/exports shows them\n",
	.run = run_list,
};
