/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/endpoint.h"
#include "api/openapi.h"
#include "api/resource.h"

static int found(const char *method, const char *target, struct request **r, const char **allow)
{
	*r = request_new(NULL, target);
	(*r)->method = request_method_parse(method);
	return endpoint_find(*r, allow);
}

static void paths_lead_to_their_endpoint_and_ids(void **state)
{
	struct request *r;
	const char *allow;

	(void)state;
	assert_int_equal(found("PATCH", "/v1/rate-decks/12/rates/345", &r, &allow), 0);
	assert_string_equal(r->parent, "12");
	assert_string_equal(r->id, "345");
	assert_ptr_equal(r->endpoint->resource, &rates);
	request_free(&r);
	assert_int_equal(found("HEAD", "/healthz", &r, &allow), 0);
	request_free(&r);
	assert_int_equal(found("GET", "/", &r, &allow), 0);
	assert_null(r->id);
	request_free(&r);
	assert_int_equal(found("GET", "/console/main.js", &r, &allow), 0);
	assert_string_equal(r->id, "main.js");
	request_free(&r);
	assert_int_equal(found("GET", "/v1/calls/events", &r, &allow), 0);
	assert_true(r->endpoint->flags & ENDPOINT_STREAM);
	request_free(&r);
	assert_int_equal(found("GET", "/v1/cdrs/0190b4a2-7b1c-7abc-8def-0123456789ab", &r, &allow), 0);
	request_free(&r);
}

static void unknown_paths_and_ids_that_are_none_are_not_found(void **state)
{
	static const char *const paths[] = {"/v1",
					    "/console",
					    "/console/.hidden",
					    "/v1/nothing",
					    "/v1/carriers/0",
					    "/v1/carriers/x",
					    "/v1/carriers/-1",
					    "/v1/carriers/01",
					    "/v1/carriers/99999999999999999999",
					    "/v1/carriers/1/trunks",
					    "/v1/cdrs/1",
					    "/v1/rate-decks/x/rates",
					    "/v1/carriersx",
					    "/v1/carrier"};
	struct request *r;
	const char *allow;

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		if (found("GET", paths[i], &r, &allow) != -ENOENT)
			fail_msg("%s was found", paths[i]);
		request_free(&r);
	}
}

static void a_wrong_method_is_told_the_right_ones(void **state)
{
	struct request *r;
	const char *allow;

	(void)state;
	assert_int_equal(found("PUT", "/v1/carriers/1", &r, &allow), -EPERM);
	assert_string_equal(allow, "GET, HEAD, PATCH, DELETE");
	request_free(&r);
	assert_int_equal(found("PATCH", "/v1/exchange-rates/1", &r, &allow), -EPERM);
	request_free(&r);
}

static void roles_stand_beside_and_above_each_other(void **state)
{
	(void)state;
	assert_true(auth_may(ROLE_ADMIN, ROLE_FINANCE));
	assert_true(auth_may(ROLE_FINANCE, ROLE_READONLY));
	assert_false(auth_may(ROLE_FINANCE, ROLE_PROVISIONING));
	assert_false(auth_may(ROLE_PROVISIONING, ROLE_FINANCE));
	assert_false(auth_may(ROLE_READONLY, ROLE_PROVISIONING));
	assert_false(auth_may(ROLE_FINANCE, ROLE_ADMIN));
}

static void only_a_bearer_key_is_a_key(void **state)
{
	(void)state;
	assert_string_equal(auth_header("Bearer tk_x"), "tk_x");
	assert_string_equal(auth_header("bearer  tk_x"), "tk_x");
	assert_null(auth_header("Basic dTpw"));
	assert_null(auth_header("Bearer "));
	assert_null(auth_header("Bearer a b"));
	assert_null(auth_header(NULL));
}

/* What a key bound to a carrier may reach is read only, and nothing of the whole system's. */
static void bound_keys_only_read(void **state)
{
	(void)state;
	for (int i = 0; i < endpoints_count; i++) {
		if (endpoints[i].flags & ENDPOINT_BOUND)
			assert_int_equal(endpoints[i].method, REQUEST_GET);
		if (strncmp(endpoints[i].path, "/v1/api-keys", 12) == 0)
			assert_int_equal(endpoints[i].role, ROLE_ADMIN);
	}
}

static void follow_refs(const json_t *all, const json_t *at)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_array(at))
		json_array_foreach(at, i, value) follow_refs(all, value);
	if (!json_is_object(at))
		return;
	json_object_foreach((json_t *)at, key, value)
	{
		if (strcmp(key, "$ref") != 0) {
			follow_refs(all, value);
			continue;
		}
		char path[200], *save = NULL;
		const json_t *target = all;
		snprintf(path, sizeof(path), "%s", json_string_value(value) + 2);
		for (char *part = strtok_r(path, "/", &save); part != NULL; part = strtok_r(NULL, "/", &save))
			target = json_object_get(target, part);
		if (target == NULL)
			fail_msg("%s leads nowhere", json_string_value(value));
	}
}

static void the_description_names_every_endpoint_and_leads_nowhere_wrong(void **state)
{
	static const char *const methods[] = {"get", "post", "patch", "delete"};
	char *text = openapi_make();
	json_t *all = json_loads(text, 0, NULL);

	(void)state;
	assert_non_null(all);
	for (int i = 0; i < endpoints_count; i++) {
		const json_t *op = json_object_get(json_object_get(json_object_get(all, "paths"), endpoints[i].path),
						   methods[endpoints[i].method]);
		assert_non_null(op);
		assert_non_null(json_object_get(op, "responses"));
		assert_non_null(json_object_get(op, "summary"));
	}
	follow_refs(all, all);
	json_decref(all);
	free(text);
}

/* Each example and default must be what the field itself takes. */
static void examples_and_defaults_are_good_values(void **state)
{
	(void)state;
	for (int i = 0; i < endpoints_count; i++) {
		const struct resource *res = endpoints[i].resource;
		for (int f = 0; res != NULL && f < res->n; f++) {
			const struct field *field = &res->fields[f];
			const char *texts[] = {field->example, field->fallback};
			for (int t = 0; t < 2; t++) {
				struct field one = *field;
				struct errors e = {NULL};
				if (texts[t] == NULL || field->type == FIELD_ANY)
					continue;
				json_t *value = json_loads(texts[t], JSON_DECODE_ANY, NULL);
				if (value == NULL)
					fail_msg("%s.%s: %s is not JSON", res->collection, field->name, texts[t]);
				one.flags &= ~(unsigned)FIELD_READ_ONLY;
				json_t *input = json_pack("{s:o}", field->name, value);
				json_decref(fields_check(&one, 1, input, NULL, &e));
				if (e.list != NULL)
					fail_msg("%s.%s does not take %s", res->collection, field->name, texts[t]);
				json_decref(input);
			}
			assert_non_null(field->meaning);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_lead_to_their_endpoint_and_ids),
		cmocka_unit_test(unknown_paths_and_ids_that_are_none_are_not_found),
		cmocka_unit_test(a_wrong_method_is_told_the_right_ones),
		cmocka_unit_test(roles_stand_beside_and_above_each_other),
		cmocka_unit_test(only_a_bearer_key_is_a_key),
		cmocka_unit_test(bound_keys_only_read),
		cmocka_unit_test(the_description_names_every_endpoint_and_leads_nowhere_wrong),
		cmocka_unit_test(examples_and_defaults_are_good_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
