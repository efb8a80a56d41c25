/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/buf.h"
#include "routing/ingress.h"
#include "routing/snapshot_priv.h"

/* Trunks 1.. of one carrier; each text is the members that differ */
static struct snapshot *snapshot_of(const char *const *trunks, int n)
{
	struct buf doc = {0};
	struct status st = {""};
	struct snapshot *s = NULL;
	json_error_t why;

	buf_puts(&doc, "{\"format\":1,\"version\":1,\"carriers\":[{\"id\":1,\"name\":\"c\",\"currency\":\"EUR\","
		       "\"active\":true}],\"trunks\":[");
	for (int i = 0; i < n; i++)
		buf_printf(
			&doc,
			"%s{\"id\":%d,\"carrier_id\":1,\"name\":\"t%d\",\"direction\":\"ingress\",\"enabled\":true,%s}",
			i > 0 ? "," : "", i + 1, i + 1, trunks[i]);
	buf_puts(&doc, "]}");
	json_t *document = json_loads(doc.text, 0, &why);
	if (document == NULL)
		fail_msg("%s in %s", why.text, doc.text);
	assert_int_equal(snapshot_make(document, NULL, 0, NULL, &s, &st), 0);
	json_decref(document);
	buf_free(&doc);
	return s;
}

static struct sockaddr_storage address_of(const char *text)
{
	struct sockaddr_storage out = {0};
	struct sockaddr_in *in4 = (struct sockaddr_in *)&out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out;
	if (inet_pton(AF_INET, text, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		return out;
	}
	assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
	in6->sin6_family = AF_INET6;
	return out;
}

/* How a request from that address came: by UDP unless said otherwise, to the first listener */
static struct ingress_from came(const struct sockaddr_storage *source)
{
	return (struct ingress_from){
		.source = (const struct sockaddr *)source, .transport = TRUNK_UDP, .listener = "udp:192.0.2.1:5060"};
}

static void assert_found(const struct snapshot *s, const char *address, enum trunk_transport transport,
			 const char *called, int64_t id)
{
	struct sockaddr_storage source = address_of(address);
	struct ingress_from from = came(&source);
	const struct trunk *t;
	from.transport = transport;
	enum ingress_verdict v = ingress_match(s, &from, called, &t);
	assert_int_equal(v, id != 0 ? INGRESS_FOUND : INGRESS_UNKNOWN);
	assert_int_equal(t != NULL ? t->id : 0, id);
}

static void the_longest_source_range_wins(void **state)
{
	const char *const trunks[] = {"\"source_cidrs\":[\"10.0.0.0/8\",\"192.0.2.7/32\"]",
				      "\"source_cidrs\":[\"10.1.0.0/16\"]", "\"source_cidrs\":[\"10.1.2.3\"]",
				      "\"source_cidrs\":[\"2001:db8::/32\",\"10.1.2.128/25\"]"};
	struct snapshot *s = snapshot_of(trunks, 4);

	assert_found(s, "10.9.9.9", TRUNK_UDP, "49", 1);
	assert_found(s, "10.1.9.9", TRUNK_UDP, "49", 2);
	assert_found(s, "10.1.2.3", TRUNK_UDP, "49", 3);
	assert_found(s, "10.1.2.4", TRUNK_UDP, "49", 2);
	assert_found(s, "10.1.2.200", TRUNK_UDP, "49", 4);
	assert_found(s, "192.0.2.7", TRUNK_UDP, "49", 1);
	assert_found(s, "192.0.2.8", TRUNK_UDP, "49", 0);
	assert_found(s, "2001:db8::1", TRUNK_UDP, "49", 4);
	assert_found(s, "2001:db9::1", TRUNK_UDP, "49", 0);
	assert_found(s, "::ffff:10.1.2.3", TRUNK_UDP, "49", 3);
	snapshot_unref(&s);
}

static void among_equal_ranges_the_longest_tech_prefix_then_the_enabled_then_the_lower_id(void **state)
{
	const char *const trunks[] = {"\"source_cidrs\":[\"10.0.0.1/32\"]",
				      "\"source_cidrs\":[\"10.0.0.1/32\"],\"tech_prefix\":\"99\"",
				      "\"source_cidrs\":[\"10.0.0.1/32\"],\"tech_prefix\":\"991\",\"enabled\":false",
				      "\"source_cidrs\":[\"10.0.0.1/32\"],\"tech_prefix\":\"99\"",
				      "\"source_cidrs\":[\"10.0.0.2/32\"],\"enabled\":false",
				      "\"source_cidrs\":[\"10.0.0.2/32\"]",
				      "\"source_cidrs\":[\"10.0.0.0/24\"],\"tech_prefix\":\"5\""};
	struct snapshot *s = snapshot_of(trunks, 7);

	assert_found(s, "10.0.0.1", TRUNK_UDP, "4930", 1);
	assert_found(s, "10.0.0.1", TRUNK_UDP, "994930", 2);
	assert_found(s, "10.0.0.1", TRUNK_UDP, "+994930", 2);
	assert_found(s, "10.0.0.1", TRUNK_UDP, "9914930", 3); /* disabled, but it is whose call this is */
	assert_found(s, "10.0.0.2", TRUNK_UDP, "4930", 6);
	assert_found(s, "10.0.0.3", TRUNK_UDP, "54930", 7);
	assert_found(s, "10.0.0.3", TRUNK_UDP, "4930", 0);
	snapshot_unref(&s);
}

static void a_trunk_of_one_transport_takes_no_other(void **state)
{
	const char *const trunks[] = {"\"source_cidrs\":[\"10.0.0.1/32\"],\"transport\":\"tls\"",
				      "\"source_cidrs\":[\"10.0.0.0/8\"]"};
	struct snapshot *s = snapshot_of(trunks, 2);
	assert_found(s, "10.0.0.1", TRUNK_TLS, "49", 1);
	assert_found(s, "10.0.0.1", TRUNK_UDP, "49", 2);
	snapshot_unref(&s);
}

static void a_trunk_of_one_listener_takes_nothing_of_another(void **state)
{
	const char *const trunks[] = {
		"\"source_cidrs\":[\"10.0.0.1/32\"],\"listen\":\"udp:192.0.2.2:5060\"",
		"\"source_cidrs\":[\"10.0.0.0/8\"],\"listen\":\"udp:192.0.2.1:5060\"",
		"\"username\":\"al\",\"source_cidrs\":[\"172.16.0.0/12\"],\"listen\":\"udp:192.0.2.2:5060\""};
	struct snapshot *s = snapshot_of(trunks, 3);
	struct sockaddr_storage ten = address_of("10.0.0.1"), al = address_of("172.16.0.1");
	struct ingress_from from_ten = came(&ten), from_al = came(&al);
	const struct trunk *t;

	assert_int_equal(ingress_match(s, &from_ten, "49", &t), INGRESS_FOUND);
	assert_int_equal(t->id, 2);
	assert_int_equal(ingress_match(s, &from_al, "49", &t), INGRESS_UNKNOWN);
	assert_false(ingress_challenges(s, &from_al));
	assert_null(ingress_by_user(s, &from_al, "al", "49"));
	from_ten.listener = from_al.listener = "udp:192.0.2.2:5060";
	assert_int_equal(ingress_match(s, &from_ten, "49", &t), INGRESS_FOUND);
	assert_int_equal(t->id, 1);
	assert_int_equal(ingress_match(s, &from_al, "49", &t), INGRESS_CHALLENGE);
	assert_int_equal(ingress_by_user(s, &from_al, "al", "49")->id, 3);
	snapshot_unref(&s);
}

static void a_digest_trunk_is_challenged_and_found_by_its_user(void **state)
{
	const char *const trunks[] = {"\"username\":\"bob\"", "\"username\":\"al\",\"source_cidrs\":[\"10.0.0.0/8\"]",
				      "\"username\":\"al\",\"source_cidrs\":[\"10.0.0.0/8\"],\"tech_prefix\":\"9\"",
				      "\"username\":\"al\",\"source_cidrs\":[\"10.1.0.0/16\"]"};
	struct snapshot *s = snapshot_of(trunks, 4);
	struct sockaddr_storage ten = address_of("10.0.0.1"), deep = address_of("10.1.0.1"),
				far = address_of("192.0.2.1");
	struct ingress_from from_ten = came(&ten), from_deep = came(&deep), from_far = came(&far);
	const struct trunk *t;

	assert_int_equal(ingress_match(s, &from_far, "49", &t), INGRESS_CHALLENGE);
	assert_null(t);
	assert_int_equal(ingress_by_user(s, &from_far, "bob", "49")->id, 1);
	assert_null(ingress_by_user(s, &from_far, "al", "49"));
	assert_null(ingress_by_user(s, &from_far, "eve", "49"));
	assert_int_equal(ingress_by_user(s, &from_ten, "al", "49")->id, 2);
	assert_int_equal(ingress_by_user(s, &from_ten, "al", "949")->id, 3);
	assert_int_equal(ingress_by_user(s, &from_deep, "al", "949")->id, 4);
	snapshot_unref(&s);
}

static void who_registers_is_found_whatever_the_tech_prefix(void **state)
{
	const char *const trunks[] = {
		"\"username\":\"al\",\"source_cidrs\":[\"10.0.0.0/8\"],\"tech_prefix\":\"9\",\"transport\":\"tcp\""};
	struct snapshot *s = snapshot_of(trunks, 1);
	struct sockaddr_storage ten = address_of("10.0.0.1"), far = address_of("192.0.2.1");
	struct ingress_from from_ten = came(&ten), from_far = came(&far);

	assert_null(ingress_by_user(s, &from_ten, "al", "49"));
	assert_int_equal(ingress_by_user(s, &from_ten, "al", NULL)->id, 1);
	assert_null(ingress_by_user(s, &from_far, "al", NULL));
	assert_false(ingress_challenges(s, &from_ten));
	from_ten.transport = from_far.transport = TRUNK_TCP;
	assert_true(ingress_challenges(s, &from_ten));
	assert_false(ingress_challenges(s, &from_far));
	snapshot_unref(&s);
}

static void a_disabled_digest_trunk_or_one_of_another_address_admits_nobody(void **state)
{
	const char *const trunks[] = {"\"username\":\"bob\",\"enabled\":false",
				      "\"username\":\"al\",\"source_cidrs\":[\"10.0.0.0/8\"]"};
	struct snapshot *s = snapshot_of(trunks, 2);
	assert_found(s, "192.0.2.1", TRUNK_UDP, "49", 0);
	snapshot_unref(&s);
}

static void a_bad_source_address_disables_its_trunk_alone(void **state)
{
	const char *const trunks[] = {"\"source_cidrs\":[\"10.0.0.1/33\",\"10.0.0.1/32\"]",
				      "\"source_cidrs\":[\"10.0.0.2/32\"]"};
	struct snapshot *s = snapshot_of(trunks, 2);
	assert_false(snapshot_trunk(s, 1)->enabled);
	assert_found(s, "10.0.0.2", TRUNK_UDP, "49", 2);
	snapshot_unref(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_source_range_wins),
		cmocka_unit_test(among_equal_ranges_the_longest_tech_prefix_then_the_enabled_then_the_lower_id),
		cmocka_unit_test(a_trunk_of_one_transport_takes_no_other),
		cmocka_unit_test(a_trunk_of_one_listener_takes_nothing_of_another),
		cmocka_unit_test(a_digest_trunk_is_challenged_and_found_by_its_user),
		cmocka_unit_test(who_registers_is_found_whatever_the_tech_prefix),
		cmocka_unit_test(a_disabled_digest_trunk_or_one_of_another_address_admits_nobody),
		cmocka_unit_test(a_bad_source_address_disables_its_trunk_alone),
	};
	return cmocka_run_group_tests_name("ingress", tests, NULL, NULL);
}
