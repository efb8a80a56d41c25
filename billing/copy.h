/* SPDX-License-Identifier: Apache-2.0 */
/* copy.h - text as COPY ... FROM STDIN takes it in its text format. Pure. */
#ifndef BILLING_COPY_H
#define BILLING_COPY_H

#include "lib/buf.h"

/* copy_put - a field: tab, line ends and backslash escaped; NULL gives \N */
void copy_put(struct buf *out, const char *text);

#endif
