/* SPDX-License-Identifier: Apache-2.0 */
/* tandem trunks set: the same change to all trunks that the filters name. What PATCH /v1/trunks does, by the same code,
 * with the same checks and the same lines in the audit log; no HTTP, no key. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/endpoint.h"
#include "api/resource.h"
#include "cli/cli.h"
#include "cli/table.h"

#define TOLD_MAX 3 /* of what is wrong with a change */

static const struct endpoint change_many = {
	.method = REQUEST_PATCH,
	.path = "/v1/trunks",
	.run = resource_update_many,
	.role = ROLE_ADMIN,
	.flags = ENDPOINT_MANY,
	.resource = &trunks,
	.params = &trunks_many,
};

struct filter { /* an option of ours and the parameter that it is */
	const char *option, *parameter;
};
static const struct filter filters[] = {
	{"carrier", "carrier_id"}, {"direction", "direction"}, {"name", "name"},
	{"enabled", "enabled"},	   {"deck", "rate_deck_id"},   {"plan", "routing_plan_id"},
};
#define FILTERS (sizeof(filters) / sizeof(*filters))

static bool is_settable(const struct field *f)
{
	return !(f->flags & (FIELD_READ_ONLY | FIELD_FIXED));
}

/* "PCMA,G722" as the list that the field wants; its items are told by its table whether they are right. */
static json_t *list_of(const struct field *f, const char *text)
{
	json_t *list = json_array();
	char *copy = strdup(text), *rest = copy;
	int64_t number;

	for (const char *one; rest != NULL && (one = strsep(&rest, ",")) != NULL;) {
		bool whole = f->item != NULL && f->item->type == FIELD_INT &&
			     cli_parse_int(one, INT64_MIN, INT64_MAX, &number);
		if (*one != '\0')
			json_array_append_new(list, whole ? json_integer(number) : json_string(one));
	}
	free(copy);
	return list;
}

/* The value as the field's kind of JSON; whether it is good is for the field's own checks. */
static json_t *value_of(const struct field *f, const char *text)
{
	int64_t number;
	json_t *value = NULL;

	if (strcmp(text, "null") == 0)
		return json_null();
	if ((f->type == FIELD_INT || f->type == FIELD_ID) && cli_parse_int(text, INT64_MIN, INT64_MAX, &number))
		return json_integer(number);
	if (f->type == FIELD_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
		return json_boolean(*text == 't');
	if (*text == '[' || *text == '{')
		value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (value == NULL && f->type == FIELD_LIST)
		value = list_of(f, text);
	return value != NULL ? value : json_string(text);
}

/* Take each FIELD=VALUE out of argv into change. How many arguments are left; -1 after a usage line. */
static int change_take(const struct cli *cli, int argc, char **argv, json_t *change)
{
	char name[64];
	int left = 0;

	for (int i = 0; i < argc; i++) {
		const char *equals = strchr(argv[i], '=');
		if (argv[i][0] == '-' || equals == NULL || (size_t)(equals - argv[i]) >= sizeof(name)) {
			argv[left++] = argv[i];
			if (argv[i][0] == '-' && equals == NULL && strcmp(argv[i], "--json") != 0 &&
			    strcmp(argv[i], "--dry-run") != 0 && strcmp(argv[i], "--all") != 0 && i + 1 < argc)
				argv[left++] = argv[++i]; /* an option's value may have a '=' in it */
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)(equals - argv[i]), argv[i]);
		const struct field *f = fields_find(trunks.fields, trunks.n, name);
		if (f == NULL || !is_settable(f)) {
			cli_usage(cli, "%s is no field of a trunk that can be changed", name);
			return -1;
		}
		json_t *value = value_of(f, equals + 1);
		if (value == NULL || json_object_set_new(change, name, value) != 0) {
			cli_usage(cli, "the value of %s is no text in UTF-8", name);
			return -1;
		}
	}
	return left;
}

/* What the API would have answered with a refusal, in one line. */
static enum cli_exit refused(const struct request *r)
{
	json_t *problem = json_loads(r->answer.body.text, 0, NULL), *errors = json_object_get(problem, "errors"), *one;
	const char *detail = json_string_value(json_object_get(problem, "detail"));
	const char *see = detail != NULL ? strstr(detail, "; see errors.") : NULL; /* they follow here */
	struct buf line = {0};
	size_t i;

	if (detail == NULL)
		detail = "refused";
	buf_printf(&line, "%.*s%s", see != NULL ? (int)(see - detail) : (int)strlen(detail), detail,
		   see != NULL ? ":" : "");
	json_array_foreach(errors, i, one)
	{
		if (i == TOLD_MAX) {
			buf_printf(&line, "; and %zu more", json_array_size(errors) - i);
			break;
		}
		const char *field = json_string_value(json_object_get(one, "field"));
		const char *message = json_string_value(json_object_get(one, "message"));
		buf_printf(&line, "%s %s: %s", i > 0 ? ";" : "", field != NULL ? field : "",
			   message != NULL ? message : "");
	}
	cli_fail("%s", line.text);
	buf_free(&line);
	json_decref(problem);
	return CLI_FAILED;
}

static char *names_of(const json_t *list)
{
	struct buf out = {0};
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one) buf_printf(&out, "%s%s", i > 0 ? ", " : "", json_string_value(one));
	return buf_steal(&out);
}

static void print_changes(const json_t *answer)
{
	struct table *t = table_new((const char *const[]){"!id", "name", "changes", NULL});
	json_t *items = json_object_get(answer, "items"), *item;
	bool dry_run = json_is_true(json_object_get(answer, "dry_run"));
	size_t i;

	json_array_foreach(items, i, item)
	{
		char id[24], *names = names_of(json_object_get(item, "changed"));
		snprintf(id, sizeof(id), "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(item, "id")));
		table_row(t, (const char *const[]){id, json_string_value(json_object_get(item, "name")),
						   *names != '\0' ? names : "nothing: it is so already"});
		free(names);
	}
	table_print(&t);
	printf("%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " trunks %s\n",
	       json_integer_value(json_object_get(answer, "changed")),
	       json_integer_value(json_object_get(answer, "matched")), dry_run ? "would change" : "changed");
}

static void param_add(struct request *r, const char *name, const char *value)
{
	if (value != NULL)
		r->param[r->params++] = (struct request_param){name, value};
}

static enum cli_exit change_run(struct cli *cli, struct request *r, const json_t *change, bool json)
{
	struct pg *pg = cli_database(cli);
	char *text = json_dumps(change, JSON_COMPACT), actor[80];
	enum cli_exit status = CLI_FAILED;

	if (pg == NULL || text == NULL)
		goto out;
	snprintf(actor, sizeof(actor), "%s", cli_actor());
	r->endpoint = &change_many;
	r->method = REQUEST_PATCH;
	r->caller.name = actor;
	r->caller.role = ROLE_ADMIN;
	r->pg = pg;
	buf_puts(&r->body, text);
	change_many.run(r);
	r->pg = NULL;
	r->caller.name = NULL;
	if (r->answer.status != 200) {
		status = refused(r);
		goto out;
	}
	json_t *answer = json_loads(r->answer.body.text, 0, NULL);
	if (json)
		cli_print_json(answer);
	else
		print_changes(answer);
	json_decref(answer);
	status = CLI_DONE;
out:
	free(text);
	pg_free(&pg);
	return status;
}

static enum cli_exit run(struct cli *cli, int argc, char **argv)
{
	const char *values[FILTERS] = {NULL};
	bool json = false, dry_run = false, all = false, named = false;
	struct cli_option options[FILTERS + 3] = {
		{.name = "json", .flag = &json}, {.name = "dry-run", .flag = &dry_run}, {.name = "all", .flag = &all}};
	json_t *change = json_object();
	enum cli_exit status = CLI_USAGE;

	for (size_t i = 0; i < FILTERS; i++)
		options[3 + i] = (struct cli_option){.name = filters[i].option, .value = &values[i]};
	int left = change_take(cli, argc, argv, change);
	if (left < 0 || !cli_parse(cli, left, argv, options, FILTERS + 3, NULL, 0, &status))
		goto out;
	for (size_t i = 0; i < FILTERS; i++)
		named |= values[i] != NULL;
	if (!named && !all) {
		status = cli_usage(cli, "say which trunks are meant, or --all");
		goto out;
	}
	if (json_object_size(change) == 0) {
		status = cli_usage(cli, "say what changes, as FIELD=VALUE");
		goto out;
	}
	struct request *r = request_new(NULL, change_many.path);
	for (size_t i = 0; i < FILTERS; i++)
		param_add(r, filters[i].parameter, values[i]);
	param_add(r, "dry_run", dry_run ? "true" : NULL);
	param_add(r, "all", all ? "true" : NULL);
	status = change_run(cli, r, change, json);
	request_free(&r);
out:
	json_decref(change);
	return status;
}

static void words(void (*put)(const char *word, const char *meaning))
{
	char word[80];

	for (int i = 0; i < trunks.n; i++) {
		const struct field *f = &trunks.fields[i];
		snprintf(word, sizeof(word), "%s=", f->name);
		if (is_settable(f))
			put(word, f->meaning);
	}
}

const struct command command_trunks_set = {
	.name = "trunks set",
	.synopsis =
		"[--carrier ID] [--direction ingress|egress] [--name N] [--enabled true|false] [--deck ID] [--plan ID] "
		"[--all] FIELD=VALUE... [--dry-run] [--json]",
	.meaning = "change all trunks that the filters name, all or none",
	.help = "  --carrier ID           of this carrier\n"
		"  --direction DIRECTION  ingress or egress\n"
		"  --name N               with this name\n"
		"  --enabled BOOL         true or false\n"
		"  --deck ID              with this rate deck\n"
		"  --plan ID              with this routing plan\n"
		"  --all                  every trunk\n"
		"  --dry-run              check it, and only say what would change\n"
		"  --json                 the answer of PATCH /v1/trunks\n"
		"\n"
		"A FIELD is one of those of /v1/trunks. VALUE: null is none, lists are separated by commas; JSON is "
		"taken where\n"
		"it begins with [ or {.\n",
	.words = words,
	.run = run,
};
