/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/codes.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

#define COUNTRY_MAX 3 /* digits of a country code, E.164 */

struct span {			       /* one code or range of the list, with its country code */
	unsigned __int128 first, last; /* 32 digits fit */
	int digits;
};

static const char *skip_blanks(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

static size_t count_digits(const char *p)
{
	return strspn(p, "0123456789");
}

static unsigned __int128 value_of(const char *digits, size_t len, unsigned __int128 value)
{
	for (size_t i = 0; i < len; i++)
		value = value * 10 + (unsigned)(digits[i] - '0');
	return value;
}

/* The country code that all of the text shares, if it begins with one; p then stands behind it. */
static const char *country_read(const char *p, char country[static DIGITS_MAX + 1])
{
	const char *digits = *p == '+' ? p + 1 : p;
	size_t len = count_digits(digits);
	const char *rest = skip_blanks(digits + len);

	country[0] = '\0';
	if (len == 0 || len > COUNTRY_MAX)
		return p;
	if (*rest == ';')
		rest = skip_blanks(rest + 1);
	if (rest == digits + len || !isdigit((unsigned char)*rest))
		return p;
	memcpy(country, digits, len);
	country[len] = '\0';
	return rest;
}

/* One code or range: where it ends, with what stands there; NULL: it is none, or its prefixes are too long. */
static const char *span_read(const char *p, const char *country, struct span *s, const char **first)
{
	size_t country_len = strlen(country), len, last_len;
	unsigned __int128 base = value_of(country, country_len, 0);

	if (*p == '+' && country_len == 0)
		p++;
	*first = p;
	len = count_digits(p);
	s->digits = (int)(country_len + len);
	if (len == 0 || s->digits > DIGITS_MAX)
		return NULL;
	s->first = s->last = value_of(p, len, base);
	p = skip_blanks(p + len);
	if (*p != '-')
		return p;
	p = skip_blanks(p + 1);
	if (*p == '+' && country_len == 0)
		p++;
	last_len = count_digits(p);
	if (last_len != len)
		return NULL;
	s->last = value_of(p, len, base);
	return skip_blanks(p + len);
}

static int by_first(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->digits != y->digits)
		return x->digits - y->digits;
	return (x->first > y->first) - (x->first < y->first);
}

static int check_overlap(const char *text, struct span *spans, size_t n, struct status *st)
{
	qsort(spans, n, sizeof(*spans), by_first);
	for (size_t i = 1; i < n; i++)
		if (spans[i].digits == spans[i - 1].digits && spans[i].first <= spans[i - 1].last)
			return status_set(st, -EINVAL, "prefix \"%.60s\" names a code twice", text);
	return 0;
}

static int refuse_code(const char *text, const char *at, struct status *st)
{
	size_t len = strcspn(at, ",");

	if (at[len] == '\0' && at == text)
		return status_set(
			st, -EINVAL,
			"prefix \"%.60s\" is not 1 to %d digits, nor a list (4420,4421) or range (4477-4479) of such",
			text, DIGITS_MAX);
	return status_set(st, -EINVAL,
			  "prefix \"%.60s\": \"%.*s\" is neither a code, 1 to %d digits with its country code, nor a "
			  "range of codes of one length",
			  text, len < 40 ? (int)len : 40, at, DIGITS_MAX);
}

static int read_spans(const char *text, struct span *spans, size_t *n, int *count, struct status *st)
{
	char country[DIGITS_MAX + 1];
	const char *p = country_read(text, country), *at, *first;

	for (;; p++) {
		struct span *s = &spans[(*n)++];

		at = skip_blanks(p);
		p = span_read(at, country, s, &first);
		if (p == NULL || (*p != ',' && *p != '\0'))
			return refuse_code(text, at, st);
		if (s->first > s->last)
			return status_set(st, -EINVAL, "prefix \"%.60s\": the range at \"%.20s\" ends before it begins",
					  text, at);
		if (s->last - s->first >= (unsigned)(CODES_MAX - *count))
			return status_set(st, -EINVAL, "prefix \"%.60s\" names more than %d prefixes", text, CODES_MAX);
		*count += (int)(s->last - s->first) + 1;
		if (*p == '\0')
			return 0;
	}
}

int codes_read(const char *text, struct codes *c, struct status *st)
{
	struct span one, *spans = &one;
	size_t n = 0, commas = 0;
	int count = 0, err;

	for (const char *p = text; *p != '\0'; p++)
		commas += *p == ',';
	if (commas >= CODES_MAX)
		return status_set(st, -EINVAL, "prefix \"%.60s\" names more than %d prefixes", text, CODES_MAX);
	if (commas > 0)
		spans = xcalloc(commas + 1, sizeof(*spans));
	err = read_spans(text, spans, &n, &count, st);
	if (err == 0)
		err = check_overlap(text, spans, n, st);
	if (spans != &one)
		free(spans);
	*c = (struct codes){text, count};
	return err;
}

void codes_walk_begin(const struct codes *c, struct codes_walk *w)
{
	*w = (struct codes_walk){0};
	w->rest = country_read(c->text, w->country);
}

/* The next prefix of as many digits. */
static void count_on(char *digits)
{
	size_t i = strlen(digits);

	while (i > 0 && digits[i - 1] == '9')
		digits[--i] = '0';
	if (i > 0)
		digits[i - 1]++;
}

bool codes_next(struct codes_walk *w, char out[static DIGITS_MAX + 1])
{
	struct span s;
	const char *first;

	if (w->left == 0) {
		if (*w->rest == '\0')
			return false;
		w->rest = span_read(skip_blanks(w->rest), w->country, &s, &first);
		assert(w->rest != NULL); /* codes_read has refused such a text */
		if (*w->rest == ',')
			w->rest++;
		size_t country_len = strlen(w->country);
		memcpy(w->next, w->country, country_len);
		memcpy(w->next + country_len, first, (size_t)s.digits - country_len);
		w->next[s.digits] = '\0';
		w->left = (int)(s.last - s.first) + 1;
	}
	memcpy(out, w->next, DIGITS_MAX + 1);
	w->left--;
	count_on(w->next);
	return true;
}
