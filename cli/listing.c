/* SPDX-License-Identifier: Apache-2.0 */
/* tandem carriers, trunks, decks, plans: what is configured, as the API shows it */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/store.h"
#include "cli/table.h"
#include "lib/csv.h"

#define COLUMNS_MAX 12

struct listing {
	const struct pg_statement *statement; /* $1 name, $2 carrier id, or null; gives JSON objects */
	bool of_carriers;		      /* takes --carrier */
	const char *const headers[COLUMNS_MAX + 1];
	const char *const keys[COLUMNS_MAX + 1]; /* of the objects, for these headers */
};

static const struct listing carriers = {
	.statement = &cli_carriers,
	.headers = {"!id", "name", "status", "billing", ">balance", ">available", "currency", ">channels", ">cps",
		    NULL},
	.keys = {"id", "name", "status", "billing_mode", "balance", "available", "currency", "max_channels", "max_cps",
		 NULL},
};
static const struct listing trunks = {
	.statement = &cli_trunks,
	.of_carriers = true,
	.headers = {"!id", "name", "direction", "enabled", ">carrier", ">deck", ">plan", "host", ">channels", ">cps",
		    NULL},
	.keys = {"id", "name", "direction", "enabled", "carrier_id", "rate_deck_id", "routing_plan_id", "host",
		 "max_channels", "max_cps", NULL},
};
static const struct listing decks = {
	.statement = &cli_decks,
	.headers = {"!id", "name", "side", "currency", ">version", "changed", NULL},
	.keys = {"id", "name", "side", "currency", "rates_version", "updated_at", NULL},
};
static const struct listing plans = {
	.statement = &cli_plans,
	.headers = {"!id", "name", "policy", ">attempts", ">margin", ">margin %", NULL},
	.keys = {"id", "name", "policy", "max_attempts", "min_margin", "min_margin_percent", NULL},
};

/* A value as a cell: text as it is, null as nothing, lists and objects as JSON. Freed by the caller. */
static char *cell(const json_t *value)
{
	if (value == NULL || json_is_null(value))
		return xstrdup("");
	if (json_is_string(value))
		return xstrdup(json_string_value(value));
	return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

static void print_table(const struct listing *l, const json_t *items)
{
	struct table *t = table_new(l->headers);
	const json_t *item;
	size_t i;

	json_array_foreach(items, i, item)
	{
		char *cells[COLUMNS_MAX];
		int n = 0;
		for (; l->keys[n] != NULL; n++)
			cells[n] = cell(json_object_get(item, l->keys[n]));
		table_row(t, (const char *const *)cells);
		while (n > 0)
			free(cells[--n]);
	}
	table_print(&t);
}

static void put_record(struct buf *out, const json_t *item, bool header)
{
	const char *key, *comma = "";
	json_t *value;

	json_object_foreach((json_t *)item, key, value)
	{
		char *text = header ? xstrdup(key) : cell(value);
		buf_puts(out, comma);
		csv_put_guarded(out, text);
		comma = ",";
		free(text);
	}
	buf_putc(out, '\n');
}

/* Every field, in the order in which the API has them. */
static void print_csv(const json_t *items)
{
	struct buf out = {0};
	const json_t *item;
	size_t i;

	json_array_foreach(items, i, item)
	{
		if (i == 0)
			put_record(&out, item, true);
		put_record(&out, item, false);
	}
	fwrite(out.text != NULL ? out.text : "", 1, out.len, stdout);
	buf_free(&out);
}

/* What the statement finds (new reference); NULL after cli_fail */
static json_t *items_read(struct cli *cli, const struct listing *l, const char *name, const char *carrier)
{
	const char *values[] = {name, carrier};
	struct status st = {""};
	PGresult *result;
	struct pg *pg = cli_database(cli);

	if (pg == NULL)
		return NULL;
	if (pg_exec(pg, l->statement, values, &result, &st) != 0) {
		pg_free(&pg);
		cli_fail("%s", st.text);
		return NULL;
	}
	json_t *items = json_array();
	for (int i = 0; i < PQntuples(result); i++)
		json_array_append_new(items, json_loads(PQgetvalue(result, i, 0), JSON_ALLOW_NUL, NULL));
	PQclear(result);
	pg_free(&pg);
	return items;
}

static enum cli_exit run_listing(struct cli *cli, int argc, char **argv, const struct listing *l)
{
	const char *name = NULL, *carrier = NULL;
	bool json = false, csv = false;
	const struct cli_option options[] = {{.name = "name", .value = &name},
					     {.name = "json", .flag = &json},
					     {.name = "csv", .flag = &csv},
					     {.name = "carrier", .value = &carrier}};
	enum cli_exit status;
	int64_t id;

	if (!cli_parse(cli, argc, argv, options, l->of_carriers ? 4 : 3, NULL, 0, &status))
		return status;
	if (json && csv)
		return cli_usage(cli, "--json or --csv, not both");
	if (carrier != NULL && !cli_parse_int(carrier, 1, INT64_MAX, &id))
		return cli_usage(cli, "an id is a number from 1");
	json_t *items = items_read(cli, l, name, carrier);
	if (items == NULL)
		return CLI_FAILED;
	if (json)
		cli_print_json(items);
	else if (csv)
		print_csv(items);
	else
		print_table(l, items);
	json_decref(items);
	return CLI_DONE;
}

static enum cli_exit run_carriers(struct cli *cli, int argc, char **argv)
{
	return run_listing(cli, argc, argv, &carriers);
}

static enum cli_exit run_trunks(struct cli *cli, int argc, char **argv)
{
	return run_listing(cli, argc, argv, &trunks);
}

static enum cli_exit run_decks(struct cli *cli, int argc, char **argv)
{
	return run_listing(cli, argc, argv, &decks);
}

static enum cli_exit run_plans(struct cli *cli, int argc, char **argv)
{
	return run_listing(cli, argc, argv, &plans);
}

#define LISTING_HELP                                                                                                   \
	"  --name N             with this name\n"                                                                      \
	"  --json               as JSON, every field as the API has it\n"                                              \
	"  --csv                as CSV, every field\n"

const struct command command_carriers = {
	.name = "carriers",
	.synopsis = "[--name N] [--json] [--csv]",
	.meaning = "carriers with their balances",
	.help = LISTING_HELP,
	.run = run_carriers,
};

const struct command command_trunks = {
	.name = "trunks",
	.synopsis = "[--carrier ID] [--name N] [--json] [--csv]",
	.meaning = "trunks with their decks, plans and limits",
	.help = "  --carrier ID         of this carrier\n" LISTING_HELP,
	.run = run_trunks,
};

const struct command command_decks = {
	.name = "decks",
	.synopsis = "[--name N] [--json] [--csv]",
	.meaning = "rate decks",
	.help = LISTING_HELP,
	.run = run_decks,
};

const struct command command_plans = {
	.name = "plans",
	.synopsis = "[--name N] [--json] [--csv]",
	.meaning = "routing plans with their members",
	.help = LISTING_HELP,
	.run = run_plans,
};
