/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "switch/peer.h"
#include "switch/way.h"

#include <sofia-sip/msg.h>
#include <sofia-sip/sip_parser.h>

static msg_t *invite(const char *more)
{
	char text[1024];
	int n = snprintf(
		text, sizeof text,
		"INVITE sip:1@b SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:x@a>;tag=1\r\n"
		"To: <sip:x@y>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n%sContent-Length: 0\r\n\r\n",
		more);
	msg_t *msg = msg_make(sip_default_mclass(), 0, text, n);
	assert_non_null(sip_object(msg)->sip_request);
	return msg;
}

/* Of an INVITE with those headers, that came from there. */
static struct way *way_from(const char *headers, const char *source, enum trunk_transport transport)
{
	struct peer from = {.transport = transport};
	msg_t *msg = invite(headers);

	snprintf(from.text, sizeof from.text, "%s", source);
	struct way *way = way_of_invite(sip_object(msg), &from);
	msg_destroy(msg);
	return way;
}

static bool leads_to(const struct way *way, const char *uri)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};

	su_home_init(home);
	bool leads = way_leads_to(way, url_make(home, uri));
	su_home_deinit(home);
	return leads;
}

static void a_contact_is_the_next_hop_where_no_proxy_is(void **state)
{
	struct way *way = way_from("Contact: <sip:ann@192.0.2.1>\r\n", "192.0.2.9", TRUNK_UDP);

	assert_string_equal(way_hop(way)->host, "192.0.2.1");
	assert_int_equal(way_hop(way)->port, 5060);
	assert_true(leads_to(way, "sip:ann@192.0.2.1"));
	assert_true(leads_to(way, "sip:bob@192.0.2.1:5060;transport=udp"));
	assert_false(leads_to(way, "sip:ann@192.0.2.1:5061"));
	assert_false(leads_to(way, "sip:ann@192.0.2.1;transport=tcp"));
	assert_false(leads_to(way, "sips:ann@192.0.2.1"));
	assert_false(leads_to(way, "sip:ann@192.0.2.2"));
	assert_false(leads_to(way, "tel:+12125550100"));
	way_unref(&way);
}

static void a_uri_without_transport_has_that_of_its_dialog(void **state)
{
	struct way *way = way_from("Contact: <sip:ann@192.0.2.1:5070>\r\n", "192.0.2.1", TRUNK_TCP);

	assert_int_equal(way_hop(way)->transport, TRUNK_TCP);
	assert_true(leads_to(way, "sip:ann@192.0.2.1:5070"));
	assert_false(leads_to(way, "sip:ann@192.0.2.1:5070;transport=udp"));
	way_unref(&way);
}

static void addresses_are_compared_and_not_their_spelling(void **state)
{
	struct way *way = way_from("Contact: <sip:ann@[2001:DB8:0:0::1]:5060>\r\n", "2001:db8::2", TRUNK_UDP);

	assert_string_equal(way_hop(way)->host, "[2001:db8::1]");
	assert_true(leads_to(way, "sip:ann@[2001:db8::1]"));
	assert_true(way_comes_from(way, "2001:db8::1"));
	assert_true(way_comes_from(way, "2001:db8::2"));
	assert_false(way_comes_from(way, "2001:db8::12"));
	way_unref(&way);
}

static void a_name_is_left_to_dns(void **state)
{
	struct way *way = way_from("Contact: <sip:ann@gw.example.net>\r\n", "192.0.2.1", TRUNK_UDP);

	assert_int_equal(way_hop(way)->port, 0);
	assert_true(leads_to(way, "sip:ann@GW.example.net"));
	assert_false(leads_to(way, "sip:ann@gw.example.net:5060"));
	assert_false(leads_to(way, "sip:ann@192.0.2.1"));
	way_unref(&way);
}

static void an_end_without_a_contact_is_reached_by_nothing(void **state)
{
	static const char *const none[] = {"", "Contact: *\r\n", "Contact: <tel:+12125550100>\r\n"};

	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		struct way *way = way_from(none[i], "192.0.2.1", TRUNK_UDP);
		assert_null(way_hop(way));
		assert_false(leads_to(way, "sip:192.0.2.1"));
		assert_true(way_comes_from(way, "192.0.2.1"));
		way_unref(&way);
	}
	assert_null(way_hop(NULL));
	assert_false(way_comes_from(NULL, "192.0.2.1"));
}

static void its_proxies_are_the_routes_and_the_contact_the_target(void **state)
{
	struct way *way = way_from("Record-Route: <sip:192.0.2.7;lr>, <sip:192.0.2.8;lr>\r\n"
				   "Contact: <sip:ann@10.0.0.1?Subject=x>\r\n",
				   "192.0.2.7", TRUNK_UDP);
	msg_t *msg = invite("Route: <sip:203.0.113.1;lr>\r\n");
	const sip_t *sip = sip_object(msg);

	assert_true(leads_to(way, "sip:192.0.2.7"));
	assert_false(leads_to(way, "sip:ann@10.0.0.1"));
	assert_int_equal(way_set(way, msg), 0);
	assert_string_equal(sip->sip_request->rq_url->url_host, "10.0.0.1");
	assert_null(sip->sip_request->rq_url->url_headers);
	assert_string_equal(sip->sip_route->r_url->url_host, "192.0.2.7");
	assert_string_equal(sip->sip_route->r_next->r_url->url_host, "192.0.2.8");
	assert_null(sip->sip_route->r_next->r_next);
	msg_destroy(msg);
	way_unref(&way);
}

static void an_end_that_moves_keeps_its_proxies_and_addresses(void **state)
{
	struct way *way = way_from("Contact: <sip:ann@192.0.2.1>\r\n", "192.0.2.9", TRUNK_UDP);
	msg_t *same = invite("Contact: <sip:ann@192.0.2.1>\r\n"), *other = invite("Contact: <sip:ann@192.0.2.2>\r\n");

	assert_null(way_moved(way, sip_object(same)->sip_contact));
	assert_null(way_moved(way, NULL));
	struct way *moved = way_moved(way, sip_object(other)->sip_contact);
	assert_true(leads_to(moved, "sip:ann@192.0.2.2"));
	assert_true(way_comes_from(moved, "192.0.2.9"));
	assert_false(way_same(way, moved));
	msg_destroy(same);
	msg_destroy(other);
	way_unref(&moved);
	way_unref(&way);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_contact_is_the_next_hop_where_no_proxy_is),
		cmocka_unit_test(a_uri_without_transport_has_that_of_its_dialog),
		cmocka_unit_test(addresses_are_compared_and_not_their_spelling),
		cmocka_unit_test(a_name_is_left_to_dns),
		cmocka_unit_test(an_end_without_a_contact_is_reached_by_nothing),
		cmocka_unit_test(its_proxies_are_the_routes_and_the_contact_the_target),
		cmocka_unit_test(an_end_that_moves_keeps_its_proxies_and_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
