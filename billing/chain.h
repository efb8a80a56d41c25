/* SPDX-License-Identifier: Apache-2.0 */
/* chain.h - the chain that a spool's records form, and its check against what PostgreSQL has.
 *
 * hash(n) = SHA-256(hash(n - 1) | record | LF | attempts), hash before the first 32 zero bytes; record and attempts are
 * the lines that cdr_row_put and cdr_row_put_attempts write. Whoever edits, deletes or inserts a row cannot make the
 * next fit. A daily root (billing/root.h) fixes where each chain stood, so that a chain cut short or written anew is
 * found, too.
 */
#ifndef BILLING_CHAIN_H
#define BILLING_CHAIN_H

#include <stdint.h>

#include "lib/pg.h"
#include "lib/status.h"

#define CHAIN_HASH_BYTES 32
#define CHAIN_HEX_MAX (2 * CHAIN_HASH_BYTES + 1)

struct chain_hash {
	unsigned char byte[CHAIN_HASH_BYTES];
};

/* chain_link - the hash after this record; *hash is the one before, and becomes it */
void chain_link(struct chain_hash *hash, const char *cdr, const char *attempts);
char *chain_hex(const struct chain_hash *hash, char out[static CHAIN_HEX_MAX]); /* returns out */
int chain_parse(const char *hex, struct chain_hash *out) must_check;		/* 0 or -EINVAL */

struct chain_report {
	int64_t rows, chains, refused; /* looked at; refused: set aside, in their place of the chain */
	int64_t archived;	       /* links that stand in files, not looked at here */
	int64_t bad;		       /* places where the chain does not hold */
	char first[400];	       /* the first of them, in words */
};

/* chain_verify - all rows that started in [from, to) and all between them in their chains; RFC 3339 or NULL for no
 * bound. 0 with *report, also if it found something; or as pg_exec */
int chain_verify(struct pg *pg, const char *from, const char *to, struct chain_report *report,
		 struct status *st) must_check;

/* chain_bad - note one more finding; the words of the first are kept */
void chain_bad(struct chain_report *r, const char *fmt, ...) printf_like(2, 3);

#endif
