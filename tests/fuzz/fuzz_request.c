/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_request.c - a request to the API: its target on the first line, its body after it. What a resource's fields
 * accept is accepted again as it came out.
 */
#include <stdlib.h>
#include <string.h>

#include "api/endpoint.h"
#include "api/fields.h"
#include "api/request.h"
#include "tests/fuzz/fuzz.h"

static const char *const kinds[] = {"called", "calling", NULL};
static const struct field inner[] = {
	{"number", FIELD_CHOICE, FIELD_REQUIRED, .choices = kinds},
	{"match", FIELD_TEXT, FIELD_REQUIRED, .min = 1, .max = 200},
	{"days", FIELD_LIST, .min = 0, .max = 7, .item = &(const struct field){NULL, FIELD_INT, .min = 1, .max = 7}},
};
static const struct field one_inner = {NULL, FIELD_OBJECT, .item = inner, .items = 3};
static const struct field fields[] = {
	{"name", FIELD_TEXT, FIELD_REQUIRED, .min = 1, .max = 100},
	{"prefix", FIELD_DIGITS, FIELD_NULLABLE, .min = 1, .max = 32},
	{"channels", FIELD_INT, FIELD_NULLABLE, .min = 0, .max = 1000000},
	{"enabled", FIELD_BOOL, .fallback = "true"},
	{"price", FIELD_MONEY, .fallback = "\"0.000000\""},
	{"rate", FIELD_DECIMAL, .flags = FIELD_NULLABLE},
	{"at", FIELD_TIME, .flags = FIELD_NULLABLE},
	{"deck_id", FIELD_ID, FIELD_NULLABLE, .refers = "rate-decks"},
	{"call", FIELD_UUID, .flags = FIELD_NULLABLE},
	{"translations", FIELD_LIST, .fallback = "[]", .max = 8, .item = &one_inner},
	{"code_map", FIELD_CODES, .fallback = "{}"},
	{"password", FIELD_TEXT, FIELD_WRITE_ONLY | FIELD_NULLABLE, .min = 1, .max = 64},
};
enum { FIELDS = sizeof fields / sizeof *fields };

static void body_check(const json_t *body)
{
	struct errors first = {0}, second = {0};
	json_t *object = fields_check(fields, FIELDS, body, NULL, &first);

	if (!first.list) {
		json_t *again = fields_check(fields, FIELDS, object, NULL, &second);
		fuzz_must(!second.list && json_equal(object, again));
		json_decref(again);
		fields_mask(fields, FIELDS, object);
		fields_hide(fields, FIELDS, object, true);
		fuzz_must(!json_object_get(object, "password"));
	}
	json_decref(object);
	json_decref(first.list);
	json_decref(second.list);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const uint8_t *end = len ? memchr(bytes, '\n', len) : NULL;
	size_t first = end ? (size_t)(end - bytes) : len;
	char *target = fuzz_text(bytes, first);
	struct request *r = request_new(NULL, target);

	free(target);
	for (int i = 0; i < r->segments; i++)
		fuzz_must(r->segment[i]);
	request_param(r, "called");
	r->method = REQUEST_POST;
	if (end)
		buf_append(&r->body, (const char *)end + 1, len - first - 1);
	json_t *body = request_json(r);
	fuzz_must((body == NULL) == (r->answer.status >= 400));
	if (body)
		body_check(body);
	json_decref(body);
	request_free(&r);
	return 0;
}
