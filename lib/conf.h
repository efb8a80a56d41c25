/* SPDX-License-Identifier: Apache-2.0 */
/* conf.h - INI files read through one table of options.
 *
 * One row is one option: section, key, type, where its value goes, default, limits, whether SIGHUP may change it, and a
 * line of meaning. The same rows feed the parser, `-t`, the manual page and the sample file. A ';' or '#' starts a
 * comment at the start of a line or after a blank; ${NAME} is replaced from the environment (unset: an error);
 * unknown sections and keys, repeated keys and over-long lines are errors that name file and line.
 * Our own parser, because Debian's libinih cuts lines at 200 bytes and joins indented ones without a word.
 */
#ifndef LIB_CONF_H
#define LIB_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/status.h"

enum conf_type {
	CONF_TEXT,	  /* char *, owned by the settings */
	CONF_INT,	  /* int64_t */
	CONF_DURATION_MS, /* int64_t; written 500ms, 30s, 5m, 1h, 0s */
	CONF_CHOICE,	  /* int: index into choices */
	CONF_CUSTOM,	  /* whatever check() stores */
};

struct conf_option {
	const char *section, *key;
	enum conf_type type;
	size_t offset;		    /* of the value in the settings struct */
	const char *fallback;	    /* default, as it would be written; NULL: host-dependent, set by the caller */
	int64_t min, max;	    /* CONF_INT, CONF_DURATION_MS; both 0: no limits */
	const char *const *choices; /* CONF_CHOICE: NULL-terminated */
	/* check - optional: refuse (or for CONF_CUSTOM store) a value; writes the reason into st; field: its place */
	int (*check)(const char *value, void *field, struct status *st);
	void (*release)(void *field); /* CONF_CUSTOM: free what check stored */
	bool reloadable;
	bool secret; /* may hold a password: errors do not show the value */
	const char *meaning;
};

/* What the file says of one row: for messages about several options together, and for a reload. */
struct conf_note {
	int line;    /* 0: the file does not name it */
	char *value; /* as written, ${NAME} replaced; NULL: the file does not name it */
};

/* conf_defaults - fill settings (zeroed by the caller) with the defaults */
void conf_defaults(const struct conf_option *table, size_t n, void *settings);
/* conf_read - defaults first, then the file. On error settings are released and st reads "FILE:LINE: what; what to do".
 *   returns 0, -ENOENT / -errno the file cannot be read, -EINVAL a line is wrong */
int conf_read(const char *path, const struct conf_option *table, size_t n, void *settings,
	      struct status *st) must_check;
/* conf_read_noted - the same; notes[0..n) (zeroed by the caller) are filled, and are the caller's to conf_notes_free,
 *   also after an error */
int conf_read_noted(const char *path, const struct conf_option *table, size_t n, void *settings,
		    struct conf_note *notes, struct status *st) must_check;
void conf_notes_free(struct conf_note **notes, size_t n);
/* conf_set - one option from its text; on error (-EINVAL, st has the reason) the field keeps its value */
int conf_set(const struct conf_option *o, const char *value, void *settings, struct status *st) must_check;
void conf_release(const struct conf_option *table, size_t n, void *settings);
/* conf_print_sample - the table as a commented sample file */
void conf_print_sample(const struct conf_option *table, size_t n, FILE *out);

#endif
