/* SPDX-License-Identifier: Apache-2.0 */
/* packed.h - texts that stay the same while the process runs, as they are and gzipped, each form with an ETag: the
 * console's files, the API's description. Made once, before any thread starts; then immutable, any thread.
 */
#ifndef API_PACKED_H
#define API_PACKED_H

#include <stdbool.h>
#include <stddef.h>

#include "api/request.h"

#define PACKED_ETAG 24

struct packed {
	const char *text; /* borrowed */
	size_t len;	  /* bytes */
	char *gzip;	  /* NULL: not smaller */
	size_t gzip_len;
	char etag[PACKED_ETAG], gzip_etag[PACKED_ETAG];
};

/* packed_make - text must outlive p */
void packed_make(struct packed *p, const char *text, size_t len);
void packed_free(struct packed *p); /* what was made; p itself is the caller's */

/* packed_answer - 200 in the form that the asker takes, or 304 if it has that already. A browser keeps it and asks each
 * time whether it still holds. */
void packed_answer(struct request *r, const struct packed *p, const char *type);

/* packed_wanted - may the answer be gzipped? accept_encoding as in RFC 9110 section 12.5.3; NULL: no */
bool packed_wanted(const char *accept_encoding);

#endif
