/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/attempts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct count {
	int code;
	uint64_t n;
};

struct row {
	int64_t trunk_id;
	int codes;
	struct count count[ATTEMPTS_CODES_MAX + 1]; /* the last one has place for ATTEMPTS_OTHER */
};

struct attempts {
	size_t rows, slots;
	struct row **row; /* by trunk_id */
};

struct attempts *attempts_new(void)
{
	return xcalloc(1, sizeof(struct attempts));
}

void attempts_free(struct attempts **a)
{
	if (*a == NULL)
		return;
	for (size_t i = 0; i < (*a)->rows; i++)
		free((*a)->row[i]);
	free((*a)->row);
	free(*a);
	*a = NULL;
}

/* Where the trunk's row is, or would have to be. */
static size_t place_of(const struct attempts *a, int64_t trunk_id)
{
	size_t lo = 0, hi = a->rows;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (a->row[mid]->trunk_id < trunk_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct row *row_insert(struct attempts *a, size_t at, int64_t trunk_id)
{
	if (a->rows == a->slots) {
		size_t slots = a->slots > 0 ? 2 * a->slots : 16;
		struct row **grown = xcalloc(slots, sizeof(*grown));
		if (a->rows > 0)
			memcpy(grown, a->row, a->rows * sizeof(*grown));
		free(a->row);
		a->row = grown;
		a->slots = slots;
	}
	memmove(a->row + at + 1, a->row + at, (a->rows - at) * sizeof(*a->row));
	a->row[at] = xcalloc(1, sizeof(**a->row));
	a->row[at]->trunk_id = trunk_id;
	a->rows++;
	return a->row[at];
}

static struct row *row_get(struct attempts *a, int64_t trunk_id)
{
	size_t at = place_of(a, trunk_id);

	if (at < a->rows && a->row[at]->trunk_id == trunk_id)
		return a->row[at];
	if (a->rows >= ATTEMPTS_TRUNKS_MAX && trunk_id != ATTEMPTS_OTHER)
		return row_get(a, ATTEMPTS_OTHER);
	return row_insert(a, at, trunk_id);
}

static struct count *count_get(struct row *r, int code)
{
	int i = 0;

	while (i < r->codes && r->count[i].code != code)
		i++;
	if (i < r->codes)
		return &r->count[i];
	if (r->codes >= ATTEMPTS_CODES_MAX && code != ATTEMPTS_OTHER)
		return count_get(r, ATTEMPTS_OTHER);
	r->count[r->codes].code = code;
	return &r->count[r->codes++];
}

void attempts_count(struct attempts *a, int64_t trunk_id, int code)
{
	count_get(row_get(a, trunk_id), code)->n++;
}

void attempts_put(const struct attempts *a, struct buf *out)
{
	buf_putc(out, '{');
	for (size_t i = 0; i < a->rows; i++) {
		const struct row *r = a->row[i];
		buf_printf(out, "%s\"%" PRId64 "\":{", i > 0 ? "," : "", r->trunk_id);
		for (int k = 0; k < r->codes; k++)
			buf_printf(out, "%s\"%d\":%" PRIu64, k > 0 ? "," : "", r->count[k].code, r->count[k].n);
		buf_putc(out, '}');
	}
	buf_putc(out, '}');
}
