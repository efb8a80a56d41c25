/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/invoice-senders: who sends invoices, from when on. */
#include "api/resource.h"
#include "api/store.h"

#define RO FIELD_READ_ONLY

static const struct field address_line = {
	.type = FIELD_TEXT, .min = 1, .max = 80, .example = "\"1 Exchange Street\"", .meaning = "One line."};

static const struct field fields[] = {
	{.name = "id", .type = FIELD_ID, .flags = RO, .example = "1", .meaning = "Id."},
	{.name = "name",
	 .type = FIELD_TEXT,
	 .flags = FIELD_REQUIRED,
	 .min = 1,
	 .max = 90,
	 .example = "\"Example Telecom Ltd\"",
	 .meaning = "The company's name, as printed."},
	{.name = "address",
	 .type = FIELD_LIST,
	 .min = 0,
	 .max = 6,
	 .item = &address_line,
	 .items = 1,
	 .fallback = "[]",
	 .example = "[\"1 Exchange Street\", \"London EC1A 1AA\"]",
	 .meaning = "Its lines, as printed."},
	{.name = "tax_id",
	 .type = FIELD_TEXT,
	 .min = 0,
	 .max = 80,
	 .fallback = "\"\"",
	 .example = "\"VAT GB123456789\"",
	 .meaning = "Tax or VAT id, as printed."},
	{.name = "effective_from",
	 .type = FIELD_TIME,
	 .example = "\"2026-02-01T00:00:00.000Z\"",
	 .meaning = "Holds from then until a later one. Without it: from the moment it is stored."},
	FIELD_MADE("When it was stored."),
};

const struct resource invoice_senders = {
	.collection = "invoice-senders",
	.noun = "sender of invoices",
	.meaning =
		"Your own company, as invoices name it. Dated, not edited: an issued invoice keeps the one that was in "
		"force.",
	.fields = fields,
	.n = sizeof(fields) / sizeof(*fields),
	.list = &store_sender_list,
	.get = &store_sender_get,
	.lock = &store_sender_lock,
	.insert = &store_sender_insert,
	.remove = &store_sender_delete,
};
