/* SPDX-License-Identifier: Apache-2.0 */
/* codecs.h - a trunk's list of codecs, applied to an SDP offer on its way there (RFC 4566, RFC 3264). Pure.
 * Only audio lines over RTP are looked at; telephone-event and comfort noise (CN) pass beside any codec.
 */
#ifndef SWITCH_CODECS_H
#define SWITCH_CODECS_H

#include <stddef.h>

#include "lib/buf.h"
#include "lib/status.h"

struct codecs {
	const char *const *name; /* "PCMA", or with its clock rate "opus/48000"; case does not matter */
	int n;			 /* 0: all */
};

/* codecs_filter - append sdp to out, its audio lines with the listed codecs only, in the list's order.
 *   0, or -ENOTSUP: of an audio line no codec would be left (out is then of no use) */
int codecs_filter(struct buf *out, const char *sdp, size_t len, const struct codecs *list) must_check;

#endif
