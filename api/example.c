/* SPDX-License-Identifier: Apache-2.0 */
#include "api/example.h"

#include <string.h>

#define A_TIME "2026-05-01T12:00:00.000Z"
#define A_UUID "01990a5c-7c1e-7a3f-9d52-8f1b6c0e4d21"

static json_t *object_example(const struct field *fields, int n, bool input)
{
	json_t *object = json_object();

	for (int i = 0; i < n; i++)
		if (!(fields[i].flags & (input ? FIELD_READ_ONLY : FIELD_WRITE_ONLY)))
			json_object_set_new(object, fields[i].name, example_of_field(&fields[i], input));
	return object;
}

static json_t *list_example(const struct field *item, bool input)
{
	json_t *list = json_array();

	json_array_append_new(list, example_of_field(item, input));
	return list;
}

json_t *example_of_field(const struct field *f, bool input)
{
	if (f->example != NULL)
		return json_loads(f->example, JSON_DECODE_ANY, NULL);
	switch (f->type) {
	case FIELD_BOOL:
		return f->fallback != NULL ? json_loads(f->fallback, JSON_DECODE_ANY, NULL) : json_true();
	case FIELD_CHOICE:
		return json_string(f->choices[0]);
	case FIELD_TIME:
		return json_string(A_TIME);
	case FIELD_UUID:
		return json_string(A_UUID);
	case FIELD_ID:
		return json_integer(1);
	case FIELD_CODES:
		return json_pack("{s:i}", "503", 480);
	case FIELD_LIST:
		return list_example(f->item, input);
	case FIELD_OBJECT:
		return object_example(f->item, f->items, input);
	case FIELD_ANY:
		return f->item != NULL ? list_example(f->item, input) : NULL;
	default:
		return NULL;
	}
}

/* Free text by the parameter's name. */
static json_t *text_example(const char *name)
{
	static const char *const texts[][2] = {
		{"action", "update"}, {"actor", "ops"}, {"currency", "EUR"}, {"destination", "UK London"},
		{"from", "EUR"},      {"name", "ACME"}, {"node", "sw1"},     {"resource", "trunks"},
		{"resource_id", "1"}, {"to", "USD"},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (strcmp(texts[i][0], name) == 0)
			return json_string(texts[i][1]);
	return NULL;
}

json_t *example_of_param(const struct param_rule *rule)
{
	switch (rule->type) {
	case PARAM_TEXT:
		return text_example(rule->name);
	case PARAM_NUMBER:
		return json_string("442071234567");
	case PARAM_DIGITS:
		return json_string("4420");
	case PARAM_ID:
		return json_integer(1);
	case PARAM_INT:
		return json_integer(200);
	case PARAM_BOOL:
		return json_true();
	case PARAM_TIME:
		return json_string(A_TIME);
	case PARAM_UUID:
		return json_string(A_UUID);
	case PARAM_CHOICE:
	case PARAM_CHOICES:
		return json_string(rule->choices[0]);
	}
	return NULL;
}
