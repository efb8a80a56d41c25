/* SPDX-License-Identifier: Apache-2.0 */
#include "api/request.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/utf8.h"

#define JSON_TYPE "application/json"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undo %XX in place; in a query '+' is a blank. False for a broken escape, a NUL or a control character. */
static bool unescape(char *text, bool query)
{
	char *out = text;

	for (const char *in = text; *in != '\0'; in++) {
		char c = *in;
		if (c == '%') {
			int hi = hex_digit(in[1]);
			int lo = hi < 0 ? -1 : hex_digit(in[2]);
			if (lo < 0)
				return false;
			c = (char)(hi << 4 | lo);
			in += 2;
		} else if (c == '+' && query) {
			c = ' ';
		}
		if ((unsigned char)c < 0x20 || c == 0x7f)
			return false;
		*out++ = c;
	}
	*out = '\0';
	return true;
}

static void split_path(struct request *r, char *path)
{
	char *save = NULL;

	r->path = arena_strdup(r->arena, path);
	if (path[0] != '/' || strstr(path, "//") != NULL || (path[1] != '\0' && path[strlen(path) - 1] == '/')) {
		r->bad_target = true;
		return;
	}
	for (char *s = strtok_r(path, "/", &save); s != NULL; s = strtok_r(NULL, "/", &save)) {
		if (r->segments == REQUEST_SEGMENTS_MAX || !unescape(s, false)) {
			r->bad_target = true;
			return;
		}
		r->segment[r->segments++] = s;
	}
}

static void split_query(struct request *r, char *query)
{
	char *save = NULL;

	for (char *pair = strtok_r(query, "&", &save); pair != NULL; pair = strtok_r(NULL, "&", &save)) {
		char *value = strchr(pair, '=');
		if (value == NULL)
			value = pair + strlen(pair);
		else
			*value++ = '\0';
		if (r->params == REQUEST_PARAMS_MAX || !unescape(pair, true) || !unescape(value, true)) {
			r->bad_target = true;
			return;
		}
		r->param[r->params++] = (struct request_param){.name = pair, .value = value};
	}
}

struct request *request_new(struct service *service, const char *target)
{
	struct request *r = xcalloc(1, sizeof(*r));

	r->arena = arena_new(2048);
	r->service = service;
	r->started_us = clock_mono_us();
	r->body_fd = -1;
	r->method = REQUEST_OTHER;
	r->target = arena_strdup(r->arena, target);
	char *path = arena_strdup(r->arena, target);
	char *query = strchr(path, '?');
	if (query != NULL) {
		*query++ = '\0';
		split_query(r, query);
	}
	split_path(r, path);
	return r;
}

static void answer_file_close(struct answer *a)
{
	if (a->has_file)
		close(a->file_fd);
	a->has_file = false;
}

void request_free(struct request **r)
{
	if (*r == NULL)
		return;
	answer_file_close(&(*r)->answer);
	if ((*r)->body_fd >= 0)
		close((*r)->body_fd);
	EVP_MD_CTX_free((*r)->digest);
	buf_free(&(*r)->body);
	buf_free(&(*r)->answer.body);
	arena_free(&(*r)->arena);
	free(*r);
	*r = NULL;
}

enum request_method request_method_parse(const char *name)
{
	if (strcmp(name, "GET") == 0 || strcmp(name, "HEAD") == 0)
		return REQUEST_GET;
	if (strcmp(name, "POST") == 0)
		return REQUEST_POST;
	if (strcmp(name, "PATCH") == 0)
		return REQUEST_PATCH;
	return strcmp(name, "DELETE") == 0 ? REQUEST_DELETE : REQUEST_OTHER;
}

const char *request_param(const struct request *r, const char *name)
{
	for (int i = 0; i < r->params; i++)
		if (strcmp(r->param[i].name, name) == 0)
			return r->param[i].value;
	return NULL;
}

bool request_is_bound(const struct request *r)
{
	return r->caller.carrier_text[0] != '\0';
}

/* jansson recurses as deep as the text nests; count before it does. */
static bool too_deep(const char *text, size_t len)
{
	int depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			if (++depth > REQUEST_JSON_DEPTH_MAX)
				return true;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return false;
}

/* A number that 64 bits don't hold becomes one that is as wrong in any field. Returns its length. */
static size_t number_soften(char *text)
{
	size_t len = strspn(text, "+-.0123456789eE");
	bool whole = strcspn(text, ".eE") >= len;
	char wrong[] = "-9223372036854775807";

	errno = 0;
	if (whole)
		(void)strtoll(text, NULL, 10);
	else
		(void)strtod(text, NULL);
	const char *as = !whole ? "0.5" : text[0] == '-' ? wrong : wrong + 1;
	if (errno == ERANGE && strlen(as) <= len) {
		memset(text, ' ', len);
		memcpy(text, as, strlen(as));
	}
	return len;
}

/* jansson reads no number that 64 bits don't hold, and no \u0000, and does not say in which field. What stands for them
 * here, an id that nobody has, a fraction where an integer belongs, a control character, is refused by its field. */
static void soften(char *text)
{
	bool quoted = false;

	for (char *c = text; *c != '\0'; c++) {
		if (quoted && *c == '\\') {
			if (strncmp(c + 1, "u0000", 5) == 0)
				c[5] = '1';
			c += c[1] != '\0';
		} else if (*c == '"') {
			quoted = !quoted;
		} else if (!quoted && (*c == '-' || (*c >= '0' && *c <= '9'))) {
			c += number_soften(c) - 1;
		}
	}
}

static json_t *json_read(const struct buf *body, json_error_t *error)
{
	return json_loadb(body->text, body->len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, error);
}

json_t *request_json(struct request *r)
{
	json_error_t error;

	if (r->body.len == 0) {
		request_problem(r, 400, "A JSON object is expected in the body.");
		return NULL;
	}
	if (too_deep(r->body.text, r->body.len)) {
		request_problem(r, 400, "The body nests deeper than %d levels.", REQUEST_JSON_DEPTH_MAX);
		return NULL;
	}
	json_t *value = json_read(&r->body, &error);
	if (value == NULL && (json_error_code(&error) == json_error_numeric_overflow ||
			      json_error_code(&error) == json_error_null_character)) {
		soften(r->body.text);
		value = json_read(&r->body, &error);
	}
	if (value == NULL) {
		request_problem(r, 400, "The body is not JSON: line %d, column %d.", error.line, error.column);
		return NULL;
	}
	if (!json_is_object(value)) {
		json_decref(value);
		request_problem(r, 422, "The body must be a JSON object.");
		return NULL;
	}
	return value;
}

void request_answer(struct request *r, int status, const char *type)
{
	r->answer.status = status;
	r->answer.type = type;
}

void request_answer_json(struct request *r, int status, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(9));

	if (text == NULL) {
		request_problem(r, 500, "The answer could not be written.");
		return;
	}
	request_answer_text(r, status, text);
	free(text);
}

void request_etag(struct request *r, const json_t *object)
{
	const json_t *version = json_object_get(object, "version");

	if (version != NULL)
		r->answer.etag = arena_printf(r->arena, "\"%" JSON_INTEGER_FORMAT "\"", json_integer_value(version));
}

/* One of a list of tags, or any (RFC 9110 section 13.1.2: weak comparison). */
static bool has_tag(const char *list, const char *etag)
{
	const char *at = strstr(list, etag);

	return strcmp(list, "*") == 0 ||
	       (at != NULL && (at[strlen(etag)] == '\0' || strchr(", \t", at[strlen(etag)]) != NULL));
}

bool request_answer_same(struct request *r, const char *etag)
{
	bool same = r->if_none_match != NULL && has_tag(r->if_none_match, etag);

	if (same) {
		buf_reset(&r->answer.body);
		request_answer(r, 304, NULL);
	}
	r->answer.etag = etag;
	return same;
}

void request_answer_text(struct request *r, int status, const char *json_text)
{
	buf_reset(&r->answer.body);
	buf_puts(&r->answer.body, json_text);
	buf_putc(&r->answer.body, '\n');
	request_answer(r, status, JSON_TYPE);
}

void request_problem_fields(struct request *r, int status, const char *detail, json_t *errors)
{
	json_t *problem = json_pack("{s:s, s:i}", "title", request_status_title(status), "status", status);

	json_object_set_new(problem, "detail", json_string(detail));
	if (errors != NULL)
		json_object_set_new(problem, "errors", errors);
	request_answer_json(r, status, problem);
	json_decref(problem);
	r->answer.type = REQUEST_PROBLEM_TYPE;
	r->answer.location = r->answer.etag = r->answer.file_name = NULL;
	if (status == 503 && r->answer.retry_after_s == 0)
		r->answer.retry_after_s = 1;
}

void request_problem(struct request *r, int status, const char *fmt, ...)
{
	char detail[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	utf8_mend(detail);
	request_problem_fields(r, status, detail, NULL);
}

void request_problem_unauthorized(struct request *r, const char *detail)
{
	request_problem_fields(r, 401, detail, NULL);
}

void request_answer_file(struct request *r, int fd, int64_t bytes, const char *type)
{
	answer_file_close(&r->answer);
	r->answer.has_file = true;
	r->answer.file_fd = fd;
	r->answer.file_bytes = bytes;
	request_answer(r, 200, type);
}

void request_problem_redis(struct request *r, const char *what, int err, const struct status *st)
{
	char quoted[600];

	r->again = err == -ENOTCONN;
	if (err != -ENOTCONN && err != -ETIMEDOUT)
		log_event(LOG_LEVEL_ERROR, "redis command failed", "error=%s",
			  log_quote(st->text, quoted, sizeof(quoted)));
	request_problem(r, 503, "%s (Redis) is away; try again.", what);
}

void request_answer_reset(struct request *r)
{
	struct buf body = r->answer.body;

	buf_reset(&body);
	answer_file_close(&r->answer);
	r->answer = (struct answer){.body = body};
	r->again = false;
}

const char *request_status_title(int status)
{
	switch (status) {
	case 400:
		return "Bad request";
	case 401:
		return "Not authenticated";
	case 403:
		return "Not allowed";
	case 404:
		return "Not found";
	case 405:
		return "Method not allowed";
	case 408:
		return "Request timed out";
	case 409:
		return "Conflict";
	case 412:
		return "Changed since it was read";
	case 413:
		return "Too large";
	case 414:
		return "Request line too long";
	case 415:
		return "Unsupported media type";
	case 422:
		return "A field is wrong";
	case 429:
		return "Too many requests";
	case 431:
		return "Headers too long";
	case 503:
		return "Temporarily unavailable";
	default:
		return status >= 500 ? "Internal error" : "Request failed";
	}
}
