/* SPDX-License-Identifier: Apache-2.0 */
/* export_delivery.h - what is still to be sent, and how partners want their files. One thread, one connection. */
#ifndef BILLING_EXPORT_DELIVERY_H
#define BILLING_EXPORT_DELIVERY_H

#include "billing/export.h"
#include "billing/export_parts.h"

struct export_delivery {
	int64_t run, carrier_id;
	char name[64];
	char problem[512]; /* "": it has arrived */
};

/* export_deliver_next - send one file that is due; its run is written here first if need be.
 *   program   what carries the files of partners with `command`; NULL: theirs are left
 *   returns 1 and *out: sent, or failed and to be tried later; 0 nothing is due; an error of pg_exec */
int export_deliver_next(struct pg *pg, const struct export_options *o, const char *program, struct export_delivery *out,
			struct status *st) must_check;

/* export_wish_set - how a carrier wants one side's files from the next run on. format "csv" or "jsonl"; columns: names
 * with commas between, NULL: all; deliver: an sftp address, "command", or NULL. 0; -EINVAL with st; -ENOENT no such
 * carrier; an error of pg_exec */
int export_wish_set(struct pg *pg, int64_t carrier_id, enum export_side side, const struct export_wish *wish,
		    const char *deliver, struct status *st) must_check;

#endif
