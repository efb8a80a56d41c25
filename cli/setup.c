/* SPDX-License-Identifier: Apache-2.0 */
/* tandem setup - from an empty PostgreSQL to a switch that can be provisioned: role, database, schema, first key.
 * Each step is done only if it is not done yet, so it may be repeated, or run where somebody made the database already.
 */
#include <errno.h>
#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/apikey.h"
#include "cli/store.h"
#include "lib/buf.h"
#include "sql/migrate.h"

#define ADMIN_ACCOUNT "postgres"
#define DUPLICATE_OBJECT "42710"
#define DUPLICATE_DATABASE "42P04"

/* what [database] url asks for */
struct target {
	char *role, *database;
	char *password;	 /* NULL: none, peer authentication */
	char *admin_url; /* the same servers, as PostgreSQL's administrator */
};

static void target_free(struct target *t)
{
	if (t->password != NULL)
		OPENSSL_cleanse(t->password, strlen(t->password));
	free(t->role);
	free(t->database);
	free(t->password);
	free(t->admin_url);
}

/* " keyword='value'" for a libpq keyword string */
static void keyword_put(struct buf *b, const char *keyword, const char *value)
{
	buf_printf(b, " %s='", keyword);
	for (const char *p = value; *p != '\0'; p++)
		buf_printf(b, "%s%c", *p == '\'' || *p == '\\' ? "\\" : "", *p);
	buf_printf(b, "'");
}

static bool is_any(const char *word, const char *const *words)
{
	for (; *words != NULL; words++) {
		if (strcmp(word, *words) == 0)
			return true;
	}
	return false;
}

static bool target_read(const char *url, struct target *t)
{
	static const char *const servers[] = {"host",	    "hostaddr",	   "port",
					      "sslmode",    "sslrootcert", "sslcert",
					      "sslkey",	    "sslcrl",	   "target_session_attrs",
					      "gssencmode", NULL};
	PQconninfoOption *options = PQconninfoParse(url, NULL); /* libpq's own words may quote the password */
	struct buf admin = {0};

	*t = (struct target){0};
	if (options == NULL) {
		cli_fail("[database] url is not a valid PostgreSQL URI; is each odd character of user and password "
			 "written "
			 "as %%XX?");
		return false;
	}
	keyword_put(&admin, "dbname", "postgres");
	keyword_put(&admin, "user", ADMIN_ACCOUNT);
	for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
		if (o->val == NULL || *o->val == '\0')
			continue;
		if (strcmp(o->keyword, "user") == 0)
			t->role = xstrdup(o->val);
		else if (strcmp(o->keyword, "dbname") == 0)
			t->database = xstrdup(o->val);
		else if (strcmp(o->keyword, "password") == 0)
			t->password = xstrdup(o->val);
		else if (is_any(o->keyword, servers))
			keyword_put(&admin, o->keyword, o->val);
	}
	PQconninfoFree(options);
	t->role = t->role != NULL ? t->role : xstrdup(CLI_SERVICE_ACCOUNT);
	t->database = t->database != NULL ? t->database : xstrdup(t->role);
	t->admin_url = buf_steal(&admin);
	return true;
}

/* A command whose text the server makes (see store.h), then the command. Somebody else may have been faster: that is
 * fine. */
static int run_made(struct pg *pg, const struct pg_statement *text, const char *first, const char *second,
		    struct status *st)
{
	PGresult *made = NULL;
	int err = pg_exec(pg, text, (const char *const[]){first, second}, &made, st);

	if (err == 0)
		err = pg_simple(pg, PQgetvalue(made, 0, 0), st);
	if (err != 0 &&
	    (strcmp(pg_sqlstate(pg), DUPLICATE_OBJECT) == 0 || strcmp(pg_sqlstate(pg), DUPLICATE_DATABASE) == 0))
		err = 0;
	PQclear(made);
	return err;
}

/* the server keeps the verifier and logs no password in clear */
static int role_make(struct pg *pg, const struct target *t, bool there, struct status *st)
{
	char *verifier = NULL;
	int err = 0;

	if (t->password != NULL) {
		verifier = PQencryptPasswordConn(pg_raw(pg), t->password, t->role, "scram-sha-256");
		if (verifier == NULL)
			return status_set(st, -EIO, "%.200s", PQerrorMessage(pg_raw(pg)));
	}
	if (!there)
		err = run_made(pg, &cli_role_create_text, t->role, verifier, st);
	else if (verifier != NULL)
		err = run_made(pg, &cli_role_password_text, t->role, verifier, st);
	PQfreemem(verifier);
	if (err == 0 && (!there || verifier != NULL))
		fprintf(stderr, "role %s: %s\n", t->role, there ? "password set" : "made");
	return err;
}

static int make_as_admin(struct pg *pg, const struct target *t, struct status *st)
{
	PGresult *found = NULL;
	int err = pg_exec(pg, &cli_role_and_database, (const char *const[]){t->role, t->database}, &found, st);

	if (err == 0)
		err = role_make(pg, t, PQgetvalue(found, 0, 0)[0] == 't', st);
	if (err == 0 && PQgetvalue(found, 0, 1)[0] != 't') {
		err = run_made(pg, &cli_database_create_text, t->database, t->role, st);
		if (err == 0)
			fprintf(stderr, "database %s: made\n", t->database);
	}
	PQclear(found);
	return err;
}

/* a connection as the switch will have it; role and database are made if they are not there. NULL after cli_fail. */
static struct pg *connect_or_make(struct cli *cli, const char *admin_url)
{
	const char *url = cli->settings->database_url;
	struct status st = {""}, why = {""};
	struct pg *pg = NULL, *admin = NULL;
	struct target t;

	if (cli_connect(url, CLI_SERVICE_ACCOUNT, 0, &pg, &why) == 0)
		return pg;
	if (!target_read(url, &t))
		return NULL;
	int err = cli_connect(admin_url != NULL ? admin_url : t.admin_url, ADMIN_ACCOUNT, 0, &admin, &st);
	if (err != 0)
		cli_fail("%s; and not as administrator either: %s%s", why.text, st.text,
			 admin_url != NULL ? "" : " (run setup as root beside PostgreSQL, or give --admin-url)");
	else if ((err = make_as_admin(admin, &t, &st)) != 0 ||
		 (err = cli_connect(url, CLI_SERVICE_ACCOUNT, 0, &pg, &st)) != 0)
		cli_fail("%s", st.text);
	pg_free(&admin);
	target_free(&t);
	return pg;
}

static enum cli_exit first_key(struct pg *pg, const char *name)
{
	struct status st = {""};
	PGresult *keys = NULL;

	if (pg_exec(pg, &cli_admin_keys, NULL, &keys, &st) != 0)
		return cli_fail("%s", st.text);

	bool there = strcmp(PQgetvalue(keys, 0, 0), "0") != 0;
	PQclear(keys);
	if (!there)
		return apikey_create(pg, name, "admin", NULL);
	fprintf(stderr, "API key: an admin key is there already; `tandem apikey create` makes another\n");
	return CLI_DONE;
}

static enum cli_exit run(struct cli *cli, int argc, char **argv)
{
	const char *admin_url = NULL, *key_name = "admin";
	const struct cli_option options[] = {{.name = "admin-url", .value = &admin_url},
					     {.name = "key-name", .value = &key_name}};
	struct status st = {""};
	enum cli_exit status;
	int applied = 0;

	if (!cli_parse(cli, argc, argv, options, sizeof(options) / sizeof(options[0]), NULL, 0, &status))
		return status;
	if (!apikey_name_fits(key_name))
		return cli_usage(cli, "--key-name must have " APIKEY_NAME_WORDS, APIKEY_NAME_BYTES);
	if (!cli_settings(cli))
		return CLI_FAILED;

	struct pg *pg = connect_or_make(cli, admin_url);
	if (pg == NULL)
		return CLI_FAILED;
	if (migrate_run(pg, &applied, &st) != 0) {
		status = cli_fail("%s", st.text);
	} else {
		fprintf(stderr, "schema: current, %d migration%s applied\n", applied, applied == 1 ? "" : "s");
		status = first_key(pg, key_name);
	}
	pg_free(&pg);
	return status;
}

const struct command command_setup = {
	.name = "setup",
	.synopsis = "[--admin-url URL] [--key-name N]",
	.meaning = "make role, database, schema and the first admin key, as far as they are missing",
	.help = "  --admin-url URL   PostgreSQL as its administrator; default: the server of [database] url, and as "
		"root\n"
		"                    on this machine no password is needed\n"
		"  --key-name N      name of the first key; default admin\n"
		"\n"
		"Role, password and database are those of [database] url. The key is printed once, alone on standard\n"
		"output; all else goes to standard error. Safe to repeat.\n",
	.run = run,
};
