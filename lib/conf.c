/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

#define LINE_BYTES_MAX 4096

struct reader {
	const char *path;
	int line;
	const struct conf_option *table;
	size_t n;
	void *settings;
	struct conf_note *notes;
	const char *section; /* of the table; NULL before the first header */
};

static void *field_of(const struct conf_option *o, void *settings)
{
	return (char *)settings + o->offset;
}

static int parse_int(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || isspace((unsigned char)*text))
		return -EINVAL;
	*out = value;
	return 0;
}

static int parse_duration_ms(const char *text, int64_t *out)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	size_t digits = strspn(text, "0123456789");
	int64_t value = 0;

	if (digits == 0 || digits > 12)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		value = value * 10 + (text[i] - '0');
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text + digits, units[i].unit) == 0) {
			*out = value * units[i].ms;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_number(const struct conf_option *o, int64_t value, const char *unit, void *field, struct status *st)
{
	if ((o->min != 0 || o->max != 0) && (value < o->min || value > o->max))
		return status_set(st, -EINVAL, "is out of range; give %lld%s to %lld%s", (long long)o->min, unit,
				  (long long)o->max, unit);
	*(int64_t *)field = value;
	return 0;
}

static int set_choice(const struct conf_option *o, const char *value, void *field, struct status *st)
{
	char known[256] = "";

	for (int i = 0; o->choices[i] != NULL; i++) {
		size_t len = strlen(known);

		if (strcmp(o->choices[i], value) == 0) {
			*(int *)field = i;
			return 0;
		}
		snprintf(known + len, sizeof(known) - len, "%s%s", i > 0 ? ", " : "", o->choices[i]);
	}
	return status_set(st, -EINVAL, "is unknown; give one of %s", known);
}

/* the type's own part; check() has been asked */
static int set_typed(const struct conf_option *o, const char *value, void *field, struct status *st)
{
	int64_t number;

	switch (o->type) {
	case CONF_TEXT:
		free(*(char **)field);
		*(char **)field = xstrdup(value);
		return 0;
	case CONF_INT:
		if (parse_int(value, &number) != 0)
			return status_set(st, -EINVAL, "is not a whole number");
		return set_number(o, number, "", field, st);
	case CONF_DURATION_MS:
		if (parse_duration_ms(value, &number) != 0)
			return status_set(st, -EINVAL, "is not a duration; write 500ms, 30s, 5m or 1h");
		return set_number(o, number, "ms", field, st);
	case CONF_CHOICE:
		return set_choice(o, value, field, st);
	case CONF_CUSTOM:
		break;
	}
	return 0;
}

int conf_set(const struct conf_option *o, const char *value, void *settings, struct status *st)
{
	void *field = field_of(o, settings);
	struct status why = {""};
	int err = o->check != NULL ? o->check(value, field, &why) : 0;

	if (err == 0)
		err = set_typed(o, value, field, &why);
	if (err != 0 && o->secret)
		status_set(st, err, "[%s] %s %s", o->section, o->key, why.text);
	else if (err != 0)
		status_set(st, err, "[%s] %s = \"%.160s\" %s", o->section, o->key, value, why.text);
	return err;
}

void conf_defaults(const struct conf_option *table, size_t n, void *settings)
{
	struct status st;

	for (size_t i = 0; i < n; i++) {
		if (table[i].fallback != NULL && conf_set(&table[i], table[i].fallback, settings, &st) != 0)
			assert(!"a default that its own row refuses");
	}
}

void conf_release(const struct conf_option *table, size_t n, void *settings)
{
	for (size_t i = 0; i < n; i++) {
		void *field = field_of(&table[i], settings);

		if (table[i].type == CONF_TEXT) {
			free(*(char **)field);
			*(char **)field = NULL;
		} else if (table[i].release != NULL) {
			table[i].release(field);
		}
	}
}

void conf_notes_free(struct conf_note **notes, size_t n)
{
	if (*notes == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		free((*notes)[i].value);
	free(*notes);
	*notes = NULL;
}

static int refuse(const struct reader *r, struct status *st, const char *what)
{
	return status_set(st, -EINVAL, "%.200s:%d: %s", r->path, r->line, what);
}

static char *trim(char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	for (size_t len = strlen(text); len > 0 && isspace((unsigned char)text[len - 1]); len--)
		text[len - 1] = '\0';
	return text;
}

static void cut_comment(char *text)
{
	for (char *p = text; *p != '\0'; p++) {
		if ((*p == ';' || *p == '#') && (p == text || isspace((unsigned char)p[-1]))) {
			*p = '\0';
			return;
		}
	}
}

/* value with each ${NAME} replaced; NULL (and st) if one is unset or unfinished. The caller frees it. */
static char *expand(const struct reader *r, const char *value, struct status *st)
{
	struct buf out = {0};

	for (const char *p = value; *p != '\0'; p++) {
		if (p[0] != '$' || p[1] != '{') {
			buf_putc(&out, *p);
			continue;
		}

		const char *name = p + 2, *end = strchr(name, '}');
		if (end == NULL || end == name || end - name > 64) {
			buf_free(&out);
			refuse(r, st, "${ without a name and }; write ${NAME}");
			return NULL;
		}
		char copy[65];
		snprintf(copy, sizeof(copy), "%.*s", (int)(end - name), name);
		const char *found = getenv(copy);
		if (found == NULL) {
			buf_free(&out);
			status_set(st, -EINVAL, "%.200s:%d: ${%s} is not set in the environment", r->path, r->line,
				   copy);
			return NULL;
		}
		buf_puts(&out, found);
		p = end;
	}
	return buf_steal(&out);
}

static int section_line(struct reader *r, char *text, struct status *st)
{
	size_t len = strlen(text);

	if (text[len - 1] != ']')
		return refuse(r, st, "a section header must end with ]");
	text[len - 1] = '\0';

	const char *name = trim(text + 1);
	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->table[i].section, name) == 0) {
			r->section = r->table[i].section;
			return 0;
		}
	}
	return status_set(st, -EINVAL, "%.200s:%d: unknown section [%.64s]; see tandem.conf(5)", r->path, r->line,
			  name);
}

static int option_line(struct reader *r, char *text, struct status *st)
{
	struct status why = {""};
	char *equals = strchr(text, '=');
	size_t i;

	if (equals == NULL)
		return refuse(r, st, "neither a [section] nor key = value");
	*equals = '\0';

	const char *key = trim(text);
	if (r->section == NULL)
		return refuse(r, st, "a key before the first [section]");
	for (i = 0; i < r->n; i++) {
		if (strcmp(r->table[i].section, r->section) == 0 && strcmp(r->table[i].key, key) == 0)
			break;
	}
	if (i == r->n)
		return status_set(st, -EINVAL, "%.200s:%d: unknown key \"%.64s\" in [%s]; see tandem.conf(5)", r->path,
				  r->line, key, r->section);
	if (r->notes[i].line != 0)
		return status_set(st, -EINVAL, "%.200s:%d: [%s] %s is given twice, first on line %d; remove one",
				  r->path, r->line, r->section, key, r->notes[i].line);

	r->notes[i].line = r->line;
	r->notes[i].value = expand(r, trim(equals + 1), st);
	if (r->notes[i].value == NULL)
		return -EINVAL;
	if (conf_set(&r->table[i], r->notes[i].value, r->settings, &why) != 0)
		return refuse(r, st, why.text);
	return 0;
}

static int read_line(struct reader *r, char *line, size_t len, struct status *st)
{
	if (len > LINE_BYTES_MAX)
		return refuse(r, st, "the line is longer than 4096 bytes");
	if (strlen(line) != len)
		return refuse(r, st, "a NUL byte; is this a text file?");
	cut_comment(line);

	char *text = trim(line);
	if (*text == '\0')
		return 0;
	return *text == '[' ? section_line(r, text, st) : option_line(r, text, st);
}

static int read_file(struct reader *r, struct status *st)
{
	FILE *file = fopen(r->path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int err = 0;

	if (file == NULL)
		return status_set(st, -errno, "%.200s: cannot be read: %s", r->path, strerror(errno));
	while (err == 0 && (len = getline(&line, &size, file)) >= 0) {
		r->line++;
		err = read_line(r, line, (size_t)len, st);
	}
	if (err == 0 && ferror(file))
		err = status_set(st, -EIO, "%.200s: cannot be read: %s", r->path, strerror(errno));
	free(line);
	fclose(file);
	return err;
}

int conf_read_noted(const char *path, const struct conf_option *table, size_t n, void *settings,
		    struct conf_note *notes, struct status *st)
{
	struct reader r = {.path = path, .table = table, .n = n, .settings = settings, .notes = notes};

	conf_defaults(table, n, settings);

	int err = read_file(&r, st);
	if (err != 0)
		conf_release(table, n, settings);
	return err;
}

int conf_read(const char *path, const struct conf_option *table, size_t n, void *settings, struct status *st)
{
	struct conf_note *notes = xcalloc(n, sizeof(*notes));
	int err = conf_read_noted(path, table, n, settings, notes, st);

	conf_notes_free(&notes, n);
	return err;
}

void conf_print_sample(const struct conf_option *table, size_t n, FILE *out)
{
	const char *section = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct conf_option *o = &table[i];

		if (section == NULL || strcmp(section, o->section) != 0) {
			fprintf(out, "%s[%s]\n", section != NULL ? "\n" : "", o->section);
			section = o->section;
		}
		fprintf(out, "; %s%s\n;%s =%s%s\n", o->meaning, o->reloadable ? " (SIGHUP)" : "", o->key,
			o->fallback != NULL && *o->fallback != '\0' ? " " : "", o->fallback != NULL ? o->fallback : "");
	}
}
