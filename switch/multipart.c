/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/multipart.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { BOUNDARY_MAX = 70 }; /* RFC 2046 section 5.1.1 */

/* The next delimiter at the start of a line; NULL: none. */
static const char *delimiter_find(const struct multipart *m, const char *from)
{
	for (const char *at = from; (at = memmem(at, (size_t)(m->end - at), m->delimiter, m->delimiter_len)) != NULL;
	     at++)
		if (at == from || at[-1] == '\n')
			return at;
	return NULL;
}

/* Behind the end of the line. */
static const char *line_skip(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));
	return newline ? newline + 1 : end;
}

bool multipart_open(struct multipart *m, const char *text, size_t len, const char *boundary)
{
	size_t quote = boundary && boundary[0] == '"';
	size_t n = boundary ? (quote ? strcspn(boundary + 1, "\"") : strlen(boundary)) : 0;

	if (n == 0 || n > BOUNDARY_MAX)
		return false;
	*m = (struct multipart){.end = text + len};
	m->delimiter_len = (size_t)snprintf(m->delimiter, sizeof m->delimiter, "--%.*s", (int)n, boundary + quote);
	m->at = delimiter_find(m, text);
	return m->at != NULL;
}

/* Header lines up to an empty one; a part may have none. */
static void part_split(const char *from, const char *end, struct multipart_part *part)
{
	const char *line = from;

	part->head = from;
	while (line < end && *line != '\n' && !(*line == '\r' && line + 1 < end && line[1] == '\n'))
		line = line_skip(line, end);
	part->head_len = (size_t)(line - from);
	part->body = line < end ? line_skip(line, end) : end;
	part->body_len = (size_t)(end - part->body);
}

bool multipart_next(struct multipart *m, struct multipart_part *part)
{
	const char *after = m->at ? m->at + m->delimiter_len : NULL;

	if (!after || (m->end - after >= 2 && memcmp(after, "--", 2) == 0))
		return false;
	const char *from = line_skip(after, m->end), *next = delimiter_find(m, from);
	const char *end = next ? next : m->end;
	if (next && end > from && end[-1] == '\n') /* the line's end belongs to the delimiter */
		end -= end - 1 > from && end[-2] == '\r' ? 2 : 1;
	part_split(from, end, part);
	m->at = next;
	return true;
}

const char *multipart_header(const struct multipart_part *part, const char *name, size_t *len)
{
	const char *end = part->head + part->head_len;
	size_t name_len = strlen(name);

	for (const char *line = part->head; line < end; line = line_skip(line, end)) {
		const char *next = line_skip(line, end), *value = line + name_len;
		if ((size_t)(end - line) <= name_len || strncasecmp(line, name, name_len) != 0 || *value != ':')
			continue;
		for (value++; value < next && (*value == ' ' || *value == '\t');)
			value++;
		while (next > value && strchr("\r\n \t", next[-1]))
			next--;
		*len = (size_t)(next - value);
		return value;
	}
	return NULL;
}
