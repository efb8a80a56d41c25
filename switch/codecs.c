/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/codecs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TYPES_MAX = 64, NAME_SIZE = 48 };

struct line {
	const char *text;
	size_t len; /* without its end */
};

struct section { /* an m= line and what follows it */
	const char *text;
	size_t len;
	int type[TYPES_MAX]; /* payload types, as offered; then as kept */
	char name[TYPES_MAX][NAME_SIZE];
	int types;
	size_t head; /* of the m= line: up to its payload types */
};

/* The next line of text[*at..len); false: no more. */
static bool line_next(const char *text, size_t len, size_t *at, struct line *out)
{
	if (*at >= len)
		return false;
	const char *end = memchr(text + *at, '\n', len - *at);
	size_t n = end ? (size_t)(end - text) - *at : len - *at;
	*out = (struct line){.text = text + *at, .len = n};
	*at += n + 1;
	while (out->len && out->text[out->len - 1] == '\r')
		out->len--;
	return true;
}

static bool begins(const struct line *l, const char *word)
{
	return l->len >= strlen(word) && memcmp(l->text, word, strlen(word)) == 0;
}

/* RFC 3551 table 4: what a payload type means without an rtpmap. */
static const char *static_name(int type)
{
	static const char *const name[] = {
		[0] = "PCMU/8000", [3] = "GSM/8000",	[4] = "G723/8000", [7] = "LPC/8000",   [8] = "PCMA/8000",
		[9] = "G722/8000", [12] = "QCELP/8000", [13] = "CN/8000",  [15] = "G728/8000", [18] = "G729/8000"};

	return type >= 0 && type < (int)(sizeof name / sizeof name[0]) && name[type] ? name[type] : "";
}

static bool is_named(const char *has, const char *wanted)
{
	size_t n = strlen(wanted);
	return n && strncasecmp(has, wanted, n) == 0 && (has[n] == '\0' || has[n] == '/');
}

static bool is_companion(const char *name)
{
	return is_named(name, "telephone-event") || is_named(name, "CN");
}

/* "m=audio 40000 RTP/AVP 8 0 101". False: not to be touched (another medium, another protocol, refused, too long). */
static bool types_read(struct section *s, const struct line *m)
{
	char word[3][32], text[512];
	int at = 0;

	if (m->len >= sizeof text)
		return false;
	memcpy(text, m->text, m->len);
	text[m->len] = '\0';
	if (sscanf(text, "m=%31s %31s %31s%n", word[0], word[1], word[2], &at) != 3 || strcmp(word[0], "audio") != 0 ||
	    atoi(word[1]) == 0 || !strstr(word[2], "RTP/"))
		return false;
	s->head = (size_t)at;
	for (char *p = text + at, *end; s->types < TYPES_MAX; p = end) {
		long type = strtol(p, &end, 10);
		if (end == p)
			break;
		snprintf(s->name[s->types], NAME_SIZE, "%s", static_name((int)type));
		s->type[s->types++] = (int)type;
	}
	return s->types > 0 && s->types < TYPES_MAX;
}

static void names_read(struct section *s)
{
	struct line l;
	char text[80];
	int type, from = 0;

	for (size_t at = 0; line_next(s->text, s->len, &at, &l);) {
		if (!begins(&l, "a=rtpmap:"))
			continue;
		snprintf(text, sizeof text, "%.*s", (int)l.len, l.text);
		if (sscanf(text, "a=rtpmap:%d %n", &type, &from) != 1)
			continue;
		for (int i = 0; i < s->types; i++)
			if (s->type[i] == type)
				snprintf(s->name[i], NAME_SIZE, "%.47s", text + from);
	}
}

/* The kept ones come first in type[], in the list's order; returns how many, 0 if no codec is among them. */
static int types_keep(struct section *s, const struct codecs *list)
{
	int kept[TYPES_MAX], n = 0;

	for (int k = 0; k < list->n; k++)
		for (int i = 0; i < s->types; i++)
			if (s->type[i] >= 0 && !is_companion(s->name[i]) && is_named(s->name[i], list->name[k])) {
				kept[n++] = s->type[i];
				s->type[i] = -1;
			}
	if (n == 0)
		return 0;
	for (int i = 0; i < s->types; i++)
		if (s->type[i] >= 0 && is_companion(s->name[i]))
			kept[n++] = s->type[i];
	memcpy(s->type, kept, sizeof kept[0] * (size_t)n);
	return n;
}

/* An attribute of a payload type that is not kept. */
static bool is_of_another(const struct section *s, const struct line *l)
{
	static const char *const word[] = {"a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"};

	for (size_t w = 0; w < sizeof word / sizeof word[0]; w++) {
		if (!begins(l, word[w]))
			continue;
		size_t at = strlen(word[w]);
		if (at == l->len || l->text[at] < '0' || l->text[at] > '9')
			return false;
		int type = 0;
		for (; at < l->len && l->text[at] >= '0' && l->text[at] <= '9' && type < 1000; at++)
			type = type * 10 + (l->text[at] - '0');
		for (int i = 0; i < s->types; i++)
			if (s->type[i] == type)
				return false;
		return true;
	}
	return false;
}

static void line_put(struct buf *out, const struct line *l)
{
	buf_append(out, l->text, l->len);
	buf_puts(out, "\r\n");
}

static int section_put(struct buf *out, const char *text, size_t len, const struct codecs *list)
{
	struct section s = {.text = text, .len = len};
	struct line l;
	size_t at = 0;

	if (!line_next(text, len, &at, &l))
		return 0;
	bool audio = types_read(&s, &l);
	if (audio) {
		names_read(&s);
		s.types = types_keep(&s, list);
		if (s.types == 0)
			return -ENOTSUP;
		buf_append(out, l.text, s.head);
		for (int i = 0; i < s.types; i++)
			buf_printf(out, " %d", s.type[i]);
		buf_puts(out, "\r\n");
	} else {
		line_put(out, &l);
	}
	while (line_next(text, len, &at, &l))
		if (!audio || !is_of_another(&s, &l))
			line_put(out, &l);
	return 0;
}

int codecs_filter(struct buf *out, const char *sdp, size_t len, const struct codecs *list)
{
	size_t at = 0, begin = 0, before = 0;
	struct line l;

	if (list->n == 0) {
		buf_append(out, sdp, len);
		return 0;
	}
	while (line_next(sdp, len, &at, &l)) {
		if (begins(&l, "m=") && before > begin) {
			int r = section_put(out, sdp + begin, before - begin, list);
			if (r)
				return r;
			begin = before;
		}
		before = at;
	}
	return section_put(out, sdp + begin, len - begin, list);
}
