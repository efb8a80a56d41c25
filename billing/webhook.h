/* SPDX-License-Identifier: Apache-2.0 */
/* webhook.h - one POST of a JSON text to a URL, by HTTP/1.1 or HTTPS (the certificate is checked against the system's
 * authorities and the host's name). No redirects, no proxy. Blocking, with a limit; not for threads that serve calls.
 */
#ifndef BILLING_WEBHOOK_H
#define BILLING_WEBHOOK_H

#include <stdbool.h>

#include "lib/status.h"

struct webhook_url {
	bool secure;			     /* https */
	char host[256], port[8], path[1024]; /* host without brackets */
};

/* webhook_parse - 0 or -EINVAL with what is wrong */
int webhook_parse(const char *url, struct webhook_url *out, struct status *st) must_check;
/* webhook_post - 0 for a 2xx answer; -EPROTO another one or none that can be read; -ETIMEDOUT; -ECONNREFUSED it cannot
 * be reached; st says it */
int webhook_post(const struct webhook_url *url, const char *json, int limit_ms, struct status *st) must_check;

#endif
