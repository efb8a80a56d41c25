/* SPDX-License-Identifier: Apache-2.0 */
#include "api/params.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/base64url.h"
#include "api/endpoint.h"
#include "lib/clock.h"
#include "lib/digits.h"
#include "lib/uuid.h"

#define PARAM_TEXT_LEN_MAX 255

static bool int_parse(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *text != ' ' && *text != '+';
}

static const char *time_value(struct request *r, const char *text)
{
	char *copy = arena_strdup(r->arena, text);
	char out[CLOCK_TEXT_MAX];
	int64_t us;

	/* A '+' of a zone reads as a blank in a query; a date's blank stays if that is what it was. */
	if (clock_parse(copy, &us) != 0) {
		for (char *c = copy; *c != '\0'; c++)
			if (*c == ' ')
				*c = '+';
		if (clock_parse(copy, &us) != 0)
			return NULL;
	}
	/* 0 has no text: before all calls is as good as the first moment of 1970. */
	return us <= 0 ? "1970-01-01T00:00:00Z" : arena_strdup(r->arena, clock_format(us, out));
}

static const char *number_value(struct request *r, const char *text)
{
	char *copy = arena_strdup(r->arena, text);

	for (char *c = copy; *c != '\0'; c++)
		if (*c == ' ')
			*c = '+';
	return copy;
}

static const char *choice_value(const struct param_rule *rule, const char *text)
{
	for (const char *const *c = rule->choices; *c != NULL; c++)
		if (strcmp(*c, text) == 0)
			return *c;
	return NULL;
}

static const char *choices_value(const struct param_rule *rule, const char *text)
{
	unsigned seen = 0;

	for (const char *at = text;;) {
		size_t len = strcspn(at, ",");
		int i = 0;
		while (rule->choices[i] != NULL &&
		       (strlen(rule->choices[i]) != len || memcmp(rule->choices[i], at, len) != 0))
			i++;
		if (rule->choices[i] == NULL || seen & 1u << i)
			return NULL;
		seen |= 1u << i;
		if (at[len] == '\0')
			return text;
		at += len + 1;
	}
}

static const char *value_of(struct request *r, const struct param_rule *rule, const char *text, const char **wanted)
{
	struct uuid uuid;
	int64_t n;

	if (*text == '\0' || strlen(text) > PARAM_TEXT_LEN_MAX) {
		*wanted = "1 to 255 characters";
		return NULL;
	}
	switch (rule->type) {
	case PARAM_TEXT:
		return text;
	case PARAM_NUMBER:
		return number_value(r, text);
	case PARAM_DIGITS:
		*wanted = "digits";
		return digits_only(text) ? text : NULL;
	case PARAM_ID:
		*wanted = "an id";
		return int_parse(text, &n) && n > 0 ? text : NULL;
	case PARAM_INT:
		*wanted = "an integer";
		return int_parse(text, &n) && n >= INT32_MIN && n <= INT32_MAX ? text : NULL;
	case PARAM_BOOL:
		*wanted = "true or false";
		return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ? text : NULL;
	case PARAM_TIME:
		*wanted = "a time as RFC 3339 has it";
		return time_value(r, text);
	case PARAM_UUID:
		*wanted = "a UUID";
		return uuid_parse(text, &uuid) == 0 ? text : NULL;
	case PARAM_CHOICE:
		*wanted = "one of the values that the manual lists";
		return choice_value(rule, text);
	case PARAM_CHOICES:
		*wanted = "one or more of the values that the manual lists, each once, with commas between";
		return choices_value(rule, text);
	}
	return NULL;
}

/* A cursor is base64url of "<list>\n<key>": a cursor of one list is refused by another. */
const char *params_cursor(struct request *r, const char *key)
{
	char *plain = arena_printf(r->arena, "%s\n%s", r->endpoint->path, key);
	size_t len = strlen(plain);
	char *out = arena_alloc(r->arena, base64url_length(len) + 1);

	base64url_encode(plain, len, out);
	return out;
}

static const char *cursor_key(struct request *r, const char *cursor)
{
	size_t len = strlen(cursor);

	if (len == 0 || len > 512)
		return NULL;
	char *plain = arena_alloc(r->arena, len + 1);
	long n = base64url_decode(cursor, plain);
	if (n < 0 || memchr(plain, '\0', (size_t)n) != NULL)
		return NULL;
	plain[n] = '\0';
	char *key = strchr(plain, '\n');
	if (key == NULL)
		return NULL;
	*key++ = '\0';
	return strcmp(plain, r->endpoint->path) == 0 ? key : NULL;
}

/* 1 taken, 0 not one of a listing's own, -1 answered */
static int listing_param(struct request *r, const struct request_param *p, struct listing *listing)
{
	int64_t n;

	if (strcmp(p->name, "format") == 0 && r->endpoint->flags & (ENDPOINT_LIST | ENDPOINT_WHOLE)) {
		if (strcmp(p->value, "json") == 0 || strcmp(p->value, "csv") == 0)
			return 1;
		request_problem(r, 400, "format must be json or csv.");
		return -1;
	}
	if (listing == NULL)
		return 0;
	if (strcmp(p->name, "limit") == 0) {
		if (!int_parse(p->value, &n) || n < 1 || n > PARAMS_LIMIT_MAX) {
			request_problem(r, 400, "limit must be 1 to %d.", PARAMS_LIMIT_MAX);
			return -1;
		}
		listing->limit = (int)n;
		r->sheet.one_page = true;
		return 1;
	}
	if (strcmp(p->name, "cursor") == 0) {
		listing->cursor = cursor_key(r, p->value);
		if (listing->cursor == NULL) {
			request_problem(r, 400, "cursor is not one that this list gave.");
			return -1;
		}
		return 1;
	}
	return 0;
}

int params_check(struct request *r, const struct params *params, const char *values[], struct listing *listing)
{
	int n = params != NULL ? params->n : 0;

	for (int i = 0; i < n; i++)
		values[i] = NULL;
	if (listing != NULL)
		*listing = (struct listing){.limit = PARAMS_LIMIT_DEFAULT};
	if (listing != NULL && (r->sheet.wanted || r->endpoint->flags & ENDPOINT_LONG))
		listing->limit = PARAMS_LIMIT_MAX;
	for (int p = 0; p < r->params; p++) {
		const char *name = r->param[p].name, *wanted = "a valid value";
		for (int q = 0; q < p; q++) {
			if (strcmp(r->param[q].name, name) == 0) {
				request_problem(r, 400, "Query parameter %.64s is given twice.", name);
				return -1;
			}
		}
		int own = listing_param(r, &r->param[p], listing);
		if (own < 0)
			return -1;
		if (own > 0)
			continue;
		int i = 0;
		while (i < n && strcmp(params->rule[i].name, name) != 0)
			i++;
		if (i == n) {
			request_problem(r, 400, "%.64s is not a query parameter here.", name);
			return -1;
		}
		values[i] = value_of(r, &params->rule[i], r->param[p].value, &wanted);
		if (values[i] == NULL) {
			request_problem(r, 400, "%.64s must be %s.", name, wanted);
			return -1;
		}
	}
	if (listing != NULL && r->sheet.next != NULL)
		listing->cursor = cursor_key(r, r->sheet.next);
	return 0;
}

int params_named(struct request *r, const char *const values[], int n, const char *all)
{
	for (int i = 0; i < n; i++)
		if (values[i] != NULL)
			return 0;
	if (params_true(all))
		return 0;
	request_problem(r, 400, "Say which are meant: give a filter, or all=true.");
	return -1;
}

bool params_true(const char *value)
{
	return value != NULL && strcmp(value, "true") == 0;
}
