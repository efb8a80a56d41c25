/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/reason.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static int cause_in(const sip_reason_t *r, int least, int most)
{
	int cause = r->re_cause ? atoi(r->re_cause) : 0;
	return cause >= least && cause <= most ? cause : 0;
}

struct reason reason_of(const sip_t *sip)
{
	struct reason out = {0};

	for (const sip_reason_t *r = sip ? sip->sip_reason : NULL; r; r = r->re_next) {
		if (!r->re_protocol)
			continue;
		if (!out.q850 && strcasecmp(r->re_protocol, "Q.850") == 0)
			out.q850 = cause_in(r, 1, 127);
		else if (!out.sip && strcasecmp(r->re_protocol, "SIP") == 0)
			out.sip = cause_in(r, 200, 699);
	}
	return out;
}

const char *reason_write(struct reason r, char out[static REASON_MAX])
{
	int n = 0;

	out[0] = '\0';
	if (r.sip)
		n = snprintf(out, REASON_MAX, "SIP;cause=%d", r.sip);
	if (r.q850)
		snprintf(out + n, REASON_MAX - (size_t)n, "%sQ.850;cause=%d", n ? ", " : "", r.q850);
	return out;
}
