/* SPDX-License-Identifier: Apache-2.0 */
/* importer.h - runs rate imports, one at a time, beside the requests. The jobs stand in the database; the files are
 * here, nameless. A job whose process died is given up, with a reason, by whichever tandem-apid sees it first.
 */
#ifndef API_IMPORTER_H
#define API_IMPORTER_H

#include <stdbool.h>
#include <stdint.h>

#include "api/service.h"
#include "lib/status.h"

struct importer;

struct importer *importer_start(struct service *service); /* NULL: no thread to be had */
void importer_stop(struct importer **i);		  /* a running job is cancelled and says so */

bool importer_has_room(struct importer *i);
/* importer_add - job id stands in the database as queued; takes fd (open at any offset) of `bytes` bytes; -1: a
 * roll-back, which has no file */
void importer_add(struct importer *i, int64_t id, int fd, int64_t bytes);

#endif
