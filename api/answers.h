/* SPDX-License-Identifier: Apache-2.0 */
/* answers.h - finished answers to GET /v1/cdrs/{id}, kept for a minute: a CDR never changes, and many look at the same.
 * Bounded in bytes; what was asked for longest ago goes first. Any thread.
 *
 * The minute bounds how long a CDR is shown that an archive has taken out of the database meanwhile.
 */
#ifndef API_ANSWERS_H
#define API_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/uuid.h"

#define ANSWERS_ETAG 19 /* with its quotes and the end */

struct answers;

struct answers_key {
	struct uuid cdr;
	int64_t carrier_id; /* whom the asking key is bound to: its answer has other columns; 0: nobody */
};

struct answers *answers_new(size_t bytes_max);
void answers_free(struct answers **a);

/* answers_find - the answer's text replaces out's, its ETag goes to etag. now_us is monotonic. False: not known. */
bool answers_find(struct answers *a, const struct answers_key *key, int64_t now_us, struct buf *out,
		  char etag[static ANSWERS_ETAG]);
/* answers_etag - of an answer with that text; the same in every process */
void answers_etag(const struct buf *text, char etag[static ANSWERS_ETAG]);
/* answers_keep - copies text; gives back its ETag */
void answers_keep(struct answers *a, const struct answers_key *key, int64_t now_us, const struct buf *text,
		  char etag[static ANSWERS_ETAG]);

struct answers_counts {
	uint64_t found, asked; /* of answers_find */
	size_t bytes;
};
void answers_counts(struct answers *a, struct answers_counts *out);

#endif
