/* SPDX-License-Identifier: Apache-2.0 */
/* auth.h - who asks, and may they. */
#ifndef API_AUTH_H
#define API_AUTH_H

#include "api/request.h"

#define AUTH_HASH_TEXT 65

/* auth_hash - SHA-256 of a key in hexadecimal; returns out */
char *auth_hash(const char *key, char out[static AUTH_HASH_TEXT]);

/* auth_header - the key in an Authorization header, or NULL; borrowed from the text */
const char *auth_header(const char *authorization);

/* auth_check - look the caller up and ask whether it may use r->endpoint. 0, or -1 after 401, 403, 404, 429 or 503.
 *   A key has its rate of requests; an address has one of keys that are not known, beyond which none from there that is
 *   not in use already is looked up. */
int auth_check(struct request *r) must_check;

/* auth_check_known - the same without the database: 1 if that is needed, with nothing answered or counted */
int auth_check_known(struct request *r) must_check;

/* auth_forget - a key was made or revoked here: what was looked up no longer counts. Another process's change counts
 *   within a second. */
void auth_forget(void);

/* auth_may - has a key of this role the rights that `needed` stands for? readonly < provisioning, finance < admin */
bool auth_may(enum role has, enum role needed);

#endif
