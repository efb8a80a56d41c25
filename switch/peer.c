/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/peer.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <sofia-sip/msg_addr.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/url.h>

void peer_of_message(struct peer *p, msg_t *msg)
{
	const su_sockaddr_t *from = msg_addr(msg);
	const sip_t *sip = sip_object(msg);
	const char *protocol = sip->sip_via ? sip->sip_via->v_protocol : "SIP/2.0/UDP";

	memset(p, 0, sizeof *p);
	memcpy(&p->address, from, SU_SOCKADDR_SIZE(from));
	p->port = ntohs(from->su_port);
	if (from->su_family == AF_INET6) {
		inet_ntop(AF_INET6, &from->su_sin6.sin6_addr, p->text, sizeof p->text);
		snprintf(p->host, sizeof p->host, "[%.45s]", p->text);
	} else {
		inet_ntop(AF_INET, &from->su_sin.sin_addr, p->text, sizeof p->text);
		snprintf(p->host, sizeof p->host, "%s", p->text);
	}
	const char *last = strrchr(protocol, '/');
	p->transport = last && strcasecmp(last, "/TCP") == 0   ? TRUNK_TCP
		       : last && strcasecmp(last, "/TLS") == 0 ? TRUNK_TLS
							       : TRUNK_UDP;
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
					    : -1;
}

/* User part up to its parameters, escapes undone once. An escaped NUL would end the text: it stays as it is. */
static void user_copy(const char *user, char out[static NUMBER_MAX])
{
	size_t n = 0;
	for (; user && *user && *user != ';' && n < NUMBER_MAX - 1; user++) {
		int hi = *user == '%' ? hex_digit(user[1]) : -1, lo = hi >= 0 ? hex_digit(user[2]) : -1;
		if (lo >= 0 && (hi || lo)) {
			out[n++] = (char)(hi << 4 | lo);
			user += 2;
		} else {
			out[n++] = *user;
		}
	}
	out[n] = '\0';
}

void peer_user(const url_t *url, char out[static NUMBER_MAX])
{
	/* tel:+44.. has its number where other URIs have a host; which one depends on how it was parsed */
	const char *user = url->url_user ? url->url_user : url->url_type == url_tel ? url->url_host : NULL;
	user_copy(user, out);
	if (url->url_type == url_tel) { /* visual separators (RFC 3966 section 5.1.1) */
		char *to = out;
		for (const char *c = out; *c; c++)
			if (!strchr("-.()", *c))
				*to++ = *c;
		*to = '\0';
	}
}

/* One list of parameters: "...;npdi;rn=+1555..." */
static bool ported_in(const char *text, char rn[static NUMBER_MAX])
{
	bool ported = false;

	while (text && *text) {
		if (strncasecmp(text, "npdi", 4) == 0 && strchr(";", text[4]))
			ported = true;
		if (strncasecmp(text, "rn=", 3) == 0) {
			const char *digits = text + 3 + (text[3] == '+');
			size_t n = strspn(digits, "0123456789");
			ported = true;
			if (n > 0 && n <= DIGITS_MAX && strchr(";", digits[n])) /* what is no number is none */
				snprintf(rn, NUMBER_MAX, "%.*s", (int)n, digits);
		}
		text = strchr(text, ';');
		if (text)
			text++;
	}
	return ported;
}

bool peer_ported(const sip_t *sip, char rn[static NUMBER_MAX])
{
	const url_t *url = sip->sip_request->rq_url;
	const char *number = url->url_user ? url->url_user : url->url_type == url_tel ? url->url_host : NULL;
	const char *in_number = number ? strchr(number, ';') : NULL;

	rn[0] = '\0';
	bool ported = in_number && ported_in(in_number + 1, rn);
	return (url->url_type == url_tel && ported_in(url->url_params, rn)) || ported;
}

void peer_called(const sip_t *sip, char out[static NUMBER_MAX])
{
	peer_user(sip->sip_request->rq_url, out);
}

void peer_calling(const sip_t *sip, bool trust_pai, char out[static NUMBER_MAX])
{
	for (const sip_unknown_t *h = trust_pai ? sip->sip_unknown : NULL; h; h = h->un_next) {
		if (strcasecmp(h->un_name, "P-Asserted-Identity") != 0)
			continue;
		su_home_t home[1] = {SU_HOME_INIT(home)};
		su_home_init(home);
		sip_from_t *pai = sip_from_make(home, h->un_value);
		out[0] = '\0';
		if (pai)
			peer_user(pai->a_url, out);
		su_home_deinit(home);
		if (out[0])
			return;
	}
	peer_user(sip->sip_from->a_url, out);
}

bool peer_private(const sip_t *sip)
{
	for (const msg_param_t *v = sip->sip_privacy ? sip->sip_privacy->priv_values : NULL; v && *v; v++)
		if (strcasecmp(*v, "id") == 0 || strcasecmp(*v, "user") == 0 || strcasecmp(*v, "header") == 0)
			return true;
	return false;
}

static sip_unsupported_t *unsupported_of(su_home_t *home, const sip_require_t *require,
					 const sip_proxy_require_t *proxy_require, bool replaces)
{
	const msg_param_t *const list[] = {require ? require->k_items : NULL,
					   proxy_require ? proxy_require->k_items : NULL};
	sip_unsupported_t *u = NULL;

	for (size_t i = 0; i < 2; i++)
		for (const msg_param_t *tag = list[i]; tag && *tag; tag++) {
			if (i == 0 && (strcasecmp(*tag, "timer") == 0 || strcasecmp(*tag, "100rel") == 0 ||
				       (replaces && strcasecmp(*tag, "replaces") == 0)))
				continue;
			if (!u)
				u = (sip_unsupported_t *)msg_header_alloc(home, sip_unsupported_class, 0);
			if (!u || msg_header_add_param(home, (msg_common_t *)u, su_strdup(home, *tag)) < 0)
				return u;
		}
	return u;
}

sip_unsupported_t *peer_unsupported(su_home_t *home, const sip_t *sip, bool replaces)
{
	return unsupported_of(home, sip->sip_require, sip->sip_proxy_require, replaces);
}

sip_unsupported_t *peer_unsupported_by_proxy(su_home_t *home, const sip_t *sip)
{
	return unsupported_of(home, NULL, sip->sip_proxy_require, false);
}
