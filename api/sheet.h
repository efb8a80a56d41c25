/* SPDX-License-Identifier: Apache-2.0 */
/* sheet.h - any listing as CSV: the JSON pages that its handler makes, one after the other, as rows of one table.
 *
 * The first page is made like any answer, so that what is wrong is still told as such. Each further page is asked of
 * the pool when the one before is sent: a slow reader holds one page in memory and no worker. A page that can't be had
 * ends the connection without the last chunk, so that the reader knows that rows are missing.
 */
#ifndef API_SHEET_H
#define API_SHEET_H

#include <microhttpd.h>

#include "api/request.h"

#define SHEET_TYPE "text/csv; charset=utf-8"

/* sheet_wanted - does the request ask for CSV: ?format=csv, or an Accept that prefers text/csv to JSON? Only listings
 *   can be had so: endpoint is set. accept may be NULL */
bool sheet_wanted(const struct request *r, const char *accept);

/* sheet_page - on a worker, after the handler: its JSON page becomes rows, with the header before the first page.
 *   A field that holds a list or an object is a cell of JSON. Text that a spreadsheet would take for a formula gets an
 *   apostrophe in front; plain numbers (also "+4930") stay. An answer that is no 200 is left alone. */
void sheet_page(struct request *r);

/* sheet_response - the rows in r's answer and all pages after it. NULL: too many are being sent,
 *   of this key (4) or at all (32). r must outlive it. */
struct MHD_Response *sheet_response(struct request *r, struct MHD_Connection *connection);

#endif
