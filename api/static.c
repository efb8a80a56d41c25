/* SPDX-License-Identifier: Apache-2.0 */
/* / and /console/{name}: the web console. */
#include "api/static.h"

#include <inttypes.h>
#include <string.h>

#include "api/handlers.h"

static const char *type_of(const char *name)
{
	static const struct {
		const char *ending, *type;
	} types[] = {
		{".html", "text/html; charset=utf-8"},
		{".css", "text/css; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
		{".svg", "image/svg+xml"},
	};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot != NULL && i < sizeof(types) / sizeof(*types); i++)
		if (strcmp(dot, types[i].ending) == 0)
			return types[i].type;
	return "text/plain; charset=utf-8";
}

/* FNV-1a: tells versions of our own files apart, no more. */
static uint64_t fingerprint(const struct static_file *f)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < f->len; i++)
		h = (h ^ (unsigned char)f->text[i]) * UINT64_C(1099511628211);
	return h;
}

static void send_file(struct request *r, const struct static_file *f)
{
	const char *etag = arena_printf(r->arena, "\"%016" PRIx64 "\"", fingerprint(f));

	if (!request_answer_same(r, etag)) {
		buf_reset(&r->answer.body);
		buf_append(&r->answer.body, f->text, f->len);
		request_answer(r, 200, type_of(f->name));
	}
	r->answer.page = true;
}

void console_file(struct request *r)
{
	const char *name = r->id != NULL ? r->id : "index.html";

	for (size_t i = 0; i < static_files_count; i++) {
		if (strcmp(static_files[i].name, name) == 0) {
			send_file(r, &static_files[i]);
			return;
		}
	}
	request_problem(r, 404, "There is no such file here.");
}
