/* SPDX-License-Identifier: Apache-2.0 */
/* multipart.h - the parts of a multipart body (RFC 2046 section 5.1). Pure; points into the text it is given.
 */
#ifndef SWITCH_MULTIPART_H
#define SWITCH_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

struct multipart {
	const char *at, *end; /* what is still to be read */
	char delimiter[80];   /* "--" and the boundary */
	size_t delimiter_len;
};

struct multipart_part {
	const char *head, *body; /* head: its header lines */
	size_t head_len, body_len;
};

/* multipart_open - boundary as its parameter has it, in quotes or not; NULL: none. False: not usable, or not there */
bool multipart_open(struct multipart *m, const char *text, size_t len, const char *boundary);
/* multipart_next - false: no more */
bool multipart_next(struct multipart *m, struct multipart_part *part);

/* multipart_header - the value of a part's header, without its line's end; NULL: it has none. *len is its length */
const char *multipart_header(const struct multipart_part *part, const char *name, size_t *len);

#endif
