/* SPDX-License-Identifier: Apache-2.0 */
/* seal.h - kept answers, readable only by who got them: AES-256-GCM under a key made from the caller's API key, of
 * which the database holds no more than a hash. So that an answer that shows a new API key is no secret at rest.
 */
#ifndef API_SEAL_H
#define API_SEAL_H

#include "api/request.h"

char *seal_make(const struct request *r, const char *text); /* base64url; the caller frees it */
char *seal_open(const struct request *r,
		const char *sealed); /* the text, the caller frees it; NULL: not by this caller */

#endif
