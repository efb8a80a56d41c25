/* SPDX-License-Identifier: Apache-2.0 */
/* tandem audit - do the nodes' counts agree with the calls that they have? */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cluster/live.h"

enum { ANSWER_MS = 5000 };

static size_t print_node(const json_t *node)
{
	const json_t *words;
	size_t i, n = (size_t)json_integer_value(json_object_get(node, "audit_differences"));
	const char *name = json_string_value(json_object_get(node, "node"));

	printf("%s: %lld calls, ", name != NULL ? name : "?",
	       (long long)json_integer_value(json_object_get(node, "calls")));
	if (n == 0)
		puts("all counts agree");
	else
		printf("%zu difference%s\n", n, n == 1 ? "" : "s");
	json_array_foreach(json_object_get(node, "audit"), i, words) printf("  %s\n", json_string_value(words));
	return n;
}

/* what a node's object says of this, and no more */
static json_t *shown(const json_t *node)
{
	return json_pack("{sO* sO* sO* sO*}", "node", json_object_get(node, "node"), "calls",
			 json_object_get(node, "calls"), "audit_differences",
			 json_object_get(node, "audit_differences"), "audit", json_object_get(node, "audit"));
}

static size_t report(const json_t *nodes, bool json)
{
	json_t *list = json_array();
	const json_t *node;
	size_t i, differences = 0;

	json_array_foreach(nodes, i, node)
	{
		if (json)
			json_array_append_new(list, shown(node));
		differences += json ? (size_t)json_integer_value(json_object_get(node, "audit_differences"))
				    : print_node(node);
	}
	if (json)
		cli_print_json(list);
	json_decref(list);
	return differences;
}

static enum cli_exit run(struct cli *cli, int argc, char **argv)
{
	bool json = false;
	const struct cli_option options[] = {{.name = "json", .flag = &json}};
	struct status st = {""};
	enum cli_exit status;
	json_t *before = NULL, *nodes = NULL;

	if (!cli_parse(cli, argc, argv, options, 1, NULL, 0, &status))
		return status;

	struct redis *r = cli_redis(cli);
	if (r == NULL)
		return CLI_FAILED;
	int err = live_nodes(r, &before, &st);
	size_t asked = json_array_size(before);
	json_decref(before);
	if (err == 0)
		err = live_audit(r, ANSWER_MS, &nodes, &st);
	redis_free(&r);
	if (err != 0)
		return cli_fail("%s", st.text);
	size_t answered = json_array_size(nodes), differences = report(nodes, json);
	json_decref(nodes);
	if (asked == 0)
		return cli_fail("no node runs");
	if (answered < asked)
		return cli_fail("%zu of %zu nodes did not answer within %d s", asked - answered, asked,
				ANSWER_MS / 1000);
	if (differences > 0)
		return cli_fail("counts and calls do not agree");
	return CLI_DONE;
}

const struct command command_audit = {
	.name = "audit",
	.synopsis = "[--json]",
	.meaning = "compare each node's counts with the calls that it has",
	.help = "  --json   a list of nodes with their differences\n",
	.run = run,
};
