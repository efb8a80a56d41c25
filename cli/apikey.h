/* SPDX-License-Identifier: Apache-2.0 */
/* apikey.h - making an API key. */
#ifndef CLI_APIKEY_H
#define CLI_APIKEY_H

#include "cli/cli.h"

#define APIKEY_NAME_BYTES 128
#define APIKEY_NAME_WORDS "1 to %d bytes of UTF-8, no control characters, and not blanks alone"

bool apikey_name_fits(const char *name); /* would the API take it, too? */

/* apikey_create - make a key, store its hash, print it alone on a line. carrier: an id as text, NULL for none.
 *   The other arguments have been checked. CLI_DONE, or CLI_FAILED after cli_fail. */
enum cli_exit apikey_create(struct pg *pg, const char *name, const char *role, const char *carrier);

#endif
