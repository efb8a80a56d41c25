/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "routing/number.h"
#include "switch/peer.h"
#include "switch/uri.h"

#include <sofia-sip/msg_header.h>
#include <sofia-sip/url.h>

enum { ENTRIES_MAX = 16 }; /* of one kind; what comes after is not told */

static const char nobody[] = "<sip:anonymous@anonymous.invalid>"; /* RFC 3323 section 4.1.1.3 */

bool identity_withheld(const struct identity *id)
{
	return id->secret && id->to->identity[IDENTITY_PRIVACY] == IDENTITY_DROP;
}

/* Both let it through. */
static bool crosses(const struct identity *id, enum identity_header h)
{
	return id->from->identity[h] != IDENTITY_DROP && id->to->identity[h] != IDENTITY_DROP;
}

/* ---- parts ---- */

static bool number_rewrite(const struct identity *id, enum identity_header h, char number[static NUMBER_MAX])
{
	const struct trunk *const side[] = {id->from, id->to};
	char out[NUMBER_MAX];

	for (size_t i = 0; i < 2; i++) {
		if (side[i]->identity[h] != IDENTITY_REWRITE)
			continue;
		if (number_calling(side[i], number, out))
			return false;
		memcpy(number, out, sizeof out);
	}
	return true;
}

static void display_put(struct buf *out, const char *display)
{
	if (!display || !display[0])
		return;
	for (const char *c = display; *c; c++)
		buf_putc(out, *c == '\r' || *c == '\n' ? ' ' : *c); /* a folded line */
	buf_putc(out, ' ');
}

static bool is_number(const char *text)
{
	return text[0] && text[strspn(text, "+0123456789*#")] == '\0';
}

/* <sip:NUMBER@ours;inside>, or <tel:NUMBER>. False: the URI names no number. */
static bool uri_put(const struct identity *id, enum identity_header h, const url_t *url, const char *inside,
		    struct buf *out)
{
	char number[NUMBER_MAX];
	su_home_t home[1] = {SU_HOME_INIT(home)};

	if (url->url_type != url_sip && url->url_type != url_sips && url->url_type != url_tel)
		return false;
	peer_user(url, number);
	if (!number[0] || !number_rewrite(id, h, number))
		return false;
	if (url->url_type == url_tel) {
		if (!is_number(number))
			return false;
		buf_printf(out, "<tel:%s>", number);
		return true;
	}
	su_home_init(home);
	const char *user = uri_user_escape(home, number);
	buf_printf(out, "<sip:%s@%s%s>", user ? user : "", id->host, inside);
	su_home_deinit(home);
	return user != NULL;
}

/* A parameter's value without quotes, if it is one of the words, or, without words, a number like 2 or 1.1. */
static void param_put(struct buf *out, const sip_contact_t *m, const char *name, const char *const *words)
{
	char key[16], value[32];

	snprintf(key, sizeof key, "%s=", name);
	const char *text = msg_params_find(m->m_params, key);
	size_t quote = text && text[0] == '"', len = text ? strcspn(text + quote, "\"") : 0;
	if (len == 0 || len >= sizeof value)
		return;
	snprintf(value, sizeof value, "%.*s", (int)len, text + quote);
	if (!words && value[strspn(value, "0123456789.")] == '\0')
		buf_printf(out, ";%s=%s", name, value);
	for (; words && *words; words++)
		if (strcasecmp(*words, value) == 0)
			buf_printf(out, ";%s=%s", name, *words);
}

/* ---- headers ---- */

typedef bool entry_put(const struct identity *id, const sip_contact_t *m, struct buf *out);

/* Each address of each header of that name, as put writes it: false, and it is left out. */
static void entries_put(const struct identity *id, const sip_t *sip, const char *name, entry_put *put, struct buf *out)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};
	int n = 0;

	su_home_init(home);
	for (const sip_unknown_t *h = sip->sip_unknown; h; h = h->un_next) {
		if (strcasecmp(h->un_name, name) != 0 || !h->un_value)
			continue;
		/* name-addr or addr-spec with parameters, and lists of them: what a Contact is */
		for (const sip_contact_t *m = sip_contact_make(home, h->un_value); m && n < ENTRIES_MAX;
		     m = m->m_next) {
			struct buf line = {0};
			if (put(id, m, &line)) {
				buf_printf(out, "%s: %s\r\n", name, line.text);
				n++;
			}
			buf_free(&line);
		}
	}
	su_home_deinit(home);
}

static void caller_put(const struct identity *id, struct buf *out)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};

	su_home_init(home);
	const char *user = uri_user_escape(home, id->number);
	display_put(out, id->display);
	buf_printf(out, "<sip:%s@%s>", user ? user : "anonymous", id->host);
	su_home_deinit(home);
}

static bool asserted_put(const struct identity *id, const sip_contact_t *m, struct buf *out)
{
	display_put(out, m->m_display);
	return uri_put(id, IDENTITY_ASSERTED, m->m_url, "", out);
}

static void asserted_write(const struct identity *id, const sip_t *sip, struct buf *out)
{
	if (identity_withheld(id))
		return;
	if (id->to->identity[IDENTITY_ASSERTED] != IDENTITY_REWRITE) {
		if (crosses(id, IDENTITY_ASSERTED))
			entries_put(id, sip, "P-Asserted-Identity", asserted_put, out);
	} else if (is_number(id->number)) {
		buf_puts(out, "P-Asserted-Identity: ");
		caller_put(id, out);
		buf_puts(out, "\r\n");
	}
}

/* RFC 5806 and the Remote-Party-ID draft let each address say that it is not to be shown. */
static bool entry_secret(const struct identity *id, const sip_contact_t *m)
{
	const char *wish = msg_params_find(m->m_params, "privacy=");

	return wish && !strcasestr(wish, "off") && id->to->identity[IDENTITY_PRIVACY] == IDENTITY_DROP;
}

static const char *const privacies[] = {"full", "name", "uri", "off", NULL};
static const char *const screens[] = {"yes", "no", NULL};

static bool remote_put(const struct identity *id, const sip_contact_t *m, struct buf *out)
{
	static const char *const parties[] = {"calling", "called", NULL};

	if (entry_secret(id, m))
		return false;
	display_put(out, m->m_display);
	if (!uri_put(id, IDENTITY_REMOTE, m->m_url, "", out))
		return false;
	param_put(out, m, "party", parties);
	param_put(out, m, "screen", screens);
	param_put(out, m, "privacy", privacies);
	return true;
}

static void remote_write(const struct identity *id, const sip_t *sip, struct buf *out)
{
	if (identity_withheld(id))
		return;
	if (id->to->identity[IDENTITY_REMOTE] != IDENTITY_REWRITE) {
		if (crosses(id, IDENTITY_REMOTE))
			entries_put(id, sip, "Remote-Party-ID", remote_put, out);
	} else if (is_number(id->number)) {
		buf_puts(out, "Remote-Party-ID: ");
		caller_put(id, out);
		buf_printf(out, ";party=calling;screen=%s;privacy=%s\r\n", id->from->trust_pai ? "yes" : "no",
			   id->secret ? "full" : "off");
	}
}

static void privacy_write(const struct identity *id, const sip_t *sip, struct buf *out)
{
	static const char *const words[] = {"id", "user", "header", "session", "history", "critical", "none", NULL};
	const char *before = "Privacy: ";

	if (!crosses(id, IDENTITY_PRIVACY) || !sip->sip_privacy)
		return;
	if (id->from->identity[IDENTITY_PRIVACY] == IDENTITY_REWRITE ||
	    id->to->identity[IDENTITY_PRIVACY] == IDENTITY_REWRITE) {
		if (id->secret)
			buf_puts(out, "Privacy: id\r\n");
		return;
	}
	for (const msg_param_t *v = sip->sip_privacy->priv_values; v && *v; v++)
		for (const char *const *word = words; *word; word++)
			if (strcasecmp(*v, *word) == 0) {
				buf_printf(out, "%s%s", before, *word);
				before = ";";
			}
	if (before[0] == ';')
		buf_puts(out, "\r\n");
}

static bool diversion_put(const struct identity *id, const sip_contact_t *m, struct buf *out)
{
	static const char *const reasons[] = {"unknown",       "user-busy",	 "no-answer",	   "unavailable",
					      "unconditional", "time-of-day",	 "do-not-disturb", "deflection",
					      "follow-me",     "out-of-service", "away",	   NULL};

	if (entry_secret(id, m))
		return false;
	display_put(out, m->m_display);
	if (!uri_put(id, IDENTITY_DIVERSION, m->m_url, "", out))
		return false;
	param_put(out, m, "reason", reasons);
	param_put(out, m, "counter", NULL);
	param_put(out, m, "limit", NULL);
	param_put(out, m, "privacy", privacies);
	param_put(out, m, "screen", screens);
	return true;
}

/* Why a target was left: "Reason=SIP%3Bcause%3D302" among the URI's headers (RFC 7044 section 5). Only the code
 * crosses. */
static void history_reason(const url_t *url, char *out, size_t size)
{
	char text[256];

	out[0] = '\0';
	const char *at = url->url_headers ? strcasestr(url->url_headers, "Reason=") : NULL;
	if (!at || strlen(at) >= sizeof text)
		return;
	url_unescape(text, at + strlen("Reason="));
	text[strcspn(text, "&")] = '\0';
	const char *cause = strcasestr(text, "cause=");
	bool q850 = strncasecmp(text, "Q.850", 5) == 0;
	if (cause && (q850 || strncasecmp(text, "SIP", 3) == 0) && strspn(cause + 6, "0123456789") > 0)
		snprintf(out, size, "?Reason=%s%%3Bcause%%3D%.3d", q850 ? "Q.850" : "SIP", atoi(cause + 6) % 1000);
}

static bool history_put(const struct identity *id, const sip_contact_t *m, struct buf *out)
{
	const url_t *url = m->m_url;
	char cause[8] = "", reason[48], inside[80];
	bool secret = url->url_headers && strcasestr(url->url_headers, "Privacy=") &&
		      !strcasestr(url->url_headers, "Privacy=none");

	url_param(url->url_params, "cause", cause, sizeof cause);
	history_reason(url, reason, sizeof reason);
	bool known = cause[0] && cause[strspn(cause, "0123456789")] == '\0';
	snprintf(inside, sizeof inside, "%s%s%s", known ? ";cause=" : "", known ? cause : "", reason);
	if (secret && id->to->identity[IDENTITY_PRIVACY] == IDENTITY_DROP) {
		buf_puts(out, nobody); /* the place of the entry stays: indices go on counting */
	} else {
		display_put(out, m->m_display);
		if (!uri_put(id, IDENTITY_HISTORY, url, inside, out))
			return false;
	}
	static const char *const params[] = {"index", "rc", "mp", "np"};
	for (size_t i = 0; i < sizeof params / sizeof params[0]; i++)
		param_put(out, m, params[i], NULL);
	return true;
}

/* RFC 7044 section 10.1.2: the whole history is withheld by Privacy history, header or session. */
static bool history_withheld(const struct identity *id, const sip_t *sip)
{
	if (id->to->identity[IDENTITY_PRIVACY] != IDENTITY_DROP)
		return false;
	for (const msg_param_t *v = sip->sip_privacy ? sip->sip_privacy->priv_values : NULL; v && *v; v++)
		if (strcasecmp(*v, "history") == 0 || strcasecmp(*v, "header") == 0 || strcasecmp(*v, "session") == 0)
			return true;
	return false;
}

void identity_write(const struct identity *id, const sip_t *sip, struct buf *out)
{
	asserted_write(id, sip, out);
	remote_write(id, sip, out);
	privacy_write(id, sip, out);
	if (crosses(id, IDENTITY_DIVERSION))
		entries_put(id, sip, "Diversion", diversion_put, out);
	if (crosses(id, IDENTITY_HISTORY) && !history_withheld(id, sip))
		entries_put(id, sip, "History-Info", history_put, out);
}
