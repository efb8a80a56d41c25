/* SPDX-License-Identifier: Apache-2.0 */
/* export_send.h - bring a file to a partner: by the system's sftp, or by a program of the operator's. Blocks until the
 * program ends, or its time is up and it is killed. No shell is involved. One thread.
 */
#ifndef BILLING_EXPORT_SEND_H
#define BILLING_EXPORT_SEND_H

#include <stdint.h>

#include "lib/status.h"

struct export_parcel {
	const char *path;	/* of the file here */
	const char *run, *name; /* its run and its name; there it is called RUN-NAME */
	const char *carrier;	/* id */
	int64_t limit_us;	/* how long the program may take; 0: a quarter of an hour */
};

/* export_send_sftp - address: sftp://user@host[:port]/directory. Keys, known hosts and the rest are ssh's own matter
 *   (~/.ssh/config); nothing is asked. The file appears there under its name when it is whole.
 *   0; -EINVAL the address is none; -EIO it failed: st says so in the program's words */
int export_send_sftp(const struct export_parcel *p, const char *address, struct status *st) must_check;
/* export_send_command - program FILE RUN CARRIER NAME; exit status 0 means that it has arrived. 0 or -EIO with st */
int export_send_command(const struct export_parcel *p, const char *program, struct status *st) must_check;

#endif
