/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/cdr.h"

#include <assert.h>
#include <string.h>

#include "billing/cdr_row.h"
#include "lib/utf8.h"

#define ARENA_TEXT 1024 /* room for most calls' text beside the record itself */

static const char *const reason_names[CDR_REASONS] = {
	[CDR_NORMAL] = "normal",
	[CDR_CANCELLED] = "cancelled",
	[CDR_BUSY] = "busy",
	[CDR_NO_ANSWER] = "no_answer",
	[CDR_CALLEE_REJECTED] = "callee_rejected",
	[CDR_NO_ACK] = "no_ack",
	[CDR_AUTH_FAILED] = "auth_failed",
	[CDR_NO_ROUTE] = "no_route",
	[CDR_NO_RATE] = "no_rate",
	[CDR_REJECTED] = "rejected",
	[CDR_BLOCKED] = "blocked",
	[CDR_NO_BALANCE] = "no_balance",
	[CDR_CAPACITY] = "capacity",
	[CDR_VENDOR_FAILED] = "vendor_failed",
	[CDR_MEDIA_TIMEOUT] = "media_timeout",
	[CDR_MAX_DURATION] = "max_duration",
	[CDR_BALANCE_EXHAUSTED] = "balance_exhausted",
	[CDR_ADMIN] = "admin",
	[CDR_SESSION_EXPIRED] = "session_expired",
	[CDR_SWITCH_RESTART] = "switch_restart",
};

static const char *const party_names[CDR_PARTIES] = {
	[CDR_CALLER] = "caller",
	[CDR_CALLEE] = "callee",
	[CDR_SWITCH] = "switch",
};

const char *cdr_reason_name(enum cdr_reason r)
{
	assert(r < CDR_REASONS);
	return reason_names[r];
}

const char *cdr_party_name(enum cdr_party p)
{
	assert(p < CDR_PARTIES);
	return party_names[p];
}

struct cdr *cdr_new(void)
{
	struct arena *arena = arena_new(sizeof(struct cdr) + ARENA_TEXT);
	struct cdr *c = arena_alloc(arena, sizeof(*c));

	c->arena = arena;
	c->pdd_ms = -1;
	return c;
}

void cdr_free(struct cdr **c)
{
	if (*c == NULL)
		return;
	struct arena *arena = (*c)->arena; /* the record lies in its own arena */

	arena_free(&arena);
	*c = NULL;
}

struct cdr *cdr_copy(const struct cdr *c)
{
	struct cdr *copy = cdr_new();
	struct arena *arena = copy->arena;

	*copy = *c;
	copy->arena = arena;
	cdr_row_own_text(copy);
	return copy;
}

size_t cdr_text_fit(const char *text, char out[static CDR_TEXT_MAX + 1])
{
	size_t len = 0;

	for (const char *s = text; *s != '\0';) {
		size_t n = utf8_character(s);

		if (len + (n > 0 ? n : 1) > CDR_TEXT_MAX)
			break;
		if (n == 0 || (unsigned char)*s < 0x20 || *s == 0x7f) {
			out[len++] = '?';
			s++;
			continue;
		}
		memcpy(out + len, s, n);
		len += n;
		s += n;
	}
	out[len] = '\0';
	return len;
}

const char *cdr_text(struct cdr *c, const char *text)
{
	char fit[CDR_TEXT_MAX + 1];

	if (text == NULL)
		return NULL;
	size_t len = cdr_text_fit(text, fit);

	return arena_strndup(c->arena, fit, len);
}

static int side_rate(struct cdr_side *side, int64_t duration_ms)
{
	side->billed_s = 0;
	side->amount = (struct money){0};
	int err = side->rated ? rate_call(&side->terms, duration_ms, &side->billed_s, &side->amount) : 0;

	if (err != 0)
		side->billed_s = 0;
	return err;
}

int cdr_rate(struct cdr *c)
{
	int sell = side_rate(&c->sell, c->duration_ms);
	int buy = side_rate(&c->buy, c->duration_ms);

	return sell != 0 ? sell : buy;
}
