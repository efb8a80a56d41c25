/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/manual.h"

#include "config.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- roff --- */

/* text[0..len), safe from roff: no escapes, hyphens that can be copied, no line that begins as a request */
static void roff_part(const char *text, size_t len)
{
	bool line_begins = true;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (line_begins && (c == '.' || c == '\''))
			fputs("\\&", stdout);
		if (c == '-')
			fputs("\\-", stdout);
		else if (c == '\\')
			fputs("\\e", stdout);
		else
			putchar(c);
		line_begins = c == '\n';
	}
}

static void roff(const char *text)
{
	roff_part(text, strlen(text));
}

/* "make an API key" -> "Make an API key." */
static void sentence(const char *text)
{
	putchar(toupper((unsigned char)*text));
	roff(text + 1);
	printf(".\n");
}

static void page_head(const char *name, const char *section, const char *meaning)
{
	printf(".\\\" SPDX-License-Identifier: Apache-2.0\n.TH %s %s \"\" \"tandem %s\" \"tandem manual\"\n.SH NAME\n",
	       name, section, PACKAGE_VERSION);
	roff(name);
	printf(" \\- %s\n", meaning);
}

/* --- tandem(1) --- */

static void word_print(const char *word, const char *meaning)
{
	printf(".TP\n.B ");
	roff(word);
	putchar('\n');
	roff(meaning);
	putchar('\n');
}

static void command_print(const struct command *c)
{
	printf(".SS \"");
	roff(c->name);
	printf("\"\n.B tandem ");
	roff(c->name);
	putchar('\n');
	if (*c->synopsis != '\0') {
		roff(c->synopsis);
		putchar('\n');
	}
	printf(".PP\n");
	sentence(c->meaning);
	if (c->help != NULL) {
		printf(".PP\n.nf\n.ft CR\n");
		roff(c->help);
		printf(".ft R\n.fi\n");
	}
	if (c->words != NULL)
		c->words(word_print);
}

static void page_commands(const struct command *const *commands, size_t n)
{
	page_head("tandem", "1", "operator's command line of the tandem softswitch");
	printf(".SH SYNOPSIS\n.B tandem\n[\\-c FILE] COMMAND [OPTIONS]\n"
	       ".SH DESCRIPTION\n"
	       "Sets up the database, brings rate sheets in and out, looks routes up, shows and ends live calls, "
	       "rates\n"
	       "durations, checks the installation. It reads the same file as the daemons.\n"
	       "Run by root, it speaks to a PostgreSQL on this machine as the service's user, tandem.\n"
	       ".SH OPTIONS\n"
	       ".TP\n.BR \\-c \", \" \\-\\-config \" FILE\"\nconfiguration (default %s)\n"
	       ".TP\n.BR \\-h \", \" \\-\\-help\nthe list of commands, or after a command its own options\n"
	       ".TP\n.BR \\-V \", \" \\-\\-version\nthe version\n"
	       ".TP\n.BI \\-\\-manual \" PAGE\"\nprint tandem.1, tandem.conf.5, tandem.bash (completion) or "
	       "tandem.conf (a\n"
	       "sample with every setting)\n"
	       ".SH COMMANDS\n",
	       SETTINGS_PATH);
	for (size_t i = 0; i < n; i++)
		command_print(commands[i]);
	printf(".SH EXIT STATUS\n0 done, 1 refused or failed (one line on standard error says why), 2 usage.\n"
	       ".SH FILES\n.I %s\n"
	       ".SH SEE ALSO\n.BR tandemd (8),\n.BR tandem\\-apid (8),\n.BR tandem.conf (5)\n",
	       SETTINGS_PATH);
}

/* --- tandem.conf(5) --- */

static void duration_print(int64_t ms)
{
	if (ms % 3600000 == 0 && ms > 0)
		printf("%" PRId64 "h", ms / 3600000);
	else if (ms % 1000 == 0)
		printf("%" PRId64 "s", ms / 1000);
	else
		printf("%" PRId64 "ms", ms);
}

/* "duration, 1s to 1h", "one of reject, drop", ... */
static void type_print(const struct conf_option *o)
{
	bool limited = o->min != 0 || o->max != 0;

	switch (o->type) {
	case CONF_INT:
		printf("number");
		if (limited)
			printf(", %" PRId64 " to %" PRId64, o->min, o->max);
		break;
	case CONF_DURATION_MS:
		printf("duration");
		if (limited) {
			printf(", ");
			duration_print(o->min);
			printf(" to ");
			duration_print(o->max);
		}
		break;
	case CONF_CHOICE:
		printf("one of");
		for (const char *const *c = o->choices; *c != NULL; c++)
			printf("%s %s", c == o->choices ? "" : ",", *c);
		break;
	case CONF_TEXT:
	case CONF_CUSTOM:
		printf("text");
		break;
	}
}

static void option_print(const struct conf_option *o)
{
	printf(".TP\n.B ");
	roff(o->key);
	putchar('\n');
	sentence(o->meaning);
	printf(".br\n");
	type_print(o);
	if (o->fallback != NULL) {
		printf("; default ");
		if (*o->fallback != '\0')
			roff(o->fallback);
		else
			printf("empty");
	}
	printf("%s%s\n", o->reloadable ? "; taken over by SIGHUP" : "", o->secret ? "; may hold a password" : "");
}

static void page_settings(void)
{
	const char *section = "";

	page_head("tandem.conf", "5", "settings of tandemd, tandem-apid and tandem");
	printf(".SH DESCRIPTION\n"
	       "One file,\n.IR %s ,\nfor both daemons and the command line. It holds what is needed to start; "
	       "carriers,\n"
	       "trunks, rates and routes live in PostgreSQL and come in by the API.\n.PP\n"
	       "The file has sections in brackets and lines\n.IR \"key = value\" .\n"
	       "A ; or # begins a comment at the start of a line or after a blank.\n"
	       "${NAME} in a value is replaced from the environment; one that is not set is an error.\n"
	       "Durations are written 500ms, 30s, 5m, 1h.\n"
	       "An unknown section or key, a key that stands twice and a wrong value are errors that name the line:\n"
	       ".B tandemd \\-t\nfinds the first. A daemon does not start with a bad file, and SIGHUP refuses it "
	       "whole.\n"
	       ".SH SETTINGS\n",
	       SETTINGS_PATH);
	for (size_t i = 0; i < settings_table_rows; i++) {
		if (strcmp(section, settings_table[i].section) != 0)
			printf(".SS [%s]\n", section = settings_table[i].section);
		option_print(&settings_table[i]);
	}
	printf(".SH EXAMPLE\n.nf\n.ft CR\n[node]\nid = sw1\n[sip]\nlisten = udp:192.0.2.10:5060\ndrain_timeout = 60s\n"
	       "[database]\nurl = "
	       "postgresql://tandem:${TANDEM_DB_PASSWORD}@db1,db2/tandem?target_session_attrs=read\\-write\n"
	       "[redis]\nurl = redis://127.0.0.1:6379/0\n.ft R\n.fi\n"
	       ".SH SEE ALSO\n.BR tandemd (8),\n.BR tandem\\-apid (8),\n.BR tandem (1)\n");
}

/* --- bash completion --- */

static size_t option_length(const char *p)
{
	return strspn(p, "-abcdefghijklmnopqrstuvwxyz");
}

/* the next "--option" at or after p; NULL at the end */
static const char *next_option(const char *p)
{
	for (p = strstr(p, "--"); p != NULL; p = strstr(p + 2, "--")) {
		if (option_length(p) > 2)
			return p;
	}
	return NULL;
}

/* which listing has what follows an option; NULL: none */
static const char *listing_of(const char *option, size_t len)
{
	static const char *const known[][2] = {{"--carrier", "carriers"},     {"--trunk", "trunks"},
					       {"--ingress-trunk", "trunks"}, {"--egress-trunk", "trunks"},
					       {"--deck", "decks"},	      {"--plan", "plans"}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i][0]) == len && strncmp(option, known[i][0], len) == 0)
			return known[i][1];
	return NULL;
}

/* Ids are asked for from tandem itself; of decks, which may be named, names, too, quoted as the word at hand wants
 * them: a shell that runs the completed line must take a name for a name. Nothing of them gets to compgen, which
 * expands words. */
static void listed_print(const struct command *const *commands, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *help = commands[i]->help != NULL ? commands[i]->help : "";
		for (const char *p = help; (p = next_option(p)) != NULL; p += 2) {
			size_t len = option_length(p);
			const char *listing = listing_of(p, len);
			bool named = strncmp(p + len, " D ", 3) == 0;
			if (listing != NULL && (named || strncmp(p + len, " ID ", 4) == 0))
				printf("\t\"%s\"*\" %.*s\") _tandem_listed %s%s ;;\n", commands[i]->name, (int)len, p,
				       listing, named ? " named" : "");
		}
	}
}

/* what follows each option in the synopses: a choice is completed by its words, a file by files */
static void values_print(const struct command *const *commands, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (const char *p = commands[i]->synopsis; (p = next_option(p)) != NULL; p += 2) {
			size_t len = option_length(p);
			const char *value = p + len + 1;
			size_t value_len = p[len] == ' ' ? strcspn(value, " ]") : 0;
			bool choice = memchr(value, '|', value_len) != NULL;
			bool file = value_len > 0 && (strncmp(value, "FILE", value_len) == 0);

			if (!choice && !file)
				continue;
			printf("\t\"%s\"*\" %.*s\")", commands[i]->name, (int)len, p);
			if (file) {
				printf(" _filedir ;;\n");
				continue;
			}
			printf(" COMPREPLY=($(compgen -W '");
			for (size_t k = 0; k < value_len; k++)
				putchar(value[k] == '|' ? ' ' : value[k]);
			printf("' -- \"$cur\")) ;;\n");
		}
	}
}

/* The options of a command, each after a space: those before the meaning in each line of its help. */
static void options_of(const struct command *command)
{
	const char *line = command->help != NULL ? command->help : "";

	printf(" --help");
	for (; *line != '\0'; line += line[strcspn(line, "\n")] != '\0' ? strcspn(line, "\n") + 1 : strlen(line)) {
		if (strncmp(line, "  --", 4) != 0)
			continue;
		const char *end = line + 2 + strcspn(line + 2, "\n"), *meaning = strstr(line + 2, "  ");
		if (meaning != NULL && meaning < end)
			end = meaning;
		for (const char *at = next_option(line); at != NULL && at < end; at = next_option(at + 2))
			printf(" %.*s", (int)option_length(at), at);
	}
}

static void word_known(const char *word, const char *meaning)
{
	(void)meaning;
	printf(" %s", word);
}

static void options_print(const struct command *const *commands, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		printf("\t\"%s \"*) words_known='", commands[i]->name);
		options_of(commands[i]);
		if (commands[i]->words != NULL)
			commands[i]->words(word_known);
		printf("' ;;\n");
	}
}

/* "rates" is followed by "import" and "export", "calls", a command itself, by "hangup" and its own options */
static void second_words_print(const struct command *const *commands, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *name = commands[i]->name;
		size_t len = strcspn(name, " ");
		bool seen = name[len] == '\0';

		for (size_t k = 0; k < i; k++)
			seen |= strncmp(commands[k]->name, name, len + 1) == 0;
		if (seen)
			continue;
		printf("\t\"%.*s \") words_known='", (int)len, name);
		for (size_t k = 0; k < n; k++) {
			if (strncmp(commands[k]->name, name, len) != 0)
				continue;
			if (commands[k]->name[len] == ' ')
				printf(" %s", commands[k]->name + len + 1);
			else if (commands[k]->name[len] == '\0')
				options_of(commands[k]);
		}
		printf("' ;;\n");
	}
}

static void page_completion(const struct command *const *commands, size_t n)
{
	printf("# SPDX-License-Identifier: Apache-2.0\n# bash completion for tandem\n"
	       "_tandem_listed()\n{\n"
	       "\tlocal line id name quoted typed=${cur#[\\\"\\']}\n"
	       "\t[[ $typed == \"$cur\" ]] && typed=${typed//\\\\/}\n"
	       "\twhile IFS= read -r line; do\n"
	       "\t\tid=${line%%%%,*}\n"
	       "\t\t[[ $id == \"$typed\"* ]] && COMPREPLY+=(\"$id\")\n"
	       "\t\t[[ $2 ]] || continue\n"
	       "\t\tname=${line#*,}\n"
	       "\t\tif [[ $name =~ ^\\\"(([^\\\"]|\\\"\\\")*)\\\" ]]; then\n"
	       "\t\t\tname=${BASH_REMATCH[1]//\\\"\\\"/\\\"}\n"
	       "\t\telse\n\t\t\tname=${name%%%%,*}\n\t\tfi\n"
	       "\t\t[[ $name == \\'[=+@-]* ]] && name=${name:1}\n" /* csv_put_guarded put it there */
	       "\t\t[[ $name == \"$typed\"* ]] || continue\n"
	       "\t\tcase $cur in\n"
	       "\t\t[\\\"\\']*) [[ $name == *[\\\"\\'\\\\\\$\\`!]* ]] || COMPREPLY+=(\"$name\") ;;\n"
	       "\t\t*) printf -v quoted %%q \"$name\"; COMPREPLY+=(\"$quoted\") ;;\n"
	       "\t\tesac\n"
	       "\tdone < <(timeout 2 \"${words[0]}\" \"${config[@]}\" \"$1\" --csv 2>/dev/null | tail -n +2)\n"
	       "\tdeclare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions \"$cur\"\n}\n"
	       "_tandem()\n{\n"
	       "\tlocal cur prev words cword i given= words_known= config=()\n"
	       "\t_init_completion -n : || return\n"
	       "\tcase $prev in\n\t-c | --config) _filedir; return ;;\n\tesac\n"
	       "\tfor ((i = 1; i < cword; i++)); do\n"
	       "\t\tcase ${words[i]} in\n\t\t-c | --config) ((i++)); config=(-c \"${words[i]}\") ;;\n\t\t*) "
	       "given+=\"${words[i]} \" "
	       ";;\n\t\tesac\n\tdone\n"
	       "\tCOMPREPLY=()\n\tcase ${given%% } in\n");
	values_print(commands, n);
	listed_print(commands, n);
	printf("\tesac\n\t((${#COMPREPLY[@]})) && return\n\tcase $given in\n\t'') words_known='--config --help "
	       "--version");
	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(commands[i]->name, " ");
		bool seen = false;

		for (size_t k = 0; k < i; k++)
			seen |= strncmp(commands[k]->name, commands[i]->name, len) == 0 &&
				(commands[k]->name[len] == ' ' || commands[k]->name[len] == '\0');
		if (!seen)
			printf(" %.*s", (int)len, commands[i]->name);
	}
	printf("' ;;\n");
	second_words_print(commands, n);
	options_print(commands, n);
	printf("\tesac\n\tCOMPREPLY=($(compgen -W \"$words_known\" -- \"$cur\"))\n"
	       "\t[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null\n\treturn 0\n} &&\n\tcomplete -F "
	       "_tandem "
	       "tandem\n");
}

enum cli_exit manual_print(const char *page, const struct command *const *commands, size_t n)
{
	if (strcmp(page, "tandem.1") == 0) {
		page_commands(commands, n);
	} else if (strcmp(page, "tandem.conf.5") == 0) {
		page_settings();
	} else if (strcmp(page, "tandem.bash") == 0) {
		page_completion(commands, n);
	} else if (strcmp(page, "tandem.conf") == 0) {
		printf("; SPDX-License-Identifier: Apache-2.0\n; Every setting with its default; tandem.conf(5) says "
		       "more.\n\n");
		conf_print_sample(settings_table, settings_table_rows, stdout);
	} else {
		fprintf(stderr,
			"tandem: no page is named %.100s; there are tandem.1, tandem.conf.5, tandem.bash, "
			"tandem.conf\n",
			page);
		return CLI_USAGE;
	}
	return CLI_DONE;
}
