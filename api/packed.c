/* SPDX-License-Identifier: Apache-2.0 */
#include "api/packed.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "lib/buf.h"

#define GZIP_WINDOW (15 + 16) /* zlib: a gzip header and trailer instead of its own */
#define GZIP_MEMORY 9

/* FNV-1a: tells versions of our own texts apart, no more. */
static uint64_t fingerprint(const char *text, size_t len)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
	return h;
}

static void pack(struct packed *p)
{
	z_stream z = {.next_in = (unsigned char *)p->text, .avail_in = (uInt)p->len};

	if (p->len == 0 || p->len > UINT32_MAX ||
	    deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		return;
	char *out = xcalloc(1, p->len);
	z.next_out = (unsigned char *)out;
	z.avail_out = (uInt)p->len;
	if (deflate(&z, Z_FINISH) == Z_STREAM_END) {
		p->gzip = out;
		p->gzip_len = z.total_out;
	} else {
		free(out); /* it would not get smaller */
	}
	deflateEnd(&z);
}

void packed_make(struct packed *p, const char *text, size_t len)
{
	uint64_t print = fingerprint(text, len);

	*p = (struct packed){.text = text, .len = len};
	snprintf(p->etag, sizeof(p->etag), "\"%016" PRIx64 "\"", print);
	snprintf(p->gzip_etag, sizeof(p->gzip_etag), "\"%016" PRIx64 "-gz\"", print);
	pack(p);
}

void packed_free(struct packed *p)
{
	free(p->gzip);
	*p = (struct packed){NULL};
}

/* Does a list element's weight, "; q=0.5", forbid it? */
static bool is_zero(const char *weight, size_t len)
{
	size_t i = 0;

	while (i < len && strchr(" \t;", weight[i]) != NULL)
		i++;
	if (len - i < 3 || strncasecmp(weight + i, "q=0", 3) != 0)
		return false;
	for (i += 3; i < len; i++)
		if (weight[i] >= '1' && weight[i] <= '9')
			return false;
	return true;
}

bool packed_wanted(const char *accept_encoding)
{
	bool any = false;

	for (const char *at = accept_encoding; at != NULL && *at != '\0';) {
		at += strspn(at, ", \t");
		size_t len = strcspn(at, ","), name = strcspn(at, ",; \t");
		bool welcome = !is_zero(at + name, len - name);
		if (name == 4 && strncasecmp(at, "gzip", name) == 0)
			return welcome;
		any |= name == 1 && *at == '*' && welcome;
		at += len;
	}
	return any;
}

void packed_answer(struct request *r, const struct packed *p, const char *type)
{
	bool gzip = p->gzip != NULL && packed_wanted(r->accept_encoding);

	if (!request_answer_same(r, gzip ? p->gzip_etag : p->etag)) {
		buf_reset(&r->answer.body);
		buf_append(&r->answer.body, gzip ? p->gzip : p->text, gzip ? p->gzip_len : p->len);
		request_answer(r, 200, type);
		r->answer.gzipped = gzip;
	}
	r->answer.kept = true;
}
