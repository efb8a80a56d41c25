/* SPDX-License-Identifier: Apache-2.0 */
/* dialogs.h - the proxied calls of a node, so that any worker can judge and send on a request inside one of them and
 * knows whom to tell. One table, a lock that is held for a few instructions; any thread, but where a line names the
 * owner: the worker whose call it is.
 *
 * A call stays here for DIALOGS_LINGER_US after its end, for what is still on its way.
 */
#ifndef SWITCH_DIALOGS_H
#define SWITCH_DIALOGS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/uuid.h"
#include "switch/way.h"

struct dialogs;
struct call;

#define DIALOGS_LINGER_US (40 * 1000000LL)

enum dialogs_side {
	DIALOGS_UNKNOWN,  /* no such call: of a time before our start, or over */
	DIALOGS_STRANGER, /* the call has no dialog with these tags */
	DIALOGS_CALLER,	  /* sent by the caller */
	DIALOGS_CALLEE,
};

struct dialogs_found {
	enum dialogs_side side;
	int worker;	       /* the owner's index */
	bool answered;	       /* it is the dialog whose answer the call was */
	bool over;	       /* its record has ended */
	int32_t session_s;     /* the Session-Expires that its trunks wish for; 0 none */
	int64_t trunk_id;      /* the caller's */
	struct way *from, *to; /* of the end that sent it and of the other; NULL: not known */
	struct way *to_before; /* where the other end was before it last moved, for what crosses that; or NULL */
};

struct dialogs_call { /* a call that was let in */
	struct uuid id;
	int worker;
	struct call *call; /* kept for dialogs_call */
	const char *tag;   /* the caller's; "" if it has none */
	int64_t trunk_id;
	struct way *way; /* to the caller; taken */
};

struct dialogs *dialogs_new(void);
void dialogs_free(struct dialogs **d);

/* [owner] */
void dialogs_begin(struct dialogs *d, const struct dialogs_call *c);
/* [owner] dialogs_wish - see dialogs_found.session_s */
void dialogs_wish(struct dialogs *d, const struct uuid *id, int32_t session_s);
/* dialogs_learn - one more dialog, or news of one: the To tag of an 18x or 2xx on its way to the caller, and the way to
 * whoever sent it, which is taken */
void dialogs_learn(struct dialogs *d, const struct uuid *id, const char *tag, struct way *way);
/* dialogs_moved - one end of the dialog with that callee's tag is reached by another way now, which is taken */
void dialogs_moved(struct dialogs *d, const struct uuid *id, const char *tag, enum dialogs_side end, struct way *way);
/* [owner] dialogs_sent - an INVITE of the call goes out with that branch, to that URI */
void dialogs_sent(struct dialogs *d, const struct uuid *id, const char *branch, const char *uri);
/* [owner] dialogs_answered - by the dialog with that To tag, which was learned, to the INVITE with that branch */
void dialogs_answered(struct dialogs *d, const struct uuid *id, const char *tag, const char *branch);
/* [owner] dialogs_end - the call is over; it must not be told any more */
void dialogs_end(struct dialogs *d, const struct uuid *id);

/* dialogs_answered_by - is that callee's tag now the dialog whose answer a live call was? Then *worker is the owner's
 * index. */
bool dialogs_answered_by(struct dialogs *d, const struct uuid *id, const char *tag, int *worker);
/* dialogs_find - tags are compared byte by byte: an end that does so would not know a call by another spelling. What
 * is found holds references: dialogs_found_drop */
void dialogs_find(struct dialogs *d, const struct uuid *id, const char *from_tag, const char *to_tag,
		  struct dialogs_found *out);
void dialogs_found_drop(struct dialogs_found *found);

struct dialogs_invite {
	struct uuid call;
	bool answered; /* it brought the call its answer */
	char *uri;     /* where it went; to be freed */
};
/* dialogs_branch - the INVITE with that branch; false: of no call that is known */
bool dialogs_branch(struct dialogs *d, const char *branch, struct dialogs_invite *out);
/* dialogs_has_end - does one of the call's ends send from that address (numeric, no brackets)? */
bool dialogs_has_end(struct dialogs *d, const struct uuid *id, const char *address);
/* [owner] dialogs_call - NULL: over, or never here */
struct call *dialogs_call(struct dialogs *d, const struct uuid *id);

#endif
