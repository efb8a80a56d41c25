/* SPDX-License-Identifier: Apache-2.0 */
/* table.h - rows for people: columns as wide as needed; on a terminal the widest give way until a line fits.
 *
 *   struct table *t = table_new((const char *const[]){"id", "called", ">price", NULL});   '>' sets a column to the
 * right table_row(t, (const char *[]){"1", "4420…", "0.0125"});     text is copied, NULL shows as "-" table_print(&t);
 * prints and frees
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

struct table;

struct table *table_new(const char *const *headers); /* NULL-terminated; borrowed */
void table_row(struct table *t, const char *const *cells);
void table_print(struct table **t);

#endif
