/* SPDX-License-Identifier: Apache-2.0 */
/* numberlength.h - how many digits the numbers of each destination have: rules by prefix, the longest prefix holds.
 * Immutable; lives in its snapshot's arena. Pure: no I/O, no allocation. Any thread.
 */
#ifndef ROUTING_NUMBERLENGTH_H
#define ROUTING_NUMBERLENGTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct length_rule {
	const char *prefix; /* 1 to DIGITS_MAX digits */
	int min, max;	    /* digits of the whole number, prefix included; min <= max */
};

struct number_lengths {
	struct length_rule *rule; /* sorted by prefix; no prefix twice */
	size_t n;
	uint32_t sizes; /* bit i: some prefix has i + 1 digits */
};

/* numberlength_finish - sort the rules and note which sizes of prefix there are */
void numberlength_finish(struct number_lengths *l);

/* numberlength_find - the rule of number (digits): that of its longest prefix; NULL: none holds */
const struct length_rule *numberlength_find(const struct number_lengths *l, const char *number);

/* length_fits - whether a number of so many digits is one of that rule's destination */
bool length_fits(const struct length_rule *rule, size_t digits);

#endif
