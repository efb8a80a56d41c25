/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/resource.h"

/* The object that input makes of before; *errors becomes "field: message" lines. */
static json_t *made(const struct resource *res, const char *input, const char *before, char errors[static 2000])
{
	struct errors e = {NULL};
	json_t *in = json_loads(input, 0, NULL), *old = before != NULL ? json_loads(before, 0, NULL) : NULL, *one;
	size_t i, used = 0;

	assert_non_null(in);
	json_t *out = fields_check(res->fields, res->n, in, old, &e);
	if (e.list == NULL && res->check != NULL)
		res->check(out, &e);
	errors[0] = '\0';
	json_array_foreach(e.list, i, one) used += (size_t)snprintf(errors + used, 2000 - used, "%s: %s\n",
								    json_string_value(json_object_get(one, "field")),
								    json_string_value(json_object_get(one, "message")));
	json_decref(e.list);
	json_decref(in);
	json_decref(old);
	return out;
}

static void assert_refused(const struct resource *res, const char *input, const char *expected)
{
	char errors[2000];

	json_decref(made(res, input, NULL, errors));
	assert_string_equal(errors, expected);
}

static void assert_value(const json_t *object, const char *name, const char *json)
{
	json_t *expected = json_loads(json, JSON_DECODE_ANY, NULL);
	char *has = json_dumps(json_object_get(object, name), JSON_ENCODE_ANY | JSON_COMPACT);

	if (!json_equal(expected, json_object_get(object, name)))
		fail_msg("%s is %s, not %s", name, has, json);
	free(has);
	json_decref(expected);
}

static void absent_fields_stand_at_their_defaults(void **state)
{
	char errors[2000];
	json_t *c = made(&carriers, "{\"name\":\"Acme\",\"currency\":\"EUR\"}", NULL, errors);

	(void)state;
	assert_string_equal(errors, "");
	assert_value(c, "status", "\"active\"");
	assert_value(c, "billing_mode", "\"postpaid\"");
	assert_value(c, "credit_limit", "null");
	assert_value(c, "timezone", "\"UTC\"");
	assert_null(json_object_get(c, "id"));
	json_decref(c);
}

static void each_wrong_field_is_named_with_its_reason(void **state)
{
	(void)state;
	assert_refused(&carriers,
		       "{\"name\":\" "
		       "\",\"currency\":\"EURO\",\"credit_limit\":5,\"max_cps\":\"1\",\"x\":1,\"status\":\"gone\"}",
		       "x: is not a field of this resource\n"
		       "name: must not be blank\n"
		       "currency: must have 3 to 3 characters\n"
		       "status: must be one of: active, suspended\n"
		       "credit_limit: must be a decimal in a string, like \"0.012500\"\n"
		       "max_cps: must be an integer\n");
	assert_refused(&carriers, "{}", "name: is required\ncurrency: is required\n");
	assert_refused(&carriers, "{\"name\":null,\"currency\":\"eur\"}",
		       "name: is required\ncurrency: must be an ISO 4217 currency code, like \"EUR\"\n");
	assert_refused(&carriers, "{\"name\":\"a\",\"currency\":\"E R\"}",
		       "currency: must be an ISO 4217 currency code, like \"EUR\"\n");
	assert_refused(&carriers, "{\"name\":\"a\",\"currency\":\"EUR\",\"balance\":\"1.000000\"}",
		       "balance: is read only\n");
}

static void money_is_text_of_up_to_nine_decimals(void **state)
{
	static const struct {
		const char *price, *stands, *error;
	} cases[] = {
		{"\"0.0125\"", "\"0.012500\"", NULL},
		{"\"0.000000001\"", "\"0.000000001\"", NULL},
		{"\"0\"", "\"0.000000\"", NULL},
		{"\"-1\"", NULL, "price: must not be negative\n"},
		{"0.0125", NULL, "price: must be a decimal in a string, like \"0.012500\"\n"},
		{"\"0.0000000001\"", NULL, "price: must have at most 9 decimals\n"},
		{"\"1e3\"", NULL, "price: must be a decimal in a string, like \"0.012500\"\n"},
		{"\"\"", NULL, "price: must be a decimal in a string, like \"0.012500\"\n"},
		{"\"1000000000\"", NULL, "price: must be 0 to 999999999\n"},
		{"\"99999999999999999999\"", NULL, "price: must be 0 to 999999999\n"},
		{"null", NULL, "price: is required\n"},
	};
	char input[200], errors[2000];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(input, sizeof(input), "{\"prefix\":\"49\",\"price\":%s}", cases[i].price);
		json_t *rate = made(&rates, input, NULL, errors);
		assert_string_equal(errors, cases[i].error != NULL ? cases[i].error : "");
		if (cases[i].stands != NULL)
			assert_value(rate, "price", cases[i].stands);
		json_decref(rate);
	}
	assert_refused(&carriers, "{\"name\":\"a\",\"currency\":\"EUR\",\"credit_limit\":\"-1\"}",
		       "credit_limit: must not be negative\n");
}

static void exchange_rates_take_twelve_decimals(void **state)
{
	char errors[2000];
	json_t *e =
		made(&exchange_rates, "{\"from\":\"USD\",\"to\":\"EUR\",\"rate\":\"0.123456789012\"}", NULL, errors);

	(void)state;
	assert_string_equal(errors, "");
	assert_value(e, "rate", "\"0.123456789012\"");
	json_decref(e);
	assert_refused(&exchange_rates, "{\"from\":\"USD\",\"to\":\"EUR\",\"rate\":\"0.1234567890123\"}",
		       "rate: must have at most 12 decimals\n");
	assert_refused(&exchange_rates, "{\"from\":\"USD\",\"to\":\"EUR\",\"rate\":\"0.000\"}",
		       "rate: must be greater than 0 and less than 10^12\n");
	assert_refused(&exchange_rates, "{\"from\":\"USD\",\"to\":\"USD\",\"rate\":\"1\"}",
		       "to: must be another currency than from\n");
}

static void times_are_normalised(void **state)
{
	char errors[2000];
	json_t *rate =
		made(&rates, "{\"prefix\":\"49\",\"price\":\"1\",\"effective_from\":\"2026-01-31T02:00:00+02:00\"}",
		     NULL, errors);

	(void)state;
	assert_string_equal(errors, "");
	assert_value(rate, "effective_from", "\"2026-01-31T00:00:00.000Z\"");
	json_decref(rate);
	assert_refused(&rates, "{\"prefix\":\"49\",\"price\":\"1\",\"effective_from\":\"2026-02-30T00:00:00Z\"}",
		       "effective_from: must be a time as RFC 3339 has it, like \"2026-01-31T00:00:00.000Z\"\n");
	assert_refused(
		&rates,
		"{\"prefix\":\"49\",\"price\":\"1\",\"effective_from\":\"2026-02-02\",\"effective_to\":\"2026-02-01\"}",
		"effective_to: must not be before effective_from\n");
}

static void a_patch_merges_and_null_resets(void **state)
{
	static const char before[] =
		"{\"id\":1,\"name\":\"d\",\"side\":\"sell\",\"currency\":\"EUR\",\"default_initial\":30,"
		"\"rounding\":{\"mode\":\"up\",\"places\":4},\"version\":3}";
	char errors[2000];
	json_t *d = made(&rate_decks, "{\"rounding\":{\"places\":2},\"default_initial\":null}", before, errors);

	(void)state;
	assert_string_equal(errors, "");
	assert_value(d, "rounding", "{\"mode\":\"up\",\"places\":2}");
	assert_value(d, "default_initial", "1");
	assert_value(d, "name", "\"d\"");
	json_decref(d);
	json_decref(made(&rate_decks, "{\"version\":4,\"id\":1}", before, errors));
	assert_string_equal(errors, "version: is read only\n");
}

static void what_is_set_once_cannot_be_changed(void **state)
{
	static const char before[] =
		"{\"prefix\":\"49\",\"price\":\"0.010000\",\"effective_from\":\"2026-01-01T00:00:00.000Z\"}";
	char errors[2000];

	(void)state;
	json_decref(made(&rates, "{\"prefix\":\"48\"}", before, errors));
	assert_string_equal(errors, "prefix: cannot be changed\n");
	json_decref(made(&rates, "{\"prefix\":\"49\",\"effective_from\":\"2026-01-01\",\"price\":\"0.02\"}", before,
			 errors));
	assert_string_equal(errors, "");
	json_decref(made(&carriers, "{\"currency\":\"USD\"}", "{\"name\":\"a\",\"currency\":\"EUR\"}", errors));
	assert_string_equal(errors, "currency: cannot be changed\n");
}

static void a_trunk_takes_the_fields_of_its_direction(void **state)
{
	char errors[2000];

	(void)state;
	assert_refused(
		&trunks,
		"{\"carrier_id\":1,\"name\":\"t\",\"direction\":\"ingress\",\"host\":\"a.example\",\"port\":5060}",
		"host: is only for egress trunks\nport: is only for egress trunks\n");
	assert_refused(&trunks,
		       "{\"carrier_id\":1,\"name\":\"t\",\"direction\":\"egress\",\"host\":\"a.example\",\"source_"
		       "cidrs\":[\"10.0.0.0/8\"],"
		       "\"mode\":\"proxy\"}",
		       "source_cidrs: is only for ingress trunks\nmode: is only for ingress trunks\n");
	assert_refused(&trunks, "{\"carrier_id\":1,\"name\":\"t\",\"direction\":\"egress\"}",
		       "host: is required unless registered_as is set\n");
	assert_refused(&trunks, "{\"carrier_id\":1,\"name\":\"t\",\"direction\":\"ingress\",\"password\":\"x\"}",
		       "password: needs a username\n");
	json_decref(made(&trunks,
			 "{\"carrier_id\":1,\"name\":\"t\",\"direction\":\"egress\",\"host\":\"a.example\",\"stop_"
			 "codes\":[486,404],"
			 "\"translations\":[{\"number\":\"called\",\"match\":\"^00(.*)$\",\"replace\":\"$1\"}]}",
			 NULL, errors));
	assert_string_equal(errors, "");
}

static void networks_codes_and_patterns_are_checked(void **state)
{
	(void)state;
	assert_refused(
		&trunks,
		"{\"carrier_id\":1,\"name\":\"t\",\"direction\":\"ingress\",\"source_cidrs\":[\"10.0.0.1/"
		"24\",\"10.0.0.0/33\","
		"\"x\",\"2001:db8::/32\",\"192.0.2.1\",\"2001:db8::1/64\",7],\"code_map\":{\"503\":200,\"99\":480}}",
		"source_cidrs[0]: has bits set beyond /24; the network is 10.0.0.0/24\n"
		"source_cidrs[1]: must be an address or a network, like \"192.0.2.0/24\"\n"
		"source_cidrs[2]: must be an address or a network, like \"192.0.2.0/24\"\n"
		"source_cidrs[5]: has bits set beyond /64; the network is 2001:db8::/64\n"
		"source_cidrs[6]: must be a string\n"
		"code_map: 503 must become a SIP code 300 to 699\n"
		"code_map: each key must be a SIP code 300 to 699\n");
	assert_refused(
		&trunks,
		"{\"carrier_id\":1,\"name\":\"t\",\"direction\":\"egress\",\"host\":\"10.0.0\",\"stop_codes\":[200],"
		"\"translations\":[{\"number\":\"caller\",\"match\":\"a\"}]}",
		"translations[0].number: must be one of: called, calling\n"
		"translations[0].replace: is required\n"
		"host: must be an address or a host name, without a port\n"
		"stop_codes[0]: must be 300 to 699\n");
}

static void schedules_have_days_and_times(void **state)
{
	(void)state;
	assert_refused(
		&rates,
		"{\"prefix\":\"49\",\"price\":\"1\",\"schedule\":[{\"days\":[0],\"from\":\"8:00\",\"to\":\"24:00\"},"
		"{\"days\":[],\"from\":\"08:00\",\"to\":\"24:30\"}]}",
		"schedule[0].days[0]: must be 1 to 7\n"
		"schedule[0].from: must have 5 to 5 characters\n"
		"schedule[1].days: must have 1 to 7 elements\n"
		"schedule[1].to: must be a time of day, \"HH:MM\"\n");
}

static void secrets_are_hidden_and_masked(void **state)
{
	json_t *t = json_loads("{\"name\":\"t\",\"password\":\"s3cret\",\"min_margin\":\"1.000000\"}", 0, NULL);
	json_t *log = json_deep_copy(t);

	(void)state;
	fields_mask(trunks.fields, trunks.n, log);
	assert_value(log, "password", "\"***\"");
	fields_hide(trunks.fields, trunks.n, t, false);
	assert_null(json_object_get(t, "password"));
	assert_non_null(json_object_get(t, "min_margin"));
	fields_hide(trunks.fields, trunks.n, t, true);
	assert_null(json_object_get(t, "min_margin"));
	json_decref(log);
	json_decref(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(absent_fields_stand_at_their_defaults),
		cmocka_unit_test(each_wrong_field_is_named_with_its_reason),
		cmocka_unit_test(money_is_text_of_up_to_nine_decimals),
		cmocka_unit_test(exchange_rates_take_twelve_decimals),
		cmocka_unit_test(times_are_normalised),
		cmocka_unit_test(a_patch_merges_and_null_resets),
		cmocka_unit_test(what_is_set_once_cannot_be_changed),
		cmocka_unit_test(a_trunk_takes_the_fields_of_its_direction),
		cmocka_unit_test(networks_codes_and_patterns_are_checked),
		cmocka_unit_test(schedules_have_days_and_times),
		cmocka_unit_test(secrets_are_hidden_and_masked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
