/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/export_row.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "lib/csv.h"

enum kind { KIND_TEXT, KIND_PLAIN }; /* plain: a number, true or false, unquoted in JSON */

#define FOR_SELL (1U << EXPORT_SELL)
#define FOR_BUY (1U << EXPORT_BUY)
#define FOR_BOTH (FOR_SELL | FOR_BUY)

static const struct column {
	const char *name;
	enum kind kind;
	unsigned sides; /* beside the operator, who sees all */
} columns[] = {
	{"id", KIND_TEXT, FOR_BOTH},
	{"node", KIND_TEXT, FOR_BOTH},
	{"started_at", KIND_TEXT, FOR_BOTH},
	{"progress_at", KIND_TEXT, FOR_BOTH},
	{"answered_at", KIND_TEXT, FOR_BOTH},
	{"ended_at", KIND_TEXT, FOR_BOTH},
	{"ingress_carrier_id", KIND_PLAIN, FOR_SELL},
	{"ingress_trunk_id", KIND_PLAIN, FOR_SELL},
	{"egress_carrier_id", KIND_PLAIN, FOR_BUY},
	{"egress_trunk_id", KIND_PLAIN, FOR_BUY},
	{"calling_in", KIND_TEXT, FOR_SELL},
	{"called_in", KIND_TEXT, FOR_SELL},
	{"calling_out", KIND_TEXT, FOR_BUY},
	{"called_out", KIND_TEXT, FOR_BUY},
	{"destination", KIND_TEXT, FOR_BOTH},
	{"pdd_ms", KIND_PLAIN, FOR_BOTH},
	{"duration_ms", KIND_PLAIN, FOR_BOTH},
	{"sip_code", KIND_PLAIN, FOR_BOTH},
	{"q850_cause", KIND_PLAIN, FOR_BOTH},
	{"disconnect_reason", KIND_TEXT, FOR_BOTH},
	{"hangup_party", KIND_TEXT, FOR_BOTH},
	{"attempts", KIND_PLAIN, FOR_BUY},
	{"sell_prefix", KIND_TEXT, FOR_SELL},
	{"sell_price", KIND_TEXT, FOR_SELL},
	{"sell_billed_s", KIND_PLAIN, FOR_SELL},
	{"sell_amount", KIND_TEXT, FOR_SELL},
	{"sell_currency", KIND_TEXT, FOR_SELL},
	{"buy_prefix", KIND_TEXT, FOR_BUY},
	{"buy_price", KIND_TEXT, FOR_BUY},
	{"buy_billed_s", KIND_PLAIN, FOR_BUY},
	{"buy_amount", KIND_TEXT, FOR_BUY},
	{"buy_currency", KIND_TEXT, FOR_BUY},
	{"source_ip", KIND_TEXT, FOR_SELL},
	{"a_call_id", KIND_TEXT, FOR_SELL},
	{"b_call_id", KIND_TEXT, FOR_BUY},
	{"recovered", KIND_PLAIN, FOR_BOTH},
	/* What follows is the operator's: a chain's numbers would tell a partner how many calls there are in all. */
	{"lrn", KIND_TEXT, 0},
	{"buy_to_sell_rate", KIND_TEXT, 0},
	{"chain_id", KIND_TEXT, 0},
	{"chain_seq", KIND_PLAIN, 0},
	{"rated_called", KIND_TEXT, 0},
	{"rated_calling", KIND_TEXT, 0},
};
_Static_assert(sizeof(columns) / sizeof(columns[0]) == EXPORT_COLUMNS, "a place for each column");

static bool may_see(enum export_side side, size_t column)
{
	return side == EXPORT_OPERATOR || (columns[column].sides & (1U << side)) != 0;
}

struct export_shape export_shape_of(enum export_side side)
{
	struct export_shape shape = {.format = EXPORT_CSV};

	for (size_t i = 0; i < EXPORT_COLUMNS; i++)
		if (may_see(side, i))
			shape.columns |= UINT64_C(1) << i;
	return shape;
}

static int column_find(const char *name, size_t *column)
{
	for (size_t i = 0; i < EXPORT_COLUMNS; i++) {
		if (strcmp(columns[i].name, name) == 0) {
			*column = i;
			return 0;
		}
	}
	return -ENOENT;
}

int export_shape_choose(enum export_side side, const char *format, const char *const *names, size_t n,
			struct export_shape *out, struct status *st)
{
	struct export_shape shape = export_shape_of(side);
	size_t column;

	if (strcmp(format, "csv") != 0 && strcmp(format, "jsonl") != 0)
		return status_set(st, -EINVAL, "there is no export format \"%.40s\": csv or jsonl", format);
	shape.format = strcmp(format, "csv") == 0 ? EXPORT_CSV : EXPORT_JSON_LINES;
	if (n > 0)
		shape.columns = 0;
	for (size_t i = 0; i < n; i++) {
		if (column_find(names[i], &column) != 0 || !may_see(side, column))
			return status_set(st, -EINVAL, "a %s file has no column \"%.40s\"",
					  side == EXPORT_SELL ? "sell" : "buy", names[i]);
		shape.columns |= UINT64_C(1) << column;
	}
	*out = shape;
	return 0;
}

static bool has(const struct export_shape *shape, size_t column)
{
	return (shape->columns >> column & 1) != 0;
}

void export_put_header(struct buf *out, const struct export_shape *shape)
{
	bool first = true;

	if (shape->format != EXPORT_CSV)
		return;
	for (size_t i = 0; i < EXPORT_COLUMNS; i++) {
		if (!has(shape, i))
			continue;
		if (!first)
			buf_putc(out, ',');
		buf_puts(out, columns[i].name);
		first = false;
	}
	buf_putc(out, '\n');
}

static void put_json_text(struct buf *out, const char *text)
{
	buf_putc(out, '"');
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			buf_putc(out, '\\');
		if (c < 0x20)
			buf_printf(out, "\\u%04x", c);
		else
			buf_putc(out, *text);
	}
	buf_putc(out, '"');
}

static void put_value(struct buf *out, const struct export_shape *shape, size_t column, const char *value)
{
	if (shape->format == EXPORT_CSV) {
		csv_put(out, value);
		return;
	}
	put_json_text(out, columns[column].name);
	buf_putc(out, ':');
	if (value == NULL)
		buf_puts(out, "null");
	else if (columns[column].kind == KIND_PLAIN)
		buf_puts(out, value);
	else
		put_json_text(out, value);
}

void export_put_row(struct buf *out, const struct export_shape *shape, const char *const *values)
{
	bool first = true;

	if (shape->format == EXPORT_JSON_LINES)
		buf_putc(out, '{');
	for (size_t i = 0; i < EXPORT_COLUMNS; i++) {
		if (!has(shape, i))
			continue;
		if (!first)
			buf_putc(out, ',');
		put_value(out, shape, i, values[i]);
		first = false;
	}
	buf_puts(out, shape->format == EXPORT_JSON_LINES ? "}\n" : "\n");
}
