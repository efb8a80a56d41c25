/* SPDX-License-Identifier: Apache-2.0 */
/* alert.h - a thread that raises and clears alerts about money and sends each new one by mail and to a webhook.
 *
 * Any number of processes may run one: a try is claimed in PostgreSQL. What could not be sent is tried again, ever more
 * rarely, for a day. One that dies between sending and noting it makes an alert arrive twice, never not at all.
 */
#ifndef BILLING_ALERT_H
#define BILLING_ALERT_H

#include "lib/status.h"

struct alert_sender;

struct alert_options { /* all borrowed until alert_stop */
	const char *database_url;
	const char *mail_to, *mail_from; /* mail_to "": none is sent */
	const char *sendmail;		 /* the program: SENDMAIL -t -i */
	const char *webhook; /* http:// or https:// URL, "" none: gets {"event": "alert.raised", "alert": {...}} */
};

/* alert_start - PostgreSQL may be away. 0; -EINVAL the webhook's URL, with st; -errno */
int alert_start(struct alert_sender **a, const struct alert_options *options, struct status *st) must_check;
void alert_stop(struct alert_sender **a); /* waits for what is being sent, at most 10 s */

#endif
