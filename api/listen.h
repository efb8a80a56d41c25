/* SPDX-License-Identifier: Apache-2.0 */
/* listen.h - the socket that the API listens on, and the files that TLS needs. */
#ifndef API_LISTEN_H
#define API_LISTEN_H

#include "lib/status.h"

/* listen_open - text is "host:port", the host numeric, IPv6 in brackets; port 0 takes a free one.
 *   0 with *fd and the *port that it has; -EINVAL not such a text; -errno it can't be had */
int listen_open(const char *text, int *fd, int *port, struct status *st) must_check;

#endif
