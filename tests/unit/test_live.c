/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/live.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "tests/unit/fake_redis.h"

#define CALL_A "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
#define CALL_B "017f22e2-79b0-7cc3-98c4-dc0c0c073980"

static bool proxied;
static char nodes[1024], calls_of_one[2048], calls_of_two[1024];

static const char *reply(const char *command)
{
	if (strcmp(command, "HVALS {tandem}:nodes") == 0)
		return nodes;
	if (strcmp(command, "HVALS {tandem}:calls:one") == 0)
		return calls_of_one;
	if (strcmp(command, "HVALS {tandem}:calls:two") == 0)
		return calls_of_two;
	if (strcmp(command, "HGET {tandem}:calls:two " CALL_B) == 0)
		return proxied ? "$16\r\n{\"mode\":\"proxy\"}\r\n" : "$2\r\n{}\r\n";
	if (strncmp(command, "HGET", 4) == 0)
		return "$-1\r\n";
	if (strncmp(command, "XADD", 4) == 0)
		return "$3\r\n1-0\r\n";
	return "-ERR unknown command\r\n";
}

/* an array of bulk strings */
static void write_array(char *out, size_t size, const char *const *items, size_t n)
{
	size_t len = (size_t)snprintf(out, size, "*%zu\r\n", n);

	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(out + len, size - len, "$%zu\r\n%s\r\n", strlen(items[i]), items[i]);
	assert_true(len < size);
}

static void write_state(void)
{
	char now[CLOCK_TEXT_MAX], minute[CLOCK_TEXT_MAX], before[CLOCK_TEXT_MAX];
	char one[200], two[200], dead[200], a[600], b[300];
	int64_t now_us = clock_wall_us();

	clock_format(now_us, now);
	clock_format(now_us - 45500000, minute);
	clock_format(now_us - 90000000, before);
	snprintf(one, sizeof(one), "{\"node\":\"one\",\"at\":\"%s\"}", now);
	snprintf(two, sizeof(two), "{\"node\":\"two\",\"at\":\"%s\"}", now);
	snprintf(dead, sizeof(dead), "{\"node\":\"dead\",\"at\":\"%s\"}", minute);
	write_array(nodes, sizeof(nodes), (const char *const[]){two, dead, "no json", one}, 4);
	snprintf(a, sizeof(a),
		 "{\"id\":\"%s\",\"started_at\":\"%s\",\"answered_at\":\"%s\",\"cost_so_far\":null,\"_terms\":{"
		 "\"price_n\":600000000,\"initial_price_n\":600000000,\"connect_fee_n\":10000000,\"initial_s\":30,"
		 "\"increment_s\":30,\"grace_s\":0,\"rounding\":0,\"places\":6,\"duration_rounding\":0}}",
		 CALL_A, minute, minute);
	write_array(calls_of_one, sizeof(calls_of_one), (const char *const[]){a}, 1);
	snprintf(b, sizeof(b), "{\"id\":\"%s\",\"started_at\":\"%s\",\"answered_at\":null,\"cost_so_far\":null}",
		 CALL_B, before);
	write_array(calls_of_two, sizeof(calls_of_two), (const char *const[]){b}, 1);
}

static struct fake_redis *fake;
static struct redis *redis;

static int start(void **state)
{
	(void)state;
	fake = fake_redis_start(reply);
	redis = redis_new(fake_redis_url(fake), 30000);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	redis_free(&redis);
	fake_redis_stop(&fake);
	return 0;
}

static const char *text_of(const json_t *array, size_t i, const char *key)
{
	return json_string_value(json_object_get(json_array_get(array, i), key));
}

static void only_living_nodes_are_shown_by_name(void **state)
{
	struct status st = {""};
	json_t *list = NULL;

	(void)state;
	write_state();
	assert_int_equal(live_nodes(redis, &list, &st), 0);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(text_of(list, 0, "node"), "one");
	assert_string_equal(text_of(list, 1, "node"), "two");
	json_decref(list);
}

static void the_calls_of_all_nodes_come_oldest_first_with_their_cost(void **state)
{
	struct status st = {""};
	json_t *list = NULL;

	(void)state;
	write_state();
	assert_int_equal(live_calls(redis, &list, &st), 0);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(text_of(list, 0, "id"), CALL_B);
	assert_true(json_is_null(json_object_get(json_array_get(list, 0), "cost_so_far")));
	assert_string_equal(text_of(list, 1, "id"), CALL_A);
	assert_string_equal(text_of(list, 1, "cost_so_far"), "0.610000");
	assert_null(json_object_get(json_array_get(list, 1), "_terms"));
	json_decref(list);
}

static void a_hangup_goes_to_the_node_that_has_the_call(void **state)
{
	struct status st = {""};

	(void)state;
	write_state();
	assert_int_equal(live_hangup(redis, CALL_B, &st), 0);
	assert_non_null(strstr(fake_redis_asked(fake),
			       "XADD {tandem}:commands:two MAXLEN ~ 20000 * command hangup call " CALL_B "\n"));
	assert_null(strstr(fake_redis_asked(fake), "{tandem}:commands:one"));
}

static void a_proxied_call_is_not_told(void **state)
{
	struct status st = {""};

	(void)state;
	write_state();
	proxied = true;
	assert_int_equal(live_hangup(redis, CALL_B, &st), -EPERM);
	proxied = false;
	assert_null(strstr(fake_redis_asked(fake), "XADD"));
}

static void a_call_that_nobody_has_is_told(void **state)
{
	struct status st = {""};

	(void)state;
	write_state();
	assert_int_equal(live_hangup(redis, "017f22e2-79b0-7cc3-98c4-000000000000", &st), -ENOENT);
	assert_int_equal(live_hangup(redis, "x * command", &st), -ENOENT);
	assert_null(strstr(fake_redis_asked(fake), "XADD"));
}

static void an_error_of_redis_is_handed_on(void **state)
{
	struct status st = {""};
	json_t *list = NULL;

	(void)state;
	snprintf(nodes, sizeof(nodes), "-WRONGTYPE of key\r\n");
	assert_int_equal(live_calls(redis, &list, &st), -EIO);
	assert_non_null(strstr(st.text, "WRONGTYPE"));
	assert_null(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_living_nodes_are_shown_by_name, start, stop),
		cmocka_unit_test_setup_teardown(the_calls_of_all_nodes_come_oldest_first_with_their_cost, start, stop),
		cmocka_unit_test_setup_teardown(a_hangup_goes_to_the_node_that_has_the_call, start, stop),
		cmocka_unit_test_setup_teardown(a_proxied_call_is_not_told, start, stop),
		cmocka_unit_test_setup_teardown(a_call_that_nobody_has_is_told, start, stop),
		cmocka_unit_test_setup_teardown(an_error_of_redis_is_handed_on, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
