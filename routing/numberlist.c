/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/numberlist.h"

#include <stdlib.h>
#include <string.h>

#include "lib/digits.h"

static int entry_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void numberlist_finish(struct number_list *l)
{
	size_t kept = 0;
	if (l->n == 0)
		return;
	qsort(l->entry, l->n, sizeof *l->entry, entry_compare);
	for (size_t i = 0; i < l->n; i++)
		if (kept == 0 || !digits_starts_with(l->entry[i], l->entry[kept - 1]))
			l->entry[kept++] = l->entry[i];
	l->n = kept;
}

/* As no entry begins another, only the last one that does not sort after the number can begin it. */
bool numberlist_has(const struct number_list *l, const char *number)
{
	size_t lo = 0, hi = l->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (strcmp(l->entry[mid], number) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 && digits_starts_with(number, l->entry[lo - 1]);
}
