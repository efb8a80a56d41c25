/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/cli.h"
#include "sql/migrate.h"

static enum cli_exit run(struct cli *cli, int argc, char **argv)
{
	struct status st = {""};
	enum cli_exit status;
	int applied = 0;

	if (!cli_parse(cli, argc, argv, NULL, 0, NULL, 0, &status))
		return status;

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	int err = migrate_run(pg, &applied, &st);
	pg_free(&pg);
	if (err != 0)
		return cli_fail("%s", st.text);
	if (applied == 0)
		printf("the schema is current\n");
	else
		printf("%d migration%s applied\n", applied, applied == 1 ? "" : "s");
	return CLI_DONE;
}

const struct command command_migrate = {
	.name = "migrate",
	.synopsis = "",
	.meaning = "bring the database to the current schema; safe to repeat",
	.run = run,
};
