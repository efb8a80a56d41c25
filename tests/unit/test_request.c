/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "api/endpoint.h"
#include "api/request.h"

static struct request *body_of(const char *text)
{
	struct request *r = request_new(NULL, "/v1/carriers");

	r->method = REQUEST_POST;
	buf_puts(&r->body, text);
	return r;
}

static void a_target_is_taken_apart_and_its_escapes_undone(void **state)
{
	struct request *r = request_new(NULL, "/v1/rate%2Ddecks/7?called=%2B49&name=a+b&x");

	(void)state;
	assert_false(r->bad_target);
	assert_string_equal(r->path, "/v1/rate%2Ddecks/7");
	assert_int_equal(r->segments, 3);
	assert_string_equal(r->segment[1], "rate-decks");
	assert_string_equal(request_param(r, "called"), "+49");
	assert_string_equal(request_param(r, "name"), "a b");
	assert_string_equal(request_param(r, "x"), "");
	assert_null(request_param(r, "y"));
	request_free(&r);
}

static void crooked_targets_are_noticed(void **state)
{
	static const char *const bad[] = {"/v1/%zz", "/v1/a%00b",	   "/v1//carriers", "/v1/carriers/",
					  "v1",	     "/a/b/c/d/e/f/g/h/i", "/v1/cdrs?a=%2", "/v1/x%0ay"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct request *r = request_new(NULL, bad[i]);
		assert_true(r->bad_target);
		request_free(&r);
	}
}

static void a_body_must_be_one_json_object(void **state)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{"", 400},    {"{", 400},     {"{\"a\":1}x", 400}, {"{\"a\":1,\"a\":2}", 400},
		{"[1]", 422}, {"\"a\"", 422}, {"\xff\xfe", 400},   {"{\"a\":\"\xc3\x28\"}", 400},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct request *r = body_of(cases[i].text);
		assert_null(request_json(r));
		assert_int_equal(r->answer.status, cases[i].status);
		assert_string_equal(r->answer.type, "application/problem+json");
		request_free(&r);
	}
}

/* Their fields refuse them: an id that nobody has, a fraction, a control character. */
static void what_json_cannot_hold_becomes_what_its_field_refuses(void **state)
{
	struct request *r = body_of("{\"a\":99999999999999999999,\"b\":-99999999999999999999,\"c\":[1e999],"
				    "\"d\":\"x\\u0000\",\"e\":\"\\\\u0000 99999999999999999999\",\"f\":7}");
	json_t *value = request_json(r);

	(void)state;
	assert_non_null(value);
	assert_true(json_integer_value(json_object_get(value, "a")) == INT64_MAX);
	assert_true(json_integer_value(json_object_get(value, "b")) == -INT64_MAX);
	assert_true(json_is_real(json_array_get(json_object_get(value, "c"), 0)));
	assert_string_equal(json_string_value(json_object_get(value, "d")), "x\x01");
	assert_string_equal(json_string_value(json_object_get(value, "e")), "\\u0000 99999999999999999999");
	assert_int_equal(json_integer_value(json_object_get(value, "f")), 7);
	json_decref(value);
	request_free(&r);
}

static void nesting_has_a_limit(void **state)
{
	struct request *r;
	struct buf deep = {0};

	(void)state;
	buf_puts(&deep, "{\"a\":");
	for (int i = 0; i < REQUEST_JSON_DEPTH_MAX; i++)
		buf_putc(&deep, '[');
	r = body_of(deep.text);
	assert_null(request_json(r));
	assert_int_equal(r->answer.status, 400);
	assert_non_null(strstr(r->answer.body.text, "nests deeper"));
	request_free(&r);
	buf_free(&deep);
	r = body_of("{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[\\\"[[\"}"); /* brackets in a string are text */
	json_t *ok = request_json(r);
	assert_non_null(ok);
	json_decref(ok);
	request_free(&r);
}

static const struct param_rule rules[] = {{"called", PARAM_NUMBER, NULL, ""},
					  {"from", PARAM_TIME, NULL, ""},
					  {"trunk_id", PARAM_ID, NULL, ""},
					  {"answered", PARAM_BOOL, NULL, ""}};
static const struct params params = {rules, 4};

static int checked(const char *query, const char *values[], struct listing *listing)
{
	static struct endpoint e = {.path = "/v1/cdrs"};
	char target[300] = "/v1/cdrs?";

	strcat(target, query);
	struct request *r = request_new(NULL, target);
	r->endpoint = &e;
	int status = params_check(r, &params, values, listing) == 0 ? 0 : r->answer.status;
	for (int i = 0; i < 4; i++)
		values[i] = values[i] != NULL ? strdup(values[i]) : NULL;
	request_free(&r);
	return status;
}

static void release(const char *values[])
{
	for (int i = 0; i < 4; i++)
		free((char *)values[i]);
}

static void query_parameters_follow_their_table(void **state)
{
	const char *values[PARAMS_MAX];
	struct listing listing;

	(void)state;
	assert_int_equal(
		checked("called=+49&from=2026-01-01T00:00:00+01:00&trunk_id=7&answered=true&limit=5", values, &listing),
		0);
	assert_string_equal(values[0], "+49");
	assert_string_equal(values[1], "2025-12-31T23:00:00.000Z");
	assert_string_equal(values[2], "7");
	assert_int_equal(listing.limit, 5);
	release(values);
}

static void bad_query_parameters_are_a_400(void **state)
{
	static const char *const bad[] = {"nothing=1",	      "trunk_id=0", "trunk_id=x", "trunk_id=1&trunk_id=2",
					  "answered=yes",     "from=now",   "limit=1001", "limit=0",
					  "cursor=abc",	      "cursor=",    "called=",	  "trunk_id=+7",
					  "cursor=L3YxL3gKMQ"};
	const char *values[PARAMS_MAX];
	struct listing listing;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (checked(bad[i], values, &listing) != 400)
			fail_msg("%s was taken", bad[i]);
		release(values);
	}
}

static void a_cursor_is_only_good_for_its_own_list(void **state)
{
	static struct endpoint here = {.path = "/v1/carriers"}, there = {.path = "/v1/trunks"};
	struct request *r = request_new(NULL, "/v1/carriers");
	struct listing listing;
	char target[200];

	(void)state;
	r->endpoint = &here;
	snprintf(target, sizeof(target), "/v1/x?cursor=%s", params_cursor(r, "4930:17"));
	struct request *next = request_new(NULL, target);
	next->endpoint = &here;
	assert_int_equal(params_check(next, NULL, NULL, &listing), 0);
	assert_string_equal(listing.cursor, "4930:17");
	next->endpoint = &there;
	assert_int_equal(params_check(next, NULL, NULL, &listing), -1);
	assert_int_equal(next->answer.status, 400);
	request_free(&next);
	request_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_is_taken_apart_and_its_escapes_undone),
		cmocka_unit_test(crooked_targets_are_noticed),
		cmocka_unit_test(a_body_must_be_one_json_object),
		cmocka_unit_test(what_json_cannot_hold_becomes_what_its_field_refuses),
		cmocka_unit_test(nesting_has_a_limit),
		cmocka_unit_test(query_parameters_follow_their_table),
		cmocka_unit_test(bad_query_parameters_are_a_400),
		cmocka_unit_test(a_cursor_is_only_good_for_its_own_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
