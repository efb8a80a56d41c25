/* SPDX-License-Identifier: Apache-2.0 */
/* numberlist.h - a list of numbers and prefixes that forbids calls (block) or alone permits them (allow).
 * Immutable; lives in its snapshot's arena. Any thread.
 */
#ifndef ROUTING_NUMBERLIST_H
#define ROUTING_NUMBERLIST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/arena.h"

struct number_list {
	const char *name;
	bool allow;	    /* else block */
	bool of_called;	    /* else of the calling number */
	const char **entry; /* sorted; none begins another */
	size_t n;
};

/* numberlist_finish - sort entries (text in the arena, digits) and drop those that another one covers */
void numberlist_finish(struct number_list *l);

/* numberlist_has - does one of the entries begin number? */
bool numberlist_has(const struct number_list *l, const char *number);

#endif
