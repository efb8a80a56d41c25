/* SPDX-License-Identifier: Apache-2.0 */
/* resource_priv.h - the steps of a change that one object and many have in common. A failure has answered the request.
 */
#ifndef API_RESOURCE_PRIV_H
#define API_RESOURCE_PRIV_H

#include "api/resource.h"

int resource_begin(struct request *r, const struct resource *res) must_check; /* the transaction */
/* resource_lock - the object of r->id as it stands, locked, with its write-only fields (new reference); NULL after a
 * 404 or, with If-Match, a 412 */
json_t *resource_lock(struct request *r, const struct resource *res);
/* resource_faults - after a write: what of it does not fit to the rest goes to e. 0, or -1 after an answer */
int resource_faults(struct request *r, const struct resource *res, const char *id, struct errors *e) must_check;
json_t *resource_masked(const struct resource *res, const json_t *object); /* a copy for the audit log */

#endif
