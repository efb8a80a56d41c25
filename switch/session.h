/* SPDX-License-Identifier: Apache-2.0 */
/* session.h - session timers (RFC 4028), on each leg by its own terms: a leg whose peer is gone is noticed and ends.
 *
 * Who refreshes is agreed in the INVITE and its answer. When it is us, we send UPDATE where the peer allows it, else a
 * re-INVITE with the SDP that it has; a peer that knows no session timers is asked by OPTIONS, if its trunk has
 * session_expires. When it is the peer, and it does not, the leg has expired.
 */
#ifndef SWITCH_SESSION_H
#define SWITCH_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "switch/stack.h"

struct leg;

enum { SESSION_MIN_S = 90 };

struct session {
	int32_t expires_s; /* 0: none; then OPTIONS asks every [sip] dialog_check */
	int32_t min_s;	   /* the largest Min-SE that was seen; 0: none */
	bool we_refresh;
	bool peer_knows; /* it has "timer" in Supported */
	bool update_allowed;
	su_timer_t *timer;
	int64_t end_us; /* monotonic: the session is over unless it is refreshed by then; INT64_MAX: it has no such end
			 */
	nta_outgoing_t *refresh; /* under way */
};

/* session_offered - what an INVITE that came in asks for; wish_s: the trunk's session_expires, 0 none.
 *   false: its Session-Expires is below SESSION_MIN_S, to be answered 422 with Min-SE */
bool session_offered(struct leg *leg, const sip_t *sip, int32_t wish_s);
/* session_answered - the 2xx to our INVITE */
void session_answered(struct leg *leg, const sip_t *sip, int32_t wish_s);

/* session_too_small - a request inside the dialog asks for less than SESSION_MIN_S: 422 (section 9) */
bool session_too_small(const sip_t *sip);
/* session_asked - the peer's re-INVITE or UPDATE is being answered 2xx: its terms hold from now on */
void session_asked(struct leg *leg, const sip_t *sip);
/* session_renewed - the 2xx to such a request of ours: what the peer made of our terms */
void session_renewed(struct leg *leg, const sip_t *sip);
/* session_grown - a 422 to it: we ask for that much from now on. False: it wants no more than we asked for */
bool session_grown(struct leg *leg, const sip_t *sip);

/* session_header - the Session-Expires of a 2xx that we send on this leg; NULL: none. Memory of home. */
sip_session_expires_t *session_header(su_home_t *home, const struct leg *leg);
/* ... of an INVITE that we send, with wish_s; session_request - of a request inside the dialog; session_min - the
 * Min-SE of both */
sip_session_expires_t *session_wish(su_home_t *home, int32_t wish_s);
sip_session_expires_t *session_request(su_home_t *home, const struct leg *leg);
sip_min_se_t *session_min(su_home_t *home, const struct leg *leg);

void session_start(struct leg *leg); /* the dialog is confirmed, or was refreshed */
void session_lives(struct leg *leg); /* the peer has shown that it is there, which refreshes no session timer */
void session_stop(struct leg *leg);

/* session_update - an UPDATE without a body is a refresh and nothing else: answered here. Takes request. */
void session_update(struct leg *leg, nta_incoming_t *request, const sip_t *sip);

#endif
