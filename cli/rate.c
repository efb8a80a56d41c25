/* SPDX-License-Identifier: Apache-2.0 */
/* tandem rate - what a call costs, by the one rating function; one call, or a CSV file of them. */
#include "tariff/rate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/csv.h"

enum column { PRICE, INITIAL_PRICE, CONNECT_FEE, INITIAL, INCREMENT, GRACE, ROUNDING, DURATION_MS, COLUMNS };

static const char *const column_names[COLUMNS] = {"price",     "initial_price", "connect_fee", "initial",
						  "increment", "grace",		"rounding",    "duration_ms"};

static int parse_money(const char *name, const char *text, int64_t *nano, struct status *st)
{
	struct money m;
	int err = money_parse(text, &m);

	if (err == -EDOM)
		return status_set(st, err, "%s has more than 9 decimals", name);
	if (err != 0)
		return status_set(st, err, "%s \"%.40s\" is not a decimal number that fits", name, text);
	*nano = m.nano;
	return 0;
}

static int parse_seconds(const char *name, const char *text, int64_t min, int32_t *seconds, struct status *st)
{
	int64_t value;

	if (!cli_parse_int(text, min, INT32_MAX, &value))
		return status_set(st, -EINVAL, "%s \"%.40s\" is not a whole number from %" PRId64, name, text, min);
	*seconds = (int32_t)value;
	return 0;
}

static int parse_rounding(const char *text, struct rate_terms *t, struct status *st)
{
	static const char *const modes[] = {"half_up", "up", "down"}; /* enum money_rounding */
	size_t len = strcspn(text, ":");

	for (uint8_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strlen(modes[i]) != len || strncmp(modes[i], text, len) != 0)
			continue;
		if (text[len] != ':' || text[len + 1] < '0' || text[len + 1] > '8' || text[len + 2] != '\0')
			break;
		t->rounding = i;
		t->places = (uint8_t)(text[len + 1] - '0');
		return 0;
	}
	return status_set(st, -EINVAL, "rounding \"%.40s\" is not half_up, up or down with :0 to :8", text);
}

/* text[] as given, NULL or "" where a default holds */
static int parse_terms(const char *const text[COLUMNS], struct rate_terms *t, int64_t *duration_ms, struct status *st)
{
	int64_t price_n = 0;
	int err = 0;
#define GIVEN(c) (text[c] != NULL && *text[c] != '\0')

	if (!GIVEN(PRICE) || !GIVEN(DURATION_MS))
		return status_set(st, -EINVAL, "%s is missing", GIVEN(PRICE) ? "duration_ms" : "price");
	err = parse_money("price", text[PRICE], &price_n, st);
	*t = rate_terms_plain(price_n);
	if (err == 0 && GIVEN(INITIAL_PRICE))
		err = parse_money("initial_price", text[INITIAL_PRICE], &t->initial_price_n, st);
	if (err == 0 && GIVEN(CONNECT_FEE))
		err = parse_money("connect_fee", text[CONNECT_FEE], &t->connect_fee_n, st);
	if (err == 0 && GIVEN(INITIAL))
		err = parse_seconds("initial", text[INITIAL], 0, &t->initial_s, st);
	if (err == 0 && GIVEN(INCREMENT))
		err = parse_seconds("increment", text[INCREMENT], 1, &t->increment_s, st);
	if (err == 0 && GIVEN(GRACE))
		err = parse_seconds("grace", text[GRACE], 0, &t->grace_s, st);
	if (err == 0 && GIVEN(ROUNDING))
		err = parse_rounding(text[ROUNDING], t, st);
#undef GIVEN
	if (err == 0 && !cli_parse_int(text[DURATION_MS], 0, INT64_MAX, duration_ms))
		err = status_set(st, -EINVAL, "duration_ms \"%.40s\" is not a whole number from 0", text[DURATION_MS]);
	return err;
}

static int rate_text(const char *const text[COLUMNS], int64_t *billed_s, char amount[static MONEY_TEXT_MAX],
		     struct status *st)
{
	struct rate_terms t;
	struct money m;
	int64_t duration_ms;
	int err = parse_terms(text, &t, &duration_ms, st);

	if (err == 0 && rate_call(&t, duration_ms, billed_s, &m) != 0)
		err = status_set(st, -ERANGE, "the amount is larger than money holds");
	if (err == 0)
		money_format(m, t.places, amount);
	return err;
}

struct batch {
	int at[COLUMNS]; /* where each column stands in the file; -1 absent */
	size_t columns;	 /* of the file; 0 until the header is read */
	struct buf out;
	struct status st;
};

static void put_record(struct buf *out, char **fields, size_t n, const char *more)
{
	for (size_t i = 0; i < n; i++) {
		csv_put(out, fields[i]);
		buf_putc(out, ',');
	}
	buf_printf(out, "%s\n", more);
}

static int batch_header(struct batch *b, int64_t line, char **fields, size_t n)
{
	for (int c = 0; c < COLUMNS; c++)
		b->at[c] = -1;
	for (size_t i = 0; i < n; i++) {
		int c = 0;

		while (c < COLUMNS && strcmp(column_names[c], fields[i]) != 0)
			c++;
		if (c == COLUMNS)
			return status_set(&b->st, -EINVAL, "line %" PRId64 ": unknown column \"%.40s\"", line,
					  fields[i]);
		if (b->at[c] >= 0)
			return status_set(&b->st, -EINVAL, "line %" PRId64 ": column %s stands twice", line, fields[i]);
		b->at[c] = (int)i;
	}
	if (b->at[PRICE] < 0 || b->at[DURATION_MS] < 0)
		return status_set(&b->st, -EINVAL, "line %" PRId64 ": columns price and duration_ms are needed", line);
	b->columns = n;
	put_record(&b->out, fields, n, "billed_s,amount");
	return 0;
}

static int batch_record(void *arg, int64_t line, char **fields, size_t n)
{
	struct batch *b = arg;
	const char *text[COLUMNS];
	char amount[MONEY_TEXT_MAX], more[64];
	struct status why = {""};
	int64_t billed_s;

	if (b->columns == 0)
		return batch_header(b, line, fields, n);
	if (n != b->columns)
		return status_set(&b->st, -EINVAL, "line %" PRId64 ": %zu fields, the header has %zu", line, n,
				  b->columns);
	for (int c = 0; c < COLUMNS; c++)
		text[c] = b->at[c] >= 0 ? fields[b->at[c]] : NULL;
	int err = rate_text(text, &billed_s, amount, &why);
	if (err != 0)
		return status_set(&b->st, err, "line %" PRId64 ": %s", line, why.text);
	snprintf(more, sizeof(more), "%" PRId64 ",%s", billed_s, amount);
	put_record(&b->out, fields, n, more);
	return 0;
}

/* All or nothing: nothing is printed unless every row could be rated. */
static enum cli_exit run_batch(const char *path)
{
	bool standard_input = strcmp(path, "-") == 0;
	FILE *file = standard_input ? stdin : fopen(path, "re");
	enum cli_exit status = CLI_DONE;
	struct batch b = {0};
	char bytes[65536];
	size_t n;
	int err = 0;

	if (file == NULL)
		return cli_fail("%s: %s", path, strerror(errno));

	struct csv_reader *r = csv_reader_new(batch_record, &b);
	while (err == 0 && (n = fread(bytes, 1, sizeof(bytes), file)) > 0)
		err = csv_feed(r, bytes, n, &b.st);
	if (err == 0 && ferror(file))
		err = status_set(&b.st, -EIO, "cannot be read");
	if (err == 0)
		err = csv_end(r, &b.st);
	if (err == 0 && b.columns == 0)
		err = status_set(&b.st, -EINVAL, "there is no header line");
	if (err != 0)
		status = cli_fail("%s: %s", path, b.st.text);
	else
		fwrite(b.out.text, 1, b.out.len, stdout);
	csv_reader_free(&r);
	buf_free(&b.out);
	if (!standard_input)
		fclose(file);
	return status;
}

static enum cli_exit run(struct cli *cli, int argc, char **argv)
{
	const char *text[COLUMNS] = {NULL}, *batch = NULL;
	const struct cli_option options[] = {
		{.name = "price", .value = &text[PRICE]},
		{.name = "initial-price", .value = &text[INITIAL_PRICE]},
		{.name = "connect-fee", .value = &text[CONNECT_FEE]},
		{.name = "initial", .value = &text[INITIAL]},
		{.name = "increment", .value = &text[INCREMENT]},
		{.name = "grace", .value = &text[GRACE]},
		{.name = "rounding", .value = &text[ROUNDING]},
		{.name = "duration-ms", .value = &text[DURATION_MS]},
		{.name = "batch", .value = &batch},
	};
	char amount[MONEY_TEXT_MAX];
	struct status st = {""};
	enum cli_exit status;
	int64_t billed_s;

	if (!cli_parse(cli, argc, argv, options, sizeof(options) / sizeof(options[0]), NULL, 0, &status))
		return status;
	if (batch != NULL) {
		for (int c = 0; c < COLUMNS; c++) {
			if (text[c] != NULL)
				return cli_usage(cli, "--batch goes alone");
		}
		return run_batch(batch);
	}
	if (text[PRICE] == NULL || text[DURATION_MS] == NULL)
		return cli_usage(cli, "--price and --duration-ms, or --batch, are needed");
	int err = rate_text(text, &billed_s, amount, &st);
	if (err == -ERANGE)
		return cli_fail("%s", st.text);
	if (err != 0)
		return cli_usage(cli, "%s", st.text);
	printf("%" PRId64 " %s\n", billed_s, amount);
	return CLI_DONE;
}

const struct command command_rate = {
	.name = "rate",
	.synopsis = "--price P --duration-ms D [OPTIONS] | --batch FILE",
	.meaning = "print what a call costs: billed seconds and amount",
	.help = "  --price P           per minute\n"
		"  --initial-price P   per minute during the first interval; default: the price\n"
		"  --connect-fee F     once for an answered call; default 0\n"
		"  --initial S         first interval in seconds; default 1\n"
		"  --increment S       following intervals in seconds; default 1\n"
		"  --grace S           calls up to this long are free; default 0\n"
		"  --rounding M:P      half_up, up or down, to 0 to 8 places; default half_up:6\n"
		"  --duration-ms D     of the call\n"
		"  --batch FILE        CSV with the header price,initial_price,connect_fee,initial,increment,grace,\n"
		"                      rounding,duration_ms; printed with billed_s,amount added; - is standard input\n",
	.run = run,
};
