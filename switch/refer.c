/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/refer.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "switch/cause.h"
#include "switch/leg.h"
#include "switch/peer.h"
#include "switch/uri.h"
#include "switch/worker.h"

const char *refer_allow(const struct refer *r)
{
	return r->allowed ? "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, PRACK, REFER, NOTIFY"
			  : "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, PRACK";
}

const char *refer_supported(const struct refer *r)
{
	return r->replaces ? LEG_SUPPORTED ", replaces" : LEG_SUPPORTED;
}

/* ---- the request ---- */

/* Of the URI's headers those that name a dialog to take over (RFC 3891, 3911): they are ids of our legs, which mean
 * nothing on the other side. */
static bool takes_over(const char *headers)
{
	char name[64];

	while (headers && *headers) {
		size_t n = strcspn(headers, "=&");
		if (n < sizeof name) {
			name[url_unescape_to(name, headers, n)] = '\0';
			if (strcasecmp(name, "Replaces") == 0 || strcasecmp(name, "Join") == 0)
				return true;
		}
		headers = strchr(headers, '&');
		if (headers)
			headers++;
	}
	return false;
}

static int refer_refused(const sip_t *sip)
{
	const sip_refer_to_t *to = sip->sip_refer_to;
	char number[NUMBER_MAX], method[16] = "";

	if (!to)
		return 400;
	if (to->r_url->url_type != url_sip && to->r_url->url_type != url_sips && to->r_url->url_type != url_tel)
		return 416;
	if (takes_over(to->r_url->url_headers))
		return 501;
	if (url_param(to->r_url->url_params, "method", method, sizeof method) && strcasecmp(method, "INVITE") != 0)
		return 501;
	peer_user(to->r_url, number);
	return number[0] ? 0 : 416;
}

/* Which REFER a NOTIFY is about (RFC 3515 section 2.4.6); without an id: the first one. -1: none */
static int subscription_of(const struct refer *r, const sip_t *sip)
{
	const char *id = sip->sip_event->o_id;

	if (strcasecmp(sip->sip_event->o_type, "refer") != 0)
		return -1;
	for (int i = REFER_SUBSCRIPTIONS_MAX - 1; i >= 0; i--)
		if (r->subscription[i].live && (!id || strtoul(id, NULL, 10) == r->subscription[i].sent))
			return i;
	return -1;
}

/* RFC 3420: a fragment that begins with a status line. 0: there is none */
static int status_told(const sip_t *sip)
{
	static const char version[] = "SIP/2.0 ";
	const sip_payload_t *body = sip->sip_payload;
	const size_t at = sizeof version - 1, digits = 3;
	int status = 0;

	if (body->pl_len < at + digits || strncasecmp(body->pl_data, version, at) != 0)
		return 0;
	for (size_t i = at; i < at + digits; i++) {
		if (!isdigit((unsigned char)body->pl_data[i]))
			return 0;
		status = 10 * status + (body->pl_data[i] - '0');
	}
	if (body->pl_len > at + digits && isdigit((unsigned char)body->pl_data[at + digits]))
		return 0;
	return status >= 100 && status <= 699 ? status : 0;
}

static bool one_line(const char *text)
{
	return !text || !strpbrk(text, "\r\n");
}

/* Its words cross into lines of ours: a folded header would break them. */
static bool state_plain(const sip_subscription_state_t *s)
{
	return s->ss_substate && one_line(s->ss_substate) && one_line(s->ss_expires) && one_line(s->ss_reason) &&
	       one_line(s->ss_retry_after);
}

static int notify_refused(const struct refer *from, const sip_t *sip)
{
	if (!sip->sip_event || !sip->sip_event->o_type || !sip->sip_subscription_state ||
	    !state_plain(sip->sip_subscription_state))
		return 400;
	if (subscription_of(from, sip) < 0)
		return 481;
	return sip->sip_payload && sip->sip_payload->pl_len && !status_told(sip) ? 400 : 0;
}

int refer_refusal(const struct refer *from, const sip_t *sip)
{
	bool refer = sip->sip_request->rq_method == sip_method_refer;

	if (!from->allowed)
		return refer ? 603 : 405;
	return refer ? refer_refused(sip) : notify_refused(from, sip);
}

/* ---- on the other side ---- */

/* The number is called at our own listener, as this side calls any other. */
static char *refer_to_line(su_home_t *home, const struct leg *to, const sip_t *sip)
{
	const char *prefix = to->refer.prefix ? to->refer.prefix : "";
	url_t url = *to->port->contact->m_url;
	char number[NUMBER_MAX];

	peer_user(sip->sip_refer_to->r_url, number);
	url.url_user = uri_user_escape(home, su_sprintf(home, "%s%s", prefix, number + (*prefix && *number == '+')));
	char *text = url_as_string(home, &url);
	return text ? su_sprintf(home, "Refer-To: <%s>\r\n", text) : NULL;
}

static char *param(su_home_t *home, const char *name, const char *value)
{
	return value ? su_sprintf(home, ";%s=%s", name, value) : "";
}

static char *notify_lines(su_home_t *home, const struct refer *from, const sip_t *sip)
{
	const sip_subscription_state_t *s = sip->sip_subscription_state;
	int i = subscription_of(from, sip);
	char *id = "";

	if (sip->sip_event->o_id && i >= 0)
		id = su_sprintf(home, ";id=%" PRIu32, from->subscription[i].asked);
	return su_sprintf(home, "Event: refer%s\r\nSubscription-State: %s%s%s%s\r\n", id, s->ss_substate,
			  param(home, "expires", s->ss_expires), param(home, "reason", s->ss_reason),
			  param(home, "retry-after", s->ss_retry_after));
}

char *refer_lines(su_home_t *home, const struct leg *from, const struct leg *to, const sip_t *sip)
{
	switch (sip->sip_request->rq_method) {
	case sip_method_refer:
		return refer_to_line(home, to, sip);
	case sip_method_notify:
		return notify_lines(home, &from->refer, sip);
	default:
		return NULL;
	}
}

void refer_body(sip_t *copy, su_home_t *home)
{
	sip_method_t method = copy->sip_request->rq_method;
	bool told = method == sip_method_notify && copy->sip_payload && copy->sip_payload->pl_len;

	if (method != sip_method_refer && method != sip_method_notify)
		return;
	int status = told ? status_told(copy) : 0;
	copy->sip_payload = status ? sip_payload_format(home, "SIP/2.0 %d %s\r\n", status, cause_phrase(status)) : NULL;
	copy->sip_content_type = sip_content_type_make(home, "message/sipfrag;version=2.0");
	copy->sip_content_disposition = NULL;
}

/* ---- what is waited for ---- */

void refer_sent(struct refer *to, uint32_t asked, uint32_t sent)
{
	struct refer_subscription *list = to->subscription;

	memmove(list + 1, list, (REFER_SUBSCRIPTIONS_MAX - 1) * sizeof *list);
	list[0] = (struct refer_subscription){.live = true, .asked = asked, .sent = sent};
}

void refer_declined(struct refer *to, uint32_t sent)
{
	for (int i = 0; i < REFER_SUBSCRIPTIONS_MAX; i++)
		if (to->subscription[i].sent == sent)
			to->subscription[i].live = false;
}

void refer_notified(struct refer *from, const sip_t *sip)
{
	int i = subscription_of(from, sip);

	if (i >= 0 && strcasecmp(sip->sip_subscription_state->ss_substate, "terminated") == 0)
		from->subscription[i].live = false;
}
