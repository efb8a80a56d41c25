/* SPDX-License-Identifier: Apache-2.0 */
/* zone.c - a time zone's offsets out of the system's tzdata (TZif, RFC 8536), its rule for the future spelt out.
 * The C library reads them only for the whole process at once (TZ, tzset), and we need many side by side.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "routing/schedule.h"

#define ZONE_DIR "/usr/share/zoneinfo/"
#define ZONE_FILE_MAX (256 * 1024)
#define ZONE_LAST_YEAR 2100
#define HEADER_SIZE 44
#define DAY_S 86400

struct tzif_counts {
	size_t isut, isstd, leap, time, type, chars;
};

struct bytes {
	const uint8_t *at, *end;
};

static int64_t big_endian(const uint8_t *p, size_t n)
{
	uint64_t v = (p[0] & 0x80) != 0 ? ~UINT64_C(0) : 0;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return (int64_t)v;
}

static bool header_read(struct bytes *b, struct tzif_counts *c, uint8_t *version)
{
	if (b->end - b->at < HEADER_SIZE || memcmp(b->at, "TZif", 4) != 0)
		return false;
	*version = b->at[4];
	size_t *field[] = {&c->isut, &c->isstd, &c->leap, &c->time, &c->type, &c->chars};
	for (size_t i = 0; i < 6; i++) {
		int64_t v = big_endian(b->at + 20 + 4 * i, 4);
		if (v < 0 || v > ZONE_FILE_MAX)
			return false;
		*field[i] = (size_t)v;
	}
	b->at += HEADER_SIZE;
	return true;
}

static size_t body_size(const struct tzif_counts *c, size_t time_size)
{
	return c->time * time_size + c->time + c->type * 6 + c->chars + c->leap * (time_size + 4) + c->isstd + c->isut;
}

/* ---- the footer: a POSIX TZ string such as CET-1CEST,M3.5.0,M10.5.0/3 ---- */

struct rule { /* when a half of the year begins */
	enum { RULE_MONTH, RULE_JULIAN, RULE_DAY } kind;
	int month, week, day;
	int32_t at_s; /* local time of day; may be negative or past 24 h */
};

static bool number_read(const char **s, int *out)
{
	if (!isdigit((unsigned char)**s))
		return false;
	for (*out = 0; isdigit((unsigned char)**s) && *out < 100000; ++*s)
		*out = *out * 10 + **s - '0';
	return true;
}

static bool name_skip(const char **s)
{
	const char *start = *s;
	if (**s == '<') {
		const char *end = strchr(*s, '>');
		if (end == NULL)
			return false;
		*s = end + 1;
		return true;
	}
	while (isalpha((unsigned char)**s))
		++*s;
	return *s - start >= 3;
}

/* [+-]h[:m[:s]] */
static bool time_read(const char **s, int32_t *out)
{
	int sign = 1, part, unit = 3600;
	if (**s == '-' || **s == '+')
		sign = *(*s)++ == '-' ? -1 : 1;
	*out = 0;
	for (;; unit /= 60, ++*s) {
		if (!number_read(s, &part))
			return false;
		*out += part * unit;
		if (unit == 1 || **s != ':')
			break;
	}
	*out *= sign;
	return true;
}

static bool rule_read(const char **s, struct rule *r)
{
	if (*(*s)++ != ',')
		return false;
	r->at_s = 2 * 3600;
	if (**s == 'M') {
		r->kind = RULE_MONTH;
		++*s;
		if (!number_read(s, &r->month) || *(*s)++ != '.' || !number_read(s, &r->week) || *(*s)++ != '.' ||
		    !number_read(s, &r->day) || r->month < 1 || r->month > 12 || r->week < 1 || r->week > 5 ||
		    r->day > 6)
			return false;
	} else {
		r->kind = **s == 'J' ? RULE_JULIAN : RULE_DAY;
		*s += **s == 'J';
		if (!number_read(s, &r->day) || r->day > 365)
			return false;
	}
	if (**s != '/')
		return true;
	++*s;
	return time_read(s, &r->at_s);
}

static bool leap_year(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to the first of that month (years from 1970 on). */
static int64_t days_before(int year, int month)
{
	static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	int64_t y = year - 1;
	int64_t days = (y * 365 + y / 4 - y / 100 + y / 400) - (1969LL * 365 + 1969 / 4 - 1969 / 100 + 1969 / 400);
	return days + before[month - 1] + (month > 2 && leap_year(year));
}

/* Local seconds since 1970 at which the rule strikes in that year. */
static int64_t rule_at(const struct rule *r, int year)
{
	if (r->kind == RULE_DAY)
		return (days_before(year, 1) + r->day) * DAY_S + r->at_s;
	if (r->kind == RULE_JULIAN) /* 1..365; 29 February is never counted */
		return (days_before(year, 1) + r->day - 1 + (leap_year(year) && r->day >= 60)) * DAY_S + r->at_s;
	int64_t first = days_before(year, r->month);
	int64_t next = r->month == 12 ? days_before(year + 1, 1) : days_before(year, r->month + 1);
	int weekday = (int)((first + 4) % 7); /* 0 Sunday */
	int64_t day = first + (r->day - weekday + 7) % 7 + (int64_t)(r->week - 1) * 7;
	while (day >= next)
		day -= 7;
	return day * DAY_S + r->at_s;
}

struct transitions {
	struct zone_transition *item;
	size_t n;
};

static void transition_add(struct transitions *t, int64_t at_s, int32_t offset_s)
{
	if (t->n > 0 && at_s <= t->item[t->n - 1].at_s)
		return; /* the file has spelt this one out already */
	t->item = xrealloc(t->item, (t->n + 1) * sizeof *t->item);
	t->item[t->n++] = (struct zone_transition){.at_s = at_s, .offset_s = offset_s};
}

static int transition_compare(const void *a, const void *b)
{
	int64_t x = ((const struct zone_transition *)a)->at_s, y = ((const struct zone_transition *)b)->at_s;
	return (x > y) - (x < y);
}

static bool footer_expand(const char *s, struct transitions *t)
{
	struct rule start, end;
	int32_t standard, summer;

	if (*s == '\0')
		return true; /* no rule: the last offset stays */
	if (!name_skip(&s) || !time_read(&s, &standard))
		return false;
	standard = -standard; /* POSIX counts west */
	if (*s == '\0') {
		if (t->item[t->n - 1].offset_s != standard)
			transition_add(t, t->n == 1 ? 0 : t->item[t->n - 1].at_s + 1, standard);
		return true;
	}
	summer = standard + 3600;
	if (!name_skip(&s))
		return false;
	if (*s != ',') {
		if (!time_read(&s, &summer))
			return false;
		summer = -summer;
	}
	if (!rule_read(&s, &start) || !rule_read(&s, &end) || *s != '\0')
		return false;
	for (int year = 1970; year <= ZONE_LAST_YEAR; year++) {
		struct zone_transition of_year[2] = {{rule_at(&start, year) - standard, summer},
						     {rule_at(&end, year) - summer, standard}};
		qsort(of_year, 2, sizeof *of_year, transition_compare);
		transition_add(t, of_year[0].at_s, of_year[0].offset_s);
		transition_add(t, of_year[1].at_s, of_year[1].offset_s);
	}
	return true;
}

/* ---- the file ---- */

static bool body_read(struct bytes *b, const struct tzif_counts *c, size_t time_size, struct transitions *t)
{
	if (c->type == 0 || (size_t)(b->end - b->at) < body_size(c, time_size))
		return false;
	const uint8_t *time = b->at, *index = time + c->time * time_size, *type = index + c->time;
	transition_add(t, INT64_MIN, (int32_t)big_endian(type, 4));
	for (size_t i = 0; i < c->time; i++) {
		if (index[i] >= c->type)
			return false;
		transition_add(t, big_endian(time + i * time_size, time_size),
			       (int32_t)big_endian(type + index[i] * 6, 4));
	}
	b->at += body_size(c, time_size);
	return true;
}

static bool zone_read(struct bytes b, struct transitions *t)
{
	struct tzif_counts c;
	uint8_t version;
	char footer[128];

	if (!header_read(&b, &c, &version))
		return false;
	if (version < '2')
		return body_read(&b, &c, 4, t);
	if ((size_t)(b.end - b.at) < body_size(&c, 4))
		return false;
	b.at += body_size(&c, 4);
	if (!header_read(&b, &c, &version) || !body_read(&b, &c, 8, t))
		return false;
	if (b.at == b.end || *b.at++ != '\n')
		return false;
	const uint8_t *end = memchr(b.at, '\n', (size_t)(b.end - b.at));
	if (end == NULL || (size_t)(end - b.at) >= sizeof footer)
		return false;
	memcpy(footer, b.at, (size_t)(end - b.at));
	footer[end - b.at] = '\0';
	return footer_expand(footer, t);
}

int zone_load(const char *name, struct zone_transition **transitions, size_t *n, struct status *st)
{
	char path[sizeof ZONE_DIR + SCHEDULE_ZONE_MAX];
	struct transitions t = {NULL, 0};
	struct stat info;
	uint8_t *file = NULL;
	int err = 0;

	snprintf(path, sizeof path, ZONE_DIR "%s", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
		err = status_set(st, -ENOENT, "time zone \"%.64s\" is not known to this system (package tzdata)", name);
		goto out;
	}
	file = xcalloc(1, ZONE_FILE_MAX);
	ssize_t len = read(fd, file, ZONE_FILE_MAX);
	if (len < 0 || !zone_read((struct bytes){file, file + len}, &t)) {
		err = status_set(st, -EINVAL, "time zone file %s is not readable", path);
		goto out;
	}
	*transitions = t.item;
	*n = t.n;
	t.item = NULL;
out:
	if (fd >= 0)
		close(fd);
	free(file);
	free(t.item);
	return err;
}
