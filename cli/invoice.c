/* SPDX-License-Identifier: Apache-2.0 */
/* tandem invoice create, issue, void, list, show, write */
#include "billing/invoice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"

/* One line; nothing if none was told. */
static void print_sender(const json_t *sender)
{
	const char *tax_id = cli_text(sender, "tax_id");
	const json_t *line;
	size_t i;

	if (!json_is_object(sender))
		return;
	printf("sent by %s", cli_text(sender, "name"));
	json_array_foreach(json_object_get(sender, "address"), i, line)
	{
		printf(", %s", json_string_value(line));
	}
	printf("%s%s\n", tax_id != NULL && *tax_id != '\0' ? ", " : "", tax_id != NULL ? tax_id : "");
}

static void print_invoice(const json_t *invoice, bool json)
{
	char id[24];
	const json_t *one;
	size_t i;

	if (json) {
		cli_print_json(invoice);
		return;
	}
	printf("invoice %s, %s%s%s: %s, %s to %s (%s)\n", cli_number(invoice, "id", id), cli_text(invoice, "status"),
	       cli_text(invoice, "number") != NULL ? " as " : "",
	       cli_text(invoice, "number") != NULL ? cli_text(invoice, "number") : "", cli_text(invoice, "carrier"),
	       cli_text(invoice, "from"), cli_text(invoice, "to"), cli_text(invoice, "timezone"));
	print_sender(json_object_get(invoice, "sender"));

	struct table *t =
		table_new((const char *const[]){"what", "destination", ">calls", ">seconds", ">amount", NULL});
	json_array_foreach(json_object_get(invoice, "lines"), i, one)
	{
		char calls[24], seconds[24];

		table_row(t, (const char *const[]){cli_text(one, "kind"), cli_text(one, "destination"),
						   cli_number(one, "calls", calls), cli_number(one, "seconds", seconds),
						   cli_text(one, "amount")});
	}
	table_row(t, (const char *const[]){"net", NULL, NULL, NULL, cli_text(invoice, "net")});
	json_array_foreach(json_object_get(invoice, "taxes"), i, one)
	{
		char name[96];

		snprintf(name, sizeof(name), "%s %s %%", cli_text(one, "name"), cli_text(one, "percent"));
		table_row(t, (const char *const[]){"tax", name, NULL, NULL, cli_text(one, "amount")});
	}
	table_row(t, (const char *const[]){"total", cli_text(invoice, "currency"), NULL, NULL,
					   cli_text(invoice, "total")});
	table_print(&t);
}

static void print_list(const json_t *invoices, bool json)
{
	const json_t *one;
	size_t i;

	if (json) {
		cli_print_json(invoices);
		return;
	}
	struct table *t = table_new((const char *const[]){"!id", "!number", "status", "carrier", "side", "from", "to",
							  ">total", "currency", NULL});
	json_array_foreach(invoices, i, one)
	{
		char id[24];

		table_row(t, (const char *const[]){cli_number(one, "id", id), cli_text(one, "number"),
						   cli_text(one, "status"), cli_text(one, "carrier"),
						   cli_text(one, "side"), cli_text(one, "from"), cli_text(one, "to"),
						   cli_text(one, "total"), cli_text(one, "currency")});
	}
	table_print(&t);
}

static enum cli_exit show(struct pg *pg, int64_t id, bool json)
{
	struct status st = {""};
	json_t *invoice = NULL;

	if (invoice_show(pg, id, &invoice, &st) != 0)
		return cli_fail("%s", st.text);
	print_invoice(invoice, json);
	json_decref(invoice);
	return CLI_DONE;
}

/* "VAT=19,Levy=0.5" as a list of taxes; NULL if it is no such text */
static json_t *parse_taxes(const char *text)
{
	json_t *taxes = json_array();
	char *copy = strdup(text), *rest = copy, *one;
	bool good = copy != NULL;

	while (good && (one = strsep(&rest, ",")) != NULL) {
		char *percent = strchr(one, '=');

		good = percent != NULL;
		if (good) {
			*percent++ = '\0';
			json_array_append_new(taxes, json_pack("{ss ss}", "name", one, "percent", percent));
		}
	}
	free(copy);
	if (!good) {
		json_decref(taxes);
		taxes = NULL;
	}
	return taxes;
}

static enum cli_exit create(struct cli *cli, const struct invoice_order *o, bool issue, bool json)
{
	struct pg *pg = cli_database(cli);
	enum cli_exit status = CLI_DONE;
	struct status st = {""};
	int64_t id;

	if (pg == NULL)
		return CLI_FAILED;
	if (invoice_draft(pg, o, cli_actor(), &id, &st) != 0 || (issue && invoice_issue(pg, id, cli_actor(), &st) != 0))
		status = cli_fail("%s", st.text);
	else
		status = show(pg, id, json);
	pg_free(&pg);
	return status;
}

static enum cli_exit run_create(struct cli *cli, int argc, char **argv)
{
	const char *carrier = NULL, *side = "sell", *tax = NULL;
	bool issue = false, json = false;
	struct invoice_order o = {0};
	const struct cli_option options[] = {
		{.name = "carrier", .value = &carrier, .required = true},
		{.name = "from", .value = &o.first, .required = true},
		{.name = "to", .value = &o.last, .required = true},
		{.name = "side", .value = &side},
		{.name = "tax", .value = &tax},
		{.name = "note", .value = &o.note},
		{.name = "issue", .flag = &issue},
		{.name = "json", .flag = &json},
	};
	enum cli_exit status;
	struct status st = {""};

	if (!cli_parse(cli, argc, argv, options, sizeof(options) / sizeof(options[0]), NULL, 0, &status))
		return status;
	if (!cli_parse_carrier(cli, carrier, &o.carrier_id) || !cli_parse_side(cli, side, &o.sell))
		return CLI_USAGE;

	json_t *taxes = tax != NULL ? parse_taxes(tax) : NULL;
	if (tax != NULL && taxes == NULL)
		return cli_usage(cli, "--tax is NAME=PERCENT, several with commas between");
	o.taxes = taxes;
	if (taxes != NULL && invoice_taxes_check(taxes, &st) != 0)
		status = cli_usage(cli, "%s", st.text);
	else
		status = create(cli, &o, issue, json);
	json_decref(taxes);
	return status;
}

/* commands of the form ID [--json]; change is done first, if there is one */
static enum cli_exit with_id(struct cli *cli, int argc, char **argv,
			     int (*change)(struct pg *pg, int64_t id, const char *actor, struct status *st))
{
	const char *text = NULL;
	bool json = false;
	const struct cli_option options[] = {{.name = "json", .flag = &json}};
	struct status st = {""};
	enum cli_exit status;
	int64_t id;

	if (!cli_parse(cli, argc, argv, options, 1, &text, 1, &status))
		return status;
	if (!cli_parse_int(text, 1, INT64_MAX, &id))
		return cli_usage(cli, "ID is an invoice's id");

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	if (change != NULL && change(pg, id, cli_actor(), &st) != 0)
		status = cli_fail("%s", st.text);
	else
		status = show(pg, id, json);
	pg_free(&pg);
	return status;
}

static enum cli_exit run_issue(struct cli *cli, int argc, char **argv)
{
	return with_id(cli, argc, argv, invoice_issue);
}

static enum cli_exit run_void(struct cli *cli, int argc, char **argv)
{
	return with_id(cli, argc, argv, invoice_void);
}

static enum cli_exit run_show(struct cli *cli, int argc, char **argv)
{
	return with_id(cli, argc, argv, NULL);
}

static enum cli_exit run_list(struct cli *cli, int argc, char **argv)
{
	const char *carrier = NULL;
	bool json = false;
	const struct cli_option options[] = {{.name = "carrier", .value = &carrier}, {.name = "json", .flag = &json}};
	struct status st = {""};
	json_t *invoices = NULL;
	enum cli_exit status;
	int64_t id = 0;

	if (!cli_parse(cli, argc, argv, options, 2, NULL, 0, &status))
		return status;
	if (carrier != NULL && !cli_parse_carrier(cli, carrier, &id))
		return CLI_USAGE;

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	int err = invoice_list(pg, id, &invoices, &st);
	pg_free(&pg);
	if (err != 0)
		return cli_fail("%s", st.text);
	print_list(invoices, json);
	json_decref(invoices);
	return CLI_DONE;
}

static enum cli_exit store(const char *path, const struct buf *text)
{
	FILE *file = fopen(path, "we");
	bool good = file != NULL && (text->len == 0 || fwrite(text->text, 1, text->len, file) == text->len);

	if (file != NULL && fclose(file) != 0)
		good = false;
	return good ? CLI_DONE : cli_fail("%s: %s", path, strerror(errno));
}

static enum cli_exit write_file(struct cli *cli, int64_t id, const char *path, bool pdf)
{
	struct pg *pg = cli_database(cli);
	struct status st = {""};
	struct buf text = {0};
	json_t *invoice = NULL;
	enum cli_exit status;

	if (pg == NULL)
		return CLI_FAILED;
	int err = invoice_show(pg, id, &invoice, &st);
	pg_free(&pg);
	if (err == 0 && pdf)
		err = invoice_put_pdf(
			&text, invoice,
			&(struct invoice_fonts){cli->settings->invoice_font, cli->settings->invoice_font_bold}, &st);
	else if (err == 0)
		invoice_put_csv(&text, invoice);
	status = err == 0 ? store(path, &text) : cli_fail("%s", st.text);
	json_decref(invoice);
	buf_free(&text);
	return status;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len > n && strcmp(text + len - n, end) == 0;
}

static enum cli_exit run_write(struct cli *cli, int argc, char **argv)
{
	const char *text = NULL, *path = NULL;
	const struct cli_option options[] = {{.name = "file", .value = &path, .required = true}};
	enum cli_exit status;
	int64_t id;

	if (!cli_parse(cli, argc, argv, options, 1, &text, 1, &status))
		return status;
	if (!cli_parse_int(text, 1, INT64_MAX, &id))
		return cli_usage(cli, "ID is an invoice's id");
	if (!ends_with(path, ".pdf") && !ends_with(path, ".csv"))
		return cli_usage(cli, "--file ends with .pdf or .csv");
	return write_file(cli, id, path, ends_with(path, ".pdf"));
}

const struct command command_invoice_create = {
	.name = "invoice create",
	.synopsis = "--carrier ID --from DAY --to DAY [--side sell|buy] [--tax NAME=PERCENT] [--note TEXT] [--issue] "
		    "[--json]",
	.meaning = "draft an invoice of what is not billed yet",
	.help = "  --carrier ID        whom it is for\n"
		"  --from, --to DAY    first and last day, in the carrier's time zone\n"
		"  --side sell|buy     its calls as a customer (default), or as a vendor: what we owe it\n"
		"  --tax NAME=PERCENT  several with commas between: VAT=19,Levy=0.5\n"
		"  --note TEXT         printed on it\n"
		"  --issue             number it at once and claim its bookings\n"
		"  --json              as /v1/invoices shows it\n",
	.run = run_create,
};

const struct command command_invoice_issue = {
	.name = "invoice issue",
	.synopsis = "ID [--json]",
	.meaning = "number a draft and claim what it bills",
	.help = "  --json   as /v1/invoices shows it\n",
	.run = run_issue,
};

const struct command command_invoice_void = {
	.name = "invoice void",
	.synopsis = "ID [--json]",
	.meaning = "take an issued invoice back; the next one bills its calls",
	.help = "  --json   as /v1/invoices shows it\n",
	.run = run_void,
};

const struct command command_invoice_list = {
	.name = "invoice list",
	.synopsis = "[--carrier ID] [--json]",
	.meaning = "list the latest 100 invoices",
	.help = "  --carrier ID   of this carrier alone\n"
		"  --json         as /v1/invoices shows them\n",
	.run = run_list,
};

const struct command command_invoice_show = {
	.name = "invoice show",
	.synopsis = "ID [--json]",
	.meaning = "show an invoice with its lines",
	.help = "  --json   as /v1/invoices shows it\n",
	.run = run_show,
};

const struct command command_invoice_write = {
	.name = "invoice write",
	.synopsis = "ID --file FILE",
	.meaning = "write an invoice as PDF or CSV",
	.help = "  --file FILE   its name ends with .pdf or .csv\n",
	.run = run_write,
};
