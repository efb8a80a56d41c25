/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/money.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int64_t power_of_ten(int n)
{
	int64_t power = 1;

	while (n-- > 0)
		power *= 10;
	return power;
}

int money_parse(const char *text, struct money *out)
{
	bool negative = *text == '-';
	const char *whole = text + negative;
	size_t whole_len = strspn(whole, "0123456789");
	const char *p = whole + whole_len;
	int decimals = 0;
	__int128 nano = 0;

	if (*p == '.') {
		size_t len = strspn(p + 1, "0123456789");

		if (len == 0 || p[1 + len] != '\0')
			return -EINVAL;
		if (len > MONEY_PLACES)
			return -EDOM;
		decimals = (int)len;
	} else if (*p != '\0' || whole_len == 0) {
		return -EINVAL;
	}

	for (p = whole; *p != '\0'; p++) {
		if (*p == '.')
			continue;
		nano = nano * 10 + (*p - '0');
		if (nano > (__int128)INT64_MAX + 1)
			return -ERANGE;
	}
	nano *= power_of_ten(MONEY_PLACES - decimals);
	if (negative)
		nano = -nano;
	if (nano > INT64_MAX || nano < INT64_MIN)
		return -ERANGE;
	out->nano = (int64_t)nano;
	return 0;
}

/* the decimals of fraction beyond `places` only where they are not 0 */
static void put_decimal(bool negative, uint64_t whole, uint64_t fraction, int places, char *out, size_t size)
{
	int len = snprintf(out, size, "%s%llu.%09llu", negative ? "-" : "", (unsigned long long)whole,
			   (unsigned long long)fraction);
	int decimals = MONEY_PLACES;

	assert(places >= 0 && places <= MONEY_PLACES);
	while (decimals > places && out[len - 1] == '0') {
		out[--len] = '\0';
		decimals--;
	}
	if (decimals == 0)
		out[len - 1] = '\0'; /* the point */
}

char *money_format(struct money m, int places, char out[static MONEY_TEXT_MAX])
{
	uint64_t magnitude = m.nano < 0 ? -(uint64_t)m.nano : (uint64_t)m.nano;

	put_decimal(m.nano < 0, magnitude / (uint64_t)MONEY_NANO, magnitude % (uint64_t)MONEY_NANO, places, out,
		    MONEY_TEXT_MAX);
	return out;
}

void money_sum_add(struct money_sum *sum, struct money m)
{
	sum->nano += m.nano;
}

char *money_sum_format(struct money_sum sum, int places, char out[static MONEY_SUM_TEXT_MAX])
{
	unsigned __int128 magnitude = sum.nano < 0 ? -(unsigned __int128)sum.nano : (unsigned __int128)sum.nano;

	put_decimal(sum.nano < 0, (uint64_t)(magnitude / (uint64_t)MONEY_NANO),
		    (uint64_t)(magnitude % (uint64_t)MONEY_NANO), places, out, MONEY_SUM_TEXT_MAX);
	return out;
}

int money_divide(__int128 numerator, int64_t denominator, enum money_rounding mode, int places, struct money *out)
{
	assert(denominator > 0 && places >= 0 && places <= MONEY_PLACES);

	int64_t unit = power_of_ten(MONEY_PLACES - places); /* nano-units in one of the last place */
	unsigned __int128 magnitude = numerator < 0 ? -(unsigned __int128)numerator : (unsigned __int128)numerator;
	unsigned __int128 divisor = (unsigned __int128)denominator * (unsigned __int128)unit;
	unsigned __int128 units = magnitude / divisor;
	unsigned __int128 rest = magnitude % divisor;

	if (mode == MONEY_UP ? rest > 0 : mode == MONEY_HALF_UP && rest >= divisor - rest)
		units++;
	if (units > (unsigned __int128)INT64_MAX / (unsigned __int128)unit)
		return -ERANGE;
	out->nano = (int64_t)units * unit;
	if (numerator < 0)
		out->nano = -out->nano;
	return 0;
}
