/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/csv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/utf8.h"

#define RECORD_MAX (1024 * 1024)

enum place { FIELD_START, IN_FIELD, IN_QUOTES, AFTER_QUOTE };

struct csv_reader {
	csv_record_fn *on_record;
	void *arg;
	int err; /* what ended the parse */
	struct status why;

	char delimiter;	  /* 0 until the first line is whole */
	struct buf head;  /* the first line until then */
	bool head_quoted; /* inside quotes at its end */

	enum place place;
	bool after_cr;	    /* a CR outside quotes waits for its LF */
	bool any_quote;	    /* of this record: "" is not a blank line */
	int64_t line;	    /* of the byte being read */
	int64_t start_line; /* of the record */
	struct buf text;    /* the record's fields, each ended by a NUL */
	size_t *offset;	    /* of each field in text */
	size_t fields, offsets_cap;
	char **field; /* for on_record */
	size_t field_cap;
};

struct csv_reader *csv_reader_new(csv_record_fn *on_record, void *arg)
{
	struct csv_reader *r = xcalloc(1, sizeof(*r));

	r->on_record = on_record;
	r->arg = arg;
	r->line = r->start_line = 1;
	return r;
}

void csv_reader_free(struct csv_reader **r)
{
	if (*r == NULL)
		return;
	buf_free(&(*r)->head);
	buf_free(&(*r)->text);
	free((*r)->offset);
	free((*r)->field);
	free(*r);
	*r = NULL;
}

static int refuse(struct csv_reader *r, int64_t line, const char *what)
{
	return status_set(&r->why, -EINVAL, "line %lld: %s", (long long)line, what);
}

static bool utf8_valid(const char *text, size_t len)
{
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = utf8_character(text + i);
		if (n == 0)
			return false;
	}
	return true;
}

static void field_begin(struct csv_reader *r)
{
	if (r->fields == r->offsets_cap) {
		r->offsets_cap = r->offsets_cap > 0 ? r->offsets_cap * 2 : 32;
		r->offset = xrealloc(r->offset, r->offsets_cap * sizeof(*r->offset));
	}
	r->offset[r->fields++] = r->text.len;
}

static int record_end(struct csv_reader *r)
{
	int err = 0;

	if (r->fields == 0)
		field_begin(r);
	buf_putc(&r->text, '\0');
	r->place = FIELD_START;

	bool blank = r->fields == 1 && r->text.len == 1 && !r->any_quote;
	if (!blank && !utf8_valid(r->text.text, r->text.len)) {
		err = refuse(r, r->start_line, "not valid UTF-8; save the file as UTF-8");
	} else if (!blank) {
		if (r->fields > r->field_cap) {
			r->field_cap = r->fields;
			r->field = xrealloc(r->field, r->field_cap * sizeof(*r->field));
		}
		for (size_t i = 0; i < r->fields; i++)
			r->field[i] = r->text.text + r->offset[i];
		err = r->on_record(r->arg, r->start_line, r->field, r->fields);
	}
	buf_reset(&r->text);
	r->fields = 0;
	r->any_quote = false;
	r->after_cr = false;
	return err;
}

static int line_end(struct csv_reader *r)
{
	int err = record_end(r);

	r->start_line = ++r->line;
	return err;
}

static int put_byte(struct csv_reader *r, char c)
{
	if (r->text.len >= RECORD_MAX)
		return refuse(r, r->start_line, "the record is longer than 1 MiB; is a quote missing?");
	buf_putc(&r->text, c);
	return 0;
}

/* a byte outside quotes */
static int plain_byte(struct csv_reader *r, char c)
{
	if (r->after_cr) {
		r->after_cr = false;
		if (c == '\n')
			return line_end(r);
		return refuse(r, r->line, "a carriage return without a line feed");
	}
	if (c == '\n')
		return line_end(r);
	if (c == '\r') {
		r->after_cr = true;
		return 0;
	}
	if (r->fields == 0)
		field_begin(r);
	if (c == r->delimiter) {
		int err = put_byte(r, '\0'); /* the field's end */

		r->place = FIELD_START;
		field_begin(r);
		return err;
	}
	if (r->place == AFTER_QUOTE)
		return refuse(r, r->line, "text after a closing quote");
	if (c == '"' && r->place == FIELD_START) {
		r->place = IN_QUOTES;
		r->any_quote = true;
		return 0;
	}
	r->place = IN_FIELD;
	return put_byte(r, c);
}

static int quoted_byte(struct csv_reader *r, char c)
{
	if (c == '"') {
		r->place = AFTER_QUOTE;
		return 0;
	}
	if (c == '\n')
		r->line++;
	return put_byte(r, c);
}

static int byte_in(struct csv_reader *r, char c)
{
	if (c == '\0')
		return refuse(r, r->line, "a NUL byte; is this a text file?");
	if (r->place == IN_QUOTES)
		return quoted_byte(r, c);
	if (r->place == AFTER_QUOTE && c == '"') {
		r->place = IN_QUOTES;
		return put_byte(r, c);
	}
	return plain_byte(r, c);
}

/* The first line is whole (or there is no more): see which delimiter it has, then read it. */
static int head_end(struct csv_reader *r)
{
	size_t commas = 0, semicolons = 0, tabs = 0, from = 0;
	bool quoted = false;
	int err = 0;

	if (r->head.len >= 3 && memcmp(r->head.text, "\xef\xbb\xbf", 3) == 0)
		from = 3;
	for (size_t i = from; i < r->head.len; i++) {
		if (r->head.text[i] == '"')
			quoted = !quoted;
		commas += !quoted && r->head.text[i] == ',';
		semicolons += !quoted && r->head.text[i] == ';';
		tabs += !quoted && r->head.text[i] == '\t';
	}
	r->delimiter = semicolons > commas ? ';' : ',';
	if (tabs > commas && tabs > semicolons)
		r->delimiter = '\t';
	for (size_t i = from; err == 0 && i < r->head.len; i++)
		err = byte_in(r, r->head.text[i]);
	buf_free(&r->head);
	return err;
}

static int head_byte(struct csv_reader *r, char c)
{
	if (r->head.len >= RECORD_MAX)
		return refuse(r, 1, "the record is longer than 1 MiB; is a quote missing?");
	buf_putc(&r->head, c);
	if (c == '"')
		r->head_quoted = !r->head_quoted;
	/* leading blank lines say nothing about the delimiter */
	if (c == '\n' && !r->head_quoted && strspn(r->head.text, "\xef\xbb\xbf\r\n") < r->head.len)
		return head_end(r);
	return 0;
}

static int finish(struct csv_reader *r, int err, struct status *st)
{
	r->err = err;
	if (err != 0 && r->why.text[0] != '\0')
		return status_set(st, err, "%s", r->why.text);
	return err;
}

int csv_feed(struct csv_reader *r, const char *bytes, size_t len, struct status *st)
{
	int err = r->err;

	for (size_t i = 0; err == 0 && i < len; i++)
		err = r->delimiter == 0 ? head_byte(r, bytes[i]) : byte_in(r, bytes[i]);
	return finish(r, err, st);
}

int csv_end(struct csv_reader *r, struct status *st)
{
	int err = r->err;

	if (err == 0 && r->delimiter == 0)
		err = head_end(r);
	if (err == 0 && r->place == IN_QUOTES)
		err = refuse(r, r->start_line, "a quote that is never closed");
	if (err == 0 && (r->fields > 0 || r->place != FIELD_START))
		err = record_end(r);
	return finish(r, err, st);
}

/* Is it text that a spreadsheet may run? A sign before nothing but digits is a number to it. */
static bool is_formula(const char *text)
{
	if (*text == '+' || *text == '-')
		return text[1] == '\0' || text[1 + strspn(text + 1, "0123456789.")] != '\0';
	return *text == '=' || *text == '@' || *text == '\t' || *text == '\r';
}

void csv_put_guarded(struct buf *out, const char *field)
{
	struct buf guarded = {0};

	if (field == NULL || !is_formula(field)) {
		csv_put(out, field);
		return;
	}
	buf_putc(&guarded, '\'');
	buf_puts(&guarded, field);
	csv_put(out, guarded.text);
	buf_free(&guarded);
}

void csv_put(struct buf *out, const char *field)
{
	if (field == NULL)
		return;

	size_t len = strlen(field);
	bool plain =
		field[strcspn(field, ",;\"\r\n")] == '\0' && (len == 0 || (field[0] != ' ' && field[len - 1] != ' '));
	if (plain) {
		buf_append(out, field, len);
		return;
	}
	buf_putc(out, '"');
	for (const char *p = field; *p != '\0'; p++) {
		if (*p == '"')
			buf_putc(out, '"');
		buf_putc(out, *p);
	}
	buf_putc(out, '"');
}
