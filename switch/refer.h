/* SPDX-License-Identifier: Apache-2.0 */
/* refer.h - transfers (RFC 3515) inside a call whose trunks both allow them: what a REFER, and the NOTIFYs that tell
 * how it goes, are on the other side. A relay (relay.h) carries them.
 *
 * A REFER asks the other side to call a number; it is told to call it at the switch, where that is a call like any
 * other. It names nothing else of who asked: no host, no parameter, no Referred-By, no body.
 */
#ifndef SWITCH_REFER_H
#define SWITCH_REFER_H

#include <stdbool.h>
#include <stdint.h>

#include "switch/stack.h"

enum { REFER_SUBSCRIPTIONS_MAX = 4 }; /* of one leg at a time; the oldest makes room */

struct refer_subscription { /* what a REFER made: the side that got it sends NOTIFYs */
	bool live;
	uint32_t asked, sent; /* CSeq of the REFER as the other side sent it, and as we did on this leg */
};

struct refer {	       /* of a leg; zero: none are allowed */
	bool allowed;  /* the trunks of both sides do */
	bool replaces; /* this side may take over its calls (replaces.h) */
	/* what a number begins with that this side calls us by: its trunk's tech prefix; NULL: "" */
	const char *prefix;
	struct refer_subscription subscription[REFER_SUBSCRIPTIONS_MAX]; /* the youngest first */
};

/* refer_allow - the methods that a leg takes, for its Allow */
const char *refer_allow(const struct refer *r);

/* refer_supported - the extensions that a leg's Supported names */
const char *refer_supported(const struct refer *r);

/* refer_refusal - the status that a REFER or NOTIFY of this leg is refused with; 0: it may pass.
 *   603, 405 not allowed; 400 it lacks or garbles what RFC 3515 wants; 416 no number to call; 501 a transfer that takes
 *   over a dialog (Replaces, Join) or is no INVITE; 481 a NOTIFY of no subscription */
int refer_refusal(const struct refer *from, const sip_t *sip);

/* refer_lines - the headers that belong to it on the leg `to`, each with its CRLF; NULL: neither REFER nor NOTIFY, or
 * no memory. sip passed refer_refusal. Memory of home */
char *refer_lines(su_home_t *home, const struct leg *from, const struct leg *to, const sip_t *sip);

/* refer_body - cut the body of a copy of the request down to what may cross: nothing of a REFER, of a NOTIFY the status
 * line, in our words */
void refer_body(sip_t *copy, su_home_t *home);

/* refer_sent - a REFER went out on this leg: NOTIFYs are expected. refer_declined - it was refused: they are not.
 * refer_notified - a NOTIFY of this leg was passed: its last one ends the subscription */
void refer_sent(struct refer *to, uint32_t asked, uint32_t sent);
void refer_declined(struct refer *to, uint32_t sent);
void refer_notified(struct refer *from, const sip_t *sip);

#endif
