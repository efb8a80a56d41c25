/* SPDX-License-Identifier: Apache-2.0 */
/* params.h - query parameters by a table: unknown ones and bad values are answered with 400. */
#ifndef API_PARAMS_H
#define API_PARAMS_H

#include <stdint.h>

#include "api/request.h"

#define PARAMS_MAX 16
#define PARAMS_LIMIT_DEFAULT 100
#define PARAMS_LIMIT_MAX 1000

enum param_type {
	PARAM_TEXT,
	PARAM_NUMBER, /* a telephone number as received: '+' stands for itself */
	PARAM_DIGITS,
	PARAM_ID,
	PARAM_INT,
	PARAM_BOOL,
	PARAM_TIME,
	PARAM_UUID,
	PARAM_CHOICE,
	PARAM_CHOICES, /* one or more of them, by commas; each once */
};

struct param_rule {
	const char *name;
	enum param_type type;
	const char *const *choices;
	const char *meaning;
};

struct params {
	const struct param_rule *rule;
	int n;
};

/* What follows the filters where many are changed. */
#define PARAM_DRY_RUN                                                                                                  \
	{                                                                                                              \
		"dry_run", PARAM_BOOL, NULL, "only say which are meant"                                                \
	}
#define PARAM_ALL                                                                                                      \
	{                                                                                                              \
		"all", PARAM_BOOL, NULL, "without any filter: all of them are meant"                                   \
	}

struct listing { /* what every list takes */
	int limit;
	const char *cursor; /* the key after which the page begins, NULL: the first page */
};

/* params_check - values[i] of rule i as text that PostgreSQL takes, NULL if not given; listing may be NULL for an
 * endpoint that is no list. returns 0, or -1 after a 400 was answered */
int params_check(struct request *r, const struct params *params, const char *values[],
		 struct listing *listing) must_check;

/* params_named - for what changes many: 0 if one of the n filters is given or all is "true", else -1 after a 400 */
int params_named(struct request *r, const char *const values[], int n, const char *all) must_check;
bool params_true(const char *value); /* of a PARAM_BOOL; NULL is false */

/* params_cursor - the opaque form of a key, bound to this list; in the request's arena */
const char *params_cursor(struct request *r, const char *key);

#endif
