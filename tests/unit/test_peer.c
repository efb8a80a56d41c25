/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "switch/peer.h"

#include <sofia-sip/msg.h>
#include <sofia-sip/sip_parser.h>

static msg_t *invite(const char *uri, const char *from, const char *more)
{
	char text[1024];
	int n = snprintf(
		text, sizeof text,
		"INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\nFrom: %s;tag=1\r\nTo: <sip:x@y>\r\n"
		"Call-ID: 1\r\nCSeq: 1 INVITE\r\n%sContent-Length: 0\r\n\r\n",
		uri, from, more);
	msg_t *msg = msg_make(sip_default_mclass(), 0, text, n);
	assert_non_null(msg);
	assert_non_null(sip_object(msg)->sip_request);
	return msg;
}

static void called_is(const char *uri, const char *expected)
{
	char out[NUMBER_MAX];
	msg_t *msg = invite(uri, "<sip:1@a>", "");
	peer_called(sip_object(msg), out);
	assert_string_equal(out, expected);
	msg_destroy(msg);
}

static void the_called_number_is_the_user_without_parameters(void **state)
{
	called_is("sip:442071234567@10.0.0.2", "442071234567");
	called_is("sip:+442071234567@10.0.0.2:5060;user=phone", "+442071234567");
	called_is("sip:442071234567;npdi;rn=15551112222@10.0.0.2", "442071234567");
	called_is("sip:10.0.0.2", "");
}

static void escapes_are_undone_once(void **state)
{
	called_is("sip:%2B442071234567@10.0.0.2", "+442071234567");
	called_is("sip:%2541@10.0.0.2", "%41");
	called_is("sip:44%00207@10.0.0.2", "44%00207");
	called_is("sip:%23%39@10.0.0.2", "#9");
}

static void a_tel_uri_names_a_number_too(void **state)
{
	called_is("tel:+442071234567", "+442071234567");
	called_is("tel:+44-207-123.4567", "+442071234567");
	called_is("tel:+442071234567;npdi;rn=+15551112222", "+442071234567");
}

static void calling_is(const char *from, const char *more, bool trust, const char *expected)
{
	char out[NUMBER_MAX];
	msg_t *msg = invite("sip:1@b", from, more);
	peer_calling(sip_object(msg), trust, out);
	assert_string_equal(out, expected);
	msg_destroy(msg);
}

static void the_calling_number_is_the_froms(void **state)
{
	calling_is("\"Ann\" <sip:+15551234567@a>", "", false, "+15551234567");
	calling_is("<sip:a.example.net>", "", false, "");
}

static void a_trusted_trunk_asserts_the_identity(void **state)
{
	const char *pai = "P-Asserted-Identity: \"Ann\" <sip:+4930123456@a>\r\n";
	calling_is("<sip:anonymous@anonymous.invalid>", pai, true, "+4930123456");
	calling_is("<sip:anonymous@anonymous.invalid>", pai, false, "anonymous");
	calling_is("<sip:1@a>", "P-Asserted-Identity: <tel:+4930123456>\r\n", true, "+4930123456");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_called_number_is_the_user_without_parameters),
		cmocka_unit_test(escapes_are_undone_once),
		cmocka_unit_test(a_tel_uri_names_a_number_too),
		cmocka_unit_test(the_calling_number_is_the_froms),
		cmocka_unit_test(a_trusted_trunk_asserts_the_identity),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
