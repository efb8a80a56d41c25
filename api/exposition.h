/* SPDX-License-Identifier: Apache-2.0 */
/* exposition.h - Prometheus' text format, version 0.0.4: the parts that need care. Appends to a buffer; any thread.
 * All lines of one metric must stand together, below its head.
 */
#ifndef API_EXPOSITION_H
#define API_EXPOSITION_H

#include "lib/buf.h"

/* exposition_head - HELP and TYPE; type is gauge, counter or histogram, help one plain line
 * exposition_label - the value of a label, what the format wants escaped escaped; the quotes are the caller's
 * exposition_gauge - a whole gauge without labels */
void exposition_head(struct buf *out, const char *name, const char *type, const char *help);
void exposition_label(struct buf *out, const char *text);
void exposition_gauge(struct buf *out, const char *name, const char *help, double value);

#endif
