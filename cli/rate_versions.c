/* SPDX-License-Identifier: Apache-2.0 */
/* tandem rates versions, tandem rates rollback */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "billing/rate_version.h"
#include "cli/cli.h"
#include "cli/table.h"

static void add_version(void *arg, const struct rate_version *v)
{
	char id[24], back[24] = "", n[4][24];
	const int64_t counts[] = {v->added, v->changed, v->ended, v->unchanged};

	snprintf(id, sizeof(id), "%" PRId64, v->id);
	if (v->rolled_back_to != 0)
		snprintf(back, sizeof(back), "%" PRId64, v->rolled_back_to);
	for (int i = 0; i < 4; i++)
		snprintf(n[i], sizeof(n[i]), "%" PRId64, counts[i]);
	table_row(arg, (const char *const[]){id, v->at, v->actor, back, n[0], n[1], n[2], n[3]});
}

static void add_version_json(void *arg, const struct rate_version *v)
{
	json_array_append_new(arg, json_pack("{sI ss ss sI sI sI sI}", "id", (json_int_t)v->id, "at", v->at, "actor",
					     v->actor, "added", (json_int_t)v->added, "changed", (json_int_t)v->changed,
					     "ended", (json_int_t)v->ended, "unchanged", (json_int_t)v->unchanged));
	json_object_set_new(json_array_get(arg, json_array_size(arg) - 1), "rolled_back_to",
			    v->rolled_back_to != 0 ? json_integer(v->rolled_back_to) : json_null());
}

static enum cli_exit list(struct pg *pg, int64_t deck_id, bool json)
{
	struct status st = {""};
	int err;

	if (json) {
		json_t *versions = json_array();
		err = rate_version_each(pg, deck_id, add_version_json, versions, &st);
		if (err == 0)
			cli_print_json(versions);
		json_decref(versions);
	} else {
		struct table *t = table_new((const char *const[]){"!version", "at", "by", ">back to", ">added",
								  ">changed", ">ended", ">unchanged", NULL});
		err = rate_version_each(pg, deck_id, add_version, t, &st);
		table_print(&t);
	}
	return err == 0 ? CLI_DONE : cli_fail("%s", st.text);
}

static enum cli_exit run_versions(struct cli *cli, int argc, char **argv)
{
	const char *deck = NULL;
	bool json = false;
	const struct cli_option options[] = {{.name = "deck", .value = &deck, .required = true},
					     {.name = "json", .flag = &json}};
	struct status st = {""};
	enum cli_exit status;
	int64_t deck_id;

	if (!cli_parse(cli, argc, argv, options, 2, NULL, 0, &status))
		return status;

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	if (ratesheet_deck(pg, deck, &deck_id, &st) != 0)
		status = cli_fail("%s", st.text);
	else
		status = list(pg, deck_id, json);
	pg_free(&pg);
	return status;
}

static enum cli_exit run_rollback(struct cli *cli, int argc, char **argv)
{
	const char *deck = NULL, *to = NULL;
	struct rate_version_restore restore = {.actor = cli_actor()};
	const struct cli_option options[] = {{.name = "deck", .value = &deck, .required = true},
					     {.name = "to", .value = &to, .required = true},
					     {.name = "dry-run", .flag = &restore.dry_run}};
	struct ratesheet_report r;
	struct status st = {""};
	enum cli_exit status;
	char *end;

	if (!cli_parse(cli, argc, argv, options, 3, NULL, 0, &status))
		return status;
	errno = 0;
	restore.version = strtoll(to, &end, 10);
	if (errno != 0 || end == to || *end != '\0')
		return cli_fail("--to %s is no version: `tandem rates versions` lists them", to);

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	status = CLI_DONE;
	if (ratesheet_deck(pg, deck, &restore.deck_id, &st) != 0 || rate_version_restore(pg, &restore, &r, &st) != 0)
		status = cli_fail("%s", st.text);
	else
		printf("added %" PRId64 "\nchanged %" PRId64 "\nended %" PRId64 "\nunchanged %" PRId64 "\n", r.added,
		       r.changed, r.ended, r.unchanged);
	pg_free(&pg);
	return status;
}

const struct command command_rates_versions = {
	.name = "rates versions",
	.synopsis = "--deck NAME_OR_ID [--json]",
	.meaning = "list what was imported into a deck, newest first",
	.help = "  --deck D    the rate deck, by name or id\n"
		"  --json      as JSON\n",
	.run = run_versions,
};

const struct command command_rates_rollback = {
	.name = "rates rollback",
	.synopsis = "--deck NAME_OR_ID --to VERSION [--dry-run]",
	.meaning = "from now on, a deck's rates are what they were after an import",
	.help = "  --deck D    the rate deck, by name or id\n"
		"  --to N      the version, as tandem rates versions lists it\n"
		"  --dry-run   only report what would change\n",
	.run = run_rollback,
};
