/* SPDX-License-Identifier: Apache-2.0 */
/* tandem rates import, tandem rates export */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "billing/ratesheet.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "routing/schedule.h"

#define BAR_WIDTH 40
#define BAR_AROUND 8 /* its brackets and the percentage */

static long read_file(void *source, char *bytes, long max)
{
	size_t n = fread(bytes, 1, (size_t)max, source);

	return n == 0 && ferror((FILE *)source) ? -EIO : (long)n;
}

struct bar {
	int width; /* between its brackets; 0: there is no terminal, or no room */
	int drawn; /* of it; -1: nothing yet */
};

/* A line that wraps could not be drawn over. */
static struct bar bar_on(int fd)
{
	int room = (int)table_terminal_width(fd) - BAR_AROUND - 1;

	return (struct bar){.width = room < 0 ? 0 : room < BAR_WIDTH ? room : BAR_WIDTH, .drawn = -1};
}

/* a bar on a terminal, redrawn when it grows */
static int show_progress(void *arg, double share)
{
	struct bar *bar = arg;
	int width = (int)(share * bar->width);

	if (width == bar->drawn)
		return 0;
	bar->drawn = width;
	fprintf(stderr, "\r[");
	for (int i = 0; i < bar->width; i++)
		fputc(i < width ? '#' : ' ', stderr);
	fprintf(stderr, "] %3d %%", (int)(share * 100));
	return 0;
}

static void clear_progress(const struct bar *bar)
{
	fprintf(stderr, "\r%*s\r", bar->width + BAR_AROUND, "");
}

static void print_report(const struct ratesheet_report *r)
{
	for (size_t i = 0; i < r->n_errors; i++)
		printf("line %" PRId64 ": %s\n", r->errors[i].line, r->errors[i].reason);
	if (r->rejected > (int64_t)r->n_errors)
		printf("and %" PRId64 " more\n", r->rejected - (int64_t)r->n_errors);
	printf("added %" PRId64 "\nchanged %" PRId64 "\nended %" PRId64 "\nunchanged %" PRId64 "\nrejected %" PRId64
	       "\n",
	       r->added, r->changed, r->ended, r->unchanged, r->rejected);
	if (r->short_notice > 0)
		printf("short_notice %" PRId64 "\n", r->short_notice);
}

static void print_report_json(const struct ratesheet_report *r, bool dry_run, bool applied)
{
	json_t *errors = json_array();

	for (size_t i = 0; i < r->n_errors; i++)
		json_array_append_new(errors, json_pack("{sI ss}", "line", (json_int_t)r->errors[i].line, "reason",
							r->errors[i].reason));

	json_t *report = json_pack("{sb sb sI sI sI sI sI sI so}", "dry_run", dry_run, "applied", applied, "added",
				   (json_int_t)r->added, "changed", (json_int_t)r->changed, "ended",
				   (json_int_t)r->ended, "unchanged", (json_int_t)r->unchanged, "short_notice",
				   (json_int_t)r->short_notice, "rejected", (json_int_t)r->rejected, "errors", errors);
	cli_print_json(report);
	json_decref(report);
}

static enum cli_exit import_open(struct pg *pg, struct ratesheet_options *o, FILE *file, const char *name, bool json)
{
	struct ratesheet_report report = {0};
	struct status st = {""};
	struct stat info;
	struct bar bar = bar_on(STDERR_FILENO);

	if (fstat(fileno(file), &info) == 0 && S_ISREG(info.st_mode))
		o->size = info.st_size;
	if (bar.width > 0 && o->size > 0) {
		o->progress = show_progress;
		o->arg = &bar;
	}
	int err = ratesheet_import(pg, o, read_file, file, &report, &st);
	if (bar.drawn >= 0)
		clear_progress(&bar);

	if (err == 0 || report.rejected > 0) {
		if (json)
			print_report_json(&report, o->dry_run, err == 0 && !o->dry_run);
		else
			print_report(&report);
	}
	enum cli_exit status = CLI_DONE;
	if (err != 0 && report.rejected > 0)
		status = cli_fail("%s: %" PRId64 " row%s rejected, nothing was imported", name, report.rejected,
				  report.rejected == 1 ? " is" : "s are");
	else if (err != 0)
		status = cli_fail("%s: %s", name, st.text[0] != '\0' ? st.text : strerror(-err));
	ratesheet_report_free(&report);
	return status;
}

static enum cli_exit import(struct cli *cli, const char *deck, const char *path, struct ratesheet_options *o, bool json)
{
	enum cli_exit status = CLI_FAILED;
	struct status st = {""};
	bool standard_input = strcmp(path, "-") == 0;
	FILE *file = standard_input ? stdin : fopen(path, "re");

	if (file == NULL)
		return cli_fail("%s: %s", path, strerror(errno));

	struct pg *pg = cli_database(cli);
	if (pg != NULL && ratesheet_deck(pg, deck, &o->deck_id, &st) != 0)
		cli_fail("%s", st.text);
	else if (pg != NULL)
		status = import_open(pg, o, file, standard_input ? "standard input" : path, json);
	pg_free(&pg);
	if (!standard_input)
		fclose(file);
	return status;
}

static enum cli_exit run_import(struct cli *cli, int argc, char **argv)
{
	const char *deck = NULL, *path = NULL;
	bool json = false;
	struct ratesheet_options o = {.schedule_text = schedule_text};
	const struct cli_option options[] = {
		{.name = "deck", .value = &deck, .required = true},
		{.name = "file", .value = &path, .required = true},
		{.name = "dry-run", .flag = &o.dry_run},
		{.name = "replace", .flag = &o.replace},
		{.name = "json", .flag = &json},
	};
	enum cli_exit status;

	if (!cli_parse(cli, argc, argv, options, sizeof(options) / sizeof(options[0]), NULL, 0, &status))
		return status;
	o.actor = cli_actor();
	return import(cli, deck, path, &o, json);
}

/* A file appears whole or not at all: it is written beside its place and renamed. */
static enum cli_exit export_to_file(struct pg *pg, int64_t deck_id, const char *path)
{
	struct status st = {""};
	char part[4096];

	if (snprintf(part, sizeof(part), "%s.part", path) >= (int)sizeof(part))
		return cli_fail("%.100s…: the name is too long", path);

	FILE *file = fopen(part, "we");
	if (file == NULL)
		return cli_fail("%s: %s", part, strerror(errno));
	int err = ratesheet_export(pg, deck_id, file, &st);
	bool kept = fflush(file) == 0 && fsync(fileno(file)) == 0;
	if (fclose(file) != 0)
		kept = false;
	if (err == 0 && kept && rename(part, path) == 0)
		return CLI_DONE;
	int error = errno;
	unlink(part);
	return err != 0 ? cli_fail("%s", st.text) : cli_fail("%s: %s", path, strerror(error));
}

static enum cli_exit run_export(struct cli *cli, int argc, char **argv)
{
	const char *deck = NULL, *path = NULL;
	const struct cli_option options[] = {
		{.name = "deck", .value = &deck, .required = true},
		{.name = "file", .value = &path},
	};
	struct status st = {""};
	enum cli_exit status;
	int64_t deck_id;

	if (!cli_parse(cli, argc, argv, options, sizeof(options) / sizeof(options[0]), NULL, 0, &status))
		return status;

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	if (ratesheet_deck(pg, deck, &deck_id, &st) != 0)
		status = cli_fail("%s", st.text);
	else if (path != NULL && strcmp(path, "-") != 0)
		status = export_to_file(pg, deck_id, path);
	else if (ratesheet_export(pg, deck_id, stdout, &st) != 0)
		status = cli_fail("%s", st.text);
	else
		status = CLI_DONE;
	pg_free(&pg);
	return status;
}

const struct command command_rates_import = {
	.name = "rates import",
	.synopsis = "--deck NAME_OR_ID --file F [--dry-run] [--replace] [--json]",
	.meaning = "import a deck's rates from CSV, all or nothing",
	.help = "  --deck D    the rate deck, by name or id\n"
		"  --file F    the CSV file; - is standard input\n"
		"  --dry-run   only say what would change\n"
		"  --replace   end every rate that the file lacks\n"
		"  --json      the report as JSON\n",
	.run = run_import,
};

const struct command command_rates_export = {
	.name = "rates export",
	.synopsis = "--deck NAME_OR_ID [--file F]",
	.meaning = "write a deck's rates as CSV, in the columns that import reads",
	.help = "  --deck D    the rate deck, by name or id\n"
		"  --file F    where to; without it, standard output\n",
	.run = run_export,
};
