/* SPDX-License-Identifier: Apache-2.0 */
/* uri.h - writing URIs from what came from outside. */
#ifndef SWITCH_URI_H
#define SWITCH_URI_H

#include "switch/stack.h"

/* uri_user_escape - a user part may hold anything: escape what RFC 3261 section 25.1 does not allow there. Memory of
 * home; NULL: none left */
char *uri_user_escape(su_home_t *home, const char *user);

#endif
