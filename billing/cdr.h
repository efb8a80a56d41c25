/* SPDX-License-Identifier: Apache-2.0 */
/* cdr.h - the record of one call and of its attempts, as section 5 of the outside says it.
 * A CDR owns its text (one arena). It is filled by one thread and then given away (spool_close), never shared.
 * Ids 0 and times 0 mean "none" and become NULL. Times in _us are of the wall clock, since 1970 UTC.
 */
#ifndef BILLING_CDR_H
#define BILLING_CDR_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/money.h"
#include "lib/status.h"
#include "lib/uuid.h"
#include "tariff/rate.h"

enum cdr_reason { /* disconnect_reason; names by cdr_reason_name */
		  CDR_NORMAL,
		  CDR_CANCELLED,
		  CDR_BUSY,
		  CDR_NO_ANSWER,
		  CDR_CALLEE_REJECTED,
		  CDR_NO_ACK,
		  CDR_AUTH_FAILED,
		  CDR_NO_ROUTE,
		  CDR_NO_RATE,
		  CDR_REJECTED,
		  CDR_BLOCKED,
		  CDR_NO_BALANCE,
		  CDR_CAPACITY,
		  CDR_VENDOR_FAILED,
		  CDR_MEDIA_TIMEOUT,
		  CDR_MAX_DURATION,
		  CDR_BALANCE_EXHAUSTED,
		  CDR_ADMIN,
		  CDR_SESSION_EXPIRED,
		  CDR_SWITCH_RESTART,
		  CDR_REASONS
};
enum cdr_party { CDR_CALLER, CDR_CALLEE, CDR_SWITCH, CDR_PARTIES };

const char *cdr_reason_name(enum cdr_reason r); /* "normal", "no_answer", ... */
const char *cdr_party_name(enum cdr_party p);	/* "caller", ... */

struct cdr_side {   /* what one side is rated by */
	bool rated; /* a rate was found; else all below is NULL in the row */
	const char *prefix;
	struct rate_terms terms; /* of the rate in force at started_at; price in the row is terms.price_n */
	const char *currency;	 /* ISO 4217 */
	int64_t billed_s;	 /* by cdr_rate */
	struct money amount;	 /* by cdr_rate */
};

struct cdr_attempt {
	int64_t trunk_id, carrier_id;
	int64_t started_us, progress_us, answered_us, ended_us;
	int sip_code;	    /* its final answer; 408 for silence, 0 if it never had one (cancelled, transport) */
	const char *reason; /* a word: answered, busy, no_response, no_progress, no_answer, transport_error, cancelled,
			       failed, late_answer, ... */
	const char *buy_prefix; /* NULL: none */
	int64_t buy_price_n;	/* nano-units a minute */
	const char *b_call_id;
};

#define CDR_ATTEMPTS_MAX 32

struct cdr {
	struct arena *arena;
	struct uuid id;
	const char *node;
	int64_t started_us, progress_us, answered_us, ended_us;
	int64_t ingress_carrier_id, ingress_trunk_id, egress_carrier_id, egress_trunk_id;
	const char *calling_in, *called_in, *calling_out, *called_out, *destination;
	int64_t pdd_ms;	     /* INVITE to the first 18x or final answer that the caller was sent; -1 none */
	int64_t duration_ms; /* by the monotonic clock; 0 if not answered */
	int sip_code;	     /* final answer sent to the caller; 0 none */
	int q850_cause;	     /* 0 none */
	enum cdr_reason reason;
	enum cdr_party party;
	struct cdr_side sell, buy;
	const char *source_ip, *a_call_id, *b_call_id;
	bool recovered;
	const char *lrn; /* the number it was routed by, where that is not the dialled one; NULL: none */
	/* By which both sides were rated: digits after tech prefix and translations, or the lrn; NULL: it never came to
	 * that. The calling number beside it, as the same translations made it; NULL: there was none. */
	const char *rated_called, *rated_calling;
	const char *trace; /* routing trace as JSON text, or NULL; kept in its own table */
	int attempts;
	struct cdr_attempt attempt[CDR_ATTEMPTS_MAX];
	int64_t given_mono_us; /* the spool's own: when it was given */
	bool given_open;       /* the spool's own: given at the answer, not at the end */
};

struct cdr *cdr_new(void); /* zeroed; pdd_ms -1; one allocation for most calls */
void cdr_free(struct cdr **c);
struct cdr *cdr_copy(const struct cdr *c); /* with text of its own */

/* cdr_text - a copy owned by the CDR, made fit for the database: invalid UTF-8, NUL and control bytes become '?',
 *            cut to 255 bytes on a character. NULL gives NULL. */
const char *cdr_text(struct cdr *c, const char *text);

/* cdr_rate - fill billed_s and amount of both rated sides from duration_ms. 0 or -ERANGE (a side past that is billed
 * 0). */
int cdr_rate(struct cdr *c) must_check;

#endif
