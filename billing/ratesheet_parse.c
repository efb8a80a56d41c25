/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/ratesheet_parse.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/copy.h"
#include "billing/sheetdate.h"
#include "lib/clock.h"
#include "lib/digits.h"
#include "lib/money.h"

#define DESTINATION_MAX 1023
#define SECONDS_MAX 86400
#define PRICE_LIMIT_N (1000000000 * MONEY_NANO) /* what the column holds: numeric(18, 9) */

const char *const sheet_column_names[SHEET_COLUMNS] = {
	[SHEET_PREFIX] = "prefix",
	[SHEET_DESTINATION] = "destination",
	[SHEET_PRICE] = "price",
	[SHEET_CONNECT_FEE] = "connect_fee",
	[SHEET_INITIAL] = "initial",
	[SHEET_INCREMENT] = "increment",
	[SHEET_EFFECTIVE_FROM] = "effective_from",
	[SHEET_EFFECTIVE_TO] = "effective_to",
	[SHEET_BLOCKED] = "blocked",
	[SHEET_INITIAL_PRICE] = "initial_price",
	[SHEET_GRACE] = "grace",
	[SHEET_ORIGIN_PREFIX] = "origin_prefix",
	[SHEET_SCHEDULE] = "schedule",
};

#define PASSED_OVER SHEET_COLUMNS
#define PAIRS (SHEET_COLUMNS + 1) /* SHEET_INCREMENT, with 60/60 for its usual content: a number alone says both */

static const struct {
	const char *name; /* letters and digits only, lower case */
	int column;
} synonyms[] = {
	{"prefix", SHEET_PREFIX},
	{"code", SHEET_PREFIX},
	{"codes", SHEET_PREFIX},
	{"dialcode", SHEET_PREFIX},
	{"dialcodes", SHEET_PREFIX},
	{"dialingcode", SHEET_PREFIX},
	{"diallingcode", SHEET_PREFIX},
	{"dialprefix", SHEET_PREFIX},
	{"areacode", SHEET_PREFIX},
	{"destinationcode", SHEET_PREFIX},
	{"destinationprefix", SHEET_PREFIX},
	{"destination", SHEET_DESTINATION},
	{"dest", SHEET_DESTINATION},
	{"destinationname", SHEET_DESTINATION},
	{"description", SHEET_DESTINATION},
	{"name", SHEET_DESTINATION},
	{"zone", SHEET_DESTINATION},
	{"breakout", SHEET_DESTINATION},
	{"price", SHEET_PRICE},
	{"rate", SHEET_PRICE},
	{"ratemin", SHEET_PRICE},
	{"ratepermin", SHEET_PRICE},
	{"rateperminute", SHEET_PRICE},
	{"pricemin", SHEET_PRICE},
	{"pricepermin", SHEET_PRICE},
	{"priceperminute", SHEET_PRICE},
	{"newprice", SHEET_PRICE},
	{"newrate", SHEET_PRICE},
	{"permin", SHEET_PRICE},
	{"perminute", SHEET_PRICE},
	{"cost", SHEET_PRICE},
	{"costpermin", SHEET_PRICE},
	{"costperminute", SHEET_PRICE},
	{"connectfee", SHEET_CONNECT_FEE},
	{"connectionfee", SHEET_CONNECT_FEE},
	{"connectcharge", SHEET_CONNECT_FEE},
	{"connectioncharge", SHEET_CONNECT_FEE},
	{"setup", SHEET_CONNECT_FEE},
	{"setupfee", SHEET_CONNECT_FEE},
	{"callsetupfee", SHEET_CONNECT_FEE},
	{"initial", SHEET_INITIAL},
	{"initialincrement", SHEET_INITIAL},
	{"initialinterval", SHEET_INITIAL},
	{"firstincrement", SHEET_INITIAL},
	{"firstinterval", SHEET_INITIAL},
	{"interval1", SHEET_INITIAL},
	{"min", SHEET_INITIAL},
	{"minimum", SHEET_INITIAL},
	{"minduration", SHEET_INITIAL},
	{"minimumduration", SHEET_INITIAL},
	{"increment", SHEET_INCREMENT},
	{"increments", PAIRS},
	{"inc", SHEET_INCREMENT},
	{"mininc", PAIRS},
	{"minincr", PAIRS},
	{"minincrement", PAIRS},
	{"nextincrement", SHEET_INCREMENT},
	{"nextinterval", SHEET_INCREMENT},
	{"subsequent", SHEET_INCREMENT},
	{"subsequentincrement", SHEET_INCREMENT},
	{"intervaln", SHEET_INCREMENT},
	{"interval", PAIRS},
	{"billing", PAIRS},
	{"billingincrement", PAIRS},
	{"billingincrements", PAIRS},
	{"effectivefrom", SHEET_EFFECTIVE_FROM},
	{"effective", SHEET_EFFECTIVE_FROM},
	{"effectivedate", SHEET_EFFECTIVE_FROM},
	{"validfrom", SHEET_EFFECTIVE_FROM},
	{"startdate", SHEET_EFFECTIVE_FROM},
	{"from", SHEET_EFFECTIVE_FROM},
	{"effectiveto", SHEET_EFFECTIVE_TO},
	{"effectiveuntil", SHEET_EFFECTIVE_TO},
	{"validto", SHEET_EFFECTIVE_TO},
	{"validuntil", SHEET_EFFECTIVE_TO},
	{"enddate", SHEET_EFFECTIVE_TO},
	{"expires", SHEET_EFFECTIVE_TO},
	{"expiry", SHEET_EFFECTIVE_TO},
	{"expirydate", SHEET_EFFECTIVE_TO},
	{"to", SHEET_EFFECTIVE_TO},
	{"until", SHEET_EFFECTIVE_TO},
	{"blocked", SHEET_BLOCKED},
	{"block", SHEET_BLOCKED},
	{"barred", SHEET_BLOCKED},
	{"initialprice", SHEET_INITIAL_PRICE},
	{"initialrate", SHEET_INITIAL_PRICE},
	{"firstprice", SHEET_INITIAL_PRICE},
	{"grace", SHEET_GRACE},
	{"graceperiod", SHEET_GRACE},
	{"originprefix", SHEET_ORIGIN_PREFIX},
	{"origin", SHEET_ORIGIN_PREFIX},
	{"origincode", SHEET_ORIGIN_PREFIX},
	{"callingprefix", SHEET_ORIGIN_PREFIX},
	{"schedule", SHEET_SCHEDULE},
	{"country", PASSED_OVER},
	{"comment", PASSED_OVER},
	{"comments", PASSED_OVER},
	{"note", PASSED_OVER},
	{"notes", PASSED_OVER},
	{"remark", PASSED_OVER},
	{"remarks", PASSED_OVER},
	{"change", PASSED_OVER},
	{"changetype", PASSED_OVER},
};

static char *trim(char *text)
{
	size_t len;

	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	return text;
}

static int column_find(const char *title, int *column)
{
	char plain[64];
	size_t len = 0;

	for (; *title != '\0'; title++) {
		if (!isalnum((unsigned char)*title))
			continue;
		if (len + 1 == sizeof(plain))
			return -ENOENT;
		plain[len++] = (char)tolower((unsigned char)*title);
	}
	plain[len] = '\0';
	for (size_t i = 0; i < sizeof(synonyms) / sizeof(synonyms[0]); i++) {
		if (strcmp(plain, synonyms[i].name) == 0) {
			*column = synonyms[i].column;
			return 0;
		}
	}
	return -ENOENT;
}

int sheet_header_read(char **fields, size_t n, struct sheet_header *h, struct status *st)
{
	int column;

	for (int i = 0; i < SHEET_COLUMNS; i++)
		h->at[i] = -1;
	h->pair = false;
	while (n > 0 && *trim(fields[n - 1]) == '\0') /* a spreadsheet's empty columns */
		n--;
	h->fields = n;
	for (size_t i = 0; i < n; i++) {
		if (column_find(fields[i], &column) != 0)
			return status_set(st, -EINVAL,
					  "unknown column \"%.60s\"; known are prefix, destination, price, "
					  "connect_fee, initial, increment, effective_from, effective_to, "
					  "blocked, initial_price, grace, origin_prefix, schedule",
					  trim(fields[i]));
		if (column == PASSED_OVER)
			continue;
		h->pair |= column == PAIRS;
		if (column == PAIRS)
			column = SHEET_INCREMENT;
		if (h->at[column] >= 0)
			return status_set(st, -EINVAL, "two columns for %s: \"%.60s\" and \"%.60s\"",
					  sheet_column_names[column], fields[h->at[column]], fields[i]);
		h->at[column] = (int)i;
	}
	for (column = 0; column <= SHEET_PRICE; column += SHEET_PRICE)
		if (h->at[column] < 0)
			return status_set(st, -EINVAL,
					  "the header has no column \"%s\"; the first line must name the columns",
					  sheet_column_names[column]);
	return 0;
}

static int read_digits(const char *name, const char *text, const char **out, struct status *st)
{
	if (*text == '+')
		text++;
	if (!digits_only(text) || strlen(text) > DIGITS_MAX)
		return status_set(st, -EINVAL, "%s \"%.60s\" is not 1 to %d digits", name, text, DIGITS_MAX);
	*out = text;
	return 0;
}

/* A decimal comma becomes a point. "1,234" may be meant either way: it stays, and is refused. */
static void point_for_comma(char *text)
{
	char *comma = strchr(text, ',');
	bool below_one = text[0] == '0' || (text[0] == '-' && text[1] == '0');

	if (comma == NULL || strchr(text, '.') != NULL || strchr(comma + 1, ',') != NULL)
		return;
	if (strlen(comma + 1) != 3 || below_one)
		*comma = '.';
}

/* No rate pays the caller: a minus is a slip of the sheet, or a column that is something else. */
static int read_money(const char *name, char *text, int64_t *nano, struct status *st)
{
	struct money m;
	int err;

	point_for_comma(text);
	err = money_parse(text, &m);
	if (err == -EDOM)
		return status_set(st, -EINVAL, "%s %.60s has more than %d decimals", name, text, MONEY_PLACES);
	if (err == -ERANGE || (err == 0 && m.nano >= PRICE_LIMIT_N))
		return status_set(st, -EINVAL, "%s %.60s is too large", name, text);
	if (err != 0)
		return status_set(st, -EINVAL, "%s \"%.60s\" is not a decimal number such as 0.0125", name, text);
	if (m.nano < 0)
		return status_set(st, -EINVAL, "%s %.60s is below 0", name, text);
	*nano = m.nano;
	return 0;
}

static int read_seconds(const char *name, const char *text, int32_t least, int32_t *out, struct status *st)
{
	char *end;
	long value = isdigit((unsigned char)*text) ? strtol(text, &end, 10) : -1;

	if (value < least || *end != '\0' || value > SECONDS_MAX)
		return status_set(st, -EINVAL, "%s \"%.60s\" is not a number of seconds from %d to %d", name, text,
				  least, SECONDS_MAX);
	*out = (int32_t)value;
	return 0;
}

/* "60/60", "1-1", "30:6": the first interval and the following ones. "6" alone says the following ones, in a column of
 * pairs both: whoever writes 60/60 there means 6/6. */
static int read_increment(char *text, bool pair, struct sheet_row *row, struct status *st)
{
	char *rest = strpbrk(text, "/-:");
	int err;

	if (rest == NULL) {
		err = read_seconds("increment", text, 1, &row->increment_s, st);
		if (err == 0 && pair && row->initial_s < 0)
			row->initial_s = row->increment_s;
		return err;
	}
	*rest++ = '\0';
	if (row->initial_s >= 0)
		return status_set(st, -EINVAL, "both initial and increment name the first interval");
	err = read_seconds("initial", trim(text), 0, &row->initial_s, st);
	return err == 0 ? read_seconds("increment", trim(rest), 1, &row->increment_s, st) : err;
}

static int read_initial(char *text, const char *increment, struct sheet_row *row, struct status *st)
{
	if (strpbrk(text, "/-:") != NULL && *increment == '\0')
		return read_increment(text, true, row, st); /* the pair in a column called "min" */
	return read_seconds("initial", text, 0, &row->initial_s, st);
}

static int read_time(const char *name, const char *text, int64_t *wall_us, struct status *st)
{
	if (sheetdate_parse(text, wall_us) != 0)
		return status_set(st, -EINVAL,
				  "%s \"%.60s\" is no date that can be read in one way only: write " SHEETDATE_STYLES,
				  name, text);
	*wall_us -= (*wall_us % 1000 + 1000) % 1000;
	return 0;
}

static int read_blocked(const char *text, bool *blocked, struct status *st)
{
	static const char *const yes[] = {"true", "t", "yes", "y", "1", "blocked"};
	static const char *const no[] = {"false", "f", "no", "n", "0"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcasecmp(text, yes[i]) == 0) {
			*blocked = true;
			return 0;
		}
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (strcasecmp(text, no[i]) == 0)
			return 0;
	return status_set(st, -EINVAL, "blocked \"%.60s\" is neither true nor false", text);
}

/* A cell may be written on several lines, a name is on one: blanks with a line break or tab among them become one. */
static void lines_join(char *text)
{
	char *to = text;

	while (*text != '\0') {
		size_t blanks = strspn(text, " \t\r\n");

		if (strcspn(text, "\t\r\n") < blanks) {
			*to++ = ' ';
			text += blanks;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

static int read_destination(char *text, struct sheet_row *row, struct status *st)
{
	lines_join(text);
	if (strlen(text) > DESTINATION_MAX)
		return status_set(st, -EINVAL, "destination is longer than %d bytes", DESTINATION_MAX);
	for (const char *p = text; *p != '\0'; p++)
		if (iscntrl((unsigned char)*p))
			return status_set(st, -EINVAL, "destination holds a control character");
	row->destination = text;
	return 0;
}

/* What it says is checked by the importer: see ratesheet_options. */
static int read_schedule(const char *text, struct sheet_row *row, struct status *st)
{
	if (strlen(text) > SHEET_SCHEDULE_MAX)
		return status_set(st, -EINVAL, "schedule is longer than %d bytes", SHEET_SCHEDULE_MAX);
	row->schedule = text;
	return 0;
}

/* texts: of all columns */
static int read_field(enum sheet_column column, char *const *texts, bool pair, struct sheet_row *row, struct status *st)
{
	char *text = texts[column];

	switch (column) {
	case SHEET_PREFIX:
		return codes_read(text, &row->codes, st);
	case SHEET_DESTINATION:
		return read_destination(text, row, st);
	case SHEET_PRICE:
		return read_money("price", text, &row->price_n, st);
	case SHEET_CONNECT_FEE:
		return read_money("connect_fee", text, &row->connect_fee_n, st);
	case SHEET_INITIAL:
		return read_initial(text, texts[SHEET_INCREMENT], row, st);
	case SHEET_INCREMENT:
		return read_increment(text, pair, row, st);
	case SHEET_EFFECTIVE_FROM:
		return read_time("effective_from", text, &row->effective_from_us, st);
	case SHEET_EFFECTIVE_TO:
		return read_time("effective_to", text, &row->effective_to_us, st);
	case SHEET_BLOCKED:
		return read_blocked(text, &row->blocked, st);
	case SHEET_INITIAL_PRICE:
		row->has_initial_price = true;
		return read_money("initial_price", text, &row->initial_price_n, st);
	case SHEET_GRACE:
		return read_seconds("grace", text, 0, &row->grace_s, st);
	case SHEET_ORIGIN_PREFIX:
		return read_digits("origin_prefix", text, &row->origin_prefix, st);
	case SHEET_SCHEDULE:
		return read_schedule(text, row, st);
	case SHEET_COLUMNS:
		break;
	}
	return -EINVAL;
}

static int check_whole(const struct sheet_row *row, int64_t now_us, struct status *st)
{
	int64_t starts_us = row->effective_from_us != 0 ? row->effective_from_us : now_us;

	if (row->effective_to_us != 0 && row->effective_to_us <= starts_us)
		return status_set(st, -EINVAL,
				  row->effective_from_us != 0 ? "effective_to is not after effective_from"
							      : "effective_to is past");
	return 0;
}

int sheet_row_read(const struct sheet_header *h, char **fields, size_t n, int64_t now_us, struct sheet_row *row,
		   struct status *st)
{
	char *text[SHEET_COLUMNS];
	int err = 0;

	*row = (struct sheet_row){
		.initial_s = -1, .increment_s = -1, .grace_s = -1, .destination = "", .origin_prefix = ""};
	while (n > h->fields && *trim(fields[n - 1]) == '\0')
		n--;
	if (n != h->fields)
		return status_set(st, -EINVAL, "%zu fields where the header has %zu", n, h->fields);
	for (int i = 0; i < SHEET_COLUMNS; i++)
		text[i] = h->at[i] >= 0 ? trim(fields[h->at[i]]) : "";
	for (int i = 0; i <= SHEET_PRICE; i += SHEET_PRICE)
		if (*text[i] == '\0')
			return status_set(st, -EINVAL, "%s is missing", sheet_column_names[i]);
	for (int i = 0; err == 0 && i < SHEET_COLUMNS; i++)
		if (*text[i] != '\0')
			err = read_field(i, text, h->pair, row, st);
	return err == 0 ? check_whole(row, now_us, st) : err;
}

static void put_money(struct buf *out, int64_t nano)
{
	char text[MONEY_TEXT_MAX];

	buf_puts(out, money_format((struct money){nano}, 0, text));
	buf_putc(out, '\t');
}

static void put_seconds(struct buf *out, int32_t seconds)
{
	if (seconds < 0)
		buf_puts(out, "\\N\t");
	else
		buf_printf(out, "%" PRId32 "\t", seconds);
}

static void put_time(struct buf *out, int64_t wall_us)
{
	char text[CLOCK_TEXT_MAX];

	buf_puts(out, wall_us == 0 ? "\\N" : clock_format(wall_us, text));
	buf_putc(out, '\t');
}

static void put_terms(struct buf *out, const struct sheet_row *row)
{
	copy_put(out, row->destination);
	buf_putc(out, '\t');
	put_money(out, row->price_n);
	if (row->has_initial_price)
		put_money(out, row->initial_price_n);
	else
		buf_puts(out, "\\N\t");
	put_money(out, row->connect_fee_n);
	put_seconds(out, row->initial_s);
	put_seconds(out, row->increment_s);
	put_seconds(out, row->grace_s > 0 ? row->grace_s : 0);
	put_time(out, row->effective_from_us);
	put_time(out, row->effective_to_us);
	buf_printf(out, "%c\t%s\t", row->blocked ? 't' : 'f', row->origin_prefix);
	copy_put(out, row->schedule);
	buf_putc(out, '\n');
}

void sheet_row_put(struct buf *out, int64_t line, const char *prefix, const struct sheet_row *row)
{
	buf_printf(out, "%" PRId64 "\t%s\t", line, prefix);
	put_terms(out, row);
}
