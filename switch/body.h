/* SPDX-License-Identifier: Apache-2.0 */
/* body.h - a message's body on its way to the other side: as it is, but an SDP no longer tells who made it.
 * RFC 4566: o= gets our name, an id of this leg and our address (its version stays: it counts changes); s= becomes "-";
 * i=, a=tool, the names of ssrcs, and u=, e= and p= of the session go. Media lines and their addresses are not touched.
 * Of a multipart body each part crosses by the same rules, with its Content-Type, -Disposition and -Transfer-Encoding.
 */
#ifndef SWITCH_BODY_H
#define SWITCH_BODY_H

#include "switch/codecs.h"
#include "switch/stack.h"

struct leg;

struct body {
	const sip_content_type_t *type; /* borrowed from the message; NULL: none */
	const sip_content_disposition_t *disposition;
	sip_payload_t *payload; /* of home; NULL: no body */
};

/* body_for - the body of sip (may be NULL) as it is sent on `to` */
struct body body_for(su_home_t *home, const struct leg *to, const sip_t *sip);

bool body_has_sdp(const sip_t *sip);	/* NULL: no */
bool body_hides_sdp(const sip_t *sip);	/* a multipart body, in which nobody looks for SDP */
bool body_unreadable(const sip_t *sip); /* a multipart body without its parts: 400 */
/* body_set - another payload, copied to home, for a copy of a message */
void body_set(sip_t *sip, su_home_t *home, const char *text, size_t len);

/* body_offer - *copy = sip, an SDP offer in it cut down to the codecs that both sides' trunks list, in the order of the
 * one it goes to. 0, or -ENOTSUP: none would be left */
int body_offer(sip_t *copy, su_home_t *home, const sip_t *sip, const struct codecs *from,
	       const struct codecs *to) must_check;

#define BODY_TAGS(b)                                                                                                   \
	TAG_IF((b).payload && (b).type, SIPTAG_CONTENT_TYPE((b).type)),                                                \
		TAG_IF((b).payload && (b).disposition, SIPTAG_CONTENT_DISPOSITION((b).disposition)),                   \
		TAG_IF((b).payload, SIPTAG_PAYLOAD((b).payload))

#endif
