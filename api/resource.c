/* SPDX-License-Identifier: Apache-2.0 */
#include "api/resource.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/answers.h"
#include "api/endpoint.h"
#include "api/idempotency.h"
#include "api/resource_priv.h"
#include "api/store.h"

#define PAGE_BYTES ((size_t)8 << 20) /* of a page of large objects, and one object more */
#define SLICE_ROWS 16		     /* of them are read at first */

static const char *bound_to(const struct request *r)
{
	return request_is_bound(r) ? r->caller.carrier_text : NULL;
}

static void not_found(struct request *r, const struct resource *res)
{
	request_problem(r, 404, "There is no such %s.", res->noun);
}

/* The JSON text of one row as this caller may see it. */
static json_t *shown(const struct request *r, const struct resource *res, const char *text)
{
	json_t *object = json_loads(text, JSON_ALLOW_NUL, NULL);

	if (object != NULL)
		fields_hide(res->fields, res->n, object, request_is_bound(r));
	return object;
}

json_t *resource_masked(const struct resource *res, const json_t *object)
{
	json_t *copy = json_deep_copy(object);

	fields_mask(res->fields, res->n, copy);
	return copy;
}

static void answer_object(struct request *r, const struct resource *res, int status, json_t *object)
{
	fields_hide(res->fields, res->n, object, request_is_bound(r));
	request_answer_json(r, status, object);
	request_etag(r, object);
}

/* The ETag of an object that has no version: of what the asker is answered. */
static const char *tag_of_answer(struct request *r)
{
	char *etag = arena_alloc(r->arena, ANSWERS_ETAG);

	answers_etag(&r->answer.body, etag);
	return etag;
}

/* 404 if the object named before this collection in the path is not there for this caller. */
static int parent_check(struct request *r, const struct resource *res)
{
	PGresult *result;

	if (res->parent == NULL)
		return 0;
	const char *values[] = {r->parent, bound_to(r)};
	if (store_query(r, res->parent->get, values, &result) != 0)
		return -1;
	int rows = PQntuples(result);
	PQclear(result);
	if (rows == 0) {
		not_found(r, res->parent);
		return -1;
	}
	return 0;
}

/* A page of a list as it is put together. Objects may be large, audit entries of a list of numbers say: then it is read
 * in slices, and ends with the one that fills PAGE_BYTES. */
struct page {
	struct request *r;
	const struct resource *res;
	int limit, rows;
	const char *last; /* key of the last row in it; NULL: none yet */
	bool more;	  /* rows follow it */
};

static void page_begin(const struct page *p)
{
	buf_reset(&p->r->answer.body);
	buf_puts(&p->r->answer.body, "{\"items\":[");
}

static void page_row(struct page *p, const char *text)
{
	struct buf *out = &p->r->answer.body;

	if (p->rows++ > 0)
		buf_putc(out, ',');
	if (!request_is_bound(p->r)) {
		buf_puts(out, text);
		return;
	}
	json_t *object = shown(p->r, p->res, text);
	char *dump = json_dumps(object, JSON_COMPACT);
	buf_puts(out, dump != NULL ? dump : "null");
	free(dump);
	json_decref(object);
}

/* rows (cursor key, json) of a statement that was asked for one more than wanted */
static void page_rows(struct page *p, const PGresult *result, int wanted)
{
	int rows = PQntuples(result);

	p->more = rows > wanted;
	if (p->more)
		rows = wanted;
	for (int i = 0; i < rows; i++)
		page_row(p, PQgetvalue(result, i, 1));
	if (rows > 0)
		p->last = arena_strdup(p->r->arena, PQgetvalue(result, rows - 1, 0));
}

static void page_end(const struct page *p)
{
	struct buf *out = &p->r->answer.body;

	if (p->more)
		buf_printf(out, "],\"next_cursor\":\"%s\"}\n", params_cursor(p->r, p->last));
	else
		buf_puts(out, "],\"next_cursor\":null}\n");
	request_answer(p->r, 200, "application/json");
}

void resource_page(struct request *r, PGresult *result, int limit, const struct resource *res)
{
	struct page p = {.r = r, .res = res, .limit = limit};

	page_begin(&p);
	page_rows(&p, result, limit);
	page_end(&p);
}

/* How many rows to ask for next: as many as will fit if they are like those before. */
static int slice_rows(const struct page *p)
{
	size_t bytes = p->r->answer.body.len;
	int left = p->limit - p->rows;

	if (!p->res->large)
		return left;
	if (p->rows == 0)
		return left < SLICE_ROWS ? left : SLICE_ROWS;
	size_t fit = (PAGE_BYTES - bytes) / (bytes / (size_t)p->rows + 1) + 1;
	return fit < (size_t)left ? (int)fit : left;
}

void resource_list(struct request *r)
{
	const struct resource *res = r->endpoint->resource;
	const char *values[4 + PARAMS_MAX];
	struct page page = {.r = r, .res = res};
	struct listing listing;
	char limit[16];
	PGresult *result;
	int n = 3;

	if (res->parent != NULL)
		values[n++] = r->parent;
	if (params_check(r, r->endpoint->params, values + n, &listing) != 0 || parent_check(r, res) != 0)
		return;
	page.limit = listing.limit;
	page.last = listing.cursor;
	values[1] = limit;
	values[2] = bound_to(r);
	page_begin(&page);
	do {
		int wanted = slice_rows(&page);
		snprintf(limit, sizeof(limit), "%d", wanted + 1);
		values[0] = page.last;
		if (store_query(r, res->list, values, &result) != 0)
			return;
		page_rows(&page, result, wanted);
		PQclear(result);
	} while (page.more && page.rows < page.limit && r->answer.body.len < PAGE_BYTES);
	page_end(&page);
}

void resource_get(struct request *r)
{
	const struct resource *res = r->endpoint->resource;
	const char *values[] = {r->id, bound_to(r), r->parent};
	PGresult *result;

	if (params_check(r, NULL, NULL, NULL) != 0 || store_query(r, res->get, values, &result) != 0)
		return;
	if (PQntuples(result) == 0) {
		not_found(r, res);
	} else {
		json_t *object = shown(r, res, PQgetvalue(result, 0, 0));
		answer_object(r, res, 200, object);
		if ((r->endpoint->flags & ENDPOINT_KEPT) && !request_answer_same(r, tag_of_answer(r)))
			request_answer(r, 200, "application/json");
		json_decref(object);
	}
	PQclear(result);
}

/* The input, merged into before and checked, as text for the database; NULL after a 422. */
static char *checked(struct request *r, const struct resource *res, const json_t *input, const json_t *before)
{
	struct errors e = {NULL};
	json_t *object = fields_check(res->fields, res->n, input, before, &e);
	char *text = NULL;

	if (e.list == NULL && res->check != NULL)
		res->check(object, &e);
	if (e.list == NULL && before == NULL && res->before_insert != NULL && res->before_insert(r, object) != 0) {
		json_decref(object);
		return NULL;
	}
	if (e.list != NULL)
		request_problem_fields(r, 422, "At least one field is wrong; see errors.", e.list);
	else
		text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return text;
}

int resource_faults(struct request *r, const struct resource *res, const char *id, struct errors *e)
{
	PGresult *result;

	if (res->faults == NULL)
		return 0;
	if (store_query(r, res->faults, &id, &result) != 0)
		return -1;
	for (int i = 0; i < PQntuples(result); i++)
		errors_add(e, PQgetvalue(result, i, 0), "%s", PQgetvalue(result, i, 1));
	PQclear(result);
	return 0;
}

static int faults_check(struct request *r, const struct resource *res, const char *id)
{
	struct errors e = {NULL};

	if (resource_faults(r, res, id, &e) != 0)
		return -1;
	if (e.list == NULL)
		return 0;
	request_problem_fields(r, 422, "What was sent does not fit to the rest; see errors.", e.list);
	return -1;
}

int resource_begin(struct request *r, const struct resource *res)
{
	return res->configures ? store_begin_config(r) : store_begin(r);
}

static int created(struct request *r, const struct resource *res, PGresult *result)
{
	const char *id = PQgetvalue(result, 0, 0);
	json_t *object = json_loads(PQgetvalue(result, 0, 1), 0, NULL);
	json_t *after = resource_masked(res, object);
	int rc = faults_check(r, res, id);

	if (rc == 0)
		rc = store_audit(r, &(struct store_change){
					    .action = "create", .resource = res->collection, .id = id, .after = after});
	if (rc == 0) {
		if (res->after_insert != NULL)
			res->after_insert(r, object);
		answer_object(r, res, 201, object);
		r->answer.location = arena_printf(r->arena, "%s/%s", r->path, id);
		rc = idempotency_keep(r);
	}
	json_decref(after);
	json_decref(object);
	return rc;
}

void resource_create(struct request *r)
{
	const struct resource *res = r->endpoint->resource;
	PGresult *result = NULL;
	char *text = NULL;
	json_t *input;

	if (params_check(r, NULL, NULL, NULL) != 0 || (input = request_json(r)) == NULL)
		return;
	if (resource_begin(r, res) != 0 || idempotency_claim(r) != 0 || parent_check(r, res) != 0)
		goto out;
	text = checked(r, res, input, NULL);
	if (text == NULL)
		goto out;
	const char *values[] = {text, r->parent};
	if (store_query(r, res->insert, values, &result) != 0 || created(r, res, result) != 0 || store_commit(r) != 0)
		goto out;
out:
	store_rollback(r);
	PQclear(result);
	free(text);
	json_decref(input);
}

/* The ETag that a GET of the object, which is locked, answers now; NULL after an answer. */
static const char *tag_of(struct request *r, const struct resource *res, const json_t *object)
{
	const json_t *version = json_object_get(object, "version");
	const char *values[] = {r->id, bound_to(r), r->parent};
	PGresult *result;

	if (version != NULL)
		return arena_printf(r->arena, "\"%" JSON_INTEGER_FORMAT "\"", json_integer_value(version));
	if (store_query(r, res->get, values, &result) != 0)
		return NULL;
	json_t *seen = shown(r, res, PQgetvalue(result, 0, 0));
	request_answer_json(r, 200, seen);
	const char *tag = tag_of_answer(r);
	request_answer_reset(r);
	json_decref(seen);
	PQclear(result);
	return tag;
}

/* If-Match (RFC 9110 section 13.1.1): one tag, a list of tags, or *. */
static int if_match(struct request *r, const struct resource *res, const json_t *object)
{
	if (r->if_match == NULL || strcmp(r->if_match, "*") == 0)
		return 0;
	const char *tag = tag_of(r, res, object);
	if (tag == NULL)
		return -1;
	for (const char *at = strstr(r->if_match, tag); at != NULL; at = strstr(at + 1, tag))
		if (at == r->if_match || at[-1] == ' ' || at[-1] == ',')
			return 0;
	request_problem(r, 412, "It was changed since it was read: its ETag is %s now.", tag);
	return -1;
}

json_t *resource_lock(struct request *r, const struct resource *res)
{
	const char *values[] = {r->id, bound_to(r), r->parent};
	json_t *before = NULL;
	PGresult *result;

	if (store_query(r, res->lock, values, &result) != 0)
		return NULL;
	if (PQntuples(result) == 0) {
		not_found(r, res);
	} else {
		before = json_loads(PQgetvalue(result, 0, 1), 0, NULL);
		if (if_match(r, res, before) != 0) {
			json_decref(before);
			before = NULL;
		}
	}
	PQclear(result);
	return before;
}

static int updated(struct request *r, const struct resource *res, const json_t *before, PGresult *result)
{
	json_t *object = json_loads(PQgetvalue(result, 0, 1), 0, NULL);
	json_t *old = resource_masked(res, before), *after = resource_masked(res, object);
	int rc = faults_check(r, res, r->id);

	if (rc == 0)
		rc = store_audit(r, &(struct store_change){.action = "update",
							   .resource = res->collection,
							   .id = r->id,
							   .before = old,
							   .after = after});
	if (rc == 0)
		answer_object(r, res, 200, object);
	json_decref(old);
	json_decref(after);
	json_decref(object);
	return rc;
}

void resource_update(struct request *r)
{
	const struct resource *res = r->endpoint->resource;
	PGresult *result = NULL;
	json_t *before = NULL, *input;
	char *text = NULL;

	if (params_check(r, NULL, NULL, NULL) != 0 || (input = request_json(r)) == NULL)
		return;
	if (resource_begin(r, res) != 0 || (before = resource_lock(r, res)) == NULL)
		goto out;
	text = checked(r, res, input, before);
	if (text == NULL)
		goto out;
	const char *values[] = {r->id, text};
	if (store_query(r, res->update, values, &result) != 0 || updated(r, res, before, result) != 0 ||
	    store_commit(r) != 0)
		goto out;
out:
	store_rollback(r);
	PQclear(result);
	free(text);
	json_decref(before);
	json_decref(input);
}

/* 409 with the names of those who still need it. */
static int users_check(struct request *r, const struct resource *res)
{
	struct buf text = {0};
	PGresult *result;
	int n;

	if (res->users == NULL)
		return 0;
	if (store_query(r, res->users, &r->id, &result) != 0)
		return -1;
	n = PQntuples(result);
	for (int i = 0; i < n; i++)
		buf_printf(&text, "%s%s", i > 0 ? ", " : "", PQgetvalue(result, i, 0));
	PQclear(result);
	if (n > 0)
		request_problem(r, 409, "This %s is still referenced by: %s.", res->noun, text.text);
	buf_free(&text);
	return n > 0 ? -1 : 0;
}

void resource_remove(struct request *r)
{
	const struct resource *res = r->endpoint->resource;
	json_t *before = NULL, *old = NULL;
	PGresult *result;

	if (params_check(r, NULL, NULL, NULL) != 0)
		return;
	if (resource_begin(r, res) != 0 || (before = resource_lock(r, res)) == NULL || users_check(r, res) != 0)
		goto out;
	if (store_query(r, res->remove, &r->id, &result) != 0)
		goto out;
	PQclear(result);
	old = resource_masked(res, before);
	if (store_audit(r, &(struct store_change){
				   .action = "delete", .resource = res->collection, .id = r->id, .before = old}) != 0)
		goto out;
	request_answer(r, 204, NULL);
	if (store_commit(r) != 0)
		goto out;
out:
	store_rollback(r);
	json_decref(old);
	json_decref(before);
}
