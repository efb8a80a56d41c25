/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/cause.h"

#include <assert.h>
#include <stddef.h>

#include <sofia-sip/sip_status.h>

struct cause cause_of_outcome(enum route_outcome outcome)
{
	static const struct cause table[ROUTE_OUTCOMES] = {
		[ROUTE_SUSPENDED] = {403, CDR_REJECTED},    [ROUTE_LISTED] = {403, CDR_BLOCKED},
		[ROUTE_WRONG_LENGTH] = {484, CDR_REJECTED}, [ROUTE_NO_SELL_RATE] = {404, CDR_NO_RATE},
		[ROUTE_SELL_BLOCKED] = {403, CDR_BLOCKED},  [ROUTE_NO_VENDOR] = {404, CDR_NO_ROUTE},
		[ROUTE_NONE_USABLE] = {503, CDR_NO_ROUTE},
	};
	assert(outcome > ROUTE_OK && outcome < ROUTE_OUTCOMES);
	return table[outcome];
}

static int code_for_caller(int code)
{
	if (code >= 300 && code < 400)
		return 503;
	switch (code) {
	case 401:
	case 402:
	case 403:
	case 407:
	case 482:
	case 483:
		return 503;
	default:
		return code;
	}
}

struct cause cause_of_vendor(int code)
{
	struct cause c = {.code = code_for_caller(code), .reason = CDR_VENDOR_FAILED};
	if (code == 486 || code == 600)
		c.reason = CDR_BUSY;
	else if (code >= 603 && code <= 608)
		c.reason = CDR_CALLEE_REJECTED;
	return c;
}

bool cause_stops(int code, const int *stop, int n_stop)
{
	static const int usual[] = {486, 487, 600, 603, 604, 606, 607, 608};
	if (!stop) {
		stop = usual;
		n_stop = sizeof usual / sizeof usual[0];
	}
	for (int i = 0; i < n_stop; i++)
		if (stop[i] == code)
			return true;
	return false;
}

int cause_mapped(int code, const struct trunk *ingress)
{
	for (int i = 0; i < ingress->n_code_map; i++)
		if (ingress->code_map[i].from == code)
			return ingress->code_map[i].to;
	return code;
}

int cause_q850(int code)
{
	static const struct {
		short code, q850;
	} table[] = {
		{400, 41},  {401, 21}, {402, 21},  {403, 21},  {404, 1},  {405, 63},  {406, 79},  {407, 21},
		{408, 102}, {410, 22}, {413, 127}, {414, 127}, {415, 79}, {416, 127}, {420, 127}, {421, 127},
		{423, 127}, {480, 18}, {481, 41},  {482, 25},  {483, 25}, {484, 28},  {485, 1},	  {486, 17},
		{487, 16},  {488, 31}, {500, 41},  {501, 79},  {502, 38}, {503, 41},  {504, 102}, {505, 127},
		{513, 127}, {600, 17}, {603, 21},  {604, 1},   {606, 31}, {607, 21},  {608, 21},
	};
	if (code < 300)
		return 16;
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (table[i].code == code)
			return table[i].q850;
	return 31; /* normal, unspecified */
}

int cause_q850_of_reason(enum cdr_reason reason)
{
	switch (reason) {
	case CDR_NORMAL:
		return 16; /* normal clearing */
	case CDR_NO_ACK:
	case CDR_SESSION_EXPIRED:
	case CDR_MEDIA_TIMEOUT:
		return 102; /* recovery on timer expiry */
	case CDR_SWITCH_RESTART:
		return 41; /* temporary failure */
	default:
		return 31; /* normal, unspecified */
	}
}

const char *cause_phrase(int code)
{
	const char *phrase = sip_status_phrase(code);
	return phrase ? phrase : "Failure";
}
