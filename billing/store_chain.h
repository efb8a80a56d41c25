/* SPDX-License-Identifier: Apache-2.0 */
/* store_chain.h - SQL of the chains, of records set aside, and of the daily roots. */
#ifndef BILLING_STORE_CHAIN_H
#define BILLING_STORE_CHAIN_H

#include "lib/pg.h"

#define STORE_CHAIN_PAGE 2000

extern const struct pg_statement store_chain_list;    /* from, to -> chain, first seq, last seq */
extern const struct pg_statement store_chain_head;    /* chain -> the last seq that was committed; no row: none */
extern const struct pg_statement store_chain_loose;   /* from, to -> id of a row in no chain, how many */
extern const struct pg_statement store_chain_hash_at; /* chain, seq -> hash in hex */
extern const struct pg_statement
	store_chain_page; /* chain, after seq, last seq -> kind, first, last, hash, id, cdr, attempts */
extern const struct pg_statement store_refused_add;    /* chain, seq, hash, id, node, reason, cdr, attempts, trace */
extern const struct pg_statement store_refused_list;   /* -> chain, seq, id, node, refused_at, reason */
extern const struct pg_statement store_refused_open;   /* -> chain, seq, hash, cdr, attempts, trace, id; locks them */
extern const struct pg_statement store_refused_stored; /* chain, seq */
extern const struct pg_statement
	store_root_days; /* -> days before today without a root, from the first CDR or root on */
extern const struct pg_statement store_root_heads; /* day -> heads, the root before in hex or '' */
extern const struct pg_statement store_root_add;   /* day, heads, root, signature, public key in hex */
extern const struct pg_statement store_root_list;  /* -> day, heads, root, signature, public key, root before */

#endif
