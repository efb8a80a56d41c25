/* SPDX-License-Identifier: Apache-2.0 */
/* headers.h - headers that cross the switch as they are, because both trunks of a call list them. All others end here.
 */
#ifndef SWITCH_HEADERS_H
#define SWITCH_HEADERS_H

#include "lib/arena.h"
#include "lib/buf.h"
#include "routing/snapshot.h"
#include "switch/stack.h"

struct headers { /* names; zero: none */
	const char *const *name;
	int n;
};

/* headers_common - those that both trunks list; copied into the arena, as the trunks' snapshot goes before the call
 * does */
struct headers headers_common(struct arena *arena, const struct trunk *a, const struct trunk *b);

/* headers_write - append the lines of sip (may be NULL) that have one of the names, in their order, each with its CRLF
 */
void headers_write(const struct headers *list, const sip_t *sip, struct buf *out);

/* headers_text - the same as text for SIPTAG_HEADER_STR, memory of home; NULL: there are none */
char *headers_text(const struct headers *list, const sip_t *sip, su_home_t *home);

#endif
