/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/numberlength.h"

#include <stdlib.h>
#include <string.h>

#include "lib/digits.h"

struct sought { /* the first len digits of a number */
	const char *digits;
	size_t len;
};

static int rule_compare(const void *pa, const void *pb)
{
	const struct length_rule *a = pa, *b = pb;

	return strcmp(a->prefix, b->prefix);
}

void numberlength_finish(struct number_lengths *l)
{
	l->sizes = 0;
	if (l->n == 0)
		return;
	qsort(l->rule, l->n, sizeof *l->rule, rule_compare);
	for (size_t i = 0; i < l->n; i++)
		l->sizes |= UINT32_C(1) << (strlen(l->rule[i].prefix) - 1);
}

/* A prefix that the sought digits begin sorts after them. */
static int sought_compare(const void *key, const void *item)
{
	const struct sought *s = key;
	const struct length_rule *rule = item;
	int order = strncmp(s->digits, rule->prefix, s->len);

	return order == 0 && rule->prefix[s->len] != '\0' ? -1 : order;
}

const struct length_rule *numberlength_find(const struct number_lengths *l, const char *number)
{
	for (size_t len = strnlen(number, DIGITS_MAX); len > 0; len--) {
		if ((l->sizes >> (len - 1) & 1) == 0)
			continue;
		const struct sought key = {number, len};
		const struct length_rule *rule = bsearch(&key, l->rule, l->n, sizeof *l->rule, sought_compare);
		if (rule != NULL)
			return rule;
	}
	return NULL;
}

bool length_fits(const struct length_rule *rule, size_t digits)
{
	return digits >= (size_t)rule->min && digits <= (size_t)rule->max;
}
