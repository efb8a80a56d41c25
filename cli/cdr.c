/* SPDX-License-Identifier: Apache-2.0 */
/* tandem cdr verify, tandem cdr seal, tandem cdr refused, tandem cdr archive, tandem cdr restore */
#include <inttypes.h>
#include <stdio.h>

#include "billing/archive.h"
#include "billing/archive_check.h"
#include "billing/chain.h"
#include "billing/refused.h"
#include "billing/restore.h"
#include "billing/root.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "lib/clock.h"

static const char *key_of(const struct cli *cli)
{
	return cli->settings->seal_key[0] != '\0' ? cli->settings->seal_key : NULL;
}

/* ---- verify ---- */

static void print_verdict(const struct chain_report *r, int roots, bool json)
{
	if (json) {
		json_t *j = json_pack("{sb sI sI sI sI si sI so}", "holds", r->bad == 0, "rows", (json_int_t)r->rows,
				      "chains", (json_int_t)r->chains, "refused", (json_int_t)r->refused, "archived",
				      (json_int_t)r->archived, "roots", roots, "bad", (json_int_t)r->bad, "first_bad",
				      r->bad != 0 ? json_string(r->first) : json_null());
		cli_print_json(j);
		json_decref(j);
		return;
	}
	if (r->bad == 0 && r->archived > 0)
		printf("%" PRId64 " records in %" PRId64 " chains hold, %" PRId64
		       " of them set aside, with %d daily roots; %" PRId64 " are archived\n",
		       r->rows, r->chains, r->refused, roots, r->archived);
	else if (r->bad == 0)
		printf("%" PRId64 " records in %" PRId64 " chains hold, %" PRId64
		       " of them set aside, with %d daily roots\n",
		       r->rows, r->chains, r->refused, roots);
}

static enum cli_exit run_verify(struct cli *cli, int argc, char **argv)
{
	const char *from = NULL, *to = NULL, *archive_dir = NULL;
	bool json = false;
	const struct cli_option options[] = {{.name = "from", .value = &from},
					     {.name = "to", .value = &to},
					     {.name = "archive", .value = &archive_dir},
					     {.name = "json", .flag = &json}};
	struct chain_report report;
	struct status st = {""};
	enum cli_exit status;
	int64_t at;
	int roots = 0;

	if (!cli_parse(cli, argc, argv, options, 4, NULL, 0, &status))
		return status;
	if ((from != NULL && clock_parse(from, &at) != 0) || (to != NULL && clock_parse(to, &at) != 0))
		return cli_usage(cli, "--from and --to take a time like 2026-01-31T00:00:00Z or a date");

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	int err = chain_verify(pg, from, to, &report, &st);
	if (err == 0)
		err = root_verify(pg, key_of(cli), &roots, &report, &st);
	if (err == 0)
		err = archive_check(pg, archive_dir, &report, &st);
	pg_free(&pg);
	if (err != 0)
		return cli_fail("%s", st.text);
	print_verdict(&report, roots, json);
	if (report.bad > 0)
		return cli_fail("%s (%" PRId64 " such in all)", report.first, report.bad);
	return CLI_DONE;
}

/* ---- seal ---- */

static enum cli_exit run_seal(struct cli *cli, int argc, char **argv)
{
	struct status st = {""};
	enum cli_exit status;
	int made;

	if (!cli_parse(cli, argc, argv, NULL, 0, NULL, 0, &status))
		return status;

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	if (key_of(cli) == NULL) {
		pg_free(&pg);
		return cli_fail("[billing] seal_key names no key file");
	}
	int err = root_seal(pg, key_of(cli), &made, &st);
	pg_free(&pg);
	if (err != 0)
		return cli_fail("%s", st.text);
	printf("%d daily roots signed\n", made);
	return CLI_DONE;
}

/* ---- refused ---- */

static void print_refused(const json_t *list)
{
	struct table *t = table_new((const char *const[]){"!id", "node", "refused at", "reason", NULL});
	const json_t *row;
	size_t i;

	json_array_foreach(list, i, row)
	{
		table_row(t, (const char *const[]){cli_text(row, "id"), cli_text(row, "node"),
						   cli_text(row, "refused_at"), cli_text(row, "reason")});
	}
	table_print(&t);
}

static enum cli_exit list_refused(struct pg *pg, bool json)
{
	struct status st = {""};
	json_t *list = NULL;

	if (refused_list(pg, &list, &st) != 0)
		return cli_fail("%s", st.text);
	if (json)
		cli_print_json(list);
	else
		print_refused(list);
	json_decref(list);
	return CLI_DONE;
}

static enum cli_exit retry_refused(struct pg *pg, bool json)
{
	struct refused_result result;
	struct status st = {""};

	if (refused_retry(pg, &result, &st) != 0)
		return cli_fail("%s", st.text);
	if (json) {
		json_t *j = json_pack("{sI sI}", "stored", (json_int_t)result.stored, "refused",
				      (json_int_t)result.refused);
		cli_print_json(j);
		json_decref(j);
	} else {
		printf("%" PRId64 " stored, %" PRId64 " refused again\n", result.stored, result.refused);
	}
	return result.refused == 0 ? CLI_DONE : cli_fail("refused again: %s", result.why.text);
}

static enum cli_exit run_refused(struct cli *cli, int argc, char **argv)
{
	bool json = false, retry = false;
	const struct cli_option options[] = {{.name = "retry", .flag = &retry}, {.name = "json", .flag = &json}};
	enum cli_exit status;

	if (!cli_parse(cli, argc, argv, options, 2, NULL, 0, &status))
		return status;

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	status = retry ? retry_refused(pg, json) : list_refused(pg, json);
	pg_free(&pg);
	return status;
}

/* ---- archive ---- */

static enum cli_exit archive(struct pg *pg, int64_t keep_days, const char *dir, bool json)
{
	struct archive_file file;
	struct status st = {""};
	json_t *files = json_array();
	int days, more = 0;

	int err = archive_detach(pg, keep_days, &days, &st);
	while (err == 0 && dir != NULL && (more = archive_write(pg, dir, &file, &st)) > 0) {
		json_array_append_new(files, json_pack("{ss sI ss}", "file", file.path, "rows", (json_int_t)file.rows,
						       "sha256", file.sha256));
		if (!json)
			printf("%s: %" PRId64 " calls, SHA-256 %s\n", file.path, file.rows, file.sha256);
	}
	if (json && err == 0 && more == 0) {
		json_t *j = json_pack("{si sO}", "detached", days, "files", files);
		cli_print_json(j);
		json_decref(j);
	} else if (err == 0 && dir == NULL) {
		printf("%d days detached\n", days);
	}
	json_decref(files);
	return err == 0 && more == 0 ? CLI_DONE : cli_fail("%s", st.text);
}

static enum cli_exit run_archive(struct cli *cli, int argc, char **argv)
{
	const char *keep = NULL, *dir = NULL;
	bool json = false;
	const struct cli_option options[] = {
		{.name = "keep", .value = &keep}, {.name = "dir", .value = &dir}, {.name = "json", .flag = &json}};
	enum cli_exit status;
	int64_t keep_days;

	if (!cli_parse(cli, argc, argv, options, 3, NULL, 0, &status))
		return status;
	if (keep != NULL && !cli_parse_int(keep, 1, 36500, &keep_days))
		return cli_usage(cli, "--keep takes a number of days, at least 1");

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	if (keep == NULL)
		keep_days = cli->settings->archive_keep_days;
	if (dir == NULL && *cli->settings->archive_dir != '\0')
		dir = cli->settings->archive_dir;
	status = archive(pg, keep_days, dir, json);
	pg_free(&pg);
	return status;
}

/* ---- restore ---- */

static enum cli_exit run_restore(struct cli *cli, int argc, char **argv)
{
	const char *file = NULL;
	bool json = false;
	const struct cli_option options[] = {{.name = "file", .value = &file, .required = true},
					     {.name = "json", .flag = &json}};
	struct status st = {""};
	enum cli_exit status;
	int64_t calls;

	if (!cli_parse(cli, argc, argv, options, 2, NULL, 0, &status))
		return status;

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	int err = restore_file(pg, file, &calls, &st);
	pg_free(&pg);
	if (err != 0)
		return cli_fail("%s", st.text);
	if (json) {
		json_t *j = json_pack("{ss sI}", "file", file, "rows", (json_int_t)calls);
		cli_print_json(j);
		json_decref(j);
	} else if (calls > 0) {
		printf("%" PRId64 " calls are back, and their chain holds\n", calls);
	} else {
		printf("its calls are here already\n");
	}
	return CLI_DONE;
}

const struct command command_cdr_restore = {
	.name = "cdr restore",
	.synopsis = "--file FILE [--json]",
	.meaning = "bring an archived day of CDRs back into the database",
	.help = "  --file FILE   a file that `tandem cdr archive` wrote, under its name\n"
		"  --json        how many calls came back as JSON\n",
	.run = run_restore,
};

const struct command command_cdr_archive = {
	.name = "cdr archive",
	.synopsis = "[--keep DAYS] [--dir DIR] [--json]",
	.meaning = "take old days of CDRs out of the database",
	.help = "  --keep DAYS   days before today (UTC) that stay; default: [archive] keep_days\n"
		"  --dir DIR     write what is taken out here, then drop it; default: [archive] dir; without one the "
		"tables stay, detached\n"
		"  --json        the files as JSON\n",
	.run = run_archive,
};

const struct command command_cdr_verify = {
	.name = "cdr verify",
	.synopsis = "[--from TIME] [--to TIME] [--archive DIR] [--json]",
	.meaning = "check that no CDR was edited, deleted or inserted",
	.help = "  --from TIME   only calls that started then or later\n"
		"  --to TIME     only calls that started before\n"
		"  --archive DIR every archived day's file is there, as it was written\n"
		"  --json        the figures as JSON\n",
	.run = run_verify,
};

const struct command command_cdr_seal = {
	.name = "cdr seal",
	.synopsis = "",
	.meaning = "sign the daily root of each day that has none yet",
	.run = run_seal,
};

const struct command command_cdr_refused = {
	.name = "cdr refused",
	.synopsis = "[--retry] [--json]",
	.meaning = "list the CDRs that the database refused, or try them again",
	.help = "  --retry   store them now, each once; the others stay\n"
		"  --json    as JSON\n",
	.run = run_refused,
};
