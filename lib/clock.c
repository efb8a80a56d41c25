/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/clock.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define US_A_SECOND 1000000LL
#define US_A_DAY (86400 * US_A_SECOND)

static int64_t clock_read_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * US_A_SECOND + t.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
	return clock_read_us(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
	return clock_read_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* The proleptic Gregorian calendar, counted in years that begin in March, so that the leap day comes last. */

static int64_t day_number(int64_t year, int month, int day)
{
	year -= month <= 2;

	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

static void day_split(int64_t number, int64_t *year, int *month, int *day)
{
	number += 719468;

	int64_t era = (number >= 0 ? number : number - 146096) / 146097;
	int64_t day_of_era = number - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t march_month = (5 * day_of_year + 2) / 153;

	*day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
	*month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
	*year = year_of_era + era * 400 + (*month <= 2);
}

char *clock_format(int64_t wall_us, char out[static CLOCK_TEXT_MAX])
{
	int64_t days = wall_us / US_A_DAY, year;
	int month, day;

	out[0] = '\0';
	if (wall_us == 0)
		return out;
	if (wall_us % US_A_DAY < 0)
		days--;
	day_split(days, &year, &month, &day);

	unsigned ms = (unsigned)((wall_us - days * US_A_DAY) / 1000); /* of the day */
	char text[64];
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02u:%02u:%02u.%03uZ", (int)year, month, day, ms / 3600000,
		 ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
	text[CLOCK_TEXT_MAX - 1] = '\0'; /* 28 bytes for the last year that microseconds reach */
	memcpy(out, text, CLOCK_TEXT_MAX);
	return out;
}

/* exactly n digits at *p; moves *p past them; -1 if there are fewer */
static int take_number(const char **p, int n)
{
	int value = 0;

	for (; n > 0; n--, (*p)++) {
		if (!isdigit((unsigned char)**p))
			return -1;
		value = value * 10 + (**p - '0');
	}
	return value;
}

static bool take_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

static bool take_date(const char **p, int64_t *days)
{
	static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year = take_number(p, 4);

	if (year < 1 || !take_char(p, '-'))
		return false;
	int month = take_number(p, 2);
	if (month < 1 || month > 12 || !take_char(p, '-'))
		return false;
	int day = take_number(p, 2);
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (day < 1 || day > month_days[month - 1] + (month == 2 && leap))
		return false;
	*days = day_number(year, month, day);
	return true;
}

/* a fraction of any length; what is below a microsecond is cut */
static bool take_fraction(const char **p, int64_t *us)
{
	int64_t unit = US_A_SECOND / 10;

	if (!isdigit((unsigned char)**p))
		return false;
	for (; isdigit((unsigned char)**p); (*p)++, unit /= 10)
		*us += (**p - '0') * unit;
	return true;
}

/* HH:MM in minutes; -1: it is not there */
static int take_minutes(const char **p)
{
	int hours = take_number(p, 2);

	if (hours < 0 || hours > 23 || !take_char(p, ':'))
		return -1;
	int minutes = take_number(p, 2);
	return minutes < 0 || minutes > 59 ? -1 : hours * 60 + minutes;
}

static bool take_offset(const char **p, int64_t *us)
{
	if (take_char(p, 'Z') || take_char(p, 'z'))
		return true;

	int sign = **p == '+' ? -1 : **p == '-' ? 1 : 0; /* local time to UTC: the sign turns */
	if (sign == 0)
		return false;
	(*p)++;
	int minutes = take_minutes(p);
	*us += sign * minutes * 60 * US_A_SECOND;
	return minutes >= 0;
}

/* HH:MM[:SS[.F]][OFFSET]; after a 'T' seconds and offset must be there (RFC 3339 section 5.6) */
static bool take_time(const char **p, bool strict, int64_t *us)
{
	int minutes = take_minutes(p);

	if (minutes < 0)
		return false;
	*us += minutes * 60 * US_A_SECOND;
	if (**p == '\0')
		return !strict;
	if (!take_char(p, ':'))
		return false;
	int seconds = take_number(p, 2);
	if (seconds < 0 || seconds > 59)
		return false;
	*us += seconds * US_A_SECOND;
	if (take_char(p, '.') && !take_fraction(p, us))
		return false;
	if (**p == '\0')
		return !strict;
	return take_offset(p, us);
}

int clock_parse(const char *text, int64_t *wall_us)
{
	const char *p = text;
	int64_t days, us = 0;

	if (!take_date(&p, &days))
		return -EINVAL;
	if (*p != '\0') {
		bool strict = *p == 'T' || *p == 't';

		if (!strict && *p != ' ')
			return -EINVAL;
		p++;
		if (!take_time(&p, strict, &us) || *p != '\0')
			return -EINVAL;
	}
	*wall_us = days * US_A_DAY + us;
	return 0;
}
