/* SPDX-License-Identifier: Apache-2.0 */
/* table.h - rows for people: columns as wide as needed; on a terminal the widest give way until a line fits. If
 * none does, each row becomes a block with a line a cell.
 *
 *   struct table *t = table_new((const char *const[]){"!id", "called", ">price", NULL});
 *   table_row(t, (const char *const[]){"1", "4420…", "0.0125"});
 *   table_print(&t);
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stddef.h>

struct table;

/* table_new - headers are NULL-terminated and borrowed. '>' in front sets a column to the right, '!' keeps it whole on
 *   any terminal: what a person copies. */
struct table *table_new(const char *const *headers);
void table_row(struct table *t, const char *const *cells); /* text is copied; NULL and "" show as "-" */
void table_print(struct table **t);			   /* on standard output; frees it */

/* table_terminal_width - columns of the terminal behind fd; 0: it is none, or does not say */
size_t table_terminal_width(int fd);

#endif
