/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REDIS_TIMEOUT_MS 3000

static void print_line(const char *fmt, va_list args)
{
	fflush(stdout);
	fprintf(stderr, "tandem: ");
	vfprintf(stderr, fmt, args);
	fprintf(stderr, "\n");
}

enum cli_exit cli_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print_line(fmt, args);
	va_end(args);
	return CLI_FAILED;
}

enum cli_exit cli_usage(const struct cli *cli, const char *fmt, ...)
{
	char text[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	cli_fail("%s; see `tandem %s --help`", text, cli->command->name);
	return CLI_USAGE;
}

static void print_command_help(const struct command *c)
{
	printf("usage: tandem [-c FILE] %s %s\n\n%s\n", c->name, c->synopsis, c->meaning);
	if (c->help != NULL)
		printf("\n%s", c->help);
}

/* argv[*i] is an option: set it. 0, or the usage line has been printed. */
static int take_option(struct cli *cli, int argc, char **argv, int *i, const struct cli_option *options, size_t n)
{
	const char *arg = argv[*i], *name = arg + 2, *equals = strchr(arg, '=');
	size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);

	for (size_t k = 0; k < n; k++) {
		const struct cli_option *o = &options[k];

		if (strlen(o->name) != len || strncmp(o->name, name, len) != 0)
			continue;
		if (o->flag != NULL) {
			if (equals != NULL)
				return cli_usage(cli, "--%s takes no value", o->name);
			*o->flag = true;
			return 0;
		}
		if (equals == NULL && *i + 1 >= argc)
			return cli_usage(cli, "--%s needs a value", o->name);
		*o->value = equals != NULL ? equals + 1 : argv[++*i];
		return 0;
	}
	return cli_usage(cli, "unknown option %.100s", arg);
}

bool cli_parse(struct cli *cli, int argc, char **argv, const struct cli_option *options, size_t n_options,
	       const char **positional, size_t n_positional, enum cli_exit *status)
{
	size_t given = 0;
	bool only_positional = false;

	*status = CLI_USAGE;
	for (int i = 0; i < argc; i++) {
		if (!only_positional && (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)) {
			print_command_help(cli->command);
			*status = CLI_DONE;
			return false;
		}
		if (!only_positional && strcmp(argv[i], "--") == 0) {
			only_positional = true;
		} else if (!only_positional && strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
			cli->config_path = argv[++i];
		} else if (!only_positional && strncmp(argv[i], "--", 2) == 0) {
			if (take_option(cli, argc, argv, &i, options, n_options) != 0)
				return false;
		} else if (given < n_positional) {
			positional[given++] = argv[i];
		} else {
			cli_usage(cli, "unexpected argument %.100s", argv[i]);
			return false;
		}
	}
	for (size_t k = 0; k < n_options; k++) {
		if (options[k].required && *options[k].value == NULL) {
			cli_usage(cli, "--%s is needed", options[k].name);
			return false;
		}
	}
	if (given < n_positional) {
		cli_usage(cli, "%s is needed", cli->command->synopsis);
		return false;
	}
	return true;
}

bool cli_settings(struct cli *cli)
{
	struct status st = {""};

	if (cli->settings != NULL || settings_load(cli->config_path, &cli->settings, &st) == 0)
		return true;
	cli_fail("%s", st.text);
	return false;
}

/* the account to be while connecting; NULL: stay who we are */
static const struct passwd *account_for(const char *url, const char *account)
{
	PQconninfoOption *options = geteuid() == 0 ? PQconninfoParse(url, NULL) : NULL;
	const struct passwd *user = NULL;
	bool local = options != NULL;

	for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
		if (o->val == NULL || *o->val == '\0')
			continue;
		if (strcmp(o->keyword, "user") == 0)
			account = o->val;
		else if (strcmp(o->keyword, "password") == 0 || strcmp(o->keyword, "hostaddr") == 0 ||
			 (strcmp(o->keyword, "host") == 0 && o->val[0] != '/'))
			local = false;
	}
	if (local)
		user = getpwnam(account);
	PQconninfoFree(options);
	return user;
}

int cli_connect(const char *url, const char *account, int statement_timeout_ms, struct pg **out, struct status *st)
{
	const struct passwd *user = account_for(url, account);
	bool changed = user != NULL && user->pw_uid != 0 && seteuid(user->pw_uid) == 0;

	*out = pg_new(&(struct pg_options){
		.url = url, .application_name = "tandem", .statement_timeout_ms = statement_timeout_ms});
	int err = pg_connect(*out, st);
	if (changed && seteuid(0) != 0 && err == 0)
		err = status_set(st, -errno, "cannot become root again: %s", strerror(errno));
	if (err != 0)
		pg_free(out);
	return err;
}

struct pg *cli_database(struct cli *cli)
{
	struct status st = {""};
	struct pg *pg = NULL;

	if (cli_settings(cli) && cli_connect(cli->settings->database_url, CLI_SERVICE_ACCOUNT, 0, &pg, &st) != 0)
		cli_fail("%s", st.text);
	return pg;
}

struct redis *cli_redis(struct cli *cli)
{
	struct status st = {""};

	if (!cli_settings(cli))
		return NULL;

	struct redis *r = redis_new(cli->settings->redis_url, REDIS_TIMEOUT_MS);
	if (redis_connect(r, &st) != 0) {
		cli_fail("%s", st.text);
		redis_free(&r);
	}
	return r;
}

const char *cli_actor(void)
{
	static char actor[80];
	const struct passwd *user = getpwuid(getuid());

	if (user != NULL)
		snprintf(actor, sizeof(actor), "cli:%.70s", user->pw_name);
	else
		snprintf(actor, sizeof(actor), "cli:%lu", (unsigned long)getuid());
	return actor;
}

bool cli_parse_int(const char *text, int64_t min, int64_t max, int64_t *out)
{
	char *end;

	if (text[0] != '-' && (text[0] < '0' || text[0] > '9'))
		return false;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0' || end == text || value < min || value > max)
		return false;
	*out = value;
	return true;
}

bool cli_parse_carrier(const struct cli *cli, const char *text, int64_t *id)
{
	bool good = cli_parse_int(text, 1, INT64_MAX, id);

	if (!good)
		cli_usage(cli, "--carrier is a carrier's id");
	return good;
}

bool cli_parse_side(const struct cli *cli, const char *text, bool *sell)
{
	*sell = strcmp(text, "sell") == 0;
	if (*sell || strcmp(text, "buy") == 0)
		return true;
	cli_usage(cli, "--side is sell or buy");
	return false;
}

const char *cli_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

const char *cli_number(const json_t *object, const char *key, char out[static 24])
{
	snprintf(out, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(object, key)));
	return out;
}

void cli_print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	putchar('\n');
}
