/* SPDX-License-Identifier: Apache-2.0 */
/* root.h - the signed daily root of all chains: who holds the root of a day and the public key can check that no
 * record up to then was changed, cut off or written anew.
 *
 *   root(day) = SHA-256(root before, 32 zero bytes for none | YYYY-MM-DD | LF | heads)
 *   heads     = a line "chain seq hash" for each chain, of its last call that started on that day (UTC)
 * signed by Ed25519.
 */
#ifndef BILLING_ROOT_H
#define BILLING_ROOT_H

#include "billing/chain.h"
#include "lib/pg.h"
#include "lib/status.h"

/* root_seal - make and sign the roots of all days before today that have none; *made: how many.
 *   key_path: PEM, an Ed25519 private key. 0; -EINVAL the key cannot be used; or as pg_exec */
int root_seal(struct pg *pg, const char *key_path, int *made, struct status *st) must_check;

/* root_verify - all roots: each signature, each root over its heads and the one before, each head in its chain.
 *   key_path: the key that must have signed, NULL: the one each root names. *roots: how many. Findings go to report. */
int root_verify(struct pg *pg, const char *key_path, int *roots, struct chain_report *report,
		struct status *st) must_check;

#endif
