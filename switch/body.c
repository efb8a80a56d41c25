/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/body.h"

#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "switch/leg.h"
#include "switch/worker.h"

/* The third word of an o= line, if it is a number; else 1. */
static int origin_version(const char *line, size_t len, const char **digits)
{
	size_t at = 2, word = 0, n;

	for (;; word++) {
		while (at < len && line[at] == ' ')
			at++;
		for (n = 0; at + n < len && line[at + n] != ' ';)
			n++;
		if (word == 2 || n == 0)
			break;
		at += n;
	}
	*digits = line + at;
	return n && n < 20 && strspn(line + at, "0123456789") >= n ? (int)n : 0;
}

static void line_put(struct buf *out, const char *line, size_t len, const struct leg *to, bool in_session)
{
	const char *digits;
	char kind = len >= 2 && line[1] == '=' ? line[0] : '\0';

	if (kind == 'o') {
		const struct worker_port *port = to->port;
		int n = origin_version(line, len, &digits);
		buf_printf(out, "o=- %u %.*s IN %s %.*s\r\n", to->sdp_id, n ? n : 1, n ? digits : "1",
			   port->host[0] == '[' ? "IP6" : "IP4", (int)strcspn(port->host + (port->host[0] == '['), "]"),
			   port->host + (port->host[0] == '['));
	} else if (kind == 's') {
		buf_puts(out, "s=-\r\n");
	} else if (in_session && kind && strchr("iuep", kind)) {
		return;
	} else {
		buf_append(out, line, len);
		buf_puts(out, "\r\n");
	}
}

static void sdp_mask(struct buf *out, const char *text, size_t len, const struct leg *to)
{
	bool in_session = true; /* before the first m= */

	for (size_t at = 0; at < len;) {
		const char *line = text + at, *end = memchr(line, '\n', len - at);
		size_t n = end ? (size_t)(end - line) : len - at;
		at += n + 1;
		while (n && line[n - 1] == '\r')
			n--;
		if (n >= 2 && line[0] == 'm' && line[1] == '=')
			in_session = false;
		if (n)
			line_put(out, line, n, to, in_session);
	}
}

static bool is_sdp(const sip_content_type_t *type)
{
	return type && type->c_type && strcasecmp(type->c_type, "application/sdp") == 0;
}

bool body_has_sdp(const sip_t *sip)
{
	return sip && sip->sip_payload && sip->sip_payload->pl_len && is_sdp(sip->sip_content_type);
}

bool body_hides_sdp(const sip_t *sip)
{
	const sip_content_type_t *type = sip && sip->sip_payload ? sip->sip_content_type : NULL;

	return type && type->c_type && strncasecmp(type->c_type, "multipart/", 10) == 0;
}

void body_set(sip_t *sip, su_home_t *home, const char *text, size_t len)
{
	sip->sip_payload = sip_payload_create(home, text, (isize_t)len);
}

int body_offer(sip_t *copy, su_home_t *home, const sip_t *sip, const struct codecs *from, const struct codecs *to)
{
	*copy = *sip;
	if (!body_has_sdp(sip) || (!from->n && !to->n))
		return 0;
	struct buf once = {0}, twice = {0};
	int r = codecs_filter(&once, sip->sip_payload->pl_data, sip->sip_payload->pl_len, from);
	if (r == 0)
		r = codecs_filter(&twice, once.text ? once.text : "", once.len, to);
	if (r == 0)
		body_set(copy, home, twice.text ? twice.text : "", twice.len);
	buf_free(&once);
	buf_free(&twice);
	return r;
}

struct body body_for(su_home_t *home, const struct leg *to, const sip_t *sip)
{
	struct body b = {0};

	if (!sip || !sip->sip_payload || !sip->sip_payload->pl_len)
		return b;
	b.type = sip->sip_content_type;
	b.disposition = sip->sip_content_disposition;
	if (!is_sdp(b.type)) {
		b.payload = sip_payload_dup(home, sip->sip_payload);
		return b;
	}
	struct buf text = {0};
	sdp_mask(&text, sip->sip_payload->pl_data, sip->sip_payload->pl_len, to);
	b.payload = sip_payload_create(home, text.text ? text.text : "", (isize_t)text.len);
	buf_free(&text);
	return b;
}
