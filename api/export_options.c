/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/export-options: how partners want their export files. */
#include <string.h>

#include "api/resource.h"
#include "api/store.h"
#include "billing/export_parts.h"
#include "lib/buf.h"
#include "lib/json_read.h"

static const char *const sides[] = {"sell", "buy", NULL};
static const char *const formats[] = {"csv", "jsonl", NULL};
static const struct field column_item = {.type = FIELD_TEXT, .min = 1, .max = 40, .example = "\"started_at\""};

/* As the database demands it: sftp://user@host[:port][/directory], and no part that begins like an option. */
static bool is_sftp(const char *address)
{
	if (strncmp(address, "sftp://", 7) != 0)
		return false;
	const char *user = address + 7, *at = user + strcspn(user, "@/ "), *host = at + 1;
	if (at == user || *at != '@' || *user == '-')
		return false;
	const char *path = host + strcspn(host, "@/ ");
	if (path == host || *host == '-')
		return false;
	return *path == '\0' || (*path == '/' && strchr(path, ' ') == NULL && strstr(path, "@-") == NULL);
}

static void check_address(const json_t *value, const char *path, struct errors *e)
{
	const char *address = json_string_value(value);

	if (strcmp(address, "command") != 0 && !is_sftp(address))
		errors_add(e, path, "must be sftp://user@host[:port]/directory, or command");
}

static const struct field fields[] = {
	FIELD_OWN_ID,
	{.name = "carrier_id",
	 .type = FIELD_ID,
	 .flags = FIELD_REQUIRED | FIELD_FIXED,
	 .refers = "carriers",
	 .example = "3",
	 .meaning = "The partner."},
	{.name = "side",
	 .type = FIELD_CHOICE,
	 .flags = FIELD_REQUIRED | FIELD_FIXED,
	 .choices = sides,
	 .example = "\"sell\"",
	 .meaning = "Its calls as a customer, or as a vendor."},
	{.name = "format",
	 .type = FIELD_CHOICE,
	 .choices = formats,
	 .fallback = "\"csv\"",
	 .example = "\"jsonl\"",
	 .meaning = "CSV, or JSON lines."},
	{.name = "columns",
	 .type = FIELD_LIST,
	 .flags = FIELD_NULLABLE,
	 .min = 1,
	 .max = 40,
	 .item = &column_item,
	 .items = 1,
	 .example = "[\"id\", \"started_at\", \"called_in\", \"sell_amount\"]",
	 .meaning = "In this order. Null: all that the partner may see."},
	{.name = "deliver",
	 .type = FIELD_TEXT,
	 .flags = FIELD_NULLABLE,
	 .min = 1,
	 .max = 500,
	 .check = check_address,
	 .example = "\"sftp://tandem@files.example.net/incoming\"",
	 .meaning = "Where files are sent, or command: by the operator's program. Null: not sent."},
	FIELDS_HISTORY,
};

static void check_columns(json_t *object, struct errors *e)
{
	enum export_side side = strcmp(json_read_text(object, "side"), "sell") == 0 ? EXPORT_SELL : EXPORT_BUY;
	struct buf columns = {0};
	struct status st;
	json_t *column;
	size_t i;

	json_array_foreach(json_object_get(object, "columns"), i, column)
		buf_printf(&columns, "%s%s", i > 0 ? "," : "", json_string_value(column));
	struct export_wish wish = {.format = json_read_text(object, "format"),
				   .columns = columns.len > 0 ? columns.text : ""};
	if (export_wish_check(side, &wish, &st) != 0)
		errors_add(e, "columns", "%s", st.text);
	buf_free(&columns);
}

const struct resource export_options = {
	.collection = "export-options",
	.noun = "export option",
	.meaning = "How a partner wants its export files, from the next run on: format, columns, where they are sent.",
	.fields = fields,
	.n = sizeof(fields) / sizeof(*fields),
	.list = &store_export_option_list,
	.get = &store_export_option_get,
	.lock = &store_export_option_lock,
	.insert = &store_export_option_insert,
	.update = &store_export_option_update,
	.remove = &store_export_option_delete,
	.check = check_columns,
};
