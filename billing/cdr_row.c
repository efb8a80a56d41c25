/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/cdr_row.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "billing/copy.h"
#include "lib/clock.h"

enum field_type {
	FIELD_UUID,
	FIELD_TEXT,   /* const char *; NULL is NULL */
	FIELD_WORD,   /* const char *; a column that may not be NULL: "" then */
	FIELD_INET,   /* const char *; anything but an address is NULL */
	FIELD_JSON,   /* const char *; as it is, of any length */
	FIELD_TIME,   /* int64_t, microseconds; 0 is NULL */
	FIELD_ID,     /* int64_t; 0 is NULL */
	FIELD_CODE,   /* int; 0 is NULL */
	FIELD_LATER,  /* int64_t; negative is NULL */
	FIELD_INT64,  /* int64_t */
	FIELD_INT32,  /* int or int32_t */
	FIELD_BYTE,   /* uint8_t */
	FIELD_BOOL,   /* bool */
	FIELD_NANO,   /* int64_t or struct money, nano-units, written as a decimal */
	FIELD_REASON, /* enum cdr_reason, by name */
	FIELD_PARTY,  /* enum cdr_party, by name */
};

struct field {
	const char *column; /* NULL: not in the database */
	enum field_type type;
	size_t offset;
	size_t guard; /* of the bool without which the column is NULL; 0: none */
};

#define FIELD(type, column, member)                                                                                    \
	{                                                                                                              \
		column, FIELD_##type, offsetof(struct cdr, member), 0                                                  \
	}
#define SIDE(type, column, side, member)                                                                               \
	{                                                                                                              \
		column, FIELD_##type, offsetof(struct cdr, side.member), offsetof(struct cdr, side.rated)              \
	}

static const struct field cdr_field[] = {
	FIELD(UUID, "id", id),
	FIELD(WORD, "node", node),
	FIELD(TIME, "started_at", started_us),
	FIELD(TIME, "progress_at", progress_us),
	FIELD(TIME, "answered_at", answered_us),
	FIELD(TIME, "ended_at", ended_us),
	FIELD(ID, "ingress_carrier_id", ingress_carrier_id),
	FIELD(ID, "ingress_trunk_id", ingress_trunk_id),
	FIELD(ID, "egress_carrier_id", egress_carrier_id),
	FIELD(ID, "egress_trunk_id", egress_trunk_id),
	FIELD(TEXT, "calling_in", calling_in),
	FIELD(TEXT, "called_in", called_in),
	FIELD(TEXT, "calling_out", calling_out),
	FIELD(TEXT, "called_out", called_out),
	FIELD(TEXT, "destination", destination),
	FIELD(LATER, "pdd_ms", pdd_ms),
	FIELD(INT64, "duration_ms", duration_ms),
	FIELD(CODE, "sip_code", sip_code),
	FIELD(CODE, "q850_cause", q850_cause),
	FIELD(REASON, "disconnect_reason", reason),
	FIELD(PARTY, "hangup_party", party),
	FIELD(INT32, "attempts", attempts),
	SIDE(TEXT, "sell_prefix", sell, prefix),
	SIDE(NANO, "sell_price", sell, terms.price_n),
	SIDE(INT64, "sell_billed_s", sell, billed_s),
	SIDE(NANO, "sell_amount", sell, amount),
	SIDE(TEXT, "sell_currency", sell, currency),
	SIDE(TEXT, "buy_prefix", buy, prefix),
	SIDE(NANO, "buy_price", buy, terms.price_n),
	SIDE(INT64, "buy_billed_s", buy, billed_s),
	SIDE(NANO, "buy_amount", buy, amount),
	SIDE(TEXT, "buy_currency", buy, currency),
	FIELD(INET, "source_ip", source_ip),
	FIELD(TEXT, "a_call_id", a_call_id),
	FIELD(TEXT, "b_call_id", b_call_id),
	FIELD(BOOL, "recovered", recovered),
	FIELD(TEXT, "lrn", lrn),
	/* What an open call needs besides, to be closed by another process. */
	FIELD(BOOL, NULL, sell.rated),
	FIELD(NANO, NULL, sell.terms.initial_price_n),
	FIELD(NANO, NULL, sell.terms.connect_fee_n),
	FIELD(INT32, NULL, sell.terms.initial_s),
	FIELD(INT32, NULL, sell.terms.increment_s),
	FIELD(INT32, NULL, sell.terms.grace_s),
	FIELD(BYTE, NULL, sell.terms.rounding),
	FIELD(BYTE, NULL, sell.terms.places),
	FIELD(BYTE, NULL, sell.terms.duration_rounding),
	FIELD(BOOL, NULL, buy.rated),
	FIELD(NANO, NULL, buy.terms.initial_price_n),
	FIELD(NANO, NULL, buy.terms.connect_fee_n),
	FIELD(INT32, NULL, buy.terms.initial_s),
	FIELD(INT32, NULL, buy.terms.increment_s),
	FIELD(INT32, NULL, buy.terms.grace_s),
	FIELD(BYTE, NULL, buy.terms.rounding),
	FIELD(BYTE, NULL, buy.terms.places),
	FIELD(BYTE, NULL, buy.terms.duration_rounding),
	FIELD(JSON, NULL, trace),
	/* What records of earlier versions lack; a line of COPY text has both or neither. */
	FIELD(TEXT, "rated_called", rated_called),
	FIELD(TEXT, "rated_calling", rated_calling),
};
#define CDR_FIELDS (sizeof(cdr_field) / sizeof(cdr_field[0]))
#define CDR_FIELDS_OLD (CDR_FIELDS - 2)

#define ATTEMPT(type, column, member)                                                                                  \
	{                                                                                                              \
		column, FIELD_##type, offsetof(struct cdr_attempt, member), 0                                          \
	}

static const struct field attempt_field[] = {
	/* after cdr_id and n, which the record and its place give */
	ATTEMPT(ID, "trunk_id", trunk_id),	   ATTEMPT(ID, "carrier_id", carrier_id),
	ATTEMPT(TIME, "started_at", started_us),   ATTEMPT(TIME, "progress_at", progress_us),
	ATTEMPT(TIME, "answered_at", answered_us), ATTEMPT(TIME, "ended_at", ended_us),
	ATTEMPT(CODE, "sip_code", sip_code),	   ATTEMPT(WORD, "reason", reason),
	ATTEMPT(TEXT, "buy_prefix", buy_prefix),   ATTEMPT(NANO, "buy_price", buy_price_n),
	ATTEMPT(TEXT, "b_call_id", b_call_id),
};
#define ATTEMPT_FIELDS (sizeof(attempt_field) / sizeof(attempt_field[0]))

static void put_columns(struct buf *out, const struct field *field, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (field[i].column == NULL)
			continue;
		if (i > 0)
			buf_puts(out, ", ");
		buf_puts(out, field[i].column);
	}
}

void cdr_row_put_columns(struct buf *out)
{
	put_columns(out, cdr_field, CDR_FIELDS);
}

void cdr_row_put_attempt_columns(struct buf *out)
{
	buf_puts(out, "cdr_id, n, ");
	put_columns(out, attempt_field, ATTEMPT_FIELDS);
}

static void put_fit(struct buf *out, const char *text)
{
	char fit[CDR_TEXT_MAX + 1];

	if (text != NULL)
		cdr_text_fit(text, fit);
	copy_put(out, text != NULL ? fit : NULL);
}

static void put_inet(struct buf *out, const char *text)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr any;
	size_t len = text != NULL ? strcspn(text, "%") : 0; /* a scope has no place in an inet */

	if (len == 0 || len >= sizeof(address)) {
		buf_puts(out, "\\N");
		return;
	}
	memcpy(address, text, len);
	address[len] = '\0';
	bool valid = inet_pton(AF_INET, address, &any) == 1 || inet_pton(AF_INET6, address, &any) == 1;
	buf_puts(out, valid ? address : "\\N");
}

static void put_number(struct buf *out, int64_t value, bool none)
{
	if (none)
		buf_puts(out, "\\N");
	else
		buf_printf(out, "%" PRId64, value);
}

static void put_decimal(struct buf *out, int64_t nano)
{
	char text[MONEY_TEXT_MAX];

	buf_puts(out, money_format((struct money){nano}, 6, text));
}

static void put_time(struct buf *out, int64_t wall_us)
{
	char text[CLOCK_TEXT_MAX];

	buf_puts(out, wall_us == 0 ? "\\N" : clock_format(wall_us, text));
}

static int64_t int64_at(const void *at)
{
	return *(const int64_t *)at;
}

static const char *text_at(const void *at)
{
	return *(const char *const *)at;
}

static void put_field(struct buf *out, const struct field *f, const void *at)
{
	char uuid[UUID_TEXT_MAX];

	switch (f->type) {
	case FIELD_UUID:
		buf_puts(out, uuid_format(at, uuid));
		break;
	case FIELD_TEXT:
		put_fit(out, text_at(at));
		break;
	case FIELD_WORD:
		put_fit(out, text_at(at) != NULL ? text_at(at) : "");
		break;
	case FIELD_INET:
		put_inet(out, text_at(at));
		break;
	case FIELD_JSON:
		copy_put(out, text_at(at));
		break;
	case FIELD_TIME:
		put_time(out, int64_at(at));
		break;
	case FIELD_ID:
		put_number(out, int64_at(at), int64_at(at) == 0);
		break;
	case FIELD_CODE:
		put_number(out, *(const int *)at, *(const int *)at == 0);
		break;
	case FIELD_LATER:
		put_number(out, int64_at(at), int64_at(at) < 0);
		break;
	case FIELD_INT64:
		put_number(out, int64_at(at), false);
		break;
	case FIELD_INT32:
		put_number(out, *(const int32_t *)at, false);
		break;
	case FIELD_BYTE:
		put_number(out, *(const uint8_t *)at, false);
		break;
	case FIELD_BOOL:
		buf_putc(out, *(const bool *)at ? 't' : 'f');
		break;
	case FIELD_NANO:
		put_decimal(out, int64_at(at));
		break;
	case FIELD_REASON:
		buf_puts(out, cdr_reason_name(*(const enum cdr_reason *)at));
		break;
	case FIELD_PARTY:
		buf_puts(out, cdr_party_name(*(const enum cdr_party *)at));
		break;
	}
}

static bool guarded(const struct field *f, const void *record)
{
	return f->guard != 0 && !*(const bool *)((const char *)record + f->guard);
}

static void put_one(struct buf *out, const struct field *f, bool first, const void *record)
{
	if (!first)
		buf_putc(out, '\t');
	if (guarded(f, record))
		buf_puts(out, "\\N");
	else
		put_field(out, f, (const char *)record + f->offset);
}

static void put_fields(struct buf *out, const struct field *field, size_t n, const void *record)
{
	for (size_t i = 0; i < n; i++)
		put_one(out, &field[i], i == 0, record);
}

void cdr_row_put(struct buf *out, const struct cdr *c)
{
	size_t n = c->rated_called != NULL || c->rated_calling != NULL ? CDR_FIELDS : CDR_FIELDS_OLD;

	for (size_t i = 0; i < n; i++)
		if (cdr_field[i].column != NULL)
			put_one(out, &cdr_field[i], i == 0, c);
}

void cdr_row_put_whole(struct buf *out, const char *line)
{
	size_t columns = 0, has = 1;

	for (size_t i = 0; i < CDR_FIELDS; i++)
		columns += cdr_field[i].column != NULL;
	for (const char *p = line; *p != '\0'; p++)
		has += *p == '\t';
	buf_puts(out, line);
	for (; has < columns; has++)
		buf_puts(out, "\t\\N");
}

void cdr_row_put_attempts(struct buf *out, const struct cdr *c)
{
	char id[UUID_TEXT_MAX];

	assert(c->attempts >= 0 && c->attempts <= CDR_ATTEMPTS_MAX);
	uuid_format(&c->id, id);
	for (int i = 0; i < c->attempts; i++) {
		buf_printf(out, "%s\t%d\t", id, i + 1);
		put_fields(out, attempt_field, ATTEMPT_FIELDS, &c->attempt[i]);
		buf_putc(out, '\n');
	}
}

void cdr_row_pack(struct buf *out, const struct cdr *c)
{
	put_fields(out, cdr_field, CDR_FIELDS, c);
	for (int i = 0; i < c->attempts; i++) {
		buf_putc(out, '\n');
		put_fields(out, attempt_field, ATTEMPT_FIELDS, &c->attempt[i]);
	}
}

/* COPY's escapes undone in place. */
static void text_unescape(char *text)
{
	char *to = text;

	for (; *text != '\0'; text++) {
		if (*text == '\\' && text[1] != '\0') {
			text++;
			*to++ = *text == 't' ? '\t' : *text == 'n' ? '\n' : *text == 'r' ? '\r' : *text;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

static int get_number(const char *text, int64_t least, int64_t most, int64_t *out)
{
	char *end;

	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || value < least || value > most)
		return -EBADMSG;
	*out = value;
	return 0;
}

static int get_reason(const char *text, enum cdr_reason *out)
{
	for (int i = 0; i < CDR_REASONS; i++) {
		if (strcmp(cdr_reason_name(i), text) == 0) {
			*out = i;
			return 0;
		}
	}
	return -EBADMSG;
}

static int get_party(const char *text, enum cdr_party *out)
{
	for (int i = 0; i < CDR_PARTIES; i++) {
		if (strcmp(cdr_party_name(i), text) == 0) {
			*out = i;
			return 0;
		}
	}
	return -EBADMSG;
}

static int get_field(struct arena *arena, const struct field *f, char *text, void *at)
{
	struct money amount;
	int64_t value = 0;
	int err = 0;

	switch (f->type) {
	case FIELD_UUID:
		return uuid_parse(text, at) == 0 ? 0 : -EBADMSG;
	case FIELD_TEXT:
	case FIELD_WORD:
	case FIELD_INET:
	case FIELD_JSON:
		text_unescape(text);
		*(const char **)at = arena_strdup(arena, text);
		return 0;
	case FIELD_TIME:
		return clock_parse(text, at) == 0 ? 0 : -EBADMSG;
	case FIELD_ID:
	case FIELD_LATER:
	case FIELD_INT64:
		return get_number(text, INT64_MIN, INT64_MAX, at);
	case FIELD_CODE:
	case FIELD_INT32:
		err = get_number(text, INT32_MIN, INT32_MAX, &value);
		*(int32_t *)at = (int32_t)value;
		return err;
	case FIELD_BYTE:
		err = get_number(text, 0, UINT8_MAX, &value);
		*(uint8_t *)at = (uint8_t)value;
		return err;
	case FIELD_BOOL:
		*(bool *)at = text[0] == 't';
		return strcmp(text, "t") == 0 || strcmp(text, "f") == 0 ? 0 : -EBADMSG;
	case FIELD_NANO:
		if (money_parse(text, &amount) != 0)
			return -EBADMSG;
		*(int64_t *)at = amount.nano;
		return 0;
	case FIELD_REASON:
		return get_reason(text, at);
	case FIELD_PARTY:
		return get_party(text, at);
	}
	return -EBADMSG;
}

/* The line may end after `least` of the n fields. */
static int get_fields(struct arena *arena, const struct field *field, size_t least, size_t n, char *line, void *record)
{
	for (size_t i = 0; i < n; i++) {
		char *text = strsep(&line, "\t");

		if (text == NULL)
			return i == least ? 0 : -EBADMSG;
		if (strcmp(text, "\\N") == 0)
			continue;
		if (get_field(arena, &field[i], text, (char *)record + field[i].offset) != 0)
			return -EBADMSG;
	}
	return line == NULL ? 0 : -EBADMSG;
}

/* Can it be rated, should its call still have to be closed? */
static bool side_is_usable(const struct cdr_side *side)
{
	const struct rate_terms *t = &side->terms;

	return !side->rated ||
	       (t->initial_s >= 0 && t->increment_s >= 1 && t->grace_s >= 0 && t->rounding <= MONEY_DOWN &&
		t->places <= MONEY_PLACES && t->duration_rounding <= RATE_DURATION_DOWN);
}

int cdr_row_unpack(const char *text, struct cdr **out)
{
	struct cdr *c = cdr_new();
	char *copy = arena_strdup(c->arena, text), *rest = copy;
	int err = get_fields(c->arena, cdr_field, CDR_FIELDS_OLD, CDR_FIELDS, strsep(&rest, "\n"), c);

	if (err == 0 && (c->attempts < 0 || c->attempts > CDR_ATTEMPTS_MAX || c->duration_ms < 0 ||
			 !side_is_usable(&c->sell) || !side_is_usable(&c->buy)))
		err = -EBADMSG;
	for (int i = 0; err == 0 && i < c->attempts; i++) {
		char *line = strsep(&rest, "\n");

		err = line == NULL ? -EBADMSG
				   : get_fields(c->arena, attempt_field, ATTEMPT_FIELDS, ATTEMPT_FIELDS, line,
						&c->attempt[i]);
	}
	if (err == 0 && rest != NULL)
		err = -EBADMSG;
	if (err != 0)
		cdr_free(&c);
	else
		*out = c;
	return err;
}

static void own_text(struct arena *arena, const struct field *field, size_t n, void *record)
{
	for (size_t i = 0; i < n; i++) {
		const char **text = (const char **)((char *)record + field[i].offset);

		if (field[i].type == FIELD_TEXT || field[i].type == FIELD_WORD || field[i].type == FIELD_INET ||
		    field[i].type == FIELD_JSON)
			*text = arena_strdup(arena, *text);
	}
}

void cdr_row_own_text(struct cdr *c)
{
	own_text(c->arena, cdr_field, CDR_FIELDS, c);
	for (int i = 0; i < c->attempts; i++)
		own_text(c->arena, attempt_field, ATTEMPT_FIELDS, &c->attempt[i]);
}
