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

#include "billing/cdr.h"
#include "billing/cdr_row.h"

static struct cdr *answered_call(void)
{
	struct cdr *c = cdr_new();

	c->started_us = 1767225600123000; /* 2026-01-01T00:00:00.123Z */
	uuid_make(&c->id, c->started_us);
	c->node = "sw1";
	c->progress_us = c->started_us + 400000;
	c->answered_us = c->started_us + 2000000;
	c->duration_ms = 61000;
	c->ended_us = c->answered_us + 61000000;
	c->ingress_carrier_id = 1;
	c->ingress_trunk_id = 2;
	c->egress_carrier_id = 3;
	c->egress_trunk_id = 4;
	c->calling_in = "442071234567";
	c->called_in = "+4930123456";
	c->called_out = "4930123456";
	c->destination = "Germany\tBerlin\\";
	c->pdd_ms = 400;
	c->sip_code = 200;
	c->q850_cause = 16;
	c->party = CDR_CALLEE;
	c->sell = (struct cdr_side){.rated = true, .prefix = "4930", .currency = "EUR"};
	c->sell.terms = rate_terms_plain(600000000);
	c->sell.terms.initial_s = c->sell.terms.increment_s = 60;
	c->source_ip = "192.0.2.1";
	c->a_call_id = "a@b";
	c->trace = "{\"offers\": []}";
	c->attempts = 2;
	c->attempt[0] = (struct cdr_attempt){.trunk_id = 9,
					     .carrier_id = 8,
					     .started_us = c->started_us,
					     .sip_code = 503,
					     .reason = "failed",
					     .ended_us = c->started_us + 100000};
	c->attempt[1] = (struct cdr_attempt){.trunk_id = 4,
					     .carrier_id = 3,
					     .started_us = c->started_us + 100000,
					     .answered_us = c->answered_us,
					     .sip_code = 200,
					     .reason = "answered",
					     .buy_prefix = "49",
					     .buy_price_n = 5000000,
					     .b_call_id = "x"};
	assert_int_equal(cdr_rate(c), 0);
	return c;
}

static void both_sides_are_rated_by_the_one_function(void **state)
{
	struct cdr *c = answered_call();

	assert_int_equal(c->sell.billed_s, 120);
	assert_int_equal(c->sell.amount.nano, 1200000000);
	assert_int_equal(c->buy.billed_s, 0); /* not rated */
	assert_int_equal(c->buy.amount.nano, 0);
	cdr_free(&c);
	assert_null(c);
}

static void an_amount_past_what_money_holds_is_an_error_and_no_amount(void **state)
{
	struct cdr *c = answered_call();

	c->sell.terms.price_n = c->sell.terms.initial_price_n = INT64_MAX;
	c->duration_ms = INT64_C(1000) * 3600 * 24 * 365;
	c->buy.rated = true;
	c->buy.terms = rate_terms_plain(60);
	assert_int_equal(cdr_rate(c), -ERANGE);
	assert_int_equal(c->sell.amount.nano, 0);
	assert_int_equal(c->sell.billed_s, 0);
	assert_int_equal(c->buy.billed_s, 3600 * 24 * 365); /* the other side is none the worse */
	assert_int_equal(c->buy.amount.nano, 31536000);
	cdr_free(&c);
}

static void text_is_made_fit_for_the_database(void **state)
{
	struct cdr *c = cdr_new();
	char longest[600];

	assert_null(cdr_text(c, NULL));
	assert_string_equal(cdr_text(c, "plain"), "plain");
	assert_string_equal(cdr_text(c, "caf\xc3\xa9 \xf0\x9f\x93\x9e"), "caf\xc3\xa9 \xf0\x9f\x93\x9e");
	assert_string_equal(cdr_text(c, "a\x80z"), "a?z");	      /* no first byte */
	assert_string_equal(cdr_text(c, "\xc0\xaf"), "??");	      /* overlong */
	assert_string_equal(cdr_text(c, "\xe0\x80\xaf"), "???");      /* overlong */
	assert_string_equal(cdr_text(c, "\xed\xa0\x80"), "???");      /* surrogate */
	assert_string_equal(cdr_text(c, "\xf4\x90\x80\x80"), "????"); /* past the last character */
	assert_string_equal(cdr_text(c, "\xe2\x82"), "??");	      /* cut off */
	assert_string_equal(cdr_text(c, "\t\n\x7f"), "???");	      /* control bytes */
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	longest[254] = '\xc3', longest[255] = '\xa9';
	assert_int_equal(strlen(cdr_text(c, longest)), 254); /* never half a character */
	cdr_free(&c);
}

static void a_row_has_the_contracts_columns_in_their_order(void **state)
{
	struct buf columns = {0}, row = {0};
	struct cdr *c = answered_call();
	char id[UUID_TEXT_MAX], expected[1024];

	cdr_row_put_columns(&columns);
	assert_string_equal(
		columns.text,
		"id, node, started_at, progress_at, answered_at, ended_at, ingress_carrier_id, "
		"ingress_trunk_id, egress_carrier_id, egress_trunk_id, calling_in, called_in, calling_out, "
		"called_out, destination, pdd_ms, duration_ms, sip_code, q850_cause, disconnect_reason, "
		"hangup_party, attempts, sell_prefix, sell_price, sell_billed_s, sell_amount, sell_currency, "
		"buy_prefix, buy_price, buy_billed_s, buy_amount, buy_currency, source_ip, a_call_id, "
		"b_call_id, recovered, lrn, rated_called, rated_calling");
	cdr_row_put(&row, c);
	snprintf(expected, sizeof(expected),
		 "%s\tsw1\t2026-01-01T00:00:00.123Z\t2026-01-01T00:00:00.523Z\t2026-01-01T00:00:02.123Z\t"
		 "2026-01-01T00:01:03.123Z\t1\t2\t3\t4\t442071234567\t+4930123456\t\\N\t4930123456\t"
		 "Germany?Berlin\\\\\t400\t61000\t200\t16\tnormal\tcallee\t2\t4930\t0.600000\t120\t1.200000\tEUR\t"
		 "\\N\t\\N\t\\N\t\\N\t\\N\t192.0.2.1\ta@b\t\\N\tf\t\\N",
		 uuid_format(&c->id, id));
	assert_string_equal(row.text, expected);

	c->rated_called = "4930123456";
	buf_reset(&row);
	cdr_row_put(&row, c);
	strcat(expected, "\t4930123456\t\\N");
	assert_string_equal(row.text, expected);
	cdr_free(&c);
	buf_free(&columns);
	buf_free(&row);
}

/* What an earlier version wrote, and what was never rated, ends with the lrn. */
static void a_line_is_made_whole_for_copy(void **state)
{
	struct buf row = {0}, whole = {0};
	struct cdr *c = answered_call();

	cdr_row_put(&row, c);
	cdr_row_put_whole(&whole, row.text);
	assert_memory_equal(whole.text, row.text, row.len);
	assert_string_equal(whole.text + row.len, "\t\\N\t\\N");
	c->rated_called = "4930123456";
	c->rated_calling = "442071234567";
	buf_reset(&row);
	buf_reset(&whole);
	cdr_row_put(&row, c);
	cdr_row_put_whole(&whole, row.text);
	assert_string_equal(whole.text, row.text);
	cdr_free(&c);
	buf_free(&row);
	buf_free(&whole);
}

static void attempts_are_numbered_from_one(void **state)
{
	struct buf rows = {0};
	struct cdr *c = answered_call();
	char id[UUID_TEXT_MAX], expected[1024];

	uuid_format(&c->id, id);
	cdr_row_put_attempts(&rows, c);
	snprintf(expected, sizeof(expected),
		 "%s\t1\t9\t8\t2026-01-01T00:00:00.123Z\t\\N\t\\N\t2026-01-01T00:00:00.223Z\t503\tfailed\t\\N\t0."
		 "000000\t\\N\n"
		 "%s\t2\t4\t3\t2026-01-01T00:00:00.223Z\t\\N\t2026-01-01T00:00:02.123Z\t\\N\t200\tanswered\t49\t0."
		 "005000\tx\n",
		 id, id);
	assert_string_equal(rows.text, expected);
	cdr_free(&c);
	buf_free(&rows);
}

static void what_is_no_address_is_no_source(void **state)
{
	struct buf row = {0};
	struct cdr *c = answered_call();

	c->source_ip = "fe80::1%eth0";
	cdr_row_put(&row, c);
	assert_non_null(strstr(row.text, "\tfe80::1\t"));
	buf_reset(&row);
	c->source_ip = "nowhere";
	cdr_row_put(&row, c);
	assert_null(strstr(row.text, "nowhere"));
	cdr_free(&c);
	buf_free(&row);
}

static void a_record_that_cannot_be_rated_is_no_record(void **state)
{
	static const struct {
		int32_t initial_s, increment_s, grace_s;
		int64_t duration_ms;
	} bad[] = {{-7, 1, 0, 5}, {0, 0, 0, 5}, {0, 1, -7, 5}, {0, 1, 0, -5}};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct buf packed = {0};
		struct cdr *c = answered_call(), *back = NULL;
		c->sell.terms.initial_s = bad[i].initial_s;
		c->sell.terms.increment_s = bad[i].increment_s;
		c->sell.terms.grace_s = bad[i].grace_s;
		c->duration_ms = bad[i].duration_ms;
		cdr_row_pack(&packed, c);
		assert_int_equal(cdr_row_unpack(packed.text, &back), -EBADMSG);
		assert_null(back);
		cdr_free(&c);
		buf_free(&packed);
	}
}

static void a_packed_call_comes_back_as_it_was(void **state)
{
	struct buf packed = {0}, again = {0};
	struct cdr *c = answered_call(), *back, *copy;

	c->destination = "two\\lines";
	c->pdd_ms = -1;
	cdr_row_pack(&packed, c);
	copy = cdr_copy(c);
	cdr_free(&c);
	assert_int_equal(cdr_row_unpack(packed.text, &back), 0);
	assert_string_equal(back->destination, "two\\lines");
	assert_string_equal(back->trace, "{\"offers\": []}");
	assert_null(back->calling_out);
	assert_int_equal(back->pdd_ms, -1);
	assert_int_equal(back->sell.terms.increment_s, 60);
	assert_int_equal(back->sell.terms.places, 6);
	assert_false(back->buy.rated);
	assert_int_equal(back->attempt[1].trunk_id, 4);
	cdr_row_pack(&again, back);
	assert_string_equal(again.text, packed.text);
	buf_reset(&again);
	cdr_row_pack(&again, copy);
	assert_string_equal(again.text, packed.text);
	cdr_free(&back);
	cdr_free(&copy);
	buf_free(&packed);
	buf_free(&again);
}

static void a_pack_of_the_version_before_is_read(void **state)
{
	struct buf packed = {0};
	struct cdr *c = answered_call(), *back;

	c->rated_called = "4930123456";
	c->rated_calling = "442071234567";
	cdr_row_pack(&packed, c);
	char *numbers = strstr(packed.text, "\t4930123456\t442071234567\n");
	assert_non_null(numbers);
	assert_int_equal(cdr_row_unpack(packed.text, &back), 0);
	assert_string_equal(back->rated_called, "4930123456");
	assert_string_equal(back->rated_calling, "442071234567");
	cdr_free(&back);

	memmove(numbers, strchr(numbers, '\n'), strlen(strchr(numbers, '\n')) + 1);
	assert_int_equal(cdr_row_unpack(packed.text, &back), 0);
	assert_null(back->rated_called);
	assert_string_equal(back->trace, "{\"offers\": []}");
	assert_int_equal(back->attempt[1].trunk_id, 4);
	cdr_free(&back);
	cdr_free(&c);
	buf_free(&packed);
}

static void a_damaged_pack_is_refused(void **state)
{
	struct buf packed = {0};
	struct cdr *c = answered_call(), *back = NULL;

	cdr_row_pack(&packed, c);
	for (size_t cut = 0; cut < packed.len; cut += 7) {
		char *part = strndup(packed.text, cut);

		if (cdr_row_unpack(part, &back) == 0) /* cut inside the last free text: still a whole record */
			cdr_free(&back);
		free(part);
	}
	assert_int_equal(cdr_row_unpack("", &back), -EBADMSG);
	assert_int_equal(cdr_row_unpack("x\ty", &back), -EBADMSG);
	buf_puts(&packed, "\nmore");
	assert_int_equal(cdr_row_unpack(packed.text, &back), -EBADMSG);
	cdr_free(&c);
	buf_free(&packed);
}

static void every_reason_and_party_has_a_name(void **state)
{
	for (int r = 0; r < CDR_REASONS; r++)
		assert_non_null(cdr_reason_name(r));
	for (int p = 0; p < CDR_PARTIES; p++)
		assert_non_null(cdr_party_name(p));
	assert_string_equal(cdr_reason_name(CDR_SWITCH_RESTART), "switch_restart");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_are_rated_by_the_one_function),
		cmocka_unit_test(an_amount_past_what_money_holds_is_an_error_and_no_amount),
		cmocka_unit_test(text_is_made_fit_for_the_database),
		cmocka_unit_test(a_row_has_the_contracts_columns_in_their_order),
		cmocka_unit_test(a_line_is_made_whole_for_copy),
		cmocka_unit_test(attempts_are_numbered_from_one),
		cmocka_unit_test(what_is_no_address_is_no_source),
		cmocka_unit_test(a_record_that_cannot_be_rated_is_no_record),
		cmocka_unit_test(a_packed_call_comes_back_as_it_was),
		cmocka_unit_test(a_pack_of_the_version_before_is_read),
		cmocka_unit_test(a_damaged_pack_is_refused),
		cmocka_unit_test(every_reason_and_party_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
