/* SPDX-License-Identifier: Apache-2.0 */
/* parser.h - the library's message class, but a request whose URI cannot be read still is a request: it gets its 400
 * (RFC 3261 section 21.4.1) where the library would drop it without a word.
 */
#ifndef SWITCH_PARSER_H
#define SWITCH_PARSER_H

#include <stdbool.h>

#include "switch/stack.h"

/* parser_class - made once, before any worker runs; lives as long as the process. NULL: out of memory */
const msg_mclass_t *parser_class(void);

/* parser_bad_uri - is this the request of a message with an unreadable Request-URI? */
bool parser_bad_uri(const sip_request_t *rq);

#endif
