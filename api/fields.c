/* SPDX-License-Identifier: Apache-2.0 */
#include "api/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/digits.h"
#include "lib/money.h"
#include "lib/utf8.h"
#include "lib/uuid.h"

#define PATH_MAX_LEN 160
#define ERRORS_MAX 100
#define MONEY_UNITS_MAX 999999999 /* whole units that numeric(18, 9) holds */
#define DECIMAL_PLACES 12

static json_t *value_check(const struct field *f, const json_t *value, const char *path, struct errors *e);

void errors_add(struct errors *e, const char *field, const char *fmt, ...)
{
	char message[400], path[PATH_MAX_LEN];
	va_list ap;

	if (e->list == NULL)
		e->list = json_array();
	if (json_array_size(e->list) >= ERRORS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	utf8_mend(message);
	snprintf(path, sizeof(path), "%s", field);
	utf8_mend(path);
	json_t *one = json_object();
	json_object_set_new(one, "field", json_string(path));
	json_object_set_new(one, "message", json_string(message));
	json_array_append_new(e->list, one);
}

const struct field *fields_find(const struct field *fields, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

static size_t utf8_length(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static json_t *text_check(const struct field *f, const json_t *value, const char *path, struct errors *e)
{
	int64_t max = f->max != 0 ? f->max : 255;

	if (!json_is_string(value)) {
		errors_add(e, path, "must be a string");
		return NULL;
	}
	const char *text = json_string_value(value);
	size_t length = utf8_length(text);
	if ((int64_t)length < f->min || (int64_t)length > max) {
		if (length == 0)
			errors_add(e, path, "must not be empty");
		else
			errors_add(e, path, "must have %" PRId64 " to %" PRId64 " characters", f->min, max);
		return NULL;
	}
	for (const char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f) {
			errors_add(e, path, "must not hold control characters");
			return NULL;
		}
	}
	if (f->type == FIELD_DIGITS && length > 0 && !digits_only(text)) {
		errors_add(e, path, "must be digits only");
		return NULL;
	}
	if (f->min > 0 && strspn(text, " ") == strlen(text)) {
		errors_add(e, path, "must not be blank");
		return NULL;
	}
	return json_string(text);
}

static json_t *int_check(const struct field *f, const json_t *value, const char *path, struct errors *e)
{
	int64_t min = f->min, max = f->max;

	if (!json_is_integer(value)) {
		errors_add(e, path, f->type == FIELD_ID ? "must be an id (an integer)" : "must be an integer");
		return NULL;
	}
	if (min == 0 && max == 0) {
		min = f->type == FIELD_ID ? 1 : 0;
		max = f->type == FIELD_ID ? INT64_MAX : INT32_MAX;
	}
	int64_t n = json_integer_value(value);
	if (n < min || n > max) {
		if (f->type == FIELD_ID)
			errors_add(e, path, "must be greater than 0");
		else
			errors_add(e, path, "must be %" PRId64 " to %" PRId64, min, max);
		return NULL;
	}
	return json_integer(n);
}

static json_t *money_check(const struct field *f, const json_t *value, const char *path, struct errors *e)
{
	char normal[MONEY_TEXT_MAX];
	struct money m;
	bool limited = f->min != 0 || f->max != 0;
	int64_t min = limited ? f->min : -MONEY_UNITS_MAX;
	int64_t max = limited && f->max != 0 ? f->max : MONEY_UNITS_MAX;

	if (!json_is_string(value)) {
		errors_add(e, path, "must be a decimal in a string, like \"0.012500\"");
		return NULL;
	}
	int rc = money_parse(json_string_value(value), &m);
	if (rc == -EDOM) {
		errors_add(e, path, "must have at most %d decimals", MONEY_PLACES);
		return NULL;
	}
	if (rc == -EINVAL) {
		errors_add(e, path, "must be a decimal in a string, like \"0.012500\"");
		return NULL;
	}
	if (rc != 0 || (__int128)m.nano < (__int128)min * MONEY_NANO || (__int128)m.nano > (__int128)max * MONEY_NANO) {
		if (limited && f->min == 0 && rc == 0 && m.nano < 0)
			errors_add(e, path, "must not be negative");
		else
			errors_add(e, path, "must be %" PRId64 " to %" PRId64, min, max);
		return NULL;
	}
	return json_string(money_format(m, 6, normal));
}

static json_t *decimal_check(const struct field *f, const json_t *value, const char *path, struct errors *e)
{
	const char *text = json_string_value(value);

	(void)f;
	if (text == NULL) {
		errors_add(e, path, "must be a decimal in a string, like \"1.084300\"");
		return NULL;
	}
	size_t whole = strspn(text, "0123456789");
	size_t places = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
	size_t end = whole + (text[whole] == '.' ? 1 + places : 0);
	if (whole == 0 || text[end] != '\0' || (text[whole] == '.' && places == 0)) {
		errors_add(e, path, "must be a decimal in a string, like \"1.084300\"");
		return NULL;
	}
	if (places > DECIMAL_PLACES) {
		errors_add(e, path, "must have at most %d decimals", DECIMAL_PLACES);
		return NULL;
	}
	if (whole > DECIMAL_PLACES || strspn(text, "0.") == strlen(text)) {
		errors_add(e, path, "must be greater than 0 and less than 10^%d", DECIMAL_PLACES);
		return NULL;
	}
	return json_string(text);
}

static json_t *choice_check(const struct field *f, const json_t *value, const char *path, struct errors *e)
{
	char list[200] = "";

	for (const char *const *c = f->choices; json_is_string(value) && *c != NULL; c++)
		if (strcmp(*c, json_string_value(value)) == 0)
			return json_string(*c);
	for (const char *const *c = f->choices; *c != NULL; c++) {
		size_t used = strlen(list);
		snprintf(list + used, sizeof(list) - used, "%s%s", used > 0 ? ", " : "", *c);
	}
	errors_add(e, path, "must be one of: %s", list);
	return NULL;
}

static json_t *time_check(const json_t *value, const char *path, struct errors *e)
{
	char text[CLOCK_TEXT_MAX];
	int64_t us;

	/* Years before 1970 or past 9999 are no times of a rate or a call. */
	if (!json_is_string(value) || clock_parse(json_string_value(value), &us) != 0 || us < 0) {
		errors_add(e, path, "must be a time as RFC 3339 has it, like \"2026-01-31T00:00:00.000Z\"");
		return NULL;
	}
	return json_string(us == 0 ? "1970-01-01T00:00:00.000Z" : clock_format(us, text));
}

static json_t *uuid_check(const json_t *value, const char *path, struct errors *e)
{
	char text[UUID_TEXT_MAX];
	struct uuid u;

	if (!json_is_string(value) || uuid_parse(json_string_value(value), &u) != 0) {
		errors_add(e, path, "must be a UUID");
		return NULL;
	}
	return json_string(uuid_format(&u, text));
}

static json_t *list_check(const struct field *f, const json_t *value, const char *path, struct errors *e)
{
	int64_t max = f->max != 0 ? f->max : 1000;
	char inner[PATH_MAX_LEN];
	const json_t *element;
	size_t i;

	if (!json_is_array(value)) {
		errors_add(e, path, "must be a list");
		return NULL;
	}
	int64_t size = (int64_t)json_array_size(value);
	if (size < f->min || size > max) {
		errors_add(e, path, "must have %" PRId64 " to %" PRId64 " elements", f->min, max);
		return NULL;
	}
	json_t *out = json_array();
	json_array_foreach(value, i, element)
	{
		snprintf(inner, sizeof(inner), "%s[%zu]", path, i);
		if (json_is_null(element) && !(f->item->flags & FIELD_NULLABLE)) {
			errors_add(e, inner, "must not be null");
			continue;
		}
		json_t *one = value_check(f->item, element, inner, e);
		if (one != NULL)
			json_array_append_new(out, one);
	}
	return out;
}

static bool answer_code(const char *text, long *code)
{
	char *end;

	*code = strtol(text, &end, 10);
	return end != text && *end == '\0' && strlen(text) == 3 && *code >= 300 && *code <= 699;
}

static json_t *codes_check(const json_t *value, const char *path, struct errors *e)
{
	const char *key;
	json_t *to;
	long from;

	if (!json_is_object(value)) {
		errors_add(e, path, "must be an object like {\"503\": 480}");
		return NULL;
	}
	json_t *out = json_object();
	json_object_foreach((json_t *)value, key, to)
	{
		if (json_is_null(to))
			continue;
		if (!answer_code(key, &from))
			errors_add(e, path, "each key must be a SIP code 300 to 699");
		else if (!json_is_integer(to) || json_integer_value(to) < 300 || json_integer_value(to) > 699)
			errors_add(e, path, "%s must become a SIP code 300 to 699", key);
		else
			json_object_set_new(out, key, json_integer(json_integer_value(to)));
	}
	return out;
}

static void object_merge(const struct field *f, int n, const json_t *input, const json_t *before, const char *path,
			 json_t *out, struct errors *e)
{
	char inner[PATH_MAX_LEN];

	for (int i = 0; i < n; i++) {
		const json_t *given = json_object_get(input, f[i].name);
		const json_t *old = json_object_get(before, f[i].name);
		snprintf(inner, sizeof(inner), "%s%s%s", path, *path != '\0' ? "." : "", f[i].name);
		if (f[i].flags & FIELD_READ_ONLY) {
			if (given != NULL && !json_equal(given, old))
				errors_add(e, inner, "is read only");
			continue;
		}
		const json_t *value = given != NULL ? given : old;
		json_t *merged = NULL;
		if (given != NULL && old != NULL && json_is_object(given) && json_is_object(old)) {
			merged = json_copy((json_t *)old);
			json_object_update(merged, (json_t *)given);
			value = merged;
		}
		json_t *result = NULL;
		if (value != NULL && !json_is_null(value)) {
			result = value_check(&f[i], value, inner, e);
		} else if (f[i].flags & FIELD_REQUIRED) {
			errors_add(e, inner, "is required");
		} else if (f[i].fallback != NULL) {
			result = json_loads(f[i].fallback, JSON_DECODE_ANY, NULL);
		}
		if ((f[i].flags & FIELD_FIXED) && given != NULL && old != NULL && result != NULL &&
		    !json_equal(result, old))
			errors_add(e, inner, "cannot be changed");
		json_object_set_new(out, f[i].name, result != NULL ? result : json_null());
		json_decref(merged);
	}
}

static void unknown_check(const struct field *f, int n, const json_t *input, const char *path, struct errors *e)
{
	char inner[PATH_MAX_LEN];
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)input, key, value)
	{
		if (fields_find(f, n, key) != NULL)
			continue;
		snprintf(inner, sizeof(inner), "%s%s%.64s", path, *path != '\0' ? "." : "", key);
		errors_add(e, inner, "is not a field of this resource");
	}
}

static json_t *object_check(const struct field *f, const json_t *value, const char *path, struct errors *e)
{
	if (!json_is_object(value)) {
		errors_add(e, path, "must be an object");
		return NULL;
	}
	json_t *out = json_object();
	unknown_check(f->item, f->items, value, path, e);
	object_merge(f->item, f->items, value, NULL, path, out, e);
	return out;
}

static json_t *type_check(const struct field *f, const json_t *value, const char *path, struct errors *e)
{
	switch (f->type) {
	case FIELD_TEXT:
	case FIELD_DIGITS:
		return text_check(f, value, path, e);
	case FIELD_INT:
	case FIELD_ID:
		return int_check(f, value, path, e);
	case FIELD_BOOL:
		if (json_is_boolean(value))
			return json_boolean(json_is_true(value));
		errors_add(e, path, "must be true or false");
		return NULL;
	case FIELD_MONEY:
		return money_check(f, value, path, e);
	case FIELD_DECIMAL:
		return decimal_check(f, value, path, e);
	case FIELD_CHOICE:
		return choice_check(f, value, path, e);
	case FIELD_TIME:
		return time_check(value, path, e);
	case FIELD_UUID:
		return uuid_check(value, path, e);
	case FIELD_LIST:
		return list_check(f, value, path, e);
	case FIELD_OBJECT:
		return object_check(f, value, path, e);
	case FIELD_CODES:
		return codes_check(value, path, e);
	case FIELD_NUMBER:
	case FIELD_ANY:
		break;
	}
	return json_deep_copy(value);
}

static json_t *value_check(const struct field *f, const json_t *value, const char *path, struct errors *e)
{
	json_t *out = type_check(f, value, path, e);

	if (out != NULL && f->check != NULL)
		f->check(out, path, e);
	return out;
}

json_t *fields_check(const struct field *fields, int n, const json_t *input, const json_t *before, struct errors *e)
{
	json_t *out = json_object();

	unknown_check(fields, n, input, "", e);
	object_merge(fields, n, input, before, "", out, e);
	return out;
}

void fields_hide(const struct field *fields, int n, json_t *object, bool bound)
{
	for (int i = 0; i < n; i++)
		if ((fields[i].flags & FIELD_WRITE_ONLY) || (bound && (fields[i].flags & FIELD_INTERNAL)))
			json_object_del(object, fields[i].name);
}

void fields_mask(const struct field *fields, int n, json_t *object)
{
	for (int i = 0; i < n; i++) {
		if (!(fields[i].flags & FIELD_WRITE_ONLY))
			continue;
		const json_t *value = json_object_get(object, fields[i].name);
		if (value != NULL && !json_is_null(value))
			json_object_set_new(object, fields[i].name, json_string("***"));
	}
}
