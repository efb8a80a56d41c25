/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/body.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "lib/random.h"
#include "switch/leg.h"
#include "switch/multipart.h"
#include "switch/worker.h"

#include <sofia-sip/msg_header.h>

enum { BOUNDARY_CHARS = 32 };

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
	for (size_t i = 0; i < n; i++)
		if (!isdigit((unsigned char)line[at + i]))
			return 0;
	return n < 20 ? (int)n : 0;
}

/* Attributes that tell of who made it, and nothing of the media: a=tool, and the name of an ssrc (user@host). */
static bool tells_its_maker(const char *line, size_t len)
{
	return (len > 7 && strncasecmp(line, "a=tool:", 7) == 0) ||
	       (len > 7 && strncasecmp(line, "a=ssrc:", 7) == 0 && memmem(line, len, " cname:", 7));
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
	} else if (kind == 'i' || (in_session && kind && strchr("uep", kind)) || tells_its_maker(line, len)) {
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

static bool is_multipart(const sip_content_type_t *type)
{
	return type && type->c_type && strncasecmp(type->c_type, "multipart/", 10) == 0;
}

bool body_has_sdp(const sip_t *sip)
{
	return sip && sip->sip_payload && sip->sip_payload->pl_len && is_sdp(sip->sip_content_type);
}

bool body_hides_sdp(const sip_t *sip)
{
	return sip && sip->sip_payload && is_multipart(sip->sip_content_type);
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

/* ---- several bodies in one ---- */

static bool parts_open(struct multipart *m, const sip_t *sip)
{
	return multipart_open(m, sip->sip_payload->pl_data, sip->sip_payload->pl_len,
			      msg_params_find(sip->sip_content_type->c_params, "boundary="));
}

bool body_unreadable(const sip_t *sip)
{
	struct multipart m;
	return sip->sip_payload && is_multipart(sip->sip_content_type) && !parts_open(&m, sip);
}

static void header_copy(struct buf *out, const struct multipart_part *part, const char *name)
{
	size_t len;
	const char *value = multipart_header(part, name, &len);

	if (value)
		buf_printf(out, "%s: %.*s\r\n", name, (int)len, value);
}

/* Content-IDs and what else names hosts stays here; so do bodies within bodies. */
static void part_put(struct buf *out, const struct multipart_part *part, const char *boundary, const struct leg *to)
{
	static const char sdp[] = "application/sdp";
	size_t len = 0;
	const char *type = multipart_header(part, "Content-Type", &len);

	if (type && len >= 10 && strncasecmp(type, "multipart/", 10) == 0)
		return;
	buf_printf(out, "--%s\r\n", boundary);
	header_copy(out, part, "Content-Type");
	header_copy(out, part, "Content-Disposition");
	header_copy(out, part, "Content-Transfer-Encoding");
	buf_puts(out, "\r\n");
	bool plain = type && len >= sizeof sdp - 1 && strncasecmp(type, sdp, sizeof sdp - 1) == 0;
	if (plain) /* ends with CRLF, and the delimiter has one of its own */
		sdp_mask(out, part->body, part->body_len, to);
	else
		buf_append(out, part->body, part->body_len);
	buf_puts(out, "\r\n");
}

/* The same parts between delimiters of ours. */
static struct body parts_for(su_home_t *home, const struct leg *to, const sip_t *sip)
{
	struct body b = {.disposition = sip->sip_content_disposition};
	struct multipart m;
	struct multipart_part part;
	struct buf text = {0};
	char boundary[BOUNDARY_CHARS + 1];

	if (!parts_open(&m, sip))
		return (struct body){0};
	random_token(boundary, BOUNDARY_CHARS);
	while (multipart_next(&m, &part))
		part_put(&text, &part, boundary, to);
	buf_printf(&text, "--%s--\r\n", boundary);
	b.type = sip_content_type_format(home, "%s;boundary=\"%s\"", sip->sip_content_type->c_type, boundary);
	b.payload = sip_payload_create(home, text.text, (isize_t)text.len);
	buf_free(&text);
	return b;
}

struct body body_for(su_home_t *home, const struct leg *to, const sip_t *sip)
{
	struct body b = {0};

	if (!sip || !sip->sip_payload || !sip->sip_payload->pl_len)
		return b;
	if (is_multipart(sip->sip_content_type))
		return parts_for(home, to, sip);
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
