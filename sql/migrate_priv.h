/* SPDX-License-Identifier: Apache-2.0 */
/* migrate_priv.h - the migrations as embed.awk writes them: in order of their numbers. */
#ifndef SQL_MIGRATE_PRIV_H
#define SQL_MIGRATE_PRIV_H

#include <stddef.h>

struct migration {
	int number;
	const char *name; /* "0001_base" */
	const char *sql;
};

extern const struct migration migrations[];
extern const size_t migrations_count;

#endif
