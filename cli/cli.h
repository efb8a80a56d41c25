/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h - what the commands of `tandem` share: how a command looks, its options, the settings, the connections.
 *
 * A command's run() is given what follows its name and returns the exit status. One that fails has said why in one
 * line on standard error (cli_fail). Single-threaded; nothing here outlives the program.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/pg.h"
#include "lib/redis.h"
#include "lib/status.h"
#include "settings/settings.h"

#define CLI_SERVICE_ACCOUNT "tandem" /* whom the daemons of the packages run as */

enum cli_exit { CLI_DONE, CLI_FAILED, CLI_USAGE };

struct cli {
	const char *config_path;
	struct settings *settings; /* by cli_settings */
	const struct command *command;
};

struct command {
	const char *name;     /* "rates import": the words on the command line */
	const char *synopsis; /* what follows them */
	const char *meaning;  /* one line for the list */
	const char *help;     /* the options, a line each, for --help; may be NULL */
	enum cli_exit (*run)(struct cli *cli, int argc, char **argv);
	/* further words that it takes, with their meanings, to put(); NULL: none */
	void (*words)(void (*put)(const char *word, const char *meaning));
};

extern const struct command command_audit, command_setup, command_migrate, command_apikey_create, command_rates_import,
	command_rates_export, command_rates_versions, command_rates_rollback, command_route, command_calls,
	command_calls_hangup, command_hangup, command_bench_routes, command_rate, command_doctor, command_cdr_verify,
	command_cdr_seal, command_cdr_refused, command_cdr_archive, command_cdr_restore, command_export_run,
	command_export_write, command_export_list, command_export_deliver, command_export_options, command_rerate,
	command_invoice_create, command_invoice_issue, command_invoice_void, command_invoice_list, command_invoice_show,
	command_invoice_write, command_carriers, command_trunks, command_trunks_set, command_decks, command_plans;

struct cli_option {
	const char *name;   /* "deck": given as --deck VALUE or --deck=VALUE */
	const char **value; /* one of the two */
	bool *flag;
	bool required;
};

/* cli_parse - options and positional arguments (all needed) of a command; -c FILE is understood everywhere.
 *   returns true to go on; false: *status is the exit status (--help was asked for and given, or a usage error) */
bool cli_parse(struct cli *cli, int argc, char **argv, const struct cli_option *options, size_t n_options,
	       const char **positional, size_t n_positional, enum cli_exit *status);
/* cli_usage, cli_fail - one line on standard error; return the exit status to hand back */
enum cli_exit cli_usage(const struct cli *cli, const char *fmt, ...) printf_like(2, 3);
enum cli_exit cli_fail(const char *fmt, ...) printf_like(1, 2);

/* cli_settings - read the configuration; false after cli_fail */
bool cli_settings(struct cli *cli);
/* cli_connect - a connection to a URL. Root speaks to a server on this machine (Unix socket, no password in the URL) as
 *   the account that the URL's user names, or `account` without one: that is whom peer authentication lets in.
 *   statement_timeout_ms 0: none. url is borrowed. 0 or as pg_connect; *out is NULL then. Freed by the caller. */
int cli_connect(const char *url, const char *account, int statement_timeout_ms, struct pg **out,
		struct status *st) must_check;
/* cli_database, cli_redis - connected, after cli_settings; NULL after cli_fail. Freed by the caller (pg_free,
 * redis_free). */
struct pg *cli_database(struct cli *cli);
struct redis *cli_redis(struct cli *cli);
const char *cli_actor(void); /* "cli:USER", for the audit log; kept until the next call */

bool cli_parse_int(const char *text, int64_t min, int64_t max, int64_t *out); /* a whole decimal number in that range */
/* cli_parse_carrier, cli_parse_side - --carrier and --side of many commands; false after cli_usage */
bool cli_parse_carrier(const struct cli *cli, const char *text, int64_t *id);
bool cli_parse_side(const struct cli *cli, const char *text, bool *sell);
/* cli_text, cli_number - a member of an object for a table's cell: a text, borrowed, NULL if there is none; a whole
 * number in decimal, in out */
const char *cli_text(const json_t *object, const char *key);
const char *cli_number(const json_t *object, const char *key, char out[static 24]);
void cli_print_json(const json_t *value);

#endif
