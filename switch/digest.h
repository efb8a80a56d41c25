/* SPDX-License-Identifier: Apache-2.0 */
/* digest.h - digest authentication, both ways: RFC 8760 (MD5, SHA-256) over RFC 7616 and RFC 3261 section 22, qop auth.
 *
 * A nonce carries its time, is bound to the source address by an HMAC of the node's own secret, lives DIGEST_NONCE_S
 * and may be used once with each nonce count. Nothing is stored to make one; what was used is remembered in a fixed
 * table of atomics, so that any worker may check it. Any thread.
 */
#ifndef SWITCH_DIGEST_H
#define SWITCH_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/status.h"
#include "switch/stack.h"

#define DIGEST_REALM "tandem"
#define DIGEST_NONCE_S 60

struct digest_guard; /* of the node */

struct digest_guard *digest_guard_new(void);
void digest_guard_free(struct digest_guard **g);

/* digest_challenge - the values of two WWW-Authenticate headers. MD5 goes first, against RFC 8760 section 2.4: much of
 * what calls looks at the first one alone, and who prefers the better one finds it. */
#define DIGEST_CHALLENGE_MAX 256
struct digest_challenge {
	char sha256[DIGEST_CHALLENGE_MAX], md5[DIGEST_CHALLENGE_MAX];
};
void digest_challenge(struct digest_guard *g, const char *source, bool stale, int64_t wall_us,
		      struct digest_challenge *out);

/* digest_md5_alone - the request's program gives up when it is offered anything but MD5 */
bool digest_md5_alone(const sip_t *sip);

enum digest_verdict {
	DIGEST_NONE,  /* no credentials for our realm: challenge */
	DIGEST_STALE, /* nonce not ours, too old, or used: challenge again, stale */
	DIGEST_BAD,   /* wrong user or password: 403 */
	DIGEST_GOOD,
};

/* digest_username - of the credentials for our realm in Authorization; "" if there are none. Cut to size. */
void digest_username(const sip_t *sip, char *out, size_t size);

/* digest_check - password NULL stands for an unknown user: as much work, and never good */
enum digest_verdict digest_check(struct digest_guard *g, const sip_t *sip, const char *source, const char *password,
				 int64_t wall_us);

/* digest_answer - the value of an Authorization (or Proxy-Authorization) header for a challenge: the best algorithm
 * offered that we know. NULL: none of them can be answered, or stale is not set and it was answered before. Memory of
 * home. */
char *digest_answer(su_home_t *home, const msg_auth_t *challenges, const char *username, const char *password,
		    const char *method, const char *uri);

#endif
