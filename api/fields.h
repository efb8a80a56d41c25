/* SPDX-License-Identifier: Apache-2.0 */
/* fields.h - what a resource's JSON looks like: one table of fields that feeds validation, the OpenAPI description and
 * the manual. Pure: no I/O. Any thread.
 */
#ifndef API_FIELDS_H
#define API_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/status.h"

enum field_type {
	FIELD_TEXT,   /* min..max characters; no control characters */
	FIELD_DIGITS, /* min..max digits */
	FIELD_INT,    /* min..max */
	FIELD_NUMBER, /* a JSON number with a fraction; only in answers */
	FIELD_BOOL,
	FIELD_MONEY,   /* a decimal in a string, up to 9 decimals; min..max in whole units */
	FIELD_DECIMAL, /* the same with up to 12 decimals, greater than 0 (exchange rates) */
	FIELD_CHOICE,  /* one of choices */
	FIELD_TIME,    /* RFC 3339 */
	FIELD_ID,      /* id of an object of the collection `refers` */
	FIELD_UUID,
	FIELD_LIST,   /* min..max elements, each as item[0] says */
	FIELD_OBJECT, /* with the fields item[0..items) */
	FIELD_CODES,  /* {"503": 480}: answers 300..699 to answers 300..699 */
	FIELD_ANY,    /* any JSON; only in answers. With an item: a count, or a list of it */
};

enum {
	FIELD_REQUIRED = 1,
	FIELD_READ_ONLY = 2,
	FIELD_WRITE_ONLY = 4, /* never shown, masked in the audit log */
	FIELD_NULLABLE = 8,
	FIELD_INTERNAL = 16, /* not shown to a key that is bound to a carrier */
	FIELD_FIXED = 32,    /* set at creation, never changed */
	FIELD_INGRESS = 64,  /* trunks: only for this direction; CDRs: a bound key sees it on this side of a call */
	FIELD_EGRESS = 128,
	FIELD_ALONE = 256, /* only in the answer for one object, not in lists */
};

struct errors {	      /* what is wrong with which field */
	json_t *list; /* NULL: nothing yet */
};
/* errors_add - what of it is no UTF-8, or was cut inside a character, is mended */
void errors_add(struct errors *e, const char *field, const char *fmt, ...) printf_like(3, 4);

struct field {
	const char *name;
	enum field_type type;
	unsigned flags;
	int64_t min, max;	    /* see the type; both 0: the type's own limits */
	const char *const *choices; /* NULL-terminated */
	const char *fallback;	    /* default, as JSON; NULL: null */
	const struct field *item;
	int items;
	/* check - optional, after the type is right: errors_add what else is wrong */
	void (*check)(const json_t *value, const char *path, struct errors *e);
	const char *refers;  /* collection, for FIELD_ID */
	const char *example; /* JSON */
	const char *meaning;
};

/* fields_check - the object that input makes: of before (NULL: a new one) with input merged in (RFC 7396), each field
 *   normalised, absent ones at their defaults, read-only ones left out. What is wrong goes to e.
 *   returns a new reference, whole only if e stayed empty */
json_t *fields_check(const struct field *fields, int n, const json_t *input, const json_t *before, struct errors *e);

/* fields_hide - take out of an object what its reader may not see: write-only fields, for bound also internal ones */
void fields_hide(const struct field *fields, int n, json_t *object, bool bound);
/* fields_mask - for the audit log: write-only fields that are set become "***" */
void fields_mask(const struct field *fields, int n, json_t *object);

/* What most tables begin and end with. */
#define FIELD_OWN_ID                                                                                                   \
	{                                                                                                              \
		.name = "id", .type = FIELD_ID, .flags = FIELD_READ_ONLY, .example = "1", .meaning = "Id."             \
	}
#define FIELD_OWN_NAME(sample, says)                                                                                   \
	{                                                                                                              \
		.name = "name", .type = FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1, .max = 128, .example = sample,  \
		.meaning = says                                                                                        \
	}
#define FIELD_CARRIER(how, says) /* how: its flags */                                                                  \
	{                                                                                                              \
		.name = "carrier_id", .type = FIELD_ID, .flags = how, .refers = "carriers", .example = "1",            \
		.meaning = says                                                                                        \
	}
#define FIELD_MADE(says)                                                                                               \
	{                                                                                                              \
		.name = "created_at", .type = FIELD_TIME, .flags = FIELD_READ_ONLY, .meaning = says                    \
	}
#define FIELDS_HISTORY                                                                                                 \
	FIELD_MADE("When it was made."),                                                                               \
		{.name = "updated_at",                                                                                 \
		 .type = FIELD_TIME,                                                                                   \
		 .flags = FIELD_READ_ONLY,                                                                             \
		 .meaning = "When it last changed."},                                                                  \
	{                                                                                                              \
		.name = "version", .type = FIELD_INT, .flags = FIELD_READ_ONLY, .example = "1",                        \
		.meaning = "Counts changes; the ETag."                                                                 \
	}

const struct field *fields_find(const struct field *fields, int n, const char *name);

#endif
