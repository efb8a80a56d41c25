/* SPDX-License-Identifier: Apache-2.0 */
/* PATCH of a whole collection: the same change to all objects that the filters name. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/endpoint.h"
#include "api/resource.h"
#include "api/resource_priv.h"
#include "api/store.h"

#define MANY_MAX 1000

static const struct field changed_name = {.type = FIELD_TEXT, .flags = FIELD_READ_ONLY, .example = "\"max_cps\""};
static const struct field change_fields[] = {
	{.name = "id", .type = FIELD_ID, .flags = FIELD_READ_ONLY, .example = "7", .meaning = "Of the object."},
	{.name = "name",
	 .type = FIELD_TEXT,
	 .flags = FIELD_READ_ONLY,
	 .example = "\"acme-in\"",
	 .meaning = "Of the object, after the change."},
	{.name = "changed",
	 .type = FIELD_LIST,
	 .flags = FIELD_READ_ONLY,
	 .item = &changed_name,
	 .items = 1,
	 .example = "[\"max_cps\"]",
	 .meaning = "Which of its fields changed; none if it was so already."},
};
static const struct field change_item = {
	.type = FIELD_OBJECT, .item = change_fields, .items = sizeof(change_fields) / sizeof(*change_fields)};
static const struct field changes_fields[] = {
	{.name = "matched",
	 .type = FIELD_INT,
	 .flags = FIELD_READ_ONLY,
	 .example = "12",
	 .meaning = "How many the filters name."},
	{.name = "changed",
	 .type = FIELD_INT,
	 .flags = FIELD_READ_ONLY,
	 .example = "10",
	 .meaning = "How many of them were not so already."},
	{.name = "dry_run",
	 .type = FIELD_BOOL,
	 .flags = FIELD_READ_ONLY,
	 .example = "false",
	 .meaning = "True: it was checked, but nothing was changed."},
	{.name = "items",
	 .type = FIELD_LIST,
	 .flags = FIELD_READ_ONLY,
	 .item = &change_item,
	 .items = 1,
	 .meaning = "Which, in the order of their ids."},
};

const struct resource changes = {
	.collection = "changes",
	.noun = "change",
	.meaning = "What a change of many objects did.",
	.fields = changes_fields,
	.n = sizeof(changes_fields) / sizeof(*changes_fields),
};

struct target { /* one of many */
	const char *id;
	json_t *before, *after; /* after NULL: it stays as it is */
	char *text;		/* what it is to become, for the database; NULL: it is so already */
};

struct many {
	struct request *r;
	const struct resource *res;
	struct target target[MANY_MAX];
	int n;
	struct errors errors; /* of all of them */
};

static const char *name_of(const json_t *object)
{
	const char *name = json_string_value(json_object_get(object, "name"));

	return name != NULL ? name : "";
}

static void errors_take(struct many *m, const struct target *t, struct errors *e)
{
	json_t *one;
	size_t i;

	json_array_foreach(e->list, i, one)
		errors_add(&m->errors, json_string_value(json_object_get(one, "field")), "%s %s (%.100s): %s",
			   m->res->noun, t->id, name_of(t->before), json_string_value(json_object_get(one, "message")));
	json_decref(e->list);
	e->list = NULL;
}

/* 0, or -1 after a 422 that names what is wrong with which */
static int errors_answer(struct many *m)
{
	if (m->errors.list == NULL)
		return 0;
	request_problem_fields(m->r, 422, "Nothing was changed: it does not fit to all of them; see errors.",
			       m->errors.list);
	m->errors.list = NULL;
	return -1;
}

/* Which are meant? They stay: writers of a configuration take turns, and each is locked next. */
static int many_find(struct many *m)
{
	struct request *r = m->r;
	int filters = r->endpoint->params->n - 2;
	const char *values[4 + PARAMS_MAX] = {NULL, "1001", NULL};
	PGresult *result;

	_Static_assert(MANY_MAX == 1000, "the limit asked for is one more");
	if (params_check(r, r->endpoint->params, values + 3, NULL) != 0 ||
	    params_named(r, values + 3, filters, values[3 + filters + 1]) != 0 ||
	    store_query(r, m->res->list, values, &result) != 0)
		return -1;
	m->n = PQntuples(result);
	if (m->n > MANY_MAX) {
		m->n = 0;
		request_problem(r, 422, "More than %d are meant; narrow the filters.", MANY_MAX);
		PQclear(result);
		return -1;
	}
	for (int i = 0; i < m->n; i++)
		m->target[i].id = arena_strdup(r->arena, PQgetvalue(result, i, 0));
	PQclear(result);
	return 0;
}

/* No object is there to show that the change is none: what it names is held against the table alone. */
static int change_check(struct many *m, const json_t *input)
{
	struct errors e = {NULL};
	json_t *one;
	size_t i;

	json_decref(fields_check(m->res->fields, m->res->n, input, NULL, &e));
	json_array_foreach(e.list, i, one)
	{
		const char *field = json_string_value(json_object_get(one, "field"));
		if (json_object_getn(input, field, strcspn(field, ".[")) != NULL)
			errors_add(&m->errors, field, "%s", json_string_value(json_object_get(one, "message")));
	}
	json_decref(e.list);
	return errors_answer(m);
}

/* What each is and is to become. */
static int many_plan(struct many *m, const json_t *input)
{
	const struct resource *res = m->res;
	json_t *nothing = json_object();
	int rc = 0;

	if (m->n == 0)
		rc = change_check(m, input);
	for (int i = 0; rc == 0 && i < m->n; i++) {
		struct target *t = &m->target[i];
		struct errors e = {NULL}, old = {NULL};
		m->r->id = t->id;
		t->before = resource_lock(m->r, res);
		if (t->before == NULL) {
			rc = -1;
			break;
		}
		json_t *now = fields_check(res->fields, res->n, nothing, t->before, &old);
		json_t *object = fields_check(res->fields, res->n, input, t->before, &e);
		if (e.list == NULL && res->check != NULL)
			res->check(object, &e);
		if (e.list == NULL && !json_equal(now, object))
			t->text = json_dumps(object, JSON_COMPACT);
		errors_take(m, t, &e);
		json_decref(old.list);
		json_decref(now);
		json_decref(object);
	}
	json_decref(nothing);
	return rc != 0 ? rc : errors_answer(m);
}

/* All are changed before it is asked whether they fit together: what is wrong on the way is no fault. */
static int many_write(struct many *m)
{
	const struct resource *res = m->res;
	PGresult *result;

	for (int i = 0; i < m->n; i++) {
		struct target *t = &m->target[i];
		const char *values[] = {t->id, t->text};
		if (t->text == NULL)
			continue;
		if (store_query(m->r, res->update, values, &result) != 0)
			return -1;
		t->after = json_loads(PQgetvalue(result, 0, 1), 0, NULL);
		PQclear(result);
	}
	for (int i = 0; i < m->n; i++) {
		struct target *t = &m->target[i];
		struct errors e = {NULL};
		if (t->after == NULL)
			continue;
		if (resource_faults(m->r, res, t->id, &e) != 0)
			return -1;
		errors_take(m, t, &e);
	}
	return errors_answer(m);
}

static int many_audit(struct many *m)
{
	for (int i = 0; i < m->n; i++) {
		struct target *t = &m->target[i];
		if (t->after == NULL)
			continue;
		json_t *old = resource_masked(m->res, t->before), *new = resource_masked(m->res, t->after);
		int rc = store_audit(m->r, &(struct store_change){.action = "update",
								  .resource = m->res->collection,
								  .id = t->id,
								  .before = old,
								  .after = new});
		json_decref(old);
		json_decref(new);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static json_t *names_changed(const struct many *m, const struct target *t)
{
	json_t *names = json_array();

	for (int i = 0; t->after != NULL && i < m->res->n; i++) {
		const struct field *f = &m->res->fields[i];
		const json_t *before = json_object_get(t->before, f->name), *after = json_object_get(t->after, f->name);
		/* neither shows a field of the other direction */
		if (!(f->flags & FIELD_READ_ONLY) && before != after && !json_equal(before, after))
			json_array_append_new(names, json_string(f->name));
	}
	return names;
}

static void many_answer(struct many *m, bool dry_run)
{
	json_t *items = json_array();
	int changed = 0;

	for (int i = 0; i < m->n; i++) {
		const struct target *t = &m->target[i];
		changed += t->after != NULL;
		json_array_append_new(items, json_pack("{s:I, s:s, s:o}", "id", (json_int_t)strtoll(t->id, NULL, 10),
						       "name", name_of(t->after != NULL ? t->after : t->before),
						       "changed", names_changed(m, t)));
	}
	json_t *answer = json_pack("{s:i, s:i, s:b, s:o}", "matched", m->n, "changed", changed, "dry_run", dry_run,
				   "items", items);
	request_answer_json(m->r, 200, answer);
	json_decref(answer);
}

static void many_free(struct many *m)
{
	for (int i = 0; i < m->n; i++) {
		json_decref(m->target[i].before);
		json_decref(m->target[i].after);
		free(m->target[i].text);
	}
	json_decref(m->errors.list);
	free(m);
}

void resource_update_many(struct request *r)
{
	struct many *m = xcalloc(1, sizeof(*m));
	bool dry_run = params_true(request_param(r, "dry_run"));
	json_t *input = NULL;

	m->r = r;
	m->res = r->endpoint->resource;
	if (r->if_match != NULL && strcmp(r->if_match, "*") != 0) {
		request_problem(r, 412, "Many objects have no ETag: If-Match is for one.");
		goto out;
	}
	if ((input = request_json(r)) == NULL || resource_begin(r, m->res) != 0 || many_find(m) != 0 ||
	    many_plan(m, input) != 0 || many_write(m) != 0)
		goto out;
	if (!dry_run && many_audit(m) != 0)
		goto out;
	many_answer(m, dry_run);
	if (!dry_run && store_commit(r) != 0)
		goto out;
out:
	store_rollback(r);
	many_free(m);
	json_decref(input);
}
