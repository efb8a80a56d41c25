/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openapi.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/endpoint.h"
#include "api/example.h"
#include "api/handlers.h"
#include "api/packed.h"
#include "api/resource.h"
#include "api/service.h"
#include "api/unit.h"
#include "config.h"

#define JSON_BODY "application/json"

static json_t *field_schema(const struct field *f, bool input);

static json_t *ref(const char *kind, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "#/components/%s/%s", kind, name);
	return json_pack("{s:s}", "$ref", path);
}

/* A POST that needs no field may come without a body. */
static bool body_needed(const struct endpoint *e)
{
	for (int i = 0; i < e->resource->n; i++)
		if (e->resource->fields[i].flags & FIELD_REQUIRED)
			return true;
	return e->method == REQUEST_PATCH;
}

static json_t *object_schema(const struct field *fields, int n, bool input, bool patch)
{
	json_t *schema = json_pack("{s:s, s:b}", "type", "object", "additionalProperties", !input);
	json_t *properties = json_object(), *required = json_array();

	for (int i = 0; i < n; i++) {
		const struct field *f = &fields[i];
		if (f->flags & (input ? FIELD_READ_ONLY : FIELD_WRITE_ONLY))
			continue;
		json_object_set_new(properties, f->name, field_schema(f, input));
		if (input && !patch && (f->flags & FIELD_REQUIRED))
			json_array_append_new(required, json_string(f->name));
	}
	json_object_set_new(schema, "properties", properties);
	if (json_array_size(required) > 0)
		json_object_set(schema, "required", required);
	json_decref(required);
	return schema;
}

static void set_limits(json_t *schema, const struct field *f, const char *low, const char *high)
{
	if (f->min == 0 && f->max == 0)
		return;
	json_object_set_new(schema, low, json_integer(f->min));
	if (f->max != 0)
		json_object_set_new(schema, high, json_integer(f->max));
}

static json_t *choice_schema(const struct field *f)
{
	json_t *values = json_array();

	for (const char *const *c = f->choices; *c != NULL; c++)
		json_array_append_new(values, json_string(*c));
	if (f->flags & FIELD_NULLABLE)
		json_array_append_new(values, json_null());
	return json_pack("{s:s, s:o}", "type", "string", "enum", values);
}

static json_t *type_schema(const struct field *f, bool input)
{
	json_t *schema;

	switch (f->type) {
	case FIELD_TEXT:
		schema = json_pack("{s:s}", "type", "string");
		set_limits(schema, f, "minLength", "maxLength");
		return schema;
	case FIELD_DIGITS:
		schema = json_pack("{s:s, s:s}", "type", "string", "pattern", f->min > 0 ? "^[0-9]+$" : "^[0-9]*$");
		set_limits(schema, f, "minLength", "maxLength");
		return schema;
	case FIELD_INT:
		schema = json_pack("{s:s}", "type", "integer");
		set_limits(schema, f, "minimum", "maximum");
		return schema;
	case FIELD_ID:
		return json_pack("{s:s, s:i, s:s}", "type", "integer", "minimum", 1, "format", "int64");
	case FIELD_NUMBER:
		return json_pack("{s:s}", "type", "number");
	case FIELD_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case FIELD_MONEY:
		return json_pack("{s:s, s:s, s:s}", "type", "string", "format", "decimal", "pattern",
				 "^-?[0-9]+(\\.[0-9]{1,9})?$");
	case FIELD_DECIMAL:
		return json_pack("{s:s, s:s, s:s}", "type", "string", "format", "decimal", "pattern",
				 "^[0-9]+(\\.[0-9]{1,12})?$");
	case FIELD_CHOICE:
		return choice_schema(f);
	case FIELD_TIME:
		return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
	case FIELD_UUID:
		return json_pack("{s:s, s:s}", "type", "string", "format", "uuid");
	case FIELD_LIST:
		schema = json_pack("{s:s, s:o}", "type", "array", "items", field_schema(f->item, input));
		set_limits(schema, f, "minItems", "maxItems");
		return schema;
	case FIELD_OBJECT:
		return object_schema(f->item, f->items, input, false);
	case FIELD_CODES:
		return json_loads("{\"type\":\"object\",\"propertyNames\":{\"pattern\":\"^[3-6][0-9]{2}$\"},"
				  "\"additionalProperties\":{\"type\":\"integer\",\"minimum\":300,\"maximum\":699}}",
				  0, NULL);
	case FIELD_ANY:
		break;
	}
	if (f->item != NULL) /* a count in lists, the elements in one object's answer */
		return json_pack("{s:[{s:s}, {s:s, s:o}]}", "oneOf", "type", "integer", "type", "array", "items",
				 field_schema(f->item, input));
	return json_object();
}

static json_t *field_schema(const struct field *f, bool input)
{
	json_t *schema = type_schema(f, input);
	const json_t *type = json_object_get(schema, "type");

	if ((f->flags & FIELD_NULLABLE) && type != NULL)
		json_object_set_new(schema, "type", json_pack("[s, s]", json_string_value(type), "null"));
	if (f->meaning != NULL)
		json_object_set_new(schema, "description", json_string(f->meaning));
	if (f->flags & FIELD_READ_ONLY)
		json_object_set_new(schema, "readOnly", json_true());
	if (f->flags & FIELD_WRITE_ONLY)
		json_object_set_new(schema, "writeOnly", json_true());
	if (f->flags & (FIELD_INGRESS | FIELD_EGRESS))
		json_object_set_new(schema, "x-direction",
				    json_string(f->flags & FIELD_INGRESS ? "ingress" : "egress"));
	if (f->fallback != NULL)
		json_object_set_new(schema, "default", json_loads(f->fallback, JSON_DECODE_ANY, NULL));
	if (unit_of(f) != NULL)
		json_object_set_new(schema, "x-unit", json_string(unit_of(f)));
	json_t *example = example_of_field(f, input);
	if (example != NULL)
		json_object_set_new(schema, "examples", json_pack("[o]", example));
	return schema;
}

/* "rate-decks" -> "RateDecks": a component's name. out holds at least 64. */
static const char *component(const struct resource *res, const char *suffix, char *out)
{
	size_t n = 0;
	bool up = true;

	for (const char *c = res->collection; *c != '\0' && n < 48; c++) {
		if (*c == '-') {
			up = true;
			continue;
		}
		out[n++] = up && *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
		up = false;
	}
	snprintf(out + n, 64 - n, "%s", suffix);
	return out;
}

/* What an endpoint answers with: its resource, or what it did to many of them. */
static const struct resource *answered(const struct endpoint *e)
{
	if (!(e->flags & ENDPOINT_MANY))
		return e->resource;
	return e->run == calls_hangup_many ? &calls_hung_up : &changes;
}

static void add_schemas(json_t *schemas, const struct endpoint *e)
{
	const struct resource *res = e->resource;
	char name[64];

	if (res == NULL)
		return;
	if (json_object_get(schemas, component(answered(e), "", name)) == NULL) {
		json_t *schema = object_schema(answered(e)->fields, answered(e)->n, false, false);
		json_object_set_new(schema, "description", json_string(answered(e)->meaning));
		json_object_set_new(schemas, name, schema);
	}
	if (e->method == REQUEST_POST && !(e->flags & (ENDPOINT_CSV | ENDPOINT_ACTION)))
		json_object_set_new(schemas, component(res, "New", name),
				    object_schema(res->fields, res->n, true, false));
	if (e->method == REQUEST_PATCH)
		json_object_set_new(schemas, component(res, "Change", name),
				    object_schema(res->fields, res->n, true, true));
}

static json_t *param_schema(const struct param_rule *rule)
{
	json_t *values;

	switch (rule->type) {
	case PARAM_ID:
		return json_pack("{s:s, s:i}", "type", "integer", "minimum", 1);
	case PARAM_INT:
		return json_pack("{s:s}", "type", "integer");
	case PARAM_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case PARAM_TIME:
		return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
	case PARAM_UUID:
		return json_pack("{s:s, s:s}", "type", "string", "format", "uuid");
	case PARAM_DIGITS:
		return json_pack("{s:s, s:s}", "type", "string", "pattern", "^[0-9]+$");
	case PARAM_CHOICE:
		values = json_array();
		for (const char *const *c = rule->choices; *c != NULL; c++)
			json_array_append_new(values, json_string(*c));
		return json_pack("{s:s, s:o}", "type", "string", "enum", values);
	case PARAM_CHOICES:
		return json_pack("{s:s, s:s}", "type", "string", "pattern", "^[a-z_]+(,[a-z_]+)*$");
	case PARAM_TEXT:
	case PARAM_NUMBER:
		break;
	}
	return json_pack("{s:s}", "type", "string");
}

static json_t *parameters(const struct endpoint *e)
{
	json_t *list = json_array();

	if (strstr(e->path, "{parent}") != NULL)
		json_array_append_new(list, ref("parameters", "parent"));
	if (strstr(e->path, "{id}") != NULL)
		json_array_append_new(list, ref("parameters", e->flags & ENDPOINT_UUID ? "uuid" : "id"));
	if (strstr(e->path, "{name}") != NULL)
		json_array_append_new(list, ref("parameters", "name"));
	for (int i = 0; e->params != NULL && i < e->params->n; i++) {
		const struct param_rule *rule = &e->params->rule[i];
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o, s:o*}", "name", rule->name, "in", "query",
						      "description", rule->meaning, "schema", param_schema(rule),
						      "example", example_of_param(rule)));
	}
	if (e->flags & (ENDPOINT_LIST | ENDPOINT_WHOLE))
		json_array_append_new(list, ref("parameters", "format"));
	if (e->flags & ENDPOINT_LIST) {
		json_array_append_new(list, ref("parameters", e->flags & ENDPOINT_LONG ? "limit_long" : "limit"));
		json_array_append_new(list, ref("parameters", "cursor"));
	}
	if (e->method == REQUEST_POST)
		json_array_append_new(list, ref("parameters", "idempotency_key"));
	if (e->run == resource_update || e->run == resource_remove || e->run == api_keys_remove)
		json_array_append_new(list, ref("parameters", "if_match"));
	if (e->flags & ENDPOINT_KEPT)
		json_array_append_new(list, ref("parameters", "if_none_match"));
	return list;
}

static json_t *content(const char *type, json_t *schema)
{
	return json_pack("{s:{s:o}}", type, "schema", schema);
}

static json_t *page_schema(const char *name)
{
	return json_pack("{s:s, s:[s, s], s:{s:{s:s, s:o}, s:{s:[s, s]}}}", "type", "object", "required", "items",
			 "next_cursor", "properties", "items", "type", "array", "items", ref("schemas", name),
			 "next_cursor", "type", "string", "null");
}

/* whose bytes are not described further */
static json_t *file_types(const struct endpoint *e)
{
	if (e->run == invoices_csv)
		return json_pack("{s:{}}", "text/csv");
	if (e->run == invoices_pdf)
		return json_pack("{s:{}}", "application/pdf");
	if (e->run == console_file)
		return json_pack("{s:{}, s:{}, s:{}, s:{}}", "text/html", "text/css", "text/javascript",
				 "image/svg+xml");
	return json_pack("{s:{}, s:{s:{s:s}}}", "application/gzip", "application/json", "schema", "type", "object");
}

static json_t *good_answer(const struct endpoint *e, int *status)
{
	char name[64];

	*status = 200;
	if (e->method == REQUEST_DELETE && !(e->flags & ENDPOINT_MANY)) {
		*status = 204;
		return json_pack("{s:s}", "description", "Done.");
	}
	if (e->flags & ENDPOINT_STREAM)
		return json_pack("{s:s, s:o}", "description",
				 "Events: call.started, call.updated, call.ended; data is the call.", "content",
				 content("text/event-stream", json_pack("{s:s}", "type", "string")));
	if (e->flags & ENDPOINT_FILE)
		return json_pack("{s:s, s:o}", "description", "The file.", "content", file_types(e));
	if (e->resource == NULL && e->run == metrics_text)
		return json_pack("{s:s, s:o}", "description", "Prometheus text.", "content",
				 content("text/plain", json_pack("{s:s}", "type", "string")));
	if (e->resource == NULL)
		return json_pack("{s:s, s:o}", "description", "As said.", "content",
				 content(JSON_BODY, json_pack("{s:s}", "type", "object")));
	component(answered(e), "", name);
	if (e->flags & (ENDPOINT_LIST | ENDPOINT_WHOLE))
		return json_pack("{s:s, s:{s:{s:o}, s:{s:{s:s}}}}", "description",
				 "A page; as CSV a header and all pages.", "content", JSON_BODY, "schema",
				 page_schema(name), "text/csv", "schema", "type", "string");
	if (e->method == REQUEST_POST && e->run != route_lookup && !(e->flags & ENDPOINT_ACTION))
		*status = e->flags & (ENDPOINT_CSV | ENDPOINT_JOB) ? 202 : 201;
	return json_pack("{s:s, s:o}", "description",
			 *status == 200 ? "The object." : "Made; Location says where it is.", "content",
			 content(JSON_BODY, ref("schemas", name)));
}

static void add_problems(json_t *responses, const struct endpoint *e)
{
	static const struct {
		int status;
		unsigned methods; /* bit for each enum request_method */
	} problems[] = {{400, 15}, {404, 15}, {409, 14}, {412, 12}, {413, 6}, {415, 6}, {422, 6}};
	char number[8];

	if (!(e->flags & ENDPOINT_OPEN)) {
		json_object_set_new(responses, "401", ref("responses", "problem"));
		json_object_set_new(responses, "403", ref("responses", "problem"));
	}
	for (size_t i = 0; i < sizeof(problems) / sizeof(*problems); i++) {
		if (!(problems[i].methods & 1u << e->method))
			continue;
		snprintf(number, sizeof(number), "%d", problems[i].status);
		json_object_set_new(responses, number, ref("responses", "problem"));
	}
	if (e->run == calls_hangup) /* of mode proxy */
		json_object_set_new(responses, "422", ref("responses", "problem"));
	if (!(e->flags & ENDPOINT_OPEN))
		json_object_set_new(responses, "429", ref("responses", "problem"));
	json_object_set_new(responses, "500", ref("responses", "problem"));
	json_object_set_new(responses, "503", ref("responses", "problem"));
}

static const char *const methods[] = {"get", "post", "patch", "delete"}; /* enum request_method */

/* "GET /v1/rate-decks/{parent}/rates" -> "getRateDecksByParentRates": what generators call a client's function. out
 * holds at least 96. */
static const char *operation_id(const struct endpoint *e, char *out)
{
	const char *path = strncmp(e->path, "/v1/", 4) == 0 ? e->path + 3 : e->path;
	size_t n = (size_t)snprintf(out, 96, "%s", methods[e->method]);
	bool up = true;

	for (const char *c = path; *c != '\0' && n < 92; c++) {
		if (strchr("/-.{}", *c) != NULL) {
			if (*c == '{')
				n += (size_t)snprintf(out + n, 96 - n, "By");
			up = true;
			continue;
		}
		out[n++] = up && *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
		up = false;
	}
	snprintf(out + n, 96 - n, "%s", path[1] == '\0' ? "Console" : "");
	return out;
}

static json_t *operation(const struct endpoint *e)
{
	static const char *const roles[] = {"readonly", "provisioning", "finance", "admin"};
	char id[96];
	json_t *op = json_pack("{s:s, s:s, s:o, s:[s]}", "operationId", operation_id(e, id), "summary", e->summary,
			       "parameters", parameters(e), "tags",
			       e->resource != NULL ? e->resource->collection : "service");
	json_t *responses = json_object();
	char number[8], name[64];
	int status;

	json_t *good = good_answer(e, &status);
	snprintf(number, sizeof(number), "%d", status);
	json_object_set_new(responses, number, good);
	if (e->flags & ENDPOINT_KEPT)
		json_object_set_new(
			responses, "304",
			json_pack("{s:s}", "description", "The asker has it: If-None-Match names its ETag."));
	add_problems(responses, e);
	json_object_set_new(op, "responses", responses);
	if (e->flags & ENDPOINT_OPEN) {
		json_object_set_new(op, "security", json_array());
	} else {
		json_object_set_new(op, "x-role", json_string(roles[e->role]));
		json_object_set_new(op, "x-carrier-key", json_boolean(e->flags & ENDPOINT_BOUND));
	}
	if (e->flags & ENDPOINT_CSV)
		json_object_set_new(op, "requestBody",
				    json_pack("{s:b, s:o}", "required", 1, "content",
					      content("text/csv", json_pack("{s:s}", "type", "string"))));
	else if ((e->method == REQUEST_POST && !(e->flags & ENDPOINT_ACTION)) || e->method == REQUEST_PATCH)
		json_object_set_new(
			op, "requestBody",
			json_pack("{s:b, s:o}", "required", body_needed(e), "content",
				  content(JSON_BODY,
					  ref("schemas",
					      component(e->resource, e->method == REQUEST_POST ? "New" : "Change",
							name)))));
	return op;
}

static json_t *components(void)
{
	static const char fixed[] =
		"{\"securitySchemes\":{\"key\":{\"type\":\"http\",\"scheme\":\"bearer\"}},"
		"\"parameters\":{"
		"\"id\":{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"description\":\"Its id.\","
		"\"example\":1,\"schema\":{\"type\":\"integer\",\"minimum\":1}},"
		"\"uuid\":{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"description\":\"Its UUID.\","
		"\"example\":\"01990a5c-7c1e-7a3f-9d52-8f1b6c0e4d21\",\"schema\":{\"type\":\"string\","
		"\"format\":\"uuid\"}},"
		"\"parent\":{\"name\":\"parent\",\"in\":\"path\",\"required\":true,\"description\":\"Id of what it "
		"belongs to.\",\"example\":1,"
		"\"schema\":{\"type\":\"integer\",\"minimum\":1}},"
		"\"name\":{\"name\":\"name\",\"in\":\"path\",\"required\":true,\"description\":\"The file's name.\","
		"\"example\":\"manifest.json\",\"schema\":{\"type\":\"string\"}},"
		"\"format\":{\"name\":\"format\",\"in\":\"query\",\"description\":\"json (the default) or csv: all "
		"rows, "
		"unless limit or cursor say which. Without it, Accept "
		"decides.\",\"example\":\"csv\",\"schema\":{\"type\":\"string\","
		"\"enum\":[\"json\",\"csv\"],\"default\":\"json\"}},"
		"\"limit\":{\"name\":\"limit\",\"in\":\"query\",\"description\":\"Items on a page.\",\"example\":50,"
		"\"schema\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":100}},"
		"\"limit_long\":{\"name\":\"limit\",\"in\":\"query\",\"description\":\"Items on a page; it may have "
		"fewer.\",\"example\":50,"
		"\"schema\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":1000}},"
		"\"cursor\":{\"name\":\"cursor\",\"in\":\"query\",\"description\":\"next_cursor of the page before.\","
		"\"example\":\"L3YxL2NhcnJpZXJzCjEwMA\","
		"\"schema\":{\"type\":\"string\"}},"
		"\"idempotency_key\":{\"name\":\"Idempotency-Key\",\"in\":\"header\",\"description\":"
		"\"The same request with the same key is done once, and answered alike, for a day.\","
		"\"example\":\"5f0c8f6e-topup-42\","
		"\"schema\":{\"type\":\"string\",\"maxLength\":255}},"
		"\"if_match\":{\"name\":\"If-Match\",\"in\":\"header\",\"description\":\"Only if the ETag is still "
		"this one.\",\"example\":\"\\\"7\\\"\","
		"\"schema\":{\"type\":\"string\"}},"
		"\"if_none_match\":{\"name\":\"If-None-Match\",\"in\":\"header\",\"description\":\"Only if the ETag is "
		"another one: else 304.\",\"example\":\"\\\"7\\\"\",\"schema\":{\"type\":\"string\"}}},"
		"\"responses\":{\"problem\":{\"description\":\"What was wrong (RFC 9457).\",\"content\":"
		"{\"application/problem+json\":{\"schema\":{\"$ref\":\"#/components/schemas/Problem\"}}}}},"
		"\"schemas\":{\"Problem\":{\"type\":\"object\",\"required\":[\"title\",\"status\",\"detail\"],"
		"\"properties\":{"
		"\"title\":{\"type\":\"string\",\"description\":\"The status in words.\",\"examples\":[\"A field is "
		"wrong\"]},"
		"\"status\":{\"type\":\"integer\",\"description\":\"The status again.\",\"x-unit\":\"HTTP status\","
		"\"examples\":[422]},"
		"\"detail\":{\"type\":\"string\",\"description\":\"What was wrong, in a sentence.\","
		"\"examples\":[\"At least one field is wrong; see errors.\"]},"
		"\"errors\":{\"type\":\"array\",\"description\":\"Field by field, for bad input.\","
		"\"examples\":[[{\"field\":\"currency\",\"message\":\"is no ISO 4217 code\"}]],"
		"\"items\":{\"type\":\"object\",\"required\":[\"field\",\"message\"],\"properties\":{"
		"\"field\":{\"type\":\"string\",\"description\":\"Its name, with its place in lists.\","
		"\"examples\":[\"members[0].trunk_id\"]},"
		"\"message\":{\"type\":\"string\",\"description\":\"What is wrong with it.\","
		"\"examples\":[\"is no ISO 4217 code\"]}}}}}}}}";

	return json_loads(fixed, 0, NULL);
}

char *openapi_make(void)
{
	json_t *parts = components(), *paths = json_object();
	json_t *schemas = json_object_get(parts, "schemas");

	for (int i = 0; i < endpoints_count; i++) {
		const struct endpoint *e = &endpoints[i];
		json_t *path = json_object_get(paths, e->path);
		if (path == NULL) {
			path = json_object();
			json_object_set_new(paths, e->path, path);
		}
		add_schemas(schemas, e);
		json_object_set_new(path, methods[e->method], operation(e));
	}
	json_t *all = json_pack(
		"{s:s, s:{s:s, s:s, s:s}, s:[{s:[]}], s:o, s:o}", "openapi", "3.1.0", "info", "title", "tandem",
		"version", PACKAGE_VERSION, "description",
		"Provision and watch a Class-4 softswitch. Money and prices are decimals in strings, times RFC 3339 "
		"in UTC with milliseconds, durations whole seconds, limits null when there is none.",
		"security", "key", "paths", paths, "components", parts);
	char *text = json_dumps(all, JSON_INDENT(1));
	json_decref(all);
	return text;
}

void openapi_json(struct request *r)
{
	if (params_check(r, NULL, NULL, NULL) == 0)
		packed_answer(r, &r->service->openapi, "application/json");
}
