/* SPDX-License-Identifier: Apache-2.0 */
/* idempotency.h - the same POST with the same Idempotency-Key is done once and answered alike for a day.
 *
 * The key's row is written in the transaction of the change itself: whoever comes second waits for that transaction,
 * and a change that failed leaves no key behind.
 */
#ifndef API_IDEMPOTENCY_H
#define API_IDEMPOTENCY_H

#include "api/request.h"

/* idempotency_claim - in a transaction. 0: go on; -1: answered (the kept answer, a 409 for the same key with another
 *   request, a 400 for a bad key). No Idempotency-Key: 0. */
int idempotency_claim(struct request *r) must_check;
/* idempotency_keep - store the answer for the next time, before the commit. 0, or -1 after an answer */
int idempotency_keep(struct request *r) must_check;

#endif
