/* SPDX-License-Identifier: Apache-2.0 */
/* exporter.h - writes the files of export runs, one run at a time, beside the requests. Runs stand in the database; one
 * that this process does not finish is finished by whoever exports next. Any thread.
 */
#ifndef API_EXPORTER_H
#define API_EXPORTER_H

#include <stdbool.h>
#include <stdint.h>

#include "api/service.h"
#include "lib/status.h"

struct exporter;

struct exporter *exporter_start(struct service *service); /* NULL: no thread to be had */
void exporter_stop(struct exporter **e);		  /* the run under way is given up, and is finished later. Ten
							   * seconds at most: then its thread is left behind, and the
							   * process is to end at once */

/* exporter_write - have the files of a run written into this node's directory if they are not there, and wait for it.
 *   0: they are there; -EINPROGRESS not yet after limit_ms: it goes on; -EBUSY too many wait; -ECANCELED we are
 * stopping; or why they could not be written (logged) */
int exporter_write(struct exporter *e, int64_t run, int limit_ms) must_check;

#endif
