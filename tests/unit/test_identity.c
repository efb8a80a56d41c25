/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "switch/headers.h"
#include "switch/identity.h"
#include "switch/peer.h"

#include <sofia-sip/msg.h>
#include <sofia-sip/sip_parser.h>

#define HOST "203.0.113.1"

static struct trunk from, to;

static int both_pass(void **state)
{
	memset(&from, 0, sizeof from);
	memset(&to, 0, sizeof to);
	for (int i = 0; i < IDENTITY_HEADERS; i++)
		from.identity[i] = to.identity[i] = IDENTITY_PASS;
	return 0;
}

static msg_t *invite(const char *more)
{
	char text[2048];
	int n = snprintf(text, sizeof text,
			 "INVITE sip:1@y SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\n"
			 "From: <sip:4930@10.0.0.1>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n%s"
			 "Content-Length: 0\r\n\r\n",
			 more);
	msg_t *msg = msg_make(sip_default_mclass(), 0, text, n);
	assert_non_null(msg);
	assert_non_null(sip_object(msg)->sip_request);
	return msg;
}

/* What the vendor is told where the caller sent `more`. */
static void told(const char *more, const char *expected)
{
	msg_t *msg = invite(more);
	struct buf out = {0};
	const struct identity id = {.from = &from,
				    .to = &to,
				    .number = "4930",
				    .host = HOST,
				    .secret = from.identity[IDENTITY_PRIVACY] != IDENTITY_DROP &&
					      peer_private(sip_object(msg))};

	identity_write(&id, sip_object(msg), &out);
	assert_string_equal(out.text ? out.text : "", expected);
	buf_free(&out);
	msg_destroy(msg);
}

static const char asserted[] =
	"P-Asserted-Identity: \"Ann\" <sip:+4930777@caller.example;user=phone>, <tel:+49-30-777>\r\n";

static void hosts_become_ours_and_numbers_stay(void **state)
{
	told(asserted,
	     "P-Asserted-Identity: \"Ann\" <sip:+4930777@" HOST ">\r\nP-Asserted-Identity: <tel:+4930777>\r\n");
	told("Remote-Party-ID: <sip:4930777@10.0.0.1:5070;x=y>;party=calling;screen=yes;privacy=off;host=a.example\r\n",
	     "Remote-Party-ID: <sip:4930777@" HOST ">;party=calling;screen=yes;privacy=off\r\n");
	told("Diversion: \"B\" <sip:123@b.example>;reason=user-busy;counter=2;via=c.example\r\n"
	     "Diversion: <tel:456>;reason=\"c.example\"\r\n",
	     "Diversion: \"B\" <sip:123@" HOST ">;reason=user-busy;counter=2\r\nDiversion: <tel:456>\r\n");
	told("History-Info: "
	     "<sip:123@b.example?Reason=SIP%3Bcause%3D302%3Btext%3D%22c.example%22>;index=1;foo=c.example,"
	     " <sip:456@10.0.0.1;cause=302>;index=1.1;mp=1\r\n",
	     "History-Info: <sip:123@" HOST "?Reason=SIP%3Bcause%3D302>;index=1\r\n"
	     "History-Info: <sip:456@" HOST ";cause=302>;index=1.1;mp=1\r\n");
}

static void each_side_may_drop(void **state)
{
	from.identity[IDENTITY_ASSERTED] = IDENTITY_DROP;
	told(asserted, "");
	both_pass(NULL);
	to.identity[IDENTITY_ASSERTED] = IDENTITY_DROP;
	told(asserted, "");
}

static void what_names_no_number_is_left_out(void **state)
{
	told("P-Asserted-Identity: <sip:host.example>\r\nP-Asserted-Identity: <mailto:a@b.example>\r\n"
	     "P-Asserted-Identity: <tel:a@b>\r\nP-Asserted-Identity: \"\r\nDiversion: ,,;\r\n",
	     "");
}

static void a_rewritten_identity_is_the_number_that_the_vendor_is_told(void **state)
{
	to.identity[IDENTITY_ASSERTED] = to.identity[IDENTITY_REMOTE] = IDENTITY_REWRITE;
	told("", "P-Asserted-Identity: <sip:4930@" HOST ">\r\n"
		 "Remote-Party-ID: <sip:4930@" HOST ">;party=calling;screen=no;privacy=off\r\n");
	from.identity[IDENTITY_ASSERTED] = IDENTITY_DROP;
	from.trust_pai = true;
	told(asserted, "P-Asserted-Identity: <sip:4930@" HOST ">\r\n"
		       "Remote-Party-ID: <sip:4930@" HOST ">;party=calling;screen=yes;privacy=off\r\n");
}

static void a_vendor_that_is_not_trusted_is_not_told_who_wants_privacy(void **state)
{
	const char more[] =
		"P-Asserted-Identity: <sip:777@a>\r\nRemote-Party-ID: <sip:777@a>;privacy=full\r\nPrivacy: id\r\n";
	told(more, "P-Asserted-Identity: <sip:777@" HOST ">\r\nRemote-Party-ID: <sip:777@" HOST
		   ">;privacy=full\r\nPrivacy: id\r\n");
	to.identity[IDENTITY_PRIVACY] = IDENTITY_DROP;
	told(more, "");
	to.identity[IDENTITY_ASSERTED] = to.identity[IDENTITY_REMOTE] = IDENTITY_REWRITE;
	told(more, "");
	told("Privacy: none\r\n", "P-Asserted-Identity: <sip:4930@" HOST ">\r\n"
				  "Remote-Party-ID: <sip:4930@" HOST ">;party=calling;screen=no;privacy=off\r\n");
}

static void a_wish_that_the_trunk_drops_is_not_heard(void **state)
{
	from.identity[IDENTITY_PRIVACY] = to.identity[IDENTITY_PRIVACY] = IDENTITY_DROP;
	told("P-Asserted-Identity: <sip:777@a>\r\nPrivacy: id\r\n", "P-Asserted-Identity: <sip:777@" HOST ">\r\n");
}

static void privacy_may_be_said_in_one_word(void **state)
{
	told("Privacy: header;user;bogus\r\n", "Privacy: header;user\r\n");
	to.identity[IDENTITY_PRIVACY] = IDENTITY_REWRITE;
	told("Privacy: header;user\r\n", "Privacy: id\r\n");
	told("Privacy: none\r\n", "");
}

static void the_diverted_may_want_privacy_too(void **state)
{
	to.identity[IDENTITY_PRIVACY] = IDENTITY_DROP;
	told("Diversion: <sip:1@a>;privacy=full\r\nDiversion: <sip:2@a>;privacy=off\r\n",
	     "Diversion: <sip:2@" HOST ">;privacy=off\r\n");
	told("History-Info: <sip:1@a?Privacy=history>;index=1, <sip:2@a>;index=1.1\r\n",
	     "History-Info: <sip:anonymous@anonymous.invalid>;index=1\r\nHistory-Info: <sip:2@" HOST ">;index=1.1\r\n");
	told("History-Info: <sip:1@a>;index=1\r\nPrivacy: history\r\n", "");
}

static void listed_headers_cross_where_both_list_them(void **state)
{
	static const char *const ours[] = {"x-account", "Subject", "X-Other"}, *const theirs[] = {"Subject",
												  "X-Account"};
	struct arena *arena = arena_new(256);
	struct buf out = {0};
	msg_t *msg = invite("X-Account: 7,\r\n 8\r\nX-Other: 1\r\nSubject: lunch\r\nX-Account: 9\r\n");

	from.pass_header = ours;
	from.n_pass_headers = 3;
	to.pass_header = theirs;
	struct headers list = headers_common(arena, &from, &to);
	assert_int_equal(list.n, 0);
	to.n_pass_headers = 2;
	list = headers_common(arena, &from, &to);
	assert_int_equal(list.n, 2);
	headers_write(&list, sip_object(msg), &out);
	assert_non_null(strstr(out.text, "Subject: lunch\r\n"));
	assert_non_null(strstr(out.text, "x-account: 9\r\n"));
	assert_non_null(strstr(out.text, "x-account: 7,"));
	assert_null(strstr(out.text, "X-Other"));
	assert_null(strstr(out.text, "\r\n "));
	headers_write(&list, NULL, &out);
	buf_free(&out);
	msg_destroy(msg);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(hosts_become_ours_and_numbers_stay, both_pass),
		cmocka_unit_test_setup(each_side_may_drop, both_pass),
		cmocka_unit_test_setup(what_names_no_number_is_left_out, both_pass),
		cmocka_unit_test_setup(a_rewritten_identity_is_the_number_that_the_vendor_is_told, both_pass),
		cmocka_unit_test_setup(a_vendor_that_is_not_trusted_is_not_told_who_wants_privacy, both_pass),
		cmocka_unit_test_setup(a_wish_that_the_trunk_drops_is_not_heard, both_pass),
		cmocka_unit_test_setup(privacy_may_be_said_in_one_word, both_pass),
		cmocka_unit_test_setup(the_diverted_may_want_privacy_too, both_pass),
		cmocka_unit_test_setup(listed_headers_cross_where_both_list_them, both_pass),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
