/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - the API's certificate and key: read from their files at the start and again whenever they were renewed, and
 * handed to each TLS handshake. libmicrohttpd gives the handshake nothing of ours, so there is one pair in the process.
 * Any thread.
 */
#ifndef API_TLS_H
#define API_TLS_H

#include "lib/status.h"

/* tls_read - take the chain and the key of these PEM files; handshakes from now on use them. 0; -EINVAL they are no
 * PEM, too large, or don't belong together; -errno not readable. After an error what was read before stays in use. */
int tls_read(const char *certificate, const char *key, struct status *st) must_check;
void tls_forget(void);

/* tls_callback - the function by which a handshake gets both, as MHD_OPTION_HTTPS_CERT_CALLBACK2 takes it */
void *tls_callback(void);

#endif
