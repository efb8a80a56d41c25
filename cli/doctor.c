/* SPDX-License-Identifier: Apache-2.0 */
/* tandem doctor - is everything there that the switch needs? A line each, a hint for each failure. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/port.h"
#include "cli/store.h"
#include "cluster/live.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/random.h"
#include "sql/migrate.h"

#define NG_LIMIT_MS 1000
#define FILES_NEEDED 8192
#define OPTMEM_NEEDED 20480    /* the selector's filter on the shared UDP port */
#define RMEM_NEEDED (4L << 20) /* what the workers ask for their UDP sockets */

enum verdict { OK, WARNING, FAILED };

struct doctor {
	bool json;
	json_t *lines;
	int failed;
};

/* one line; hint is what to do, NULL if all is well */
static void say(struct doctor *d, enum verdict v, const char *what, const char *hint, const char *fmt, ...)
	printf_like(5, 6);

static void say(struct doctor *d, enum verdict v, const char *what, const char *hint, const char *fmt, ...)
{
	static const char *const words[] = {"ok", "warning", "FAILED"}, *const names[] = {"ok", "warning", "failed"};
	char detail[700];
	va_list args;

	va_start(args, fmt);
	vsnprintf(detail, sizeof(detail), fmt, args);
	va_end(args);
	d->failed += v == FAILED;
	if (d->json) {
		json_array_append_new(d->lines, json_pack("{ss ss ss ss?}", "check", what, "result", names[v], "detail",
							  detail, "hint", hint));
		return;
	}
	printf("%-8s %-10s %s\n", words[v], what, detail);
	if (hint != NULL)
		printf("%-8s %-10s -> %s\n", "", "", hint);
}

static void check_database(struct doctor *d, const struct settings *s)
{
	struct pg *pg = NULL;
	struct status st = {""};
	PGresult *server = NULL;

	if (cli_connect(s->database_url, CLI_SERVICE_ACCOUNT, 5000, &pg, &st) != 0 ||
	    pg_exec(pg, &cli_server, NULL, &server, &st) != 0) {
		say(d, FAILED, "database", "is PostgreSQL running, and [database] url right?", "%s", st.text);
	} else {
		bool replica = PQgetvalue(server, 0, 1)[0] == 't';

		if (replica)
			say(d, FAILED, "database", "name all hosts in the URL, with target_session_attrs=read-write",
			    "this server is a read-only replica");
		else
			say(d, OK, "database", NULL, "PostgreSQL %s", PQgetvalue(server, 0, 0));
		int err = migrate_check(pg, &st);
		if (err == 0)
			say(d, OK, "schema", NULL, "current");
		else
			say(d, FAILED, "schema", err == -EPROTO ? NULL : "may this user read the tables?", "%s",
			    st.text);
	}
	PQclear(server);
	pg_free(&pg);
}

static void check_redis(struct doctor *d, const struct settings *s)
{
	struct redis *r = redis_new(s->redis_url, 2000);
	redisReply *reply = NULL;
	struct status st = {""};

	if (redis_command(r, &reply, &st, "PING") == 0) {
		say(d, OK, "redis", NULL, "answers");
		freeReplyObject(reply);
	} else {
		say(d, FAILED, "redis",
		    "is Redis running, and [redis] url right? Calls go on, but limits hold per node only", "%s",
		    st.text);
	}
	redis_free(&r);
}

/* what each node found the last time that it compared its counts with its calls */
static void check_calls(struct doctor *d, const struct settings *s)
{
	struct redis *r = redis_new(s->redis_url, 2000);
	json_t *nodes = NULL, *node, *words;
	struct status st = {""};
	size_t i, k;

	if (live_nodes(r, &nodes, &st) == 0)
		json_array_foreach(nodes, i, node)
		{
			const json_t *found = json_object_get(node, "audit");
			const char *name = json_string_value(json_object_get(node, "node"));
			if (json_array_size(found) == 0)
				say(d, OK, "calls", NULL, "%s: all counts agree", name != NULL ? name : "?");
			json_array_foreach(found, k, words)
				say(d, FAILED, "calls", "see \"counts and calls do not agree\" in the runbook",
				    "%s: %s", name != NULL ? name : "?", json_string_value(words));
		}
	json_decref(nodes);
	redis_free(&r);
}

/* the nearest directory that exists decides: the daemon makes what is missing below it */
static void check_directory(struct doctor *d, const char *what, const char *dir)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s", dir);
	while (stat(path, &st) != 0 && errno == ENOENT) {
		char *slash = strrchr(path, '/');

		if (slash == NULL || slash == path) {
			strcpy(path, "/");
			break;
		}
		*slash = '\0';
	}
	bool whole = strcmp(path, dir) == 0;
	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		say(d, FAILED, what, "move it away or name another directory", "%s is not a directory", path);
	else if (access(path, W_OK | X_OK) == 0)
		say(d, OK, what, NULL, "%s%s", dir, whole ? "" : " (will be made)");
	else
		say(d, FAILED, what, "make it, owned by the user that tandemd runs as; run doctor as that user",
		    "%s: %s: %s", dir, path, strerror(errno));
}

/* sends an ng ping (JSON, as rtpengine takes it) and waits for its cookie to come back */
static int ng_ping(int fd)
{
	char cookie[17], text[64], answer[512];
	int64_t until_us = clock_mono_us() + NG_LIMIT_MS * 1000;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	random_token(cookie, 16);
	int len = snprintf(text, sizeof(text), "%s {\"command\":\"ping\"}", cookie);
	if (send(fd, text, (size_t)len, 0) < 0)
		return -errno;
	for (int64_t left_us; (left_us = until_us - clock_mono_us()) > 0;) {
		if (poll(&p, 1, (int)(left_us / 1000) + 1) <= 0)
			continue;
		ssize_t got = recv(fd, answer, sizeof(answer) - 1, 0);
		if (got < 0)
			return -errno;
		answer[got] = '\0';
		if (strncmp(answer, cookie, 16) == 0)
			return strstr(answer, "pong") != NULL ? 0 : -EPROTO;
	}
	return -ETIMEDOUT;
}

static void check_rtpengine(struct doctor *d, char *where)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
	char *colon = strrchr(where, ':');
	char name[300];
	int fd, err;

	snprintf(name, sizeof(name), "%s", where);
	*colon = '\0';
	if (*where == '[') {
		where++;
		where[strcspn(where, "]")] = '\0';
	}
	err = getaddrinfo(where, colon + 1, &hints, &found);
	if (err != 0) {
		say(d, FAILED, "rtpengine", "correct [media] rtpengine", "%s: %s", name, gai_strerror(err));
		return;
	}
	fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	err = fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0 ? -errno : ng_ping(fd);
	if (err == 0)
		say(d, OK, "rtpengine", NULL, "%s answers", name);
	else
		say(d, FAILED, "rtpengine", "is rtpengine running, with listen-ng set to this address?", "%s: %s", name,
		    strerror(-err));
	if (fd >= 0)
		close(fd);
	freeaddrinfo(found);
}

static void check_media(struct doctor *d, const struct settings *s)
{
	char *list = xstrdup(s->rtpengine), *save = NULL;

	for (char *p = strtok_r(list, ", \t", &save); p != NULL; p = strtok_r(NULL, ", \t", &save))
		check_rtpengine(d, p);
	free(list);
}

static void check_port(struct doctor *d, const char *what, const char *text, const struct sockaddr *address, int type,
		       const char *daemon)
{
	char owner[32];

	switch (port_probe(address, type, owner, sizeof(owner))) {
	case PORT_FREE:
		say(d, OK, what, NULL, "%s is free", text);
		return;
	case PORT_TAKEN:
		if (strcmp(owner, daemon) == 0)
			say(d, OK, what, NULL, "%s is in use by %s", text, owner);
		else if (owner[0] != '\0')
			say(d, FAILED, what, "stop that program or choose another port", "%s is in use by %s", text,
			    owner);
		else
			say(d, WARNING, what, "run doctor as root to see by which program", "%s is in use", text);
		return;
	case PORT_REFUSED:
		say(d, FAILED, what,
		    errno == EACCES ? "choose a port above 1023" : "is the address one of this machine's?", "%s: %s",
		    text, strerror(errno));
		return;
	}
}

/* [api] listen has been checked: numeric host, port */
static void check_api_port(struct doctor *d, const char *listen)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM},
			*found = NULL;
	char *copy = xstrdup(listen), *colon = strrchr(copy, ':'), *host = copy;

	*colon = '\0';
	if (*host == '[') {
		host++;
		host[strcspn(host, "]")] = '\0';
	}
	if (getaddrinfo(host, colon + 1, &hints, &found) == 0)
		check_port(d, "api", listen, found->ai_addr, SOCK_STREAM, "tandem-apid");
	else
		say(d, FAILED, "api", "correct [api] listen", "%s is no address", listen);
	if (found != NULL)
		freeaddrinfo(found);
	free(copy);
}

static void check_ports(struct doctor *d, const struct settings *s)
{
	for (int i = 0; i < s->listen.n; i++) {
		const struct settings_listener *l = &s->listen.item[i];

		check_port(d, "sip", l->text, (const struct sockaddr *)&l->address,
			   l->transport == SETTINGS_UDP ? SOCK_DGRAM : SOCK_STREAM, "tandemd");
	}
	check_api_port(d, s->api_listen);
}

static void check_kernel(struct doctor *d, const char *key, long needed, const char *hint)
{
	char path[128];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/net/core/%s", key);
	file = fopen(path, "re");
	if (file == NULL || fscanf(file, "%ld", &value) != 1)
		say(d, WARNING, "limits", NULL, "net.core.%s cannot be read here", key);
	else if (value < needed)
		say(d, WARNING, "limits", hint, "net.core.%s is %ld, %ld is wanted", key, value, needed);
	else
		say(d, OK, "limits", NULL, "net.core.%s %ld", key, value);
	if (file != NULL)
		fclose(file);
}

/* PDFs of invoices are set in it */
static void check_font(struct doctor *d, const char *path)
{
	if (access(path, R_OK) == 0)
		say(d, OK, "font", NULL, "%s", path);
	else
		say(d, WARNING, "font",
		    "apt-get install fonts-dejavu-core, or correct [invoice] font: without it no PDFs", "%s: %s", path,
		    strerror(errno));
}

static void check_limits(struct doctor *d)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max < FILES_NEEDED)
		say(d, WARNING, "limits", "raise LimitNOFILE in the unit, or nofile in limits.conf",
		    "%llu open files, %d are wanted", (unsigned long long)files.rlim_max, FILES_NEEDED);
	else
		say(d, OK, "limits", NULL, "open files %llu", (unsigned long long)files.rlim_max);
	check_kernel(d, "optmem_max", OPTMEM_NEEDED, "sysctl -w net.core.optmem_max=20480");
	check_kernel(d, "rmem_max", RMEM_NEEDED, "sysctl -w net.core.rmem_max=4194304, or bursts of SIP may be lost");
}

static enum cli_exit finish(struct doctor *d)
{
	if (d->json)
		cli_print_json(d->lines);
	json_decref(d->lines);
	if (d->failed == 0)
		return CLI_DONE;
	return cli_fail("%d check%s failed", d->failed, d->failed == 1 ? "" : "s");
}

static enum cli_exit run(struct cli *cli, int argc, char **argv)
{
	struct doctor d = {0};
	const struct cli_option options[] = {{.name = "json", .flag = &d.json}};
	struct status st = {""};
	enum cli_exit status;

	if (!cli_parse(cli, argc, argv, options, 1, NULL, 0, &status))
		return status;
	d.lines = json_array();
	if (settings_load(cli->config_path, &cli->settings, &st) != 0) {
		say(&d, FAILED, "file", "correct it; tandem.conf(5) lists the settings", "%s", st.text);
		return finish(&d);
	}
	say(&d, OK, "file", NULL, "%s, node %s", cli->config_path, cli->settings->node_id);
	check_database(&d, cli->settings);
	check_redis(&d, cli->settings);
	check_calls(&d, cli->settings);
	check_directory(&d, "spool", cli->settings->spool_dir);
	check_directory(&d, "export", cli->settings->export_dir);
	check_font(&d, cli->settings->invoice_font);
	check_font(&d, cli->settings->invoice_font_bold);
	check_media(&d, cli->settings);
	check_ports(&d, cli->settings);
	check_limits(&d);
	return finish(&d);
}

const struct command command_doctor = {
	.name = "doctor",
	.synopsis = "[--json]",
	.meaning = "check file, database, Redis, rtpengine, ports and limits",
	.help = "  --json   a list of {check, result, detail, hint}\n",
	.run = run,
};
