/* SPDX-License-Identifier: Apache-2.0 */
/* codes.h - the prefixes that one field of a rate sheet names. Owns nothing. Pure: no I/O, no clock. Any thread.
 *
 *   4420                  one
 *   4420,4421             a list
 *   4477-4479             a range: 4477, 4478, 4479; both ends have as many digits
 *   44 77,78  44;77-79    a country code of 1 to 3 digits, a blank or ';', and what follows it, in a list or ranges
 *
 * A '+' may stand before the first digits and before each code that has no country code before it.
 */
#ifndef BILLING_CODES_H
#define BILLING_CODES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/digits.h"
#include "lib/status.h"

#define CODES_MAX 10000 /* prefixes of one field */

struct codes {
	const char *text; /* borrowed from codes_read */
	int n;		  /* 1..CODES_MAX; all different */
};

/* codes_read - text has no blanks at its ends. 0, or -EINVAL with st saying what is wrong with which code. */
int codes_read(const char *text, struct codes *c, struct status *st) must_check;

struct codes_walk {
	const char *rest;
	char country[DIGITS_MAX + 1];
	char next[DIGITS_MAX + 1]; /* of the range under way */
	int left;		   /* prefixes of it that are yet to come */
};

/* codes_next - the prefixes one by one, as they stand in the text. False: there are no more. */
void codes_walk_begin(const struct codes *c, struct codes_walk *w);
bool codes_next(struct codes_walk *w, char out[static DIGITS_MAX + 1]);

#endif
