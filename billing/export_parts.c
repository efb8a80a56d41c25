/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/export_parts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

#define CURRENCIES_MAX 8 /* of one carrier's calls: it has one, and another only after a change */

struct total {
	char currency[4];
	struct money_sum sum;
};

struct part {
	char name[EXPORT_NAME_MAX];
	struct export_file *file; /* NULL: no row yet */
	struct export_shape shape;
	bool amounts;
	int amount_column, currency_column;
	struct total total[CURRENCIES_MAX]; /* total[0] has the carrier's currency */
	int totals;
	int64_t rows;
	struct export_seal seal;
};

enum { PART_SELL, PART_BUY, PART_RERATE, PARTS };

struct carrier {
	int64_t id;
	struct part side[PARTS];
};

struct export_parts {
	int dir_fd;
	struct part all;
	struct carrier *carrier; /* ids rise */
	size_t n, slots;
	struct part **made; /* after the seal: by name */
	size_t n_made;
	struct buf line;
};

struct export_parts *export_parts_new(int dir_fd, int columns)
{
	struct export_parts *p = xcalloc(1, sizeof(*p));

	assert(columns > 0 && columns <= EXPORT_COLUMNS);
	p->dir_fd = dir_fd;
	p->all.shape = export_shape_of(EXPORT_OPERATOR);
	p->all.shape.columns &= (UINT64_C(1) << columns) - 1;
	strcpy(p->all.name, "cdrs.csv.gz");
	return p;
}

void export_parts_free(struct export_parts **p)
{
	if (*p == NULL)
		return;
	export_file_free(&(*p)->all.file);
	for (size_t i = 0; i < (*p)->n; i++)
		for (int k = 0; k < PARTS; k++)
			export_file_free(&(*p)->carrier[i].side[k].file);
	free((*p)->carrier);
	free((*p)->made);
	buf_free(&(*p)->line);
	free(*p);
	*p = NULL;
}

/* ---- who wants what ---- */

static int shape_read(enum export_side side, const struct export_wish *wish, struct export_shape *out,
		      struct status *st)
{
	const char *names[EXPORT_COLUMNS];
	char *copy = xstrdup(wish->columns), *rest = copy, *name;
	size_t n = 0;

	while (*copy != '\0' && n < EXPORT_COLUMNS && (name = strsep(&rest, ",")) != NULL)
		names[n++] = name;
	int err = export_shape_choose(side, wish->format, names, n, out, st);
	free(copy);
	return err;
}

int export_wish_check(enum export_side side, const struct export_wish *wish, struct status *st)
{
	struct export_shape shape;

	return shape_read(side, wish, &shape, st);
}

static int part_init(struct part *part, int64_t carrier_id, enum export_side side, const struct export_wish *wish,
		     struct status *st)
{
	bool sells = side == EXPORT_SELL;
	int err = shape_read(side, wish, &part->shape, st);

	if (err != 0)
		return err;
	snprintf(part->name, sizeof(part->name), "carrier-%" PRId64 "-%s.%s.gz", carrier_id, sells ? "sell" : "buy",
		 part->shape.format == EXPORT_CSV ? "csv" : "jsonl");
	part->amounts = true;
	part->amount_column = sells ? EXPORT_SELL_AMOUNT : EXPORT_BUY_AMOUNT;
	part->currency_column = sells ? EXPORT_SELL_CURRENCY : EXPORT_BUY_CURRENCY;
	return 0;
}

int export_parts_add_carrier(struct export_parts *p, int64_t carrier_id, const char *currency,
			     const struct export_wish wish[static 2], struct status *st)
{
	assert(p->n == 0 || p->carrier[p->n - 1].id < carrier_id);
	if (p->n == p->slots) {
		p->slots = p->slots == 0 ? 64 : p->slots * 2;
		p->carrier = xrealloc(p->carrier, p->slots * sizeof(*p->carrier));
	}

	struct carrier *c = &p->carrier[p->n];
	*c = (struct carrier){.id = carrier_id};
	int err = part_init(&c->side[PART_SELL], carrier_id, EXPORT_SELL, &wish[0], st);
	if (err == 0)
		err = part_init(&c->side[PART_BUY], carrier_id, EXPORT_BUY, &wish[1], st);
	if (err != 0)
		return err;
	snprintf(c->side[PART_RERATE].name, EXPORT_NAME_MAX, "carrier-%" PRId64 "-rerate.csv.gz", carrier_id);
	c->side[PART_RERATE].amounts = true;
	for (int i = 0; i < PARTS; i++) {
		snprintf(c->side[i].total[0].currency, sizeof(c->side[i].total[0].currency), "%s", currency);
		c->side[i].totals = 1;
	}
	p->n++;
	return 0;
}

static struct carrier *carrier_find(struct export_parts *p, int64_t id)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->carrier[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < p->n && p->carrier[low].id == id ? &p->carrier[low] : NULL;
}

/* ---- rows ---- */

/* true if the file was just made, and lacks its header */
static bool line_begin(struct export_parts *p, struct part *part)
{
	buf_reset(&p->line);
	if (part->file != NULL)
		return false;
	part->file = export_file_new(p->dir_fd, part->name);
	return true;
}

static int part_put(struct export_parts *p, struct part *part, const char *const *values, struct status *st)
{
	if (line_begin(p, part))
		export_put_header(&p->line, &part->shape);
	if (values != NULL)
		export_put_row(&p->line, &part->shape, values);
	part->rows += values != NULL;
	return export_file_write(part->file, p->line.text, p->line.len, st);
}

static struct total *total_of(struct part *part, const char *currency)
{
	for (int i = 0; i < part->totals; i++)
		if (strcmp(part->total[i].currency, currency) == 0)
			return &part->total[i];
	if (part->totals == CURRENCIES_MAX)
		return NULL;

	struct total *t = &part->total[part->totals++];
	snprintf(t->currency, sizeof(t->currency), "%s", currency);
	return t;
}

static int part_add_amount(struct part *part, const char *cdr_id, const char *amount, const char *currency,
			   struct status *st)
{
	struct money m;

	if (amount == NULL || currency == NULL)
		return 0;
	if (money_parse(amount, &m) != 0)
		return status_set(st, -EBADMSG, "CDR %s has the amount %s", cdr_id, amount);
	struct total *t = total_of(part, currency);
	if (t == NULL)
		return status_set(st, -ERANGE, "the amounts of %s are in more than %d currencies", part->name,
				  CURRENCIES_MAX);
	money_sum_add(&t->sum, m);
	return 0;
}

static int side_put(struct export_parts *p, int side, const char *carrier_id, const char *const *values,
		    struct status *st)
{
	struct carrier *c = carrier_id != NULL ? carrier_find(p, strtoll(carrier_id, NULL, 10)) : NULL;

	if (c == NULL)
		return 0; /* no carrier, or one that was deleted: the call stands in cdrs.csv.gz alone */
	struct part *part = &c->side[side];
	int err = part_add_amount(part, values[0], values[part->amount_column], values[part->currency_column], st);
	return err == 0 ? part_put(p, part, values, st) : err;
}

int export_parts_put(struct export_parts *p, const char *const *values, struct status *st)
{
	int err = part_put(p, &p->all, values, st);

	if (err == 0)
		err = side_put(p, PART_SELL, values[EXPORT_INGRESS_CARRIER], values, st);
	if (err == 0)
		err = side_put(p, PART_BUY, values[EXPORT_EGRESS_CARRIER], values, st);
	return err;
}

int export_parts_put_correction(struct export_parts *p, int64_t carrier_id, const struct export_correction *c,
				struct status *st)
{
	struct carrier *carrier = carrier_find(p, carrier_id);

	if (carrier == NULL) /* the ledger refers to it: it cannot have been deleted */
		return status_set(st, -EBADMSG, "CDR %s: there is no carrier %" PRId64, c->cdr_id, carrier_id);
	struct part *part = &carrier->side[PART_RERATE];
	if (line_begin(p, part))
		buf_puts(&p->line, "cdr_id,old,new,difference\n");
	buf_printf(&p->line, "%s,%s,%s,%s\n", c->cdr_id, c->old, c->new, c->difference);
	part->rows++;
	int err = part_add_amount(part, c->cdr_id, c->difference, c->currency, st);
	return err == 0 ? export_file_write(part->file, p->line.text, p->line.len, st) : err;
}

/* ---- the end ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct part *const *)a)->name, (*(struct part *const *)b)->name);
}

static int seal_one(struct export_parts *p, struct part *part, struct status *st)
{
	if (part->file == NULL)
		return 0;
	p->made[p->n_made++] = part;
	return export_file_seal(part->file, &part->seal, st);
}

int export_parts_seal(struct export_parts *p, struct status *st)
{
	int err = p->all.file == NULL ? part_put(p, &p->all, NULL, st) : 0; /* without calls: the header alone */

	p->made = xcalloc(PARTS * p->n + 1, sizeof(struct part *));
	if (err == 0)
		err = seal_one(p, &p->all, st);
	for (size_t i = 0; i < p->n; i++)
		for (int k = 0; k < PARTS && err == 0; k++)
			err = seal_one(p, &p->carrier[i].side[k], st);
	qsort(p->made, p->n_made, sizeof(struct part *), by_name);
	return err;
}

int64_t export_parts_rows(const struct export_parts *p)
{
	return p->all.rows;
}

/* The one total of a file: the only one that is not 0, or the carrier's own; NULL if there are two. */
static const struct total *only_total(const struct part *part)
{
	const struct total *found = NULL;

	for (int i = 0; i < part->totals; i++) {
		if (part->total[i].sum.nano == 0)
			continue;
		if (found != NULL)
			return NULL;
		found = &part->total[i];
	}
	return found != NULL ? found : &part->total[0];
}

bool export_parts_facts(const struct export_parts *p, size_t i, struct export_part_facts *out)
{
	if (i >= p->n_made)
		return false;

	const struct part *part = p->made[i];
	const struct total *total = part->amounts ? only_total(part) : NULL;
	*out = (struct export_part_facts){.rows = part->rows, .bytes = part->seal.bytes};
	strcpy(out->name, part->name);
	strcpy(out->sha256, part->seal.sha256);
	if (total != NULL) {
		out->amount = money_sum_format(total->sum, 6, out->text);
		out->currency = total->currency;
	}
	return true;
}

static json_t *describe_totals(const struct part *part)
{
	json_t *list = json_array();
	char text[MONEY_SUM_TEXT_MAX];

	for (int i = 0; i < part->totals; i++)
		json_array_append_new(list,
				      json_pack("{ss ss}", "amount", money_sum_format(part->total[i].sum, 6, text),
						"currency", part->total[i].currency));
	return list;
}

json_t *export_parts_describe(const struct export_parts *p)
{
	json_t *list = json_array();
	struct export_part_facts f;

	for (size_t i = 0; export_parts_facts(p, i, &f); i++) {
		json_t *file =
			json_pack("{ss sI ss? ss? sI ss}", "name", f.name, "rows", (json_int_t)f.rows, "amount",
				  f.amount, "currency", f.currency, "bytes", (json_int_t)f.bytes, "sha256", f.sha256);
		if (p->made[i]->amounts && f.amount == NULL)
			json_object_set_new(file, "amounts", describe_totals(p->made[i]));
		json_array_append_new(list, file);
	}
	return list;
}
