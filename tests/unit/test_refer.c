/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "switch/leg.h"
#include "switch/refer.h"
#include "switch/worker.h"

#include <sofia-sip/msg.h>
#include <sofia-sip/sip_parser.h>

static msg_t *request(const char *method, const char *lines, const char *body)
{
	char text[1024];
	int n = snprintf(
		text, sizeof text,
		"%s sip:x@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:1@a>;tag=1\r\n"
		"To: <sip:x@y>;tag=2\r\nCall-ID: 1\r\nCSeq: 9 %s\r\n%sContent-Length: %zu\r\n\r\n%s",
		method, method, lines, strlen(body), body);
	msg_t *msg = msg_make(sip_default_mclass(), 0, text, n);
	assert_non_null(msg);
	assert_non_null(sip_object(msg)->sip_request);
	return msg;
}

static int refusal(const struct refer *r, const char *method, const char *lines, const char *body)
{
	msg_t *msg = request(method, lines, body);
	int status = refer_refusal(r, sip_object(msg));

	msg_destroy(msg);
	return status;
}

static void nothing_passes_where_the_trunks_do_not_allow_it(void **state)
{
	struct refer none = {0};

	assert_int_equal(refusal(&none, "REFER", "Refer-To: <sip:1@a>\r\n", ""), 603);
	assert_int_equal(refusal(&none, "NOTIFY", "Event: refer\r\nSubscription-State: active\r\n", ""), 405);
	assert_null(strstr(refer_allow(&none), "REFER"));
}

static void a_refer_asks_for_a_call_to_a_number_and_nothing_else(void **state)
{
	static const struct {
		const char *to;
		int status;
	} table[] = {
		{"<sip:4420@a>", 0},
		{"sip:4420@a", 0},
		{"<tel:+44-20>", 0},
		{"<sips:4420@a;method=INVITE>", 0},
		{"<sip:4420@a?Subject=Replaces>", 0},
		{"<sip:4420@a;method=invite>", 0},
		{"<sip:4420@a;method=BYE>", 501},
		{"<sip:4420@a;method=MUCH-LONGER-THAN-ANY-METHOD>", 501},
		{"<sip:4420@a?Replaces=1%3Bto-tag%3D2>", 501},
		{"<sip:4420@a?a=b&rePlaces=1>", 501},
		{"<sip:4420@a?%52%65%70%6c%61%63%65%73=1>", 501},
		{"<sip:4420@a?Join=1>", 501},
		{"<sip:a>", 416},
		{"<mailto:4420@a>", 416},
		{"<http://4420@a>", 416},
	};
	const struct refer r = {.allowed = true};
	char line[200];

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		snprintf(line, sizeof line, "Refer-To: %s\r\n", table[i].to);
		if (refusal(&r, "REFER", line, "") != table[i].status)
			fail_msg("%s: %d", table[i].to, refusal(&r, "REFER", line, ""));
	}
	assert_int_equal(refusal(&r, "REFER", "", ""), 400);
}

static void a_status_line_is_all_that_a_notify_may_begin_with(void **state)
{
	static const char lines[] = "Event: refer\r\nSubscription-State: active\r\n";
	struct refer r = {.allowed = true};

	assert_int_equal(refusal(&r, "NOTIFY", lines, ""), 481);
	refer_sent(&r, 9, 100);
	assert_int_equal(refusal(&r, "NOTIFY", lines, ""), 0);
	assert_int_equal(refusal(&r, "NOTIFY", lines, "SIP/2.0 100"), 0);
	assert_int_equal(refusal(&r, "NOTIFY", lines, "SIP/2.0 699 x\r\nTo: y\r\n"), 0);
	for (const char *const *bad =
		     (const char *const[]){"SIP/2.0 10", "SIP/2.0 1000 x", "SIP/2.0 099 x", "SIP/2.0 700 x",
					   "SIP/2.0 1x0", "BYE sip:x@y SIP/2.0\r\n", "x", NULL};
	     *bad; bad++)
		assert_int_equal(refusal(&r, "NOTIFY", lines, *bad), 400);
	assert_int_equal(refusal(&r, "NOTIFY", "Event: refer\r\n", ""), 400);
	assert_int_equal(refusal(&r, "NOTIFY", "Subscription-State: active\r\n", ""), 400);
	assert_int_equal(refusal(&r, "NOTIFY", "Event: refer\r\nSubscription-State: active:\r\n  b\r\n", ""), 400);
	assert_int_equal(refusal(&r, "NOTIFY", "Event: refer;id=101\r\nSubscription-State: active\r\n", ""), 481);
	refer_declined(&r, 100);
	assert_int_equal(refusal(&r, "NOTIFY", lines, ""), 481);
}

static void the_oldest_of_too_many_transfers_is_forgotten(void **state)
{
	struct refer r = {.allowed = true};
	char lines[100];

	for (uint32_t i = 0; i <= REFER_SUBSCRIPTIONS_MAX; i++)
		refer_sent(&r, i, 100 + i);
	for (int i = 0; i <= REFER_SUBSCRIPTIONS_MAX; i++) {
		snprintf(lines, sizeof lines, "Event: refer;id=%d\r\nSubscription-State: active\r\n", 100 + i);
		assert_int_equal(refusal(&r, "NOTIFY", lines, ""), i ? 0 : 481);
	}
}

static void lines_are(const char *method, const char *lines, const char *expected)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};

	su_home_init(home);
	struct worker_port port = {.contact = sip_contact_make(home, "<sip:~wA@192.0.2.1:5070;transport=tcp>")};
	struct leg from = {.port = &port, .refer.allowed = true}, to = {.port = &port, .refer.allowed = true};
	to.refer.prefix = "7#";
	refer_sent(&from.refer, 9, 100);
	msg_t *msg = request(method, lines, "");
	assert_int_equal(refer_refusal(&from.refer, sip_object(msg)), 0);
	assert_string_equal(refer_lines(home, &from, &to, sip_object(msg)), expected);
	msg_destroy(msg);
	su_home_deinit(home);
}

static void the_other_side_is_told_the_number_at_our_listener(void **state)
{
	lines_are("REFER", "Refer-To: \"Ann\" <sip:+44%2320;x=y@pbx.example:9;user=phone?Subject=x>;p=q\r\n",
		  "Refer-To: <sip:7%2344%2320@192.0.2.1:5070;transport=tcp>\r\n");
}

static void a_notify_keeps_its_state_and_gets_the_id_that_the_transferor_knows(void **state)
{
	lines_are("NOTIFY",
		  "Event: refer;id=100;x=y\r\nSubscription-State: terminated;reason=giveup;retry-after=3;host=pbx\r\n",
		  "Event: refer;id=9\r\nSubscription-State: terminated;reason=giveup;retry-after=3\r\n");
	lines_are("NOTIFY", "Event: REFER\r\nSubscription-State: active;expires=60\r\n",
		  "Event: refer\r\nSubscription-State: active;expires=60\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_passes_where_the_trunks_do_not_allow_it),
		cmocka_unit_test(a_refer_asks_for_a_call_to_a_number_and_nothing_else),
		cmocka_unit_test(a_status_line_is_all_that_a_notify_may_begin_with),
		cmocka_unit_test(the_oldest_of_too_many_transfers_is_forgotten),
		cmocka_unit_test(the_other_side_is_told_the_number_at_our_listener),
		cmocka_unit_test(a_notify_keeps_its_state_and_gets_the_id_that_the_transferor_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
