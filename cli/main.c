/* SPDX-License-Identifier: Apache-2.0 */
/* tandem - the operator's command line: main finds the command and runs it. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/manual.h"
#include "lib/log.h"

static const struct command *const commands[] = {
	&command_setup,		 &command_migrate,	  &command_apikey_create,  &command_rates_import,
	&command_rates_export,	 &command_rates_versions, &command_rates_rollback, &command_route,
	&command_calls_hangup,	 &command_calls,	  &command_audit,	   &command_hangup,
	&command_rate,		 &command_bench_routes,	  &command_doctor,	   &command_export_run,
	&command_cdr_verify,	 &command_cdr_seal,	  &command_cdr_refused,	   &command_cdr_archive,
	&command_cdr_restore,	 &command_export_write,	  &command_export_list,	   &command_export_deliver,
	&command_export_options, &command_rerate,	  &command_invoice_create, &command_invoice_issue,
	&command_invoice_void,	 &command_invoice_list,	  &command_invoice_show,   &command_invoice_write,
	&command_carriers,	 &command_trunks_set,	  &command_trunks,	   &command_decks,
	&command_plans,
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(void)
{
	printf("usage: tandem [-c FILE] COMMAND [OPTIONS]\n\nThe operator's command line of the tandem "
	       "softswitch.\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %-14s  %s\n", commands[i]->name, commands[i]->meaning);
	printf("\n  -c, --config FILE   configuration (default %s)\n"
	       "  -h, --help          this text, or a command's own: tandem COMMAND --help\n"
	       "  -V, --version       the version\n"
	       "  --manual PAGE       print tandem.1, tandem.conf.5, tandem.bash or tandem.conf (a sample)\n\n"
	       "Exit status: 0 done, 1 refused or failed, 2 usage.\n",
	       SETTINGS_PATH);
}

/* how many words of argv are the command's name; 0: another command */
static int words_matched(const char *name, int argc, char **argv)
{
	const char *p = name;
	int words = 0;

	while (*p != '\0') {
		size_t len = strcspn(p, " ");

		if (words >= argc || strlen(argv[words]) != len || strncmp(argv[words], p, len) != 0)
			return 0;
		words++;
		p += len + (p[len] == ' ');
	}
	return words;
}

/* "help", or "rates --help": the commands that begin so. False: not asked for, or there are none. */
static bool print_group_help(int argc, char **argv)
{
	size_t len = strlen(argv[0]);
	bool any = false;

	if (argc == 1 && strcmp(argv[0], "help") == 0) {
		print_help();
		return true;
	}
	if (argc != 2 || (strcmp(argv[1], "--help") != 0 && strcmp(argv[1], "-h") != 0))
		return false;
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strncmp(commands[i]->name, argv[0], len) != 0 || commands[i]->name[len] != ' ')
			continue;
		printf("  %-14s  %s\n", commands[i]->name, commands[i]->meaning);
		any = true;
	}
	return any;
}

/* "rates" alone, or with a wrong second word: say what there is */
static enum cli_exit unknown_command(int argc, char **argv)
{
	char known[256] = "";

	for (size_t i = 0; i < COMMANDS; i++) {
		size_t len = strcspn(commands[i]->name, " "), at = strlen(known);

		if (commands[i]->name[len] == ' ' && strlen(argv[0]) == len &&
		    strncmp(commands[i]->name, argv[0], len) == 0)
			snprintf(known + at, sizeof(known) - at, "%s`tandem %s`", at > 0 ? " or " : "",
				 commands[i]->name);
	}
	if (known[0] != '\0')
		fprintf(stderr, "tandem: `%s%s%s` is no command; there is %s\n", argv[0], argc > 1 ? " " : "",
			argc > 1 ? argv[1] : "", known);
	else
		fprintf(stderr, "tandem: unknown command `%s`; see `tandem --help`\n", argv[0]);
	return CLI_USAGE;
}

static enum cli_exit run_command(struct cli *cli, int argc, char **argv)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		int words = words_matched(commands[i]->name, argc, argv);

		if (words > 0) {
			cli->command = commands[i];
			return commands[i]->run(cli, argc - words, argv + words);
		}
	}
	return print_group_help(argc, argv) ? CLI_DONE : unknown_command(argc, argv);
}

int main(int argc, char **argv)
{
	struct cli cli = {.config_path = SETTINGS_PATH};
	enum cli_exit status = CLI_USAGE;
	int i = 1;

	log_set_level(LOG_LEVEL_ERROR); /* what a person must know is printed */
	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			print_help();
			return CLI_DONE;
		}
		if (strcmp(argv[i], "-V") == 0 || strcmp(argv[i], "--version") == 0) {
			printf("tandem %s\n", PACKAGE_VERSION);
			return CLI_DONE;
		}
		if (strcmp(argv[i], "--manual") == 0 && i + 1 < argc)
			return manual_print(argv[i + 1], commands, COMMANDS);
		if ((strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0) && i + 1 < argc) {
			cli.config_path = argv[++i];
		} else {
			fprintf(stderr, "tandem: unknown option %s; see `tandem --help`\n", argv[i]);
			return CLI_USAGE;
		}
	}
	if (i == argc)
		fprintf(stderr, "tandem: no command given; see `tandem --help`\n");
	else
		status = run_command(&cli, argc - i, argv + i);
	settings_free(&cli.settings);
	if (fflush(stdout) != 0 || ferror(stdout))
		return status == CLI_DONE ? cli_fail("cannot write the output") : status;
	return status;
}
