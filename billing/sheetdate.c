/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/sheetdate.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"

enum { ISO_MAX = 48 };

struct written { /* a date's parts as digits stand in the text */
	int year, month, day;
};

/* Exactly n digits, and no more. returns their value and moves on; -1: they are not there */
static int digits_take(const char **p, int n)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		if (!isdigit((unsigned char)(*p)[i]))
			return -1;
		value = value * 10 + ((*p)[i] - '0');
	}
	if (isdigit((unsigned char)(*p)[n]))
		return -1;
	*p += n;
	return value;
}

static int day_take(const char **p)
{
	return digits_take(p, isdigit((unsigned char)(*p)[0]) && isdigit((unsigned char)(*p)[1]) ? 2 : 1);
}

static int month_name_take(const char **p)
{
	static const char *const name[] = {"january", "february", "march",     "april",	  "may",      "june",
					   "july",    "august",	  "september", "october", "november", "december"};
	size_t len = 0;

	while (isalpha((unsigned char)(*p)[len]))
		len++;
	for (int i = 0; i < 12; i++)
		if ((len == 3 || len == strlen(name[i])) && strncasecmp(*p, name[i], len) == 0) {
			*p += len;
			return i + 1;
		}
	return -1;
}

static bool mark_take(const char **p, char mark)
{
	if (**p != mark)
		return false;
	(*p)++;
	return true;
}

/* 2026/01/31 */
static bool slashed(const char **p, struct written *w)
{
	return (w->year = digits_take(p, 4)) >= 0 && mark_take(p, '/') && (w->month = digits_take(p, 2)) >= 0 &&
	       mark_take(p, '/') && (w->day = digits_take(p, 2)) >= 0;
}

/* 20260131 */
static bool bare(const char **p, struct written *w)
{
	int all = digits_take(p, 8);

	*w = (struct written){.year = all / 10000, .month = all / 100 % 100, .day = all % 100};
	return all >= 0;
}

/* 31.01.2026 */
static bool dotted(const char **p, struct written *w)
{
	return (w->day = day_take(p)) >= 0 && mark_take(p, '.') && (w->month = day_take(p)) >= 0 && mark_take(p, '.') &&
	       (w->year = digits_take(p, 4)) >= 0;
}

/* 31-Jan-2026, 31 January 2026 */
static bool named(const char **p, struct written *w)
{
	if ((w->day = day_take(p)) < 0 || (**p != '-' && **p != ' '))
		return false;
	char mark = *(*p)++;
	return (w->month = month_name_take(p)) >= 0 && mark_take(p, mark) && (w->year = digits_take(p, 4)) >= 0;
}

int sheetdate_parse(const char *text, int64_t *wall_us)
{
	static bool (*const styles[])(const char **p, struct written *w) = {slashed, bare, dotted, named};
	int64_t at;

	if (clock_parse(text, &at) == 0) {
		*wall_us = at;
		return 0;
	}
	for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
		const char *rest = text;
		struct written w = {0};
		char iso[ISO_MAX];
		if (!styles[i](&rest, &w) || (*rest != '\0' && *rest != ' '))
			continue;
		int n = snprintf(iso, sizeof iso, "%04d-%02d-%02d%s", w.year, w.month, w.day, rest);
		if (n < 0 || n >= ISO_MAX || clock_parse(iso, &at) != 0)
			return -EINVAL;
		*wall_us = at;
		return 0;
	}
	return -EINVAL;
}
