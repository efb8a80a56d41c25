/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "billing/ratesheet_parse.h"

#define NOW_US INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */
#define FIELDS_MAX 16

static char *record; /* the fields of the last split point into it */

static size_t split(const char *text, char *field[FIELDS_MAX])
{
	size_t n = 0;
	char *rest;

	free(record);
	rest = record = strdup(text);
	while (n < FIELDS_MAX && (field[n] = strsep(&rest, "|")) != NULL)
		n++;
	return n;
}

static int header(const char *text, struct sheet_header *h, struct status *st)
{
	char *field[FIELDS_MAX];
	size_t n = split(text, field);

	return sheet_header_read(field, n, h, st);
}

/* One row under a header; the reason against it, or "". */
static const char *row(const char *titles, const char *text, struct sheet_row *out)
{
	static struct status st;
	struct sheet_header h;
	char *field[FIELDS_MAX];
	size_t n;

	st.text[0] = '\0';
	assert_int_equal(header(titles, &h, &st), 0);
	n = split(text, field);
	int err = sheet_row_read(&h, field, n, NOW_US, out, &st);
	assert_int_equal(err, st.text[0] == '\0' ? 0 : -EINVAL);
	return st.text;
}

/* The prefixes of a row, with blanks between. */
static const char *prefixes(const struct sheet_row *r)
{
	static char text[4096];
	char prefix[DIGITS_MAX + 1];
	struct codes_walk walk;
	size_t len = 0;

	text[0] = '\0';
	codes_walk_begin(&r->codes, &walk);
	for (int n = 0; codes_next(&walk, prefix); n++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, n > 0 ? " %s" : "%s", prefix);
	return text;
}

static const char *codes(const char *text)
{
	struct sheet_row r;
	char line[2048];

	snprintf(line, sizeof(line), "%s|1", text);
	const char *why = row("prefix|price", line, &r);
	return why[0] != '\0' ? why : prefixes(&r);
}

static void the_contracts_header_is_known_in_any_order(void **state)
{
	struct sheet_header h;
	struct status st;

	assert_int_equal(header("prefix|destination|price|connect_fee|initial|increment|effective_from|effective_to|"
				"blocked|initial_price|grace|origin_prefix|schedule",
				&h, &st),
			 0);
	for (int i = 0; i < SHEET_COLUMNS; i++)
		assert_int_equal(h.at[i], i);
	assert_int_equal(header("price|prefix", &h, &st), 0);
	assert_int_equal(h.at[SHEET_PREFIX], 1);
	assert_int_equal(h.at[SHEET_DESTINATION], -1);
}

static void vendors_names_for_the_columns_are_understood(void **state)
{
	static const char *const sheets[] = {"Code|Rate",
					     "Dial Code|Rate per min",
					     "dial_code|price_per_minute",
					     "dialcode|rate_per_min",
					     "PREFIX|Rate / min",
					     "code|rate|Country|Comments",
					     "Area Code|New Rate|Min/Incr|Expires",
					     "codes|cost"};
	struct sheet_header h;
	struct status st;

	for (size_t i = 0; i < sizeof(sheets) / sizeof(sheets[0]); i++) {
		assert_int_equal(header(sheets[i], &h, &st), 0);
		assert_int_equal(h.at[SHEET_PREFIX], 0);
		assert_int_equal(h.at[SHEET_PRICE], 1);
	}
}

static void a_header_that_cannot_be_used_says_why(void **state)
{
	struct sheet_header h;
	struct status st;

	assert_int_equal(header("prefix|destination", &h, &st), -EINVAL);
	assert_non_null(strstr(st.text, "no column \"price\""));
	assert_int_equal(header("49|0.01", &h, &st), -EINVAL);
	assert_int_equal(header("prefix|price|conect_fee", &h, &st), -EINVAL);
	assert_non_null(strstr(st.text, "unknown column \"conect_fee\""));
	assert_int_equal(header("prefix|code|price", &h, &st), -EINVAL);
	assert_non_null(strstr(st.text, "two columns for prefix"));
}

static void a_row_says_what_it_says_and_no_more(void **state)
{
	struct sheet_row r;

	assert_string_equal(row("prefix|price", " 49 | 0.0125 ", &r), "");
	assert_string_equal(prefixes(&r), "49");
	assert_int_equal(r.price_n, 12500000);
	assert_int_equal(r.initial_s, -1);
	assert_int_equal(r.increment_s, -1);
	assert_int_equal(r.effective_from_us, 0);
	assert_false(r.has_initial_price);
	assert_false(r.blocked);
	assert_null(r.schedule);
}

static void intervals_come_in_two_columns_or_as_a_pair(void **state)
{
	struct sheet_row r;

	assert_string_equal(row("prefix|price|initial|increment", "49|1|30|6", &r), "");
	assert_int_equal(r.initial_s, 30);
	assert_int_equal(r.increment_s, 6);
	assert_string_equal(row("prefix|price|min/inc", "49|1|60/60", &r), "");
	assert_int_equal(r.initial_s, 60);
	assert_int_equal(r.increment_s, 60);
	assert_string_equal(row("prefix|price|billing", "49|1|1 - 1", &r), "");
	assert_int_equal(r.increment_s, 1);
	assert_string_equal(row("prefix|price|increments", "49|1|0/1", &r), "");
	assert_int_equal(r.initial_s, 0);
	assert_string_equal(row("prefix|price|min", "49|1|30/6", &r), "");
	assert_int_equal(r.initial_s, 30);
	assert_int_equal(r.increment_s, 6);
	assert_non_null(strstr(row("prefix|price|min|increment", "49|1|30|60/60", &r), "both"));
	assert_non_null(strstr(row("prefix|price|increment", "49|1|0", &r), "from 1 to"));
	assert_non_null(strstr(row("prefix|price|increment", "49|1|60/", &r), "increment"));
	assert_non_null(strstr(row("prefix|price|initial", "49|1|-1", &r), "initial"));
	assert_non_null(strstr(row("prefix|price|initial", "49|1|1e3", &r), "initial"));
}

static void a_number_alone_in_a_column_of_pairs_says_both(void **state)
{
	static const char *const pairs[] = {"min/inc",	  "Min. Increment",	"billing", "Billing Increment",
					    "increments", "Billing Increments", "Interval"};
	static const char *const single[] = {"increment", "inc", "next increment", "subsequent", "Interval N"};
	struct sheet_row r;
	char header[64];

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		snprintf(header, sizeof(header), "prefix|price|%s", pairs[i]);
		assert_string_equal(row(header, "49|1|6", &r), "");
		assert_int_equal(r.initial_s, 6);
		assert_int_equal(r.increment_s, 6);
		assert_string_equal(row(header, "49|1|", &r), "");
		assert_int_equal(r.initial_s, -1);
	}
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
		snprintf(header, sizeof(header), "prefix|price|%s", single[i]);
		assert_string_equal(row(header, "49|1|6", &r), "");
		assert_int_equal(r.initial_s, -1); /* the deck's */
		assert_int_equal(r.increment_s, 6);
	}
	assert_string_equal(row("prefix|price|initial|billing", "49|1|30|6", &r), ""); /* what is said is said */
	assert_int_equal(r.initial_s, 30);
	assert_int_equal(r.increment_s, 6);
	assert_string_equal(row("prefix|price|initial|billing", "49|1||6", &r), "");
	assert_int_equal(r.initial_s, 6);
	assert_non_null(strstr(row("prefix|price|min/inc", "49|1|0", &r), "from 1 to"));
}

static void prices_are_exact_decimals(void **state)
{
	struct sheet_row r;

	assert_string_equal(row("prefix|price", "49|0.000000001", &r), "");
	assert_int_equal(r.price_n, 1);
	assert_string_equal(row("prefix|price", "49|0,0125", &r), ""); /* a decimal comma */
	assert_int_equal(r.price_n, 12500000);
	assert_string_equal(row("prefix|price", "49|0,125", &r), "");
	assert_non_null(strstr(row("prefix|price", "49|1,234", &r), "not a decimal")); /* may be meant either way */
	assert_non_null(strstr(row("prefix|price", "49|1,234.5", &r), "not a decimal"));
	assert_non_null(strstr(row("prefix|price", "49|0.0000000001", &r), "more than 9 decimals"));
	assert_non_null(strstr(row("prefix|price", "49|1000000000", &r), "too large"));
	assert_non_null(strstr(row("prefix|price", "49|1e-2", &r), "not a decimal"));
	assert_non_null(strstr(row("prefix|price", "49|", &r), "price is missing"));
}

static void no_rate_pays_the_caller(void **state)
{
	struct sheet_row r;

	assert_string_equal(row("prefix|price", "49|0", &r), "");
	assert_string_equal(row("prefix|price", "49|-0.01", &r), "price -0.01 is below 0");
	assert_string_equal(row("prefix|price", "49|-0,01", &r), "price -0.01 is below 0");
	assert_string_equal(row("prefix|price|initial_price", "49|1|-0.000000001", &r),
			    "initial_price -0.000000001 is below 0");
	assert_string_equal(row("prefix|price|connect_fee", "49|1|-1", &r), "connect_fee -1 is below 0");
	assert_non_null(strstr(row("prefix|price", "49|-1000000000", &r), "below 0"));
}

static void prefixes_are_digits(void **state)
{
	struct sheet_row r;

	assert_string_equal(row("prefix|price", "+49|1", &r), "");
	assert_string_equal(prefixes(&r), "49");
	assert_string_equal(row("prefix|price|origin_prefix", "49|1|44", &r), "");
	assert_string_equal(r.origin_prefix, "44");
	assert_non_null(strstr(row("prefix|price", "49x|1", &r), "prefix \"49x\""));
	assert_non_null(strstr(row("prefix|price", "123456789012345678901234567890123|1", &r), "digits"));
	assert_non_null(strstr(row("prefix|price", "|1", &r), "prefix is missing"));
}

static void a_row_may_name_a_list_of_prefixes(void **state)
{
	assert_string_equal(codes("4420,4421"), "4420 4421");
	assert_string_equal(codes(" +4420 , +4421,49 "), "4420 4421 49");
	assert_non_null(strstr(codes("4420,"), "\"\" is neither a code"));
	assert_non_null(strstr(codes("4420,,4421"), "\"\" is neither a code"));
	assert_non_null(strstr(codes("4420,44x,4422"), "\"44x\" is neither a code"));
	assert_non_null(strstr(codes("4420,4420"), "names a code twice"));
	assert_non_null(strstr(codes("4420;4421"), "not 1 to 32 digits"));
	assert_non_null(strstr(codes("4420 4421"), "not 1 to 32 digits"));
}

static void a_row_may_name_a_range_of_prefixes(void **state)
{
	assert_string_equal(codes("4477-4479"), "4477 4478 4479");
	assert_string_equal(codes("4499 - +4501"), "4499 4500 4501");
	assert_string_equal(codes("008-011"), "008 009 010 011");
	assert_string_equal(codes("7-7"), "7");
	assert_string_equal(codes("1242,4477-4478,49"), "1242 4477 4478 49");
	assert_string_equal(codes("12345678901234567890123456789099-12345678901234567890123456789101"),
			    "12345678901234567890123456789099 12345678901234567890123456789100 "
			    "12345678901234567890123456789101");
	assert_non_null(strstr(codes("4479-4477"), "ends before it begins"));
	assert_non_null(strstr(codes("1-242"), "not 1 to 32 digits")); /* no range: a code written with a dash */
	assert_non_null(strstr(codes("4477-"), "not 1 to 32 digits"));
	assert_non_null(strstr(codes("4477-4479,4478"), "names a code twice"));
	assert_non_null(strstr(codes("4470-4479,4475-4480"), "names a code twice"));
	assert_string_equal(codes("447-448,4470-4471"), "447 448 4470 4471"); /* longer ones are others */
}

static void a_country_code_may_stand_before_the_others(void **state)
{
	assert_string_equal(codes("44 77,78"), "4477 4478");
	assert_string_equal(codes("44;77,78"), "4477 4478");
	assert_string_equal(codes("+44 ; 77-79, 7911"), "4477 4478 4479 447911");
	assert_string_equal(codes("44 20"), "4420");
	assert_string_equal(codes("1 212,213"), "1212 1213");
	assert_non_null(strstr(codes("44 77,+4478"), "\"+4478\" is neither a code"));
	assert_non_null(strstr(codes("44 1234567890123456789012345678901"), "is neither a code"));
	assert_non_null(strstr(codes("44 77 78"), "neither a code"));
	assert_non_null(strstr(codes("44;"), "not 1 to 32 digits"));
}

static void put_all(struct buf *out, int64_t line, const struct sheet_row *r)
{
	char prefix[DIGITS_MAX + 1];
	struct codes_walk walk;

	codes_walk_begin(&r->codes, &walk);
	while (codes_next(&walk, prefix))
		sheet_row_put(out, line, prefix, r);
}

static void a_row_names_so_many_prefixes_at_most(void **state)
{
	struct sheet_row r;
	struct buf out = {0};
	int lines = 0;

	assert_string_equal(row("prefix|price", "30000-39999|1", &r), "");
	assert_int_equal(r.codes.n, CODES_MAX);
	put_all(&out, 2, &r);
	for (size_t i = 0; i < out.len; i++)
		lines += out.text[i] == '\n';
	assert_int_equal(lines, CODES_MAX);
	buf_free(&out);
	assert_non_null(strstr(codes("30000-39999,4"), "more than 10000 prefixes"));
	assert_non_null(strstr(codes("10000000000000000000000000000000-99999999999999999999999999999999"),
			       "more than 10000 prefixes"));
}

static void a_schedule_has_a_length_limit(void **state)
{
	char text[SHEET_SCHEDULE_MAX + 16];
	struct sheet_row r;
	int n = snprintf(text, sizeof(text), "49|1|%0*d", SHEET_SCHEDULE_MAX, 0);

	assert_string_equal(row("prefix|price|schedule", text, &r), "");
	assert_int_equal(strlen(r.schedule), SHEET_SCHEDULE_MAX);
	strcpy(text + n, "0");
	assert_string_equal(row("prefix|price|schedule", text, &r), "schedule is longer than 4096 bytes");
}

static void dates_are_utc_and_in_order(void **state)
{
	struct sheet_row r;

	assert_string_equal(row("prefix|price|effective date", "49|1|2026-02-01", &r), "");
	assert_int_equal(r.effective_from_us, INT64_C(1769904000000000));
	assert_string_equal(row("prefix|price|from|to", "49|1|2026-02-01T01:00:00.1239+01:00|2026-03-01 12:00", &r),
			    "");
	assert_int_equal(r.effective_from_us, INT64_C(1769904000123000)); /* whole milliseconds */
	assert_non_null(strstr(row("prefix|price|from", "49|1|2026-02-30", &r), "is no date"));
	assert_non_null(
		strstr(row("prefix|price|from", "49|1|01/02/2026", &r),
		       "from \"01/02/2026\" is no date that can be read in one way only: write 2026-01-31, "
		       "2026/01/31, 20260131, 31.01.2026, 31-Jan-2026 or 31 January 2026, each alone or followed "
		       "by 23:59 or 23:59:59, or RFC 3339"));
	assert_non_null(strstr(row("prefix|price|from|to", "49|1|2026-02-01|2026-02-01", &r), "not after"));
	assert_non_null(strstr(row("prefix|price|to", "49|1|2025-12-31", &r), "effective_to is past"));
}

static void blocked_is_yes_or_no(void **state)
{
	struct sheet_row r;

	assert_string_equal(row("prefix|price|blocked", "49|1|TRUE", &r), "");
	assert_true(r.blocked);
	assert_string_equal(row("prefix|price|blocked", "49|1|no", &r), "");
	assert_false(r.blocked);
	assert_string_equal(row("prefix|price|blocked", "49|1|", &r), "");
	assert_false(r.blocked);
	assert_non_null(strstr(row("prefix|price|blocked", "49|1|maybe", &r), "neither"));
}

static void a_name_on_several_lines_is_one(void **state)
{
	struct sheet_row r;

	assert_string_equal(row("prefix|price|destination", "44|1|United\nKingdom, \r\n  all  of it\tand more\n", &r),
			    "");
	assert_string_equal(r.destination, "United Kingdom, all  of it and more");
	assert_non_null(strstr(row("prefix|price|destination", "44|1|U\x07K", &r), "control character"));
}

static void a_row_has_as_many_fields_as_the_header(void **state)
{
	struct sheet_row r;

	assert_string_equal(row("prefix|price", "49|1||", &r), ""); /* a spreadsheet's empty columns */
	assert_string_equal(row("prefix|price||", "49|1", &r), "");
	assert_non_null(strstr(row("prefix|price", "49|1|x", &r), "3 fields where the header has 2"));
	assert_non_null(strstr(row("prefix|destination|price", "49|1", &r), "2 fields"));
}

static void a_row_goes_to_copy_escaped(void **state)
{
	struct sheet_row r;
	struct buf out = {0};

	assert_string_equal(row("prefix|price|destination|min/inc|from|schedule",
				"49|0.0125|Back\\slash|60/1|2026-02-01|[{\"days\": [1]}]", &r),
			    "");
	put_all(&out, 7, &r);
	assert_string_equal(out.text,
			    "7\t49\tBack\\\\slash\t0.0125\t\\N\t0\t60\t1\t0\t2026-02-01T00:00:00.000Z\t\\N\tf\t\t"
			    "[{\"days\": [1]}]\n");
	buf_free(&out);
}

static void each_prefix_of_a_row_is_a_line_with_its_terms(void **state)
{
	struct sheet_row r;
	struct buf out = {0};

	assert_string_equal(row("prefix|price", "44 77-78|0.1", &r), "");
	put_all(&out, 3, &r);
	assert_string_equal(out.text, "3\t4477\t\t0.1\t\\N\t0\t\\N\t\\N\t0\t\\N\t\\N\tf\t\t\\N\n"
				      "3\t4478\t\t0.1\t\\N\t0\t\\N\t\\N\t0\t\\N\t\\N\tf\t\t\\N\n");
	buf_free(&out);
}

static int teardown(void **state)
{
	free(record);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_contracts_header_is_known_in_any_order),
		cmocka_unit_test(vendors_names_for_the_columns_are_understood),
		cmocka_unit_test(a_header_that_cannot_be_used_says_why),
		cmocka_unit_test(a_row_says_what_it_says_and_no_more),
		cmocka_unit_test(intervals_come_in_two_columns_or_as_a_pair),
		cmocka_unit_test(a_number_alone_in_a_column_of_pairs_says_both),
		cmocka_unit_test(prices_are_exact_decimals),
		cmocka_unit_test(no_rate_pays_the_caller),
		cmocka_unit_test(prefixes_are_digits),
		cmocka_unit_test(a_row_may_name_a_list_of_prefixes),
		cmocka_unit_test(a_row_may_name_a_range_of_prefixes),
		cmocka_unit_test(a_country_code_may_stand_before_the_others),
		cmocka_unit_test(a_row_names_so_many_prefixes_at_most),
		cmocka_unit_test(a_schedule_has_a_length_limit),
		cmocka_unit_test(dates_are_utc_and_in_order),
		cmocka_unit_test(blocked_is_yes_or_no),
		cmocka_unit_test(a_name_on_several_lines_is_one),
		cmocka_unit_test(a_row_has_as_many_fields_as_the_header),
		cmocka_unit_test(a_row_goes_to_copy_escaped),
		cmocka_unit_test(each_prefix_of_a_row_is_a_line_with_its_terms),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
